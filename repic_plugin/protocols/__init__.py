"""The forms and steps that Scipion shows and runs."""

from repic_plugin.protocols.protocol_ack_means import ProtAckMeans2D
from repic_plugin.protocols.protocol_consensus import ProtRepicConsensus
from repic_plugin.protocols.protocol_cross_fsc import ProtRepicCrossFsc
from repic_plugin.protocols.protocol_deeppicker import ProtDeepPickerPick, ProtDeepPickerTrain
from repic_plugin.protocols.protocol_evaluate import ProtRepicEvaluate
from repic_plugin.protocols.protocol_extract import ProtRepicExtract
from repic_plugin.protocols.protocol_import import ProtRepicImportPicks
from repic_plugin.protocols.protocol_iterative import ProtRepicIterative
from repic_plugin.protocols.protocol_labels import ProtRepicLabels
from repic_plugin.protocols.protocol_subsets import ProtRepicSubsets
from repic_plugin.protocols.protocol_template import ProtTemplatePick, ProtTemplateTrain

__all__ = [
    "ProtAckMeans2D",
    "ProtDeepPickerPick",
    "ProtDeepPickerTrain",
    "ProtRepicConsensus",
    "ProtRepicCrossFsc",
    "ProtRepicEvaluate",
    "ProtRepicExtract",
    "ProtRepicImportPicks",
    "ProtRepicIterative",
    "ProtRepicLabels",
    "ProtRepicSubsets",
    "ProtTemplatePick",
    "ProtTemplateTrain",
]
