"""Messages as windows show them."""

from __future__ import annotations


def sentence(error: ValueError) -> str:
    """An error's line with a capital letter and a full stop."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
