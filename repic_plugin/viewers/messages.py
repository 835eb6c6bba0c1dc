"""Messages of windows."""

from __future__ import annotations


def sentence(error: Exception) -> str:
    """The message of an error, with a capital letter and a full stop."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
