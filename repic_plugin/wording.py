"""Numbers of things in messages."""

from __future__ import annotations


def counted(n: int, what: str) -> str:
    """A number of things: 1 class, 2,000 classes."""
    if n == 1:
        return f"1 {what}"
    return f"{n:,} {what}{'es' if what.endswith('s') else 's'}"


def numbered_classes(numbers: str) -> str:
    """Listed numbers of classes: class 3, classes 3, 5."""
    return f"{'classes' if ',' in numbers else 'class'} {numbers}"


def holding(n_classes: int) -> str:
    """How many classes hold particles, after "of which"."""
    return f"{n_classes:,} {'holds' if n_classes == 1 else 'hold'} particles"
