"""Conversion between Scipion's sets and arrays: the only room that uses both."""

from repic_plugin.convert.classes import (
    ClassMembers,
    ClassSummary,
    append_averages,
    append_classes,
    append_members,
)
from repic_plugin.convert.coordinates import (
    MicrographTable,
    ParticleClasses,
    PickerInput,
    append_particles,
    append_picks,
    find_micrographs,
    find_score_attribute,
    match_micrographs,
    read_micrographs,
    read_picks,
)
from repic_plugin.convert.given_particles import (
    SetParticles,
    check_coordinates_of,
    read_class_averages,
    read_given_particles,
)
from repic_plugin.convert.growing import (
    GrowingMicrographs,
    GrowingPicks,
    Span,
    UnreadableSetError,
    stream_state,
)
from repic_plugin.convert.images import micrograph_pixels, open_micrograph
from repic_plugin.convert.micrographs import (
    append_micrographs,
    box_size_on,
    mean_defocus,
    micrograph_ctfs,
    micrograph_files,
    name_notes,
    picks_on_micrographs,
    pixel_ratio,
    read_picks_on,
)
from repic_plugin.convert.particles import (
    ParticleRows,
    as_mrc_stacks,
    read_particle_rows,
    unreadable_stacks,
)
from repic_plugin.convert.rates import write_rates
from repic_plugin.convert.sets import (
    count_items,
    has_probabilities,
    is_main_set,
    item_labels,
    read_item_columns,
)
from repic_plugin.convert.transforms import SHIFT_ORDERS, transform_matrices

__all__ = [
    "SHIFT_ORDERS",
    "ClassMembers",
    "ClassSummary",
    "GrowingMicrographs",
    "GrowingPicks",
    "MicrographTable",
    "ParticleClasses",
    "ParticleRows",
    "PickerInput",
    "SetParticles",
    "Span",
    "UnreadableSetError",
    "append_averages",
    "append_classes",
    "append_members",
    "append_micrographs",
    "append_particles",
    "append_picks",
    "as_mrc_stacks",
    "box_size_on",
    "check_coordinates_of",
    "count_items",
    "find_micrographs",
    "find_score_attribute",
    "has_probabilities",
    "is_main_set",
    "item_labels",
    "match_micrographs",
    "mean_defocus",
    "micrograph_ctfs",
    "micrograph_files",
    "micrograph_pixels",
    "name_notes",
    "open_micrograph",
    "picks_on_micrographs",
    "pixel_ratio",
    "read_class_averages",
    "read_given_particles",
    "read_item_columns",
    "read_micrographs",
    "read_particle_rows",
    "read_picks",
    "read_picks_on",
    "stream_state",
    "transform_matrices",
    "unreadable_stacks",
    "write_rates",
]
