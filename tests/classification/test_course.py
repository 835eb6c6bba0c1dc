"""The way from the first partition to the last: stages, stopping, records, rounds taken back."""

import re
from dataclasses import replace

import numpy as np
import pytest

from repic_plugin.classification import course as course_module
from repic_plugin.classification.averages import class_sums
from repic_plugin.classification.course import Course, CourseSettings
from repic_plugin.classification.fixed import Fixed
from repic_plugin.classification.multi_reference import MultiReference
from repic_plugin.classification.preparation import prepare_images
from repic_plugin.classification.rules import RULES
from repic_plugin.classification.subspace import Subspace
from repic_plugin.classification.threads import one_blas_thread
from tests.classification.particles import BOX_PX, agreement, layout, particles


@pytest.fixture(autouse=True, scope="module")
def _one_thread_for_products():
    with one_blas_thread():
        yield


def course_of(found, n_classes, n_rings=None, **options):
    grid, radius, edge = layout(BOX_PX, n_rings, None)
    images = prepare_images(
        found.images,
        grid,
        mask_radius_px=radius,
        mask_edge_px=edge,
        pixel_size_angstrom=found.pixel_size_angstrom,
        ctf=found.ctf,
        weight=True,
    )
    settings = CourseSettings(n_classes, **{"max_shift_px": 3.0, **options})
    return Course(images, settings)


def all_states(course):
    """From the first to the last."""
    states = [course.start()]
    while states[-1].stage != "done":
        states.append(course.advance(states[-1]))
    return states


def stages(state):
    """As letters: c, g, l, t."""
    return "".join(record.stage[0] for record in state.records)


# stages


@pytest.mark.parametrize(
    "options, pattern",
    [
        ({}, r"g+(l+t)+"),
        ({"trade": False}, r"g+l+"),
        ({"method": "kmeans"}, r"g+l+"),
        ({"method": "eqk"}, r"g+l+"),
        ({"method": "spider"}, r"g+l+"),
        ({"alignment": "msa"}, r"g+l+"),
        ({"alignment": "rfa"}, r"c{8}l+"),
        ({"alignment": "rfa", "method": "kmeans"}, r"c{8}l+"),
    ],
    ids=str,
)
def test_stages_follow_each_other(options, pattern):
    course = course_of(particles(4, 20, 1.0), 4, **options)
    states = all_states(course)
    assert re.fullmatch(pattern, stages(states[-1]))
    assert [state.iteration for state in states] == list(range(len(states)))
    assert len(stages(states[-1]).split("g")[-1].split("l")[0]) <= course_module.MAX_GLOBAL
    assert states[-1].stage == "done"
    assert states[-1].converged


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("alignment", ["mra", "msa", "rfa"])
def test_it_ends_because_few_images_changed_or_says_that_it_has_not_converged(method, alignment):
    # noise: nothing settles soon
    options = {"method": method, "alignment": alignment, "trade": False, "max_iterations": 25}
    last = all_states(course_of(particles(4, 15, 0.02), 4, **options))[-1]
    if last.converged:
        assert last.records[-1].stage == "local"
        assert last.records[-1].fraction_changed <= 0.01
        assert all(r.fraction_changed > 0.01 for r in last.records[:-1] if r.stage == "local")
    else:
        assert last.iteration == 25
        assert last.records[-1].fraction_changed > 0.01


def test_only_before_trades_are_local_iterations_limited(monkeypatch):
    # noise, with a tolerance that it does not reach soon
    monkeypatch.setattr(course_module, "MAX_LOCAL", 2)
    found = particles(4, 30, 0.02)
    options = {"tolerance": 0.0, "max_iterations": 45}
    runs = [
        stages(all_states(course_of(found, 6, **options, **more))[-1])
        for more in ({}, {"trade": False}, {"alignment": "rfa"})
    ]
    lengths = [max(len(run) for run in re.findall("l+", run)) for run in runs]
    assert lengths[0] == 2
    assert min(lengths[1:]) > 2


