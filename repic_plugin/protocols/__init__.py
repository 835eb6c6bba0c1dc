"""The forms and steps that Scipion shows and runs."""

from repic_plugin.protocols.classification.protocol import ProtAckMeans2D
from repic_plugin.protocols.classification.streaming.protocol import ProtAckMeans2DStream
from repic_plugin.protocols.common.consensus_mode import (
    consensus_mode,
    is_probabilistic,
    looks_at_images,
)
from repic_plugin.protocols.common.subsets import launch_subset_of_file, output_in_file
from repic_plugin.protocols.consensus.overlays import of_coordinates, of_pickers
from repic_plugin.protocols.consensus.protocol import ProtRepicConsensus
from repic_plugin.protocols.ctf.protocol_import_ctfs import ProtRepicImportCtfs
from repic_plugin.protocols.evaluation.protocol_cross_fsc import ProtRepicCrossFsc
from repic_plugin.protocols.evaluation.protocol_evaluate import ProtRepicEvaluate
from repic_plugin.protocols.iterative.form import N_LINES
from repic_plugin.protocols.iterative.protocol import ProtRepicIterative
from repic_plugin.protocols.iterative.protocol_labels import ProtRepicLabels
from repic_plugin.protocols.iterative.protocol_subsets import ProtRepicSubsets
from repic_plugin.protocols.particles.protocol_extract import ProtRepicExtract
from repic_plugin.protocols.picking.protocol_by_hand import ProtRepicByHand
from repic_plugin.protocols.picking.protocol_deeppicker import (
    ProtDeepPickerPick,
    ProtDeepPickerTrain,
)
from repic_plugin.protocols.picking.protocol_import import ProtRepicImportPicks
from repic_plugin.protocols.picking.protocol_template import ProtTemplatePick
from repic_plugin.protocols.picking.protocol_template_train import ProtTemplateTrain

__all__ = [
    "N_LINES",
    "ProtAckMeans2D",
    "ProtAckMeans2DStream",
    "ProtDeepPickerPick",
    "ProtDeepPickerTrain",
    "ProtRepicByHand",
    "ProtRepicConsensus",
    "ProtRepicCrossFsc",
    "ProtRepicEvaluate",
    "ProtRepicExtract",
    "ProtRepicImportCtfs",
    "ProtRepicImportPicks",
    "ProtRepicIterative",
    "ProtRepicLabels",
    "ProtRepicSubsets",
    "ProtTemplatePick",
    "ProtTemplateTrain",
    "consensus_mode",
    "is_probabilistic",
    "launch_subset_of_file",
    "looks_at_images",
    "of_coordinates",
    "of_pickers",
    "output_in_file",
]
