"""Graph of a micrograph: overlapping boxes of different pickers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from repic_plugin.compiled import compiled

if TYPE_CHECKING:
    import networkx


class OverlapGraph(NamedTuple):
    """A k-partite graph in compressed rows; each edge is stored once, in its lower picker's row.

    Vertices of a higher picker have higher numbers, so an edge leads upwards.

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
    def rows(self) -> NDArray[np.int64]:
        """Lower vertex of each edge, shape (n_edges,)."""
        return np.repeat(np.arange(self.n_vertices), np.diff(self.starts))

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.neighbours)


def overlap_graph(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    picker: NDArray[np.int64],
    size_px: NDArray[np.float64],
    micrograph_starts: NDArray[np.int64],
    min_overlap: float,
    reach_px: float,
) -> OverlapGraph:
    """Graph of the boxes of different pickers whose Jaccard index exceeds a minimum.

    Cameron et al. 2024, Online Methods; one graph for a batch of micrographs,
    without edges between micrographs.

    Parameters
    ----------
    x, y : ndarray of float64, shape (n_vertices,)
        Box centres, px, by micrograph.
    picker : ndarray of int64, shape (n_vertices,)
        Ascending in each micrograph.
    size_px : ndarray of float64, shape (n_vertices,)
        Side of each box.
    micrograph_starts : ndarray of int64, shape (n_micrographs + 1,)
        Micrograph m holds the vertices ``micrograph_starts[m]`` to ``micrograph_starts[m + 1]``.
    min_overlap : float
        An edge has a Jaccard index above this.
    reach_px : float
        No two boxes this far apart along an axis are joined (`boxes.largest_reach`).
    """
    low, high, overlaps = _edges(x, y, picker, size_px, micrograph_starts, min_overlap, reach_px)
    return OverlapGraph(*_compressed_rows(low, high, overlaps, len(x)))


def to_networkx(graph: OverlapGraph) -> networkx.Graph:
    """Graph as a `networkx.Graph` whose edges have the overlap as attribute ``weight``."""
    import networkx  # noqa: PLC0415 - half a second, and only for who asks

    result = networkx.Graph()
    result.add_nodes_from(range(graph.n_vertices))
    result.add_weighted_edges_from(
        zip(graph.rows.tolist(), graph.neighbours.tolist(), graph.overlaps.tolist())
    )
    return result


def keep_largest_component(
    graph: OverlapGraph,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    micrograph_starts: NDArray[np.int64],
) -> OverlapGraph:
    """Graph of each micrograph's connected component with the most vertices (REPIC's ``--get_cc``).

    Ties are broken by the larger sum of overlaps, then by the smallest x, then y, of a vertex.
    """
    n = graph.n_vertices
    if graph.n_edges == 0:
        return graph
    rows = graph.rows
    matrix = csr_matrix((graph.overlaps, graph.neighbours, graph.starts), shape=(n, n))
    n_components, label = connected_components(matrix, directed=False)
    size = np.bincount(label, minlength=n_components)
    overlap = np.bincount(label[rows], weights=graph.overlaps, minlength=n_components)
    place = np.full(n_components, n)
    rank = np.empty(n, dtype=np.int64)
    rank[np.lexsort((y, x))] = np.arange(n)
    np.minimum.at(place, label, rank)
    micrograph = np.empty(n_components, dtype=np.int64)
    micrograph[label] = np.repeat(np.arange(len(micrograph_starts) - 1), np.diff(micrograph_starts))
    # nine decimals, so that the order of a sum's terms does not matter
    order = np.lexsort((-place, np.round(overlap, 9), size, micrograph))
    is_kept = np.zeros(n_components, dtype=bool)
    is_kept[order[np.append(np.diff(micrograph[order]) != 0, True)]] = True
    keep = is_kept[label[rows]]
    starts = np.append(0, np.cumsum(np.bincount(rows[keep], minlength=n)))
    return OverlapGraph(starts, graph.neighbours[keep], graph.overlaps[keep])


@compiled
def _edges(x, y, picker, size, micrograph_starts, min_overlap, reach):  # type: ignore[no-untyped-def]
    """Lower vertex, higher vertex and overlap of each edge."""
    low = np.empty(2 * len(x), np.int64)
    high = np.empty(2 * len(x), np.int64)
    overlaps = np.empty(2 * len(x), np.float64)
    n_edges = np.int64(0)
    for m in range(len(micrograph_starts) - 1):
        begin, end = micrograph_starts[m], micrograph_starts[m + 1]
        if begin == end:
            continue
        order, cell_starts, n_x = _cells(x[begin:end], y[begin:end], reach)
        for i in range(len(order)):
            order[i] += begin
        px, py, ps, who = x[order], y[order], size[order], picker[order]
        left, right = _near_pairs(px, py, who, cell_starts, n_x, reach)
        while n_edges + len(left) > len(low):
            low = np.concatenate((low, np.empty_like(low)))
            high = np.concatenate((high, np.empty_like(high)))
            overlaps = np.concatenate((overlaps, np.empty_like(overlaps)))
        for pair in range(len(left)):
            a, b = left[pair], right[pair]
            shorter = min(ps[a], ps[b])
            width = min((ps[a] + ps[b]) / 2 - abs(px[a] - px[b]), shorter)
            height = min((ps[a] + ps[b]) / 2 - abs(py[a] - py[b]), shorter)
            area = width * height
            overlap = area / (ps[a] * ps[a] + ps[b] * ps[b] - area)
            low[n_edges] = min(order[a], order[b])
            high[n_edges] = max(order[a], order[b])
            overlaps[n_edges] = overlap
            n_edges += np.int64((width > 0) & (height > 0) & (overlap > min_overlap))
    return low[:n_edges], high[:n_edges], overlaps[:n_edges]


