"""Files to arrays and back: picks (BOX, CBOX, STAR, Topaz, CSV) and particles (MRC, STAR)."""

from repic_plugin.formats.arrays import read_arrays, write_arrays
from repic_plugin.formats.atomic import UNFINISHED, atomic_open, atomic_write
from repic_plugin.formats.class_files import (
    CLASS_FILES,
    checkpoint_owner,
    read_checkpoint,
    write_checkpoint,
    write_class_files,
)
from repic_plugin.formats.class_star import write_classes_star
from repic_plugin.formats.class_tables import ClassTables, read_class_tables
from repic_plugin.formats.comma import write as write_csv
from repic_plugin.formats.consensus_tables import ConsensusTables, read_consensus_tables
from repic_plugin.formats.ensemble_files import (
    ENSEMBLE_NAMES,
    read_ensemble,
    write_ensemble,
)
from repic_plugin.formats.errors import FormatError
from repic_plugin.formats.files import Format, known_formats, read_picks_file, write_picks_file
from repic_plugin.formats.folders import PicksDir, read_picker_folder, read_picks_dir
from repic_plugin.formats.fsc_table import read_fsc_table, write_fsc_table
from repic_plugin.formats.iteration_table import read_iterations, write_iterations
from repic_plugin.formats.particle_star_writing import write_particles_star
from repic_plugin.formats.particles import ParticleTable, read_particles
from repic_plugin.formats.quality_table import read_quality
from repic_plugin.formats.reports import (
    TABLE_NAMES,
    check_picker_columns,
    write_consensus_table,
    write_consensus_tables,
    write_particle_files,
    write_summary_table,
    write_table,
)
from repic_plugin.formats.score_tables import (
    read_curves,
    read_micrograph_scores,
    read_scores,
    write_curves,
    write_micrograph_scores,
    write_scores,
)
from repic_plugin.formats.stack_writing import write_stack
from repic_plugin.formats.stacks import ImageStacks, open_stack, read_map, stack_pixel_size
from repic_plugin.formats.table import (
    PickTable,
    centers_from_corners,
    corners_from_centers,
    micrograph_name,
)

__all__ = [
    "CLASS_FILES",
    "ENSEMBLE_NAMES",
    "TABLE_NAMES",
    "UNFINISHED",
    "ClassTables",
    "ConsensusTables",
    "Format",
    "FormatError",
    "ImageStacks",
    "ParticleTable",
    "PickTable",
    "PicksDir",
    "atomic_open",
    "atomic_write",
    "centers_from_corners",
    "check_picker_columns",
    "checkpoint_owner",
    "corners_from_centers",
    "known_formats",
    "micrograph_name",
    "open_stack",
    "read_arrays",
    "read_checkpoint",
    "read_class_tables",
    "read_consensus_tables",
    "read_curves",
    "read_ensemble",
    "read_fsc_table",
    "read_iterations",
    "read_map",
    "read_micrograph_scores",
    "read_particles",
    "read_picker_folder",
    "read_picks_dir",
    "read_picks_file",
    "read_quality",
    "read_scores",
    "stack_pixel_size",
    "write_arrays",
    "write_checkpoint",
    "write_class_files",
    "write_classes_star",
    "write_consensus_table",
    "write_consensus_tables",
    "write_csv",
    "write_curves",
    "write_ensemble",
    "write_fsc_table",
    "write_iterations",
    "write_micrograph_scores",
    "write_particle_files",
    "write_particles_star",
    "write_picks_file",
    "write_scores",
    "write_stack",
    "write_summary_table",
    "write_table",
]
