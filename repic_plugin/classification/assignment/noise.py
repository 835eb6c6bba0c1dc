"""Noise of the images, from what their classes leave unexplained, and what follows from it.

On ring r the residual of an image, |x - |c| mu|^2 in its pose, is noise: its mean over the images
and the sum of squares that noise of standard deviation 1 of a pixel would have there give the
variance s(r)^2. Everything is in grey values of normalised images.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from repic_plugin.classification.assignment.search import Placed
from repic_plugin.classification.averages import aligned_coefficients
from repic_plugin.classification.exact_sums import steady
from repic_plugin.classification.polar import PolarGrid
from repic_plugin.classification.preparation import PolarImages, soft_mask
from repic_plugin.classification.threads import for_each_chunk

IMAGES_PER_CHUNK = 128
TINY = 1e-30

Samples = NDArray[np.complex64]
Single = NDArray[np.float32]
Floats = NDArray[np.float64]


class Products(NamedTuple):
    """Images and their averages in the poses found, ring by ring.

    Attributes
    ----------
    cross : ndarray of float32, shape (n, n_rings)
        Inner products of image and average, as weighted by the image's CTF.
    average : ndarray of float32, shape (n, n_rings)
        Sum of squares of the average, as weighted.
    residual : ndarray of float32, shape (n, n_rings)
        Sum of squares of the difference; of the image itself where the average explains nothing
        of it, as of noise.
    """

    cross: Single
    average: Single
    residual: Single

    @property
    def score(self) -> Floats:
        """Inner product of each image and its average on all rings, shape (n,)."""
        return np.asarray(self.cross.sum(axis=1, dtype=np.float64))

    @property
    def norm(self) -> Floats:
        """Sum of squares of the average of each image on all rings, shape (n,)."""
        return np.asarray(self.average.sum(axis=1, dtype=np.float64))

    def scale(self) -> float:
        """Factor that brings the averages to the grey values of the images."""
        return float(steady(self.score).sum() / max(float(steady(self.norm).sum()), TINY))


def products(
    images: PolarImages, averages: Samples, placed: Placed, n_threads: int = 1
) -> Products:
    """Inner products of the images and the averages of their classes.

    Parameters
    ----------
    images : PolarImages
    averages : ndarray of complex64, shape (k, n_coefficients)
    placed : Placed
    n_threads : int
    """
    grid = images.grid
    member = (grid.ring[:, None] == np.arange(len(grid.rings))).astype(np.float32)
    found = Products(*(np.empty(images.weight.shape, np.float32) for _ in range(3)))

    def compare(rows: slice) -> None:
        part = images.take(rows)
        own = averages[placed.labels[rows]]
        aligned = aligned_coefficients(part, placed.alignment.take(rows))
        found.cross[rows] = (aligned * own.conj()).real @ member
        found.average[rows] = part.weight**2 * grid.power(own)
        power = grid.power(grid.coefficients(part.samples))
        explained = 2 * found.cross[rows] - found.average[rows]
        explained[explained.sum(axis=1) < 0] = 0
        found.residual[rows] = power - explained

    for_each_chunk(compare, len(images), IMAGES_PER_CHUNK, n_threads)
    return found


def noise_spectrum(
    grid: PolarGrid, residual: Single, mask_radius_px: float, edge_px: float
) -> Floats:
    """Variance of the noise on each ring; 1 where it is that of a pixel.

    Parameters
    ----------
    grid : PolarGrid
    residual : ndarray of float32, shape (n, n_rings)
    mask_radius_px, edge_px : float
        Of the mask.

    Returns
    -------
    ndarray of float64, shape (n_rings,)
    """
    of_white = white_power(grid, mask_radius_px, edge_px)
    total = np.array([steady(column).sum() for column in residual.T])
    return np.asarray(np.maximum(total / max(len(residual), 1) / of_white, TINY))


def white_power(grid: PolarGrid, mask_radius_px: float, edge_px: float) -> Floats:
    """Sum of squares on each ring of white noise of standard deviation 1, shape (n_rings,)."""
    mask = soft_mask(grid.box_size_px, mask_radius_px, edge_px).astype(np.float64)
    return np.asarray(2 * np.pi * grid.rings / grid.box_size_px**2 * (mask**2).sum())


def deciding_variance(grid: PolarGrid, averages: Samples, noise: Floats) -> float:
    """Variance of the noise on the rings by which the classes differ.

    The difference of two dissimilarities varies by 4 sum over r of s(r)^2 |mu_k - mu_l|^2(r), so
    that s^2 is averaged with the power of the averages about their mean.
    """
    apart = grid.power(averages - averages.mean(axis=0)).sum(axis=0, dtype=np.float64)
    if len(averages) < 2 or apart.sum() <= TINY:
        apart = np.ones(len(noise))
    return float(apart @ noise / apart.sum())


def posteriors(dissimilarity: Single, variance: float) -> Single:
    """Posterior of each class for noise of one variance and classes of equal prior.

    p(k | x) is proportional to exp(-d_k / (2 s^2)), with d_k the dissimilarity in the best pose.

    Parameters
    ----------
    dissimilarity : ndarray of float32, shape (n, k)
    variance : float
        s^2, see `deciding_variance`.
    """
    nearest = dissimilarity.min(axis=1, keepdims=True)
    shares = np.exp((nearest - dissimilarity) / np.float32(2 * variance))
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(shares, dtype=np.float32)


def fits(found: Products, noise: Floats, n_poses: float) -> Floats:
    """Inner product of each image with its average, over that of noise in the best of all poses.

    <n, c mu> has the variance sum over r of s(r)^2 |c mu|^2(r); the largest of M independent poses
    and classes lies sqrt(2 ln M) standard deviations above 0.

    Parameters
    ----------
    found : Products
    noise : ndarray of float64, shape (n_rings,)
    n_poses : float
        M.

    Returns
    -------
    ndarray of float64, shape (n,)
        About 1 for noise, more for images that show their class.
    """
    deviation = np.sqrt(np.maximum(found.average @ noise, TINY))
    highest = np.sqrt(2 * np.log(max(n_poses, np.e)))
    return np.asarray(found.score / (highest * deviation))


def shortfalls(found: Products, noise: Floats, spread_variance: float) -> Floats:
    """By how many standard deviations an image shows less of its class than a member would.

    The inner product of a member and its average has the mean |c mu|^2 and the variance
    sum over r of s(r)^2 |c mu|^2(r) + t^2 |c mu|^4.

    Parameters
    ----------
    found : Products
    noise : ndarray of float64, shape (n_rings,)
    spread_variance : float
        t^2, of the contrasts.
    """
    variance = found.average @ noise + spread_variance * found.norm**2
    return np.asarray((found.norm - found.score) / np.sqrt(np.maximum(variance, TINY)))


def residuals(found: Products, noise: Floats, white: Floats) -> Floats:
    """Sum of squares that the average leaves of each image, over that of noise; about 1.

    Each ring is divided by its noise, so that all count by their number of coefficients.

    Parameters
    ----------
    found : Products
    noise : ndarray of float64, shape (n_rings,)
    white : ndarray of float64, shape (n_rings,)
        See `white_power`.
    """
    return np.asarray(found.residual.astype(np.float64) @ (1 / noise) / white.sum())


def correlations(found: Products, energy: Single) -> Floats:
    """Normalised correlation of each image with its average."""
    return np.asarray(found.score / np.sqrt(np.maximum(found.norm * energy, TINY)))