@compiled
def _cells(x, y, reach):  # type: ignore[no-untyped-def]
    """Boxes of one micrograph, binned into square cells at least as wide as the reach.

    Returns the boxes in the order of their cells, row by row, the start of each cell in that
    order, and the number of cells in a row.
    """
    n = len(x)
    left, bottom = x.min(), y.min()
    width, height = x.max() - left, y.max() - bottom
    most = int(np.sqrt(n)) + 1  # no more cells than boxes, however far apart the boxes are
    side_x, side_y = max(reach, width / most), max(reach, height / most)
    n_x, n_y = int(width / side_x) + 1, int(height / side_y) + 1
    cell = np.empty(n, np.int64)
    starts = np.zeros(n_x * n_y + 1, np.int64)
    for i in range(n):
        cell[i] = int((y[i] - bottom) / side_y) * n_x + int((x[i] - left) / side_x)
        starts[cell[i] + 1] += 1
    for c in range(n_x * n_y):
        starts[c + 1] += starts[c]
    filled = starts[:-1].copy()
    order = np.empty(n, np.int64)
    for i in range(n):
        order[filled[cell[i]]] = i
        filled[cell[i]] += 1
    return order, starts, n_x


@compiled
def _near_pairs(x, y, picker, cell_starts, n_x, reach):  # type: ignore[no-untyped-def]
    """Pairs of boxes of different pickers that are closer than the reach along both axes.

    A box is compared with later ones in its own cell and the next cell of the row, which are
    contiguous, and with those in the three cells above. Each pair is always written but counted
    only if it is close: a branch would be mispredicted one time in three, which costs more than
    all the arithmetic.
    """
    left = np.empty(4 * len(x), np.int64)
    right = np.empty(4 * len(x), np.int64)
    n_pairs = np.int64(0)
    n_cells = len(cell_starts) - 1
    for c in range(n_cells):
        column = c % n_x
        beside_end = cell_starts[c + 1 + min(1, n_x - 1 - column)]
        above, above_end = 0, 0
        if c + n_x < n_cells:
            above = cell_starts[c + n_x - min(1, column)]
            above_end = cell_starts[c + n_x + 1 + min(1, n_x - 1 - column)]
        room = beside_end - cell_starts[c] + above_end - above
        for a in range(cell_starts[c], cell_starts[c + 1]):
            while n_pairs + room > len(left):
                left = np.concatenate((left, np.empty_like(left)))
                right = np.concatenate((right, np.empty_like(right)))
            xa, ya, who = x[a], y[a], picker[a]
            for b in range(a + 1, beside_end):
                left[n_pairs], right[n_pairs] = a, b
                near = (abs(xa - x[b]) < reach) & (abs(ya - y[b]) < reach) & (who != picker[b])
                n_pairs += np.int64(near)
            for b in range(above, above_end):
                left[n_pairs], right[n_pairs] = a, b
                near = (abs(xa - x[b]) < reach) & (abs(ya - y[b]) < reach) & (who != picker[b])
                n_pairs += np.int64(near)
    return left[:n_pairs], right[:n_pairs]


@compiled
def _compressed_rows(low, high, values, n):  # type: ignore[no-untyped-def]
    """Compressed rows by lower vertex, each ascending."""
    starts = np.zeros(n + 1, np.int64)
    for edge in range(len(low)):
        starts[low[edge] + 1] += 1
    for i in range(n):
        starts[i + 1] += starts[i]
    neighbours = np.empty(len(low), np.int64)
    sorted_values = np.empty(len(low), np.float64)
    n_in_row = np.zeros(n, np.int64)
    for edge in range(len(low)):
        begin = starts[low[edge]]
        at = begin + n_in_row[low[edge]]
        n_in_row[low[edge]] += 1
        while at > begin and neighbours[at - 1] > high[edge]:  # insertion: rows are short
            neighbours[at] = neighbours[at - 1]
            sorted_values[at] = sorted_values[at - 1]
            at -= 1
        neighbours[at] = high[edge]
        sorted_values[at] = values[edge]
    return starts, neighbours, sorted_values
