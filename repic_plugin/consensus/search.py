"""Exhaustive search of small components: branch and bound over the bits of an integer."""

from __future__ import annotations

import numpy as np

from repic_plugin.compiled import compiled

EXCESS = 1 + 1e-12  # tolerance for ties: sums differ by the order of their terms


@compiled
def _most_that_fit(alive, weight, holds, n):  # type: ignore[no-untyped-def]
    """Upper bound of the weight: cover the cliques by picks, each in at most one selected clique.

    The weight of each clique that is not covered yet, best first, is added, and the clique is
    covered by that member which covers most of the others.
    """
    bound = 0.0
    for c in range(n):
        if not (alive >> c) & 1:
            continue
        bound += weight[c]
        covered = np.int64(0)
        most = -1
        for i in range(holds.shape[1]):
            these = holds[c, i] & alive
            count = 0
            rest = these
            while rest:
                rest &= rest - 1
                count += 1
            if count > most:
                most = count
                covered = these
        alive &= ~covered
        alive &= ~(np.int64(1) << c)
        if alive == 0:
            break
    return bound


@compiled
def _search(weight, conflicts, holds, n, max_nodes):  # type: ignore[no-untyped-def]
    """Bits of the best selection of up to 62 cliques by branch and bound; -1 beyond `max_nodes`."""
    alive = np.empty(2 * n + 2, np.int64)
    chosen = np.empty(2 * n + 2, np.int64)
    value = np.empty(2 * n + 2, np.float64)
    alive[0] = (np.int64(1) << n) - 1
    chosen[0] = 0
    value[0] = 0.0
    top = 1
    best = 0.0
    answer = np.int64(0)
    nodes = 0
    while top > 0:
        top -= 1
        left, picked, total = alive[top], chosen[top], value[top]
        if left == 0:
            if total > best * EXCESS:
                best = total
                answer = picked
            continue
        nodes += 1
        if nodes > max_nodes:
            return np.int64(-1)
        if total + _most_that_fit(left, weight, holds, n) <= best * EXCESS:
            continue
        c = 0
        while not (left >> c) & 1:
            c += 1
        bit = np.int64(1) << c
        rivals = conflicts[c] & left
        if rivals != bit:  # leaving out a clique without conflicts gains nothing
            alive[top], chosen[top], value[top] = left & ~bit, picked, total
            top += 1
        alive[top], chosen[top], value[top] = left & ~rivals, picked | bit, total + weight[c]
        top += 1
    return answer


@compiled
def _grouped(component, n_vertices):  # type: ignore[no-untyped-def]
    """Cliques by component, best first in each, and the start of each component."""
    starts = np.zeros(n_vertices + 1, np.int64)
    for label in component:
        starts[label + 1] += 1
    for v in range(n_vertices):
        starts[v + 1] += starts[v]
    filled = starts.copy()
    order = np.empty(len(component), np.int64)
    for c in range(len(component)):
        order[filled[component[c]]] = c
        filled[component[c]] += 1
    return order, starts


@compiled
def _best_of_component(group, members, weight, held_by, max_nodes):  # type: ignore[no-untyped-def]
    """Bits of the selected cliques of a small component, or -1 if the search took too long.

    `held_by`, an array of zeros for all vertices, is scratch space and restored.
    """
    n = len(group)
    n_places = members.shape[1]
    conflicts = np.empty(n, np.int64)
    holds = np.zeros((n, n_places), np.int64)  # cliques that share each member of a clique
    for at in range(n):
        for v in members[group[at]]:
            if v >= 0:
                held_by[v] |= np.int64(1) << at
    for at in range(n):
        conflicts[at] = np.int64(1) << at
        for place in range(n_places):
            v = members[group[at], place]
            if v >= 0:
                holds[at, place] = held_by[v]
                conflicts[at] |= held_by[v]
    for c in group:
        for v in members[c]:
            if v >= 0:
                held_by[v] = 0
    return _search(weight[group], conflicts, holds, n, max_nodes)


@compiled
def search_components(  # type: ignore[no-untyped-def]
    members, weight, component, n_vertices, small, max_nodes
):
    """Masks of the cliques selected by exhaustive search, and of those in components left open."""
    is_selected = np.zeros(len(members), np.bool_)
    is_open = np.zeros(len(members), np.bool_)
    held_by = np.zeros(n_vertices, np.int64)
    order, starts = _grouped(component, n_vertices)
    for v in range(n_vertices):
        group = order[starts[v] : starts[v + 1]]
        if len(group) == 1:
            is_selected[group[0]] = True
        elif len(group) > small:
            for c in group:
                is_open[c] = True
        elif len(group) > 1:
            answer = _best_of_component(group, members, weight, held_by, max_nodes)
            for at in range(len(group)):
                is_selected[group[at]] = answer >= 0 and (answer >> at) & 1
                is_open[group[at]] = answer < 0
    return is_selected, is_open
