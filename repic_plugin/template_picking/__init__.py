"""Template picking: templates from a few particles, matched by cross-correlation."""

from repic_plugin.template_picking.correlation import TemplateBank
from repic_plugin.template_picking.diameters import MIN_DISTANCE_DIAMETERS, measured_diameter
from repic_plugin.template_picking.extraction import ExtractedParticles, extract_particles
from repic_plugin.template_picking.masks import MicrographMask, find_mask
from repic_plugin.template_picking.picking import (
    DEFAULT_STEP_DEG,
    FoundParticles,
    TemplateMatcher,
)
from repic_plugin.template_picking.preparation import cut_boxes, prepare_micrograph
from repic_plugin.template_picking.reduced import reduction
from repic_plugin.template_picking.templates import (
    LearntTemplates,
    fitted_templates,
    learn_templates,
)

__all__ = [
    "DEFAULT_STEP_DEG",
    "MIN_DISTANCE_DIAMETERS",
    "ExtractedParticles",
    "FoundParticles",
    "LearntTemplates",
    "MicrographMask",
    "TemplateBank",
    "TemplateMatcher",
    "cut_boxes",
    "extract_particles",
    "find_mask",
    "fitted_templates",
    "learn_templates",
    "measured_diameter",
    "prepare_micrograph",
    "reduction",
]
