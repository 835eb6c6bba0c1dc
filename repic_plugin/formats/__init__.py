"""Files to arrays and back: picks (`known_formats`) and particles (MRC, STAR)."""

from repic_plugin.formats.base.arrays import read_arrays, write_arrays
from repic_plugin.formats.base.atomic import UNFINISHED, atomic_open, atomic_write
from repic_plugin.formats.base.csv_tables import (
    NUMBER_OR_NONE,
    TEXT,
    Kind,
    typed_columns,
    write_table,
)
from repic_plugin.formats.base.errors import (
    FormatError,
    PathLike,
    format_error,
    listed,
)
from repic_plugin.formats.base.star_writing import table_text
from repic_plugin.formats.base.text_tables import TextTable, header_table, read_columns
from repic_plugin.formats.images.class_star import write_classes_star
from repic_plugin.formats.images.growing_stacks import GrowingStacks
from repic_plugin.formats.images.micrograph_ctf import read_micrograph_ctfs
from repic_plugin.formats.images.mrc import open_mrc, stack_file
from repic_plugin.formats.images.mrc_header import HEADER_BYTES, read_header
from repic_plugin.formats.images.mrc_writing import write_mrc, write_stack
from repic_plugin.formats.images.particle_star_writing import write_particles_star
from repic_plugin.formats.images.particles import ParticleTable, read_particles
from repic_plugin.formats.images.stacks import (
    STACK_SUFFIXES,
    ImageStacks,
    is_same_pixel_size,
    open_stack,
    read_map,
)
from repic_plugin.formats.images.watched_ctfs import ListedCtf, WatchedCtfs
from repic_plugin.formats.picks.csv_picks import write as write_csv
from repic_plugin.formats.picks.folders import PicksDir, read_picker_folder, read_picks_dir
from repic_plugin.formats.picks.ignored import why_ignored
from repic_plugin.formats.picks.low_scores import low_scores
from repic_plugin.formats.picks.micrograph_names import read_micrograph_names
from repic_plugin.formats.picks.names import (
    Addition,
    NameMatch,
    addition_note,
    distinct_names,
    match_names,
    micrograph_name,
    unify_names,
)
from repic_plugin.formats.picks.registry import (
    Format,
    known_formats,
    read_picks_file,
    write_picks_file,
)
from repic_plugin.formats.picks.table import PickTable, centers_from_corners, corners_from_centers
from repic_plugin.formats.picks.watched import PicksOfMicrograph, WatchedFolder, folder_stamp
from repic_plugin.formats.results.agreement import read_agreement, write_agreement
from repic_plugin.formats.results.candidate_classes import (
    CandidateClasses,
    classes_of_labels,
    read_candidate_labels,
    told_classes,
    write_candidate_classes,
)
from repic_plugin.formats.results.candidate_classification import (
    LEAST_SIDE_PX,
    classify_candidates,
)
from repic_plugin.formats.results.class_files import (
    CLASS_FILES,
    checkpoint_owner,
    read_checkpoint,
    write_assigned_files,
    write_checkpoint,
    write_class_files,
    write_classes_of_stream,
    write_streamed_files,
)
from repic_plugin.formats.results.class_references import (
    REFERENCES,
    GivenClasses,
    read_given_classes,
    read_references,
)
from repic_plugin.formats.results.class_stream import (
    StoredBlock,
    StreamedParticles,
    StreamFolder,
)
from repic_plugin.formats.results.class_tables import ClassScores, ClassTables, read_class_tables
from repic_plugin.formats.results.classified_particles import (
    ClassifiedParticles,
    averages_beside,
    read_classified_particles,
)
from repic_plugin.formats.results.consensus_reading import ConsensusTables, read_consensus_tables
from repic_plugin.formats.results.consensus_writing import (
    AGREEMENT_NAMES,
    CANDIDATE_FILES,
    ENSEMBLE_NAMES,
    MICROGRAPHS,
    PICK_LABELS,
    SMALLER,
    TABLE_NAMES,
    TABLES_OF_RUN,
    check_picker_columns,
    write_consensus_table,
    write_consensus_tables,
    write_summary_table,
)
from repic_plugin.formats.results.ensemble import read_ensemble, write_ensemble
from repic_plugin.formats.results.fsc import read_fsc_table, write_fsc_table
from repic_plugin.formats.results.hand_picks import (
    ADD,
    REMOVE,
    Edit,
    HandPicks,
    append_edit,
    read_edits,
)
from repic_plugin.formats.results.iterations import read_iterations, write_iterations
from repic_plugin.formats.results.micrograph_quality import (
    JudgedMicrographs,
    read_micrograph_quality,
    write_micrograph_quality,
)
from repic_plugin.formats.results.particle_files import (
    MICROGRAPH_EXTENSION,
    NAMING_FORMATS,
    PARTICLES,
    RELION,
    particle_formats,
    write_particle_files,
)
from repic_plugin.formats.results.pattern_folders import consensus_files, write_pattern_sets
from repic_plugin.formats.results.pick_labels import write_pick_labels
from repic_plugin.formats.results.picker_classes import PickerClasses, read_picker_classes
from repic_plugin.formats.results.picking import (
    PickedMicrograph,
    read_picked_micrographs,
    write_picked_micrographs,
)
from repic_plugin.formats.results.quality import read_quality
from repic_plugin.formats.results.run_record import (
    RunRecord,
    read_run_record,
    write_run_record,
)
from repic_plugin.formats.results.scores import (
    read_curves,
    read_micrograph_scores,
    read_scores,
    write_curves,
    write_micrograph_scores,
    write_scores,
)
from repic_plugin.formats.results.selections import SELECTION_FILES, write_selection
from repic_plugin.formats.results.smaller_groups import read_smaller_groups, write_smaller_groups

