"""Summary and warnings at the end of `repic-plugin classify`."""

from __future__ import annotations

import warnings
from hashlib import sha256
from typing import List

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification import Classification, few_members
from repic_plugin.formats import ParticleTable, listed
from repic_plugin.wording import counted, numbered_classes


def warn(found: Classification) -> None:
    """Warn of excluded particles, unusual images and a lack of convergence."""
    for note in found.preparation.notes():
        warnings.warn(note, stacklevel=2)
    n_aside = int((found.labels < 0).sum())
    if n_aside:
        excluded = "excluded: their images are empty (the same value everywhere)"
        warnings.warn(f"{counted(n_aside, 'particle')} {excluded}", stacklevel=2)
    if not found.converged:
        warnings.warn(
            f"not converged in {counted(len(found.records), 'iteration')}; raise --max-iterations",
            stacklevel=2,
        )


def doubled_images(table: ParticleTable, found: Classification) -> List[str]:
    """What is to be said of images that are there more than once; nothing where none is.

    The same image gets the same class, pose and distance: only those that share them are read.
    """
    rows = np.flatnonzero(found.labels >= 0)
    distance = [float(f"{value:.6g}") for value in found.dissimilarity[rows].tolist()]
    pose = np.column_stack([found.rotation_deg, found.shift_px, found.mirror])[rows].round(3)
    keys = np.column_stack([found.labels[rows], distance, pose])
    _, key, n_alike = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    alike = rows[n_alike[key.ravel()] > 1]
    digests = [sha256(table.images[row].tobytes()).digest() for row in alike.tolist()]
    n_doubled = len(digests) - len(set(digests))
    if not n_doubled or len({table.names[row] for row in alike.tolist()}) < len(alike):
        return []  # none, or the list of particles has them more than once, which is noted
    again = next(row for row, one in zip(alike.tolist(), digests) if digests.count(one) > 1)
    return [
        f"{counted(n_doubled, 'image')} of {len(found):,} are the same as another, number "
        f"{again + 1:,} for one: they count as often as they are there"
    ]


def report(found: Classification, ctf_mode: str, seconds: float) -> None:
    """Print class sizes, iterations, seconds, the sizes that were used and junk classes."""
    sizes = found.sizes
    ctf = "without CTF" if ctf_mode == "none" else f"with CTF ({ctf_mode})"
    empty = f", {(sizes == 0).sum():,} empty" if (sizes == 0).any() else ""
    print(
        f"{len(found):,} particles {ctf}, {len(sizes):,} classes of {sizes.min():,} to "
        f"{sizes.max():,}{empty} (coefficient of variation {sizes.std() / sizes.mean():.2f}), "
        f"{counted(len(found.records), 'iteration')}, {seconds:.1f} s"
    )
    print(found.preparation.sizes)
    few = few_members(int(sizes.sum()), len(sizes), "--classes")
    if few:
        print(few)
    _report_junk(found)


def report_junk(sizes: NDArray[np.int64], is_junk: NDArray[np.bool_], rule: str) -> None:
    """Print which classes are probably junk, and by which rule."""
    if is_junk[sizes > 0].all():
        print(f"probable junk: all classes ({rule}); nothing here looks like particles")
    elif is_junk.any():
        n_junk = int(sizes[is_junk].sum())
        junk = listed(map(str, np.flatnonzero(is_junk).tolist()))
        print(f"probable junk: {numbered_classes(junk)} ({counted(n_junk, 'particle')}; {rule})")


def _report_junk(found: Classification) -> None:
    """Print which classes are probably junk, by which threshold, and which lie off centre."""
    quality, sizes = found.quality, found.sizes
    if quality is None or not (sizes > 0).any():
        return
    report_junk(sizes, found.is_junk, f"scores below {quality.threshold:.2f}")
    is_mixed = found.is_junk.any() and not found.is_junk[sizes > 0].all()
    if is_mixed and quality.is_off_centre.any():
        off = listed(map(str, np.flatnonzero(quality.is_off_centre).tolist()))
        print(f"off centre, perhaps between two particles: {numbered_classes(off)}")
