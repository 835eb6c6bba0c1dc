"""Assignment of further images to classes that stay as they are."""

from repic_plugin.classification.assignment.assign import assign_particles
from repic_plugin.classification.assignment.measured import Measured
from repic_plugin.classification.assignment.result import Assignment

__all__ = ["Assignment", "Measured", "assign_particles"]
