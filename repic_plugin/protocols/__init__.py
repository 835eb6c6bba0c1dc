"""The forms and steps that Scipion shows and runs."""

from repic_plugin.protocols.protocol_ack_means import ProtAckMeans2D
from repic_plugin.protocols.protocol_consensus import ProtRepicConsensus
from repic_plugin.protocols.protocol_import import ProtRepicImportPicks

__all__ = ["ProtAckMeans2D", "ProtRepicConsensus", "ProtRepicImportPicks"]
