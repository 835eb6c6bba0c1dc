"""2D classification in a stream: classes of the first particles, kept up as others come."""

from repic_plugin.classification.streaming.memory import stream_memory_bytes
from repic_plugin.classification.streaming.settings import StreamSettings, first_particles
from repic_plugin.classification.streaming.state import (
    StreamState,
    stream_from_arrays,
    stream_to_arrays,
)
from repic_plugin.classification.streaming.stream import Block, ClassStream

__all__ = [
    "Block",
    "ClassStream",
    "StreamSettings",
    "StreamState",
    "first_particles",
    "stream_from_arrays",
    "stream_memory_bytes",
    "stream_to_arrays",
]
