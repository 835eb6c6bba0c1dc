"""Micrographs and a few particles in, templates and more particles out."""

from repic_plugin.template_picking.correlation import TemplateBank
from repic_plugin.template_picking.extraction import ExtractedParticles, extract_particles
from repic_plugin.template_picking.peaks import find_peaks
from repic_plugin.template_picking.picking import (
    DEFAULT_DISTANCE_BOXES,
    DEFAULT_STEP_DEG,
    FoundParticles,
    TemplateMatcher,
)
from repic_plugin.template_picking.preparation import (
    cut_boxes,
    prepare_micrograph,
    reduced_box_px,
    reduction,
)
from repic_plugin.template_picking.templates import (
    LearntTemplates,
    fitted_templates,
    general_template,
    learn_templates,
    n_templates_for,
    rotated_templates,
    template_mask,
)

__all__ = [
    "DEFAULT_DISTANCE_BOXES",
    "DEFAULT_STEP_DEG",
    "ExtractedParticles",
    "FoundParticles",
    "LearntTemplates",
    "TemplateBank",
    "TemplateMatcher",
    "cut_boxes",
    "extract_particles",
    "find_peaks",
    "fitted_templates",
    "general_template",
    "learn_templates",
    "n_templates_for",
    "prepare_micrograph",
    "reduced_box_px",
    "reduction",
    "rotated_templates",
    "template_mask",
]
