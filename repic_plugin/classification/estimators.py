"""K-means and variants for vectors, as estimators and as functions.

The rules of `rules` cluster plain vectors here, by their squared Euclidean distances.
`classify_particles` applies them to images that need alignment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repic_plugin.arguments import (
    check_in_range,
    check_not_negative,
    check_seed,
    check_whole_number,
)
from repic_plugin.classification.rules import RULES

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Clustering:
    """Result of the function forms.

    Attributes
    ----------
    labels : ndarray of int64, shape (n,)
        Cluster of each vector, from 0.
    centers : ndarray of float64, shape (n_clusters, n_features)
        Means of the clusters; an empty cluster keeps its last mean.
    inertia : float
        Sum of the squared distances to the centres.
    convergence : ndarray of float64, shape (n_iterations,)
        Fraction of the vectors that changed cluster.
    """

    labels: NDArray[np.int64]
    centers: Floats
    inertia: float
    convergence: Floats


class KMeans:
    """Traditional K-means (Lloyd 1982).

    Parameters
    ----------
    n_clusters : int
    tolerance : float
        Iterations end when at most this fraction of the vectors changes cluster.
    max_iterations : int
    init : array_like of float, shape (n_clusters, n_features), optional
        Initial centres; by default means of random subsets.
    random_state : int

    Attributes
    ----------
    labels_ : ndarray of int64, shape (n,)
    cluster_centers_ : ndarray of float64, shape (n_clusters, n_features)
    inertia_ : float
    convergence_ : ndarray of float64, shape (n_iterations,)
    """

    _rule: ClassVar[str] = "kmeans"

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        tolerance: float = 0.01,
        max_iterations: int = 100,
        init: Optional[ArrayLike] = None,
        random_state: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.init = init
        self.random_state = random_state

    def fit(self, x: ArrayLike) -> KMeans:
        """Cluster the rows of `x`.

        Parameters
        ----------
        x : array_like of float, shape (n, n_features)

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `x` is not finite or not 2-dimensional, or a parameter is invalid.
        """
        vectors = self._checked(x)
        origin = vectors.mean(axis=0)  # far from the origin, squares would swamp the distances
        vectors = vectors - origin
        rng = np.random.default_rng(self.random_state)
        labels, centers = self._start(vectors, origin, rng)
        rule = RULES[self._rule](getattr(self, "beta", 0.0))
        convergence = []
        for iteration in range(self.max_iterations):
            new, _ = rule.assign(_distances(vectors, centers), labels, rng)
            convergence.append(float(np.mean(new != labels)))
            labels = new
            centers = _means(vectors, labels, centers)
            if convergence[-1] <= self.tolerance and iteration:
                break
        self.labels_ = labels
        self.cluster_centers_ = centers + origin
        self.inertia_ = float(((vectors - centers[labels]) ** 2).sum())
        self.convergence_ = np.array(convergence)
        return self

    def predict(self, x: ArrayLike) -> NDArray[np.int64]:
        """Nearest cluster of each row of `x`, whatever the sizes; centres stay as they are.

        Parameters
        ----------
        x : array_like of float, shape (n, n_features)

        Raises
        ------
        ValueError
            If `x` is not finite or of another number of features, or nothing was fitted.
        """
        return np.asarray(self.transform(x).argmin(axis=1), dtype=np.int64)

    def transform(self, x: ArrayLike) -> Floats:
        """Euclidean distances of the rows of `x` to the centres, shape (n, n_clusters).

        Parameters and errors as of `predict`.
        """
        if not hasattr(self, "cluster_centers_"):
            raise ValueError(f"{type(self).__name__} must be fitted first; call fit")
        vectors, centers = np.asarray(x, dtype=np.float64), self.cluster_centers_
        wanted = centers.shape[1]
        if vectors.ndim != 2 or vectors.shape[1] != wanted or not np.isfinite(vectors).all():
            raise ValueError(f"x must be finite and of shape (n, {wanted}), got {vectors.shape}")
        origin = centers.mean(axis=0)
        return np.sqrt(_distances(vectors - origin, centers - origin))

    def _start(
        self, vectors: Floats, origin: Floats, rng: np.random.Generator
    ) -> Tuple[NDArray[np.int64], Floats]:
        """Initial labels and centres, by default those of random subsets."""
        if self.init is not None:
            centers = np.array(self.init, dtype=np.float64) - origin
            return _distances(vectors, centers).argmin(axis=1), centers
        labels = rng.permutation(len(vectors)) % self.n_clusters
        return labels, _means(vectors, labels, np.zeros((self.n_clusters, vectors.shape[1])))

    def _checked(self, x: ArrayLike) -> Floats:
        vectors = np.asarray(x, dtype=np.float64)
        if vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise ValueError(
                f"x must be finite and of shape (n, n_features), got shape {vectors.shape}"
            )
        check_whole_number("n_clusters", self.n_clusters, 2)
        if self.n_clusters > len(vectors):
            raise ValueError(
                f"n_clusters must not exceed the number of rows of x, {len(vectors)}, "
                f"got {self.n_clusters}"
            )
        check_whole_number("max_iterations", self.max_iterations, 1)
        check_seed(self.random_state)
        check_in_range("tolerance", self.tolerance, 0, 1)
        if self.init is not None:
            centers, wanted = np.asarray(self.init), (self.n_clusters, vectors.shape[1])
            if centers.shape != wanted or not np.isfinite(centers).all():
                raise ValueError(
                    f"init must be finite and of shape {wanted}, got shape {centers.shape}"
                )
        return vectors


class ACKMeans(KMeans):
    """K-means with an adaptive constraint on cluster sizes (Xu et al. 2016).

    Parameters
    ----------
    n_clusters : int
    beta : float
        Weight of the constraint: 0 is K-means, 0.5 the paper's choice.
    tolerance, max_iterations, init, random_state
        See `KMeans`, which also lists the attributes.

    References
    ----------
    .. [1] Xu, Wu, Yin and Mao (2016), Unsupervised cryo-EM data clustering through adaptively
       constrained K-means algorithm, PLoS ONE 11:e0167765.

    Examples
    --------
    >>> import numpy as np
    >>> from repic_plugin.classification import ACKMeans
    >>> x = np.concatenate([np.random.default_rng(0).normal(c, 1, (30, 2)) for c in (0, 20)])
    >>> np.bincount(ACKMeans(2).fit(x).labels_).tolist()
    [30, 30]
    """

    _rule: ClassVar[str] = "ack"

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        beta: float = 0.5,
        tolerance: float = 0.01,
        max_iterations: int = 100,
        init: Optional[ArrayLike] = None,
        random_state: int = 0,
    ) -> None:
        super().__init__(
            n_clusters,
            tolerance=tolerance,
            max_iterations=max_iterations,
            init=init,
            random_state=random_state,
        )
        self.beta = beta

    def _checked(self, x: ArrayLike) -> Floats:
        check_not_negative("beta", self.beta)
        return super()._checked(x)


class EQKMeans(KMeans):
    """K-means with clusters of equal size; see `EqualRule`, and `KMeans` for the parameters."""

    _rule: ClassVar[str] = "eqk"


class SpiderKMeans(KMeans):
    """K-means with SPIDER's size factor; see `SizeFactorRule` and `KMeans`."""

    _rule: ClassVar[str] = "spider"


