"""Images of stacks that become more, each opened when its images are read."""

from __future__ import annotations

from typing import Any, List, Sequence

import numpy as np
from numpy.typing import NDArray

from repic_plugin.formats.base.errors import format_error
from repic_plugin.formats.images.stacks import ImageStacks


class GrowingStacks:
    """Images of MRC stacks, to which more can be appended.

    ``images[rows]``, with a slice or an array of integers, reads these images, as of `ImageStacks`.
    Headers are read with the images, so that a session of many stacks costs nothing to go on with.

    Parameters
    ----------
    box_px : int
        Side of all images.

    Attributes
    ----------
    shape : tuple of int
        (n, box, box).
    paths : list of str
    stack, index : ndarray of int64, shape (n,)
        The stack of each image, counted from 0 in `paths`, and the image in it, from 0.
    """

    def __init__(self, box_px: int) -> None:
        self.box_px = box_px
        self.paths: List[str] = []
        self.stack, self.index = np.zeros(0, np.int64), np.zeros(0, np.int64)

    @property
    def shape(self) -> Any:
        """(n, box, box)."""
        return len(self.stack), self.box_px, self.box_px

    def __len__(self) -> int:
        return len(self.stack)

    def append(
        self, paths: Sequence[str], stack: NDArray[np.int64], index: NDArray[np.int64]
    ) -> None:
        """Append images.

        Parameters
        ----------
        paths : sequence of str
            Further stacks.
        stack : ndarray of int64, shape (m,)
            Counted from 0 in these paths.
        index : ndarray of int64, shape (m,)
            Counted from 0.
        """
        self.stack = np.append(self.stack, stack + len(self.paths))
        self.index = np.append(self.index, index)
        self.paths += paths

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        """Read some of the images.

        Raises
        ------
        FormatError
            If a stack cannot be read, is shorter than it was, or has another box.
        """
        stack, index = self.stack[rows], self.index[rows]
        if not len(stack):
            return np.zeros((0, self.box_px, self.box_px), np.float32)
        used, place = np.unique(stack, return_inverse=True)
        paths = [self.paths[one] for one in used]
        images = ImageStacks(paths, place.ravel(), index, has_pixel_size=True)
        if images.shape[1] != self.box_px:
            raise format_error(
                images.paths[0],
                f"images must be of {self.box_px} px as the others are, got {images.shape[1]}; "
                "classify them separately",
            )
        return images[:]