def test_tolerance_ends_the_global_stage_too():
    # all images may change class: one iteration is enough
    last = all_states(course_of(particles(), 4, tolerance=1.0, trade=False))[-1]
    assert stages(last) == "gl"


@pytest.mark.parametrize("n", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("alignment", ["mra", "rfa"])
def test_the_number_of_iterations_ends_it(n, alignment):
    found = particles(4, 20, 0.05)
    full = all_states(course_of(found, 4, alignment=alignment, tolerance=0.0))
    short = all_states(course_of(found, 4, alignment=alignment, tolerance=0.0, max_iterations=n))
    assert len(short) == n + 1
    assert not short[-1].converged
    assert short[-1].stage == "done"
    assert short[-1].records == full[n].records
    assert np.array_equal(short[-1].labels, full[n].labels)


def test_the_last_allowed_iteration_may_be_the_one_that_ends_it():
    full = all_states(course_of(particles(), 4))
    same = all_states(course_of(particles(), 4, max_iterations=full[-1].iteration))
    assert same[-1].converged
    assert same[-1].records == full[-1].records


# the first partition


def test_the_first_partition_is_even_random_and_seeded():
    found = particles(4, 20, 1.0)
    first, again, other = (course_of(found, 7, random_state=s).start() for s in (3, 3, 4))
    sizes = np.bincount(first.labels, minlength=7)
    assert np.ptp(sizes) <= 1
    assert np.array_equal(first.labels, again.labels)
    assert np.array_equal(first.alignment.angle, again.alignment.angle)
    assert not np.array_equal(first.labels, other.labels)
    assert first.alignment.angle.min() >= 0
    assert first.alignment.angle.max() > 6
    assert not first.alignment.shift_px.any()
    assert first.iteration == 0


@pytest.mark.parametrize("method", RULES)
def test_methods_begin_with_the_same_averages(method):
    found = particles(4, 20, 1.0)
    first, same = (course_of(found, 4, method=m).start() for m in ("ack", method))
    assert np.array_equal(first.labels, same.labels)
    assert np.array_equal(first.alignment.angle, same.alignment.angle)


# what is compared


def test_each_stage_compares_in_its_own_way():
    found = particles(4, 10, 1.0)
    for alignment, first, second in (
        ("mra", MultiReference, MultiReference),
        ("msa", Subspace, Subspace),
        ("rfa", MultiReference, Fixed),
    ):
        course = course_of(found, 4, alignment=alignment)
        start = course.start()
        kinds = [type(course.setting(s)) for s in (start, replace(start, stage="local"))]
        assert kinds == [first, second]


def watched(monkeypatch, **options):
    """The arguments of every comparison of a course."""
    calls = []
    original = MultiReference.compare

    def compare(self, sums, members=None, labels=None):
        calls.append((members is not None, labels is not None))
        return original(self, sums, members, labels)

    monkeypatch.setattr(MultiReference, "compare", compare)
    course = course_of(particles(4, 10, 1.0), 4, trade=False, **options)
    all_states(course)
    return calls


@pytest.mark.parametrize("method", ["ack", "kmeans", "eqk"])
def test_images_are_left_out_of_their_averages_once_something_is_aligned(monkeypatch, method):
    calls = watched(monkeypatch, method=method)
    assert calls[0] == (False, False)
    assert set(calls[1:]) == {(True, True)}


def test_spider_s_factor_leaves_out_by_itself(monkeypatch):
    calls = watched(monkeypatch, method="spider")
    assert calls[0] == (False, False)
    assert set(calls[1:]) == {(True, False)}


def test_the_subspace_is_used_with_every_method():
    found = particles(4, 20, 0.1)
    for method in RULES:
        objectives = [
            [r.objective for r in all_states(course)[-1].records]
            for course in (
                course_of(found, 4, method=method, alignment=a, trade=False, max_iterations=4)
                for a in ("mra", "msa")
            )
        ]
        assert objectives[0][0] == objectives[1][0]  # nothing is aligned yet
        assert objectives[0][1] != objectives[1][1]


def test_shifts_stay_within_the_greatest():
    found = particles(4, 20, 1.0, max_shift_px=3.0)
    for greatest in (0.0, 1.0, 2.5):
        course = course_of(found, 4, max_shift_px=greatest)
        assert np.hypot(*course.global_shifts.T).max() <= greatest + 1e-9
        assert np.hypot(*course.local_shifts.T).max() <= greatest + 1e-9
        last = all_states(course)[-1]
        assert np.hypot(*last.offset_px.T).max() <= greatest + 1e-9
        assert np.hypot(*last.alignment.shift_px.T).max() <= greatest + 1e-9


# records


@pytest.mark.parametrize("alignment", ["mra", "msa", "rfa"])
def test_records_tell_what_happened(alignment):
    states = all_states(course_of(particles(4, 20, 0.3), 4, alignment=alignment))
    for before, after in zip(states, states[1:]):
        assert after.records[:-1] == before.records
        record = after.records[-1]
        assert record.iteration == after.iteration
        assert record.stage == before.stage
        assert record.fraction_changed == np.mean(before.labels != after.labels)
        if record.stage != "common":
            sizes = np.bincount(after.labels, minlength=4)
            assert (record.smallest, record.largest) == (sizes.min(), sizes.max())
        else:
            assert (record.smallest, record.largest) == (80, 80)


@pytest.mark.parametrize("method", RULES)
def test_the_objective_is_the_sum_of_dissimilarities_and_the_penalty(method):
    course = course_of(particles(4, 20, 0.3), 4, method=method, trade=False, own_contrast=False)
    state = course.advance(course.start())
    setting = course.setting(state)
    members = setting.aligned(state.alignment)
    sums = class_sums(setting.images, members, state.labels, 4)
    compared = setting.compare(sums, members, None if method == "spider" else state.labels)
    rng = np.random.default_rng([0, 2])
    labels, penalty = RULES[method](0.5).assign(compared.dissimilarity, state.labels, rng)
    after = course.advance(state)
    assert np.array_equal(after.labels, labels)
    inertia = compared.dissimilarity[np.arange(80), labels].sum(dtype=np.float64)
    assert after.records[-1].objective == pytest.approx(inertia + penalty)
    assert (penalty > 0) == (method == "ack")


def test_states_are_not_changed_by_the_next_iterations():
    course = course_of(particles(4, 20, 0.3), 4)
    states, copies = [course.start()], []
    while states[-1].stage != "done":
        copies.append((states[-1].labels.copy(), states[-1].alignment.copy()))
        states.append(course.advance(states[-1]))
    for state, (labels, alignment) in zip(states, copies):
        assert np.array_equal(state.labels, labels)
        assert np.array_equal(state.alignment.angle, alignment.angle)
        assert np.array_equal(state.alignment.shift_px, alignment.shift_px)


# the constraint


def test_the_constraint_is_loosened_once_the_classes_have_formed():
    states = all_states(course_of(particles(4, 20, 1.0), 4))
    assert {s.constraint for s in states if s.stage == "global"} == {1.0}
    assert {s.constraint for s in states if s.stage == "local"} == {course_module.LOOSENED}


@pytest.mark.parametrize("options", [{"trade": False}, {"alignment": "msa"}, {"method": "kmeans"}])
def test_without_trades_it_stays(options):
    states = all_states(course_of(particles(4, 20, 1.0), 4, **options))
    assert {s.constraint for s in states} == {1.0}


# rounds of trades


def before_trades(found, n_classes, **options):
    """A course, and its state after an iteration, as if trades were due."""
    course = course_of(found, n_classes, **options)
    state = course.advance(course.start())
    return course, replace(state, stage="trade", constraint=course_module.LOOSENED)


@pytest.fixture
def trades(monkeypatch):
    """Have `trade_classes` make as many trades as it is told, of nothing."""

    def have(n_trades):
        def trade_classes(setting, found, labels, alignment, rng, ranks):
            return np.roll(labels, 1), alignment.copy(), n_trades

        monkeypatch.setattr(course_module, "trade_classes", trade_classes)

    return have


def test_a_round_that_does_not_pay_is_taken_back(trades):
    trades(1)
    course, state = before_trades(particles(4, 20, 1.0), 4)
    after = course.advance(state)
    assert after.stage == "local"
    loss, labels, alignment = after.before_trade
    assert np.array_equal(labels, state.labels)
    assert np.array_equal(alignment.angle, state.alignment.angle)
    # nothing settles in between: the classes are worse now than before
    worse = replace(after, stage="trade", labels=np.random.default_rng(0).permutation(labels))
    back = course.advance(worse)
    assert back.stage == "done"
    assert back.converged
    assert back.before_trade is None
    assert np.array_equal(back.labels, state.labels)
    assert np.array_equal(back.alignment.angle, state.alignment.angle)
    assert np.array_equal(back.alignment.shift_px, state.alignment.shift_px)
    assert back.records[-1].objective == loss
    assert back.records[-1].fraction_changed == np.mean(worse.labels != state.labels)


def test_a_round_that_changes_nothing_does_not_pay(trades):
    trades(1)
    course, state = before_trades(particles(4, 20, 1.0), 4)
    after = course.advance(state)
    same = replace(after, stage="trade", labels=state.labels, alignment=state.alignment)
    assert course.advance(same).stage == "done"


def test_a_round_that_pays_is_kept_and_the_next_follows(trades):
    trades(1)
    course, state = before_trades(particles(4, 20, 1.0), 4)
    after = replace(course.advance(state), labels=state.labels, alignment=state.alignment)
    loss, *rest = after.before_trade
    paid = replace(after, stage="trade", before_trade=(loss * 1.01, *rest))
    following = course.advance(paid)
    assert following.stage == "local"
    assert following.n_rounds == 2
    assert following.before_trade[0] == pytest.approx(loss)


def test_there_are_three_rounds_at_most(trades):
    trades(1)
    course, state = before_trades(particles(4, 20, 1.0), 4)
    last = replace(state, n_rounds=course_module.MAX_ROUNDS)
    after = course.advance(last)
    assert after.stage == "done"
    assert after.iteration == state.iteration + 1
    assert np.array_equal(after.labels, state.labels)


@pytest.mark.parametrize(
    "n_classes, n_trades, uneven", [(4, 1, False), (4, 2, True), (60, 2, False), (60, 3, True)]
)
def test_many_trades_tell_that_views_are_uneven(trades, n_classes, n_trades, uneven):
    trades(n_trades)
    course, state = before_trades(particles(4, 20, 1.0), n_classes)
    after = course.advance(state)
    expected = course_module.UNEVEN if uneven else course_module.LOOSENED
    assert after.constraint == expected
    later = replace(after, stage="trade", before_trade=(np.inf, *after.before_trade[1:]))
    trades(1)
    assert course.advance(later).constraint == expected  # it stays


def test_without_trades_to_make_it_ends(trades):
    trades(0)
    course, state = before_trades(particles(4, 20, 1.0), 4)
    after = course.advance(state)
    assert after.stage == "done"
    assert after.converged
    assert after.records[-1].stage == "trade"


def test_trades_mend_what_iterations_cannot():
    # two views in one class and one view in two, all aligned
    found = particles(6, 20, 10.0)
    homes = np.array([0, 0, 1, 2, 3, 4])[found.view]
    homes[np.flatnonzero(found.view == 5)[::2]] = 5
    for trade in (True, False):
        course = course_of(found, 6, trade=trade, beta=0.1)
        state = replace(course.start(), labels=found.view)
        for _ in range(6):
            compared = course._compare(state, course.setting(state), found.view, 6)
            state = replace(state, alignment=compared.alignment(found.view))
        state = replace(course._recentred(state), labels=homes)
        while state.stage != "done":
            state = course.advance(state)
        assert (agreement(state.labels, found.view) > 0.97) == trade
