"""The method as it is written in the paper, slow and obvious: what the fast code is held against.

A clique is a tuple of vertices; everything here is for one micrograph.
"""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import lil_matrix


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
    for i in range(len(centres)):
        distance = np.abs(centres[i + 1 :] - centres[i]).max(axis=1)
        for j in (i + 1 + np.flatnonzero(distance < max(sizes))).tolist():
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


def best_weight(cliques, weights):
    """Greatest total weight of disjoint cliques, by trying each of them in and out."""
    if not cliques:
        return 0.0
    free = [i for i in range(1, len(cliques)) if not set(cliques[i]) & set(cliques[0])]
    taken = weights[0] + best_weight([cliques[i] for i in free], [weights[i] for i in free])
    return max(taken, best_weight(cliques[1:], weights[1:]))


def greedy_weight(cliques, weights):
    """Total weight of taking the best clique that is still free, again and again."""
    held, total = set(), 0.0
    for i in sorted(range(len(cliques)), key=lambda i: -weights[i]):
        if not held & set(cliques[i]):
            held |= set(cliques[i])
            total += weights[i]
    return total


def is_packing(cliques):
    """Whether no vertex is in two of the cliques."""
    held = [v for clique in cliques for v in clique]
    return len(held) == len(set(held))


def consensus(centres, picker, score, sizes, quorum, min_overlap=0.3):
    """Graph, cliques, their weights and the best objective of one micrograph."""
    graph = build_graph(centres, picker, sizes, min_overlap)
    cliques = cliques_of(graph, quorum)
    weights = [weight_of(clique, graph, score, quorum) for clique in cliques]
    objective = sum(weights[i] for i in best_packing(cliques, weights))
    return graph, cliques, weights, objective
