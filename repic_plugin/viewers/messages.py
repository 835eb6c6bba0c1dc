"""Messages of windows."""

from __future__ import annotations


def sentence(error: Exception) -> str:
    """The message of an error, with a capital letter and a full stop; its kind if it has none."""
    text = str(error).rstrip(".") or type(error).__name__
    return f"{text[:1].upper()}{text[1:]}."
