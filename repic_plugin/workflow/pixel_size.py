"""The pixel size of a template's micrographs, from their headers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Dict, List, Mapping

from repic_plugin.formats import STACK_SUFFIXES, is_same_pixel_size, read_header

PIXEL, MICROGRAPHS, PATTERN = "pixel", "micrographs", "pattern"  # names of placeholders
MAX_HEADERS = 50  # that are read, of all micrographs


def with_pixel_size(values: Mapping[str, str], given: Mapping[str, str]) -> Dict[str, str]:
    """The values of a template, the pixel size as the micrographs' headers say if it is not given.

    Parameters
    ----------
    values : mapping of str to str
        All values, by name.
    given : mapping of str to str
        Those that the user gave.

    Raises
    ------
    ValueError
        If the headers contradict each other.
    """
    if PIXEL not in values or PIXEL in given or not values.get(MICROGRAPHS):
        return dict(values)
    folder, pattern = Path(values[MICROGRAPHS]), values.get(PATTERN) or "*"
    sizes = _header_sizes(folder, pattern)
    if not sizes:
        warnings.warn(
            f"{folder}: the headers of the micrographs hold no pixel size, {values[PIXEL]} Å/px is "
            f"taken; give {PIXEL}=",
            stacklevel=3,
        )
        return dict(values)
    other = next((one for one in sizes if not is_same_pixel_size(one, sizes[0])), None)
    if other is not None:
        raise ValueError(
            f"{folder}: the headers of the micrographs say {sizes[0]:g} and {other:g} Å/px; give "
            f"{PIXEL}="
        )
    if not is_same_pixel_size(sizes[0], float(values[PIXEL])):
        warnings.warn(
            f"the pixel size is {sizes[0]:g} Å, as the headers of the micrographs say; {PIXEL}= "
            "overrules them",
            stacklevel=3,
        )
    return {**values, PIXEL: f"{sizes[0]:g}"}


def _header_sizes(folder: Path, pattern: str) -> List[float]:
    """What the headers of some of the MRC files say; nothing of those that do not say it."""
    files = [one for one in sorted(folder.glob(pattern)) if one.suffix.lower() in STACK_SUFFIXES]
    some = files[:: max(1, len(files) // MAX_HEADERS)]
    found = (read_header(one).pixel_size_angstrom[2] for one in some)
    return [size for size in found if size]