__all__ = [
    "ADD",
    "AGREEMENT_NAMES",
    "CANDIDATE_FILES",
    "CLASS_FILES",
    "ENSEMBLE_NAMES",
    "HEADER_BYTES",
    "LEAST_SIDE_PX",
    "MICROGRAPHS",
    "MICROGRAPH_EXTENSION",
    "NAMING_FORMATS",
    "NUMBER_OR_NONE",
    "PARTICLES",
    "PICK_LABELS",
    "REFERENCES",
    "RELION",
    "REMOVE",
    "SELECTION_FILES",
    "SMALLER",
    "STACK_SUFFIXES",
    "TABLES_OF_RUN",
    "TABLE_NAMES",
    "TEXT",
    "UNFINISHED",
    "Addition",
    "CandidateClasses",
    "ClassScores",
    "ClassTables",
    "ClassifiedParticles",
    "ConsensusTables",
    "Edit",
    "Format",
    "FormatError",
    "GivenClasses",
    "GrowingStacks",
    "HandPicks",
    "ImageStacks",
    "JudgedMicrographs",
    "Kind",
    "ListedCtf",
    "NameMatch",
    "ParticleTable",
    "PathLike",
    "PickTable",
    "PickedMicrograph",
    "PickerClasses",
    "PicksDir",
    "PicksOfMicrograph",
    "RunRecord",
    "StoredBlock",
    "StreamFolder",
    "StreamedParticles",
    "TextTable",
    "WatchedCtfs",
    "WatchedFolder",
    "addition_note",
    "append_edit",
    "atomic_open",
    "atomic_write",
    "averages_beside",
    "centers_from_corners",
    "check_picker_columns",
    "checkpoint_owner",
    "classes_of_labels",
    "classify_candidates",
    "consensus_files",
    "corners_from_centers",
    "distinct_names",
    "folder_stamp",
    "format_error",
    "header_table",
    "is_same_pixel_size",
    "known_formats",
    "listed",
    "low_scores",
    "match_names",
    "micrograph_name",
    "open_mrc",
    "open_stack",
    "particle_formats",
    "read_agreement",
    "read_arrays",
    "read_candidate_labels",
    "read_checkpoint",
    "read_class_tables",
    "read_classified_particles",
    "read_columns",
    "read_consensus_tables",
    "read_curves",
    "read_edits",
    "read_ensemble",
    "read_fsc_table",
    "read_given_classes",
    "read_header",
    "read_iterations",
    "read_map",
    "read_micrograph_ctfs",
    "read_micrograph_names",
    "read_micrograph_quality",
    "read_micrograph_scores",
    "read_particles",
    "read_picked_micrographs",
    "read_picker_classes",
    "read_picker_folder",
    "read_picks_dir",
    "read_picks_file",
    "read_quality",
    "read_references",
    "read_run_record",
    "read_scores",
    "read_smaller_groups",
    "stack_file",
    "table_text",
    "told_classes",
    "typed_columns",
    "unify_names",
    "why_ignored",
    "write_agreement",
    "write_arrays",
    "write_assigned_files",
    "write_candidate_classes",
    "write_checkpoint",
    "write_class_files",
    "write_classes_of_stream",
    "write_classes_star",
    "write_consensus_table",
    "write_consensus_tables",
    "write_csv",
    "write_curves",
    "write_ensemble",
    "write_fsc_table",
    "write_iterations",
    "write_micrograph_quality",
    "write_micrograph_scores",
    "write_mrc",
    "write_particle_files",
    "write_particles_star",
    "write_pattern_sets",
    "write_pick_labels",
    "write_picked_micrographs",
    "write_picks_file",
    "write_run_record",
    "write_scores",
    "write_selection",
    "write_smaller_groups",
    "write_stack",
    "write_streamed_files",
    "write_summary_table",
    "write_table",
]
