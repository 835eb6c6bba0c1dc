"""The method as it is written in the paper, slow and obvious: what the fast code is held against."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import lil_matrix
from scipy.spatial import cKDTree


def overlap(a, b, size_a, size_b):
    """Jaccard index of two boxes given by their centres."""
    width = min(a[0] + size_a / 2, b[0] + size_b / 2) - max(a[0] - size_a / 2, b[0] - size_b / 2)
    height = min(a[1] + size_a / 2, b[1] + size_b / 2) - max(a[1] - size_a / 2, b[1] - size_b / 2)
    common = max(width, 0.0) * max(height, 0.0)
    return common / (size_a**2 + size_b**2 - common)


def build_graph(centres, picker, sizes, min_overlap=0.3):
    """Vertices are rows of `centres`; `sizes` has a box size for each picker."""
    graph = nx.Graph()
    graph.add_nodes_from(range(len(centres)))
    if len(centres) == 0:
        return graph
    pairs = cKDTree(centres).query_pairs(max(sizes), p=np.inf)
    for i, j in pairs:
        if picker[i] != picker[j]:
            index = overlap(centres[i], centres[j], sizes[picker[i]], sizes[picker[j]])
            if index > min_overlap:
                graph.add_edge(i, j, weight=index)
    return graph


def cliques_of(graph, quorum):
    """Every clique of at least `quorum` vertices, as sorted tuples."""
    found = set()
    for maximal in nx.find_cliques(graph):
        for size in range(quorum, len(maximal) + 1):
            found.update(combinations(sorted(maximal), size))
    return sorted(found)


def weight_of(clique, graph, score, quorum):
    """Median overlap times median score, plus one for each member above the quorum."""
    edges = [graph.edges[pair]["weight"] for pair in combinations(clique, 2)]
    return np.median(edges) * np.median([score[v] for v in clique]) + len(clique) - quorum


def best_packing(cliques, weights):
    """Indices of the best cliques, by one integer program."""
    if not cliques:
        return []
    vertices = sorted({v for clique in cliques for v in clique})
    row = {v: i for i, v in enumerate(vertices)}
    matrix = lil_matrix((len(vertices), len(cliques)))
    for column, clique in enumerate(cliques):
        for v in clique:
            matrix[row[v], column] = 1
    answer = milp(
        -np.asarray(weights),
        integrality=np.ones(len(cliques)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix.tocsr(), -np.inf, 1),
        options={"mip_rel_gap": 0},
    )
    return np.flatnonzero(answer.x > 0.5).tolist()


def consensus(centres, picker, score, sizes, quorum, min_overlap=0.3):
    """Cliques, weights and chosen cliques of one micrograph."""
    graph = build_graph(centres, picker, sizes, min_overlap)
    cliques = cliques_of(graph, quorum)
    weights = [weight_of(clique, graph, score, quorum) for clique in cliques]
    return graph, cliques, weights, best_packing(cliques, weights)
