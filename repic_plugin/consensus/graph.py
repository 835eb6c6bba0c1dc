"""The graph of a micrograph: boxes of different pickers that overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from repic_plugin.consensus._compiled import compiled

if TYPE_CHECKING:
    import networkx

__all__ = ["OverlapGraph", "keep_largest_component", "overlap_graph", "to_networkx"]


class OverlapGraph(NamedTuple):
    """A k-partite graph in compressed rows; each edge stands once, in its lower picker's row.

    Vertices are numbered so that a higher picker has higher numbers: an edge leads upwards.

    Attributes
    ----------
    starts : ndarray of int64, shape (n_vertices + 1,)
        Row u holds the entries ``starts[u]`` to ``starts[u + 1]``.
    neighbours : ndarray of int64, shape (n_edges,)
        Ascending in each row.
    overlaps : ndarray of float64, shape (n_edges,)
        Jaccard index of the two boxes.
    """

    starts: NDArray[np.int64]
    neighbours: NDArray[np.int64]
    overlaps: NDArray[np.float64]

    @property
    def n_vertices(self) -> int:
        """Number of vertices, isolated ones included."""
        return len(self.starts) - 1

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.neighbours)


def overlap_graph(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    picker: NDArray[np.int64],
    size_px: NDArray[np.float64],
    min_overlap: float,
    reach_px: float,
) -> OverlapGraph:
    """Join boxes of different pickers whose Jaccard index exceeds a bound.

    Cameron et al. 2024, Online Methods, "graph building".

    Parameters
    ----------
    x, y : ndarray of float64, shape (n_vertices,)
        Box centres of one micrograph, px.
    picker : ndarray of int64, shape (n_vertices,)
        Ascending.
    size_px : ndarray of float64, shape (n_vertices,)
        Side of each box.
    min_overlap : float
        An edge has a Jaccard index above this.
    reach_px : float
        No two boxes farther apart than this along an axis are joined.

    Returns
    -------
    OverlapGraph
    """
    if len(x) == 0 or reach_px <= 0:
        return OverlapGraph(np.zeros(len(x) + 1, np.int64), np.zeros(0, np.int64), np.zeros(0))
    return OverlapGraph(*_joined(x, y, picker, size_px, min_overlap, reach_px))


def to_networkx(graph: OverlapGraph) -> networkx.Graph:
    """The same graph as a `networkx.Graph`; edges have an attribute ``weight``, the overlap."""
    import networkx  # noqa: PLC0415 - half a second, and only for who asks

    result = networkx.Graph()
    result.add_nodes_from(range(graph.n_vertices))
    rows = np.repeat(np.arange(graph.n_vertices), np.diff(graph.starts))
    result.add_weighted_edges_from(
        zip(rows.tolist(), graph.neighbours.tolist(), graph.overlaps.tolist())
    )
    return result


def keep_largest_component(graph: OverlapGraph) -> OverlapGraph:
    """Keep the edges of the connected component with the most vertices (REPIC's ``--get_cc``).

    Of components of the same size, the one with the greater sum of overlaps is kept.
    """
    n = graph.n_vertices
    if graph.n_edges == 0:
        return graph
    rows = np.repeat(np.arange(n), np.diff(graph.starts))
    matrix = csr_matrix((graph.overlaps, graph.neighbours, graph.starts), shape=(n, n))
    label = connected_components(matrix, directed=False)[1]
    size = np.bincount(label)
    overlap = np.bincount(label[rows], weights=graph.overlaps, minlength=len(size))
    keep = label[rows] == np.lexsort((overlap, size))[-1]
    starts = np.concatenate(([0], np.cumsum(np.bincount(rows[keep], minlength=n))))
    return OverlapGraph(starts, graph.neighbours[keep], graph.overlaps[keep])


@compiled
def _joined(x, y, picker, size, min_overlap, reach):  # type: ignore[no-untyped-def]
    """Rows of the graph; every box looks at those in its own and the eight cells around it."""
    n = len(x)
    left, low = x.min(), y.min()
    # no more cells than boxes, however far apart the boxes are
    most = int(np.sqrt(n)) + 1
    cell_x = max(reach, (x.max() - left) / most)
    cell_y = max(reach, (y.max() - low) / most)
    n_x = int((x.max() - left) / cell_x) + 1
    n_y = int((y.max() - low) / cell_y) + 1

    column = np.empty(n, np.int64)
    row = np.empty(n, np.int64)
    first = np.zeros(n_x * n_y + 1, np.int64)
    for i in range(n):
        column[i] = int((x[i] - left) / cell_x)
        row[i] = int((y[i] - low) / cell_y)
        first[row[i] * n_x + column[i] + 1] += 1
    for cell in range(n_x * n_y):
        first[cell + 1] += first[cell]
    filled = first[:-1].copy()
    in_cells = np.empty(n, np.int64)
    for i in range(n):
        cell = row[i] * n_x + column[i]
        in_cells[filled[cell]] = i
        filled[cell] += 1

    starts = np.zeros(n + 1, np.int64)
    neighbours = np.empty(4 * n, np.int64)
    overlaps = np.empty(4 * n, np.float64)
    n_edges = 0
    for i in range(n):
        for cell_row in range(max(row[i] - 1, 0), min(row[i] + 2, n_y)):
            begin = first[cell_row * n_x + max(column[i] - 1, 0)]
            end = first[cell_row * n_x + min(column[i] + 1, n_x - 1) + 1]
            for j in in_cells[begin:end]:
                if picker[j] <= picker[i]:
                    continue
                sides = (size[i] + size[j]) / 2
                shorter = min(size[i], size[j])
                width = min(sides - abs(x[i] - x[j]), shorter)
                height = min(sides - abs(y[i] - y[j]), shorter)
                if width <= 0 or height <= 0:
                    continue
                area = width * height
                overlap = area / (size[i] * size[i] + size[j] * size[j] - area)
                if overlap <= min_overlap:
                    continue
                if n_edges == len(neighbours):
                    neighbours = np.concatenate((neighbours, np.empty(n_edges, np.int64)))
                    overlaps = np.concatenate((overlaps, np.empty(n_edges, np.float64)))
                at = n_edges  # insertion keeps the short row ascending
                while at > starts[i] and neighbours[at - 1] > j:
                    neighbours[at] = neighbours[at - 1]
                    overlaps[at] = overlaps[at - 1]
                    at -= 1
                neighbours[at] = j
                overlaps[at] = overlap
                n_edges += 1
        starts[i + 1] = n_edges
    return starts, neighbours[:n_edges].copy(), overlaps[:n_edges].copy()
