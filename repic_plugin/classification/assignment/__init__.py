"""Assignment of further images to classes that stay as they are."""

from repic_plugin.classification.assignment.assign import Assignment, assign_particles
from repic_plugin.classification.assignment.measured import Measured

__all__ = ["Assignment", "Measured", "assign_particles"]
