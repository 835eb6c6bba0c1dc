"""Summary and warnings at the end of `repic-plugin classify`."""

from __future__ import annotations

import warnings

import numpy as np

from repic_plugin.classification import Classification
from repic_plugin.formats import listed


def warn(found: Classification) -> None:
    """Warn of excluded particles and of a lack of convergence."""
    n_aside = int((found.labels < 0).sum())
    if n_aside:
        excluded = "excluded: their images are empty (the same value everywhere)"
        warnings.warn(f"{_counted(n_aside, 'particle')} {excluded}", stacklevel=2)
    if not found.converged:
        warnings.warn(
            f"not converged in {_counted(len(found.records), 'iteration')}; raise --max-iterations",
            stacklevel=2,
        )


def report(found: Classification, ctf_mode: str, seconds: float) -> None:
    """Print class sizes, iterations, seconds and junk classes."""
    sizes = found.sizes
    ctf = "without CTF" if ctf_mode == "none" else f"with CTF ({ctf_mode})"
    empty = f", {(sizes == 0).sum():,} empty" if (sizes == 0).any() else ""
    print(
        f"{len(found):,} particles {ctf}, {len(sizes):,} classes of {sizes.min():,} to "
        f"{sizes.max():,}{empty} (coefficient of variation {sizes.std() / sizes.mean():.2f}), "
        f"{_counted(len(found.records), 'iteration')}, {seconds:.1f} s"
    )
    if found.is_junk.any():
        junk = listed(map(str, np.flatnonzero(found.is_junk).tolist()))
        n_junk = int(sizes[found.is_junk].sum())
        print(f"probable junk: classes {junk} ({_counted(n_junk, 'particle')})")


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
