"""Plain but careful implementation: k-d tree, numpy overlaps, networkx, an integer program each."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree


def plain_consensus(centres, picker, score, box_size_px, n_pickers, quorum, min_overlap=0.3):
    """Objective and number of particles of one micrograph."""
    graph = _graph(centres, picker, box_size_px, min_overlap)
    if quorum == n_pickers:
        cliques = [clique for clique in nx.find_cliques(graph) if len(clique) == n_pickers]
    else:
        cliques = [c for c in nx.enumerate_all_cliques(graph) if len(c) >= quorum]
    if not cliques:
        return 0.0, 0
    edge = nx.get_edge_attributes(graph, "weight")
    weights = np.array([_weight(clique, edge, score, quorum) for clique in cliques])
    columns = np.repeat(np.arange(len(cliques)), [len(clique) for clique in cliques])
    _, rows = np.unique(np.concatenate(cliques), return_inverse=True)
    answer = milp(
        -weights,
        integrality=np.ones(len(cliques)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(csr_matrix((np.ones(len(rows)), (rows, columns))), -np.inf, 1),
    )
    return -answer.fun, int(np.sum(answer.x > 0.5))


def _graph(centres, picker, box_size_px, min_overlap):
    pairs = cKDTree(centres).query_pairs(box_size_px, p=np.inf, output_type="ndarray")
    pairs = pairs[picker[pairs[:, 0]] != picker[pairs[:, 1]]]
    side = box_size_px - np.abs(centres[pairs[:, 0]] - centres[pairs[:, 1]])
    area = side[:, 0] * side[:, 1]
    overlap = area / (2 * box_size_px**2 - area)
    near = overlap > min_overlap
    graph = nx.Graph()
    graph.add_weighted_edges_from(zip(*pairs[near].T.tolist(), overlap[near].tolist()))
    return graph


def _weight(clique, edge, score, quorum):
    edges = sorted(edge.get(pair) or edge[pair[::-1]] for pair in combinations(clique, 2))
    scores = sorted(score[v] for v in clique)
    n, m = len(edges), len(scores)
    middle = (edges[(n - 1) // 2] + edges[n // 2]) / 2
    return middle * (scores[(m - 1) // 2] + scores[m // 2]) / 2 + m - quorum