def k_means(x: ArrayLike, n_clusters: int, **options: Any) -> Clustering:
    """Clusters by traditional K-means, the function form of `KMeans`.

    Parameters
    ----------
    x : array_like of float, shape (n, n_features)
    n_clusters : int
    **options
        Other parameters of the estimator.

    Raises
    ------
    ValueError
        As from the estimator's `fit`.
    """
    return _clustering(KMeans(n_clusters, **options).fit(x))


def ack_means(x: ArrayLike, n_clusters: int, **options: Any) -> Clustering:
    """Clusters by ACK-means, the function form of `ACKMeans`; arguments as of `k_means`."""
    return _clustering(ACKMeans(n_clusters, **options).fit(x))


def eqk_means(x: ArrayLike, n_clusters: int, **options: Any) -> Clustering:
    """Clusters of equal size, the function form of `EQKMeans`; arguments as of `k_means`."""
    return _clustering(EQKMeans(n_clusters, **options).fit(x))


def spider_k_means(x: ArrayLike, n_clusters: int, **options: Any) -> Clustering:
    """Clusters by SPIDER's rule, the function form of `SpiderKMeans`; arguments as of `k_means`."""
    return _clustering(SpiderKMeans(n_clusters, **options).fit(x))


def _clustering(fitted: KMeans) -> Clustering:
    return Clustering(fitted.labels_, fitted.cluster_centers_, fitted.inertia_, fitted.convergence_)


def _distances(vectors: Floats, centers: Floats) -> Floats:
    """Squared distances, shape (n, n_clusters)."""
    squares = (vectors**2).sum(axis=1)[:, None] + (centers**2).sum(axis=1)
    return np.asarray(np.maximum(squares - 2 * vectors @ centers.T, 0))


def _means(vectors: Floats, labels: NDArray[np.int64], before: Floats) -> Floats:
    """Means of the clusters; the previous mean for an empty cluster."""
    sizes = np.bincount(labels, minlength=len(before))[:, None]
    member = (labels == np.arange(len(before))[:, None]).astype(np.float64)
    return np.where(sizes > 0, member @ vectors / np.maximum(sizes, 1), before)
