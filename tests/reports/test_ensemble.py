"""The report of a consensus by probability."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes

from repic_plugin.consensus import (
    RANKINGS,
    expected_scores,
    find_consensus,
    recommended_num_particles,
)
from repic_plugin.consensus.ensemble import fit as ensemble_fit
from repic_plugin.formats import (
    read_consensus_tables,
    write_consensus_table,
    write_ensemble,
    write_summary_table,
)
from repic_plugin.reports import Picture, Table, Warnings, ensemble
from repic_plugin.reports.consensus import blocks
from repic_plugin.reports.ensemble import ensemble_blocks
from repic_plugin.simulation import simulate_picks

N_MICROGRAPHS, BOX_PX = 6, 100


@pytest.fixture
def _undrawn(monkeypatch):
    """For tests of the words: the figure takes longer than all of them."""
    monkeypatch.setattr(ensemble, "pickers_figure", lambda *what: None)


@pytest.fixture(scope="module")
def simulated():
    return simulate_picks(
        N_MICROGRAPHS,
        n_particles=60,
        micrograph_size_px=(2000, 2000),
        box_size_px=BOX_PX,
        recall=(0.9, 0.6, 0.8),
        precision=(0.9, 0.7, 0.8),
        picker_names=("a", "b", "c"),
    )


@pytest.fixture(scope="module")
def result(simulated):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ensemble_fit, "N_REPLICATES", 5)
        return find_consensus(
            simulated.picks,
            BOX_PX,
            mode="probabilistic",
            micrograph_quality=np.arange(N_MICROGRAPHS) * 1000.0,
        )


def write(folder, result, n_picks):
    folder.mkdir(exist_ok=True)
    write_consensus_table(folder / "consensus.csv", result, np.arange(1, n_picks + 1))
    write_summary_table(folder / "summary.csv", result)
    if result.ensemble is not None:
        write_ensemble(folder, result.ensemble)
    return folder


@pytest.fixture(scope="module")
def found(result, simulated, tmp_path_factory):
    """The tables, read back."""
    folder = write(tmp_path_factory.mktemp("all"), result, len(simulated.picks))
    return read_consensus_tables(folder)


def words(parts):
    return " ".join(part for part in parts if isinstance(part, str))


def tables(parts):
    return [part for part in parts if isinstance(part, Table)]


def warned(parts):
    return [line for part in parts if isinstance(part, Warnings) for line in part.lines]


@pytest.mark.usefixtures("_undrawn")
def test_a_card_for_each_picker(found, result):
    model = result.ensemble
    card = tables(ensemble_blocks(found, model, []))[0]
    assert card.header[:4] == ["picker", "picks", "in consensus", "precision"]
    for place, row in enumerate(card.rows):
        name, n_picks, n_used, precision, precision_ends, recall, recall_ends, f1 = row
        assert name == model.picker_names[place]
        assert n_picks == result.micrographs.n_picks[:, place].sum()
        assert n_used == (result.members[:, place] >= 0).sum() < n_picks
        wanted = (model.precision[place], model.recall[place], model.f1[place])
        assert (precision, recall, f1) == pytest.approx(wanted)
        for ends, interval in (
            (precision_ends, model.precision_interval),
            (recall_ends, model.recall_interval),
        ):
            assert [float(end) for end in ends.split(" to ")] == pytest.approx(
                interval[place], abs=6e-4
            )


@pytest.mark.usefixtures("_undrawn")
def test_what_there_is_and_what_was_kept(found, result):
    model = result.ensemble
    text = words(ensemble_blocks(found, model, []))
    low, high = model.n_particles_interval
    assert f"{len(result):,} particles on 6 of 6 micrographs" in text
    assert f"total: {model.n_particles:,.0f} true particles ({low:,.0f} to {high:,.0f}" in text
    promised = expected_scores(result.weight, model, N_MICROGRAPHS)
    kept = f"{promised.n_true:,.0f} or {promised.precision:.1%} are expected to be true"
    assert kept in text
    assert f"{promised.recall:.1%} of all" in text
    assert f"at least {model.threshold:.3f} (highest expected F1 score)" in text


def test_the_figure_counts_what_the_text_counts(found, result, monkeypatch):
    drawn = []
    monkeypatch.setattr(ensemble, "pickers_figure", lambda *what: drawn.append(what))
    ensemble_blocks(found, result.ensemble, [])
    ((model, probability, n_micrographs),) = drawn
    assert (model, n_micrographs) == (result.ensemble, N_MICROGRAPHS)
    np.testing.assert_array_equal(probability, found.weight)


@pytest.mark.usefixtures("_undrawn")
def test_names_of_pickers_stay_as_they_are_and_what_decided_is_said(found, result):
    model = replace(result.ensemble, warnings=("a is worse", "no class looks like particles"))
    assert warned(ensemble_blocks(found, model, [])) == [
        "a is worse.",
        "No class looks like particles.",
    ]
    assert tables(ensemble_blocks(found, model, []))[0].caption.endswith("agreement and scores.")
    by_images = replace(model, threshold_rule=f"{model.threshold_rule}, with images")
    caption = tables(ensemble_blocks(found, by_images, []))[0].caption
    assert caption.endswith("agreement, scores and 2D classes.")


def test_what_images_did_not_change_is_labelled(found, result):
    by_images = replace(
        result.ensemble, threshold_rule=f"{result.ensemble.threshold_rule}, with images"
    )
    blind = "by agreement alone"
    for model, is_labelled in ((result.ensemble, False), (by_images, True)):
        parts = ensemble_blocks(found, model, [])
        (picture,) = (part for part in parts if isinstance(part, Picture))
        axes = [one for part in picture.figure.subfigs for one in part.findobj(Axes)]
        labels = {one.get_xlabel() for one in axes} | {
            text.get_text() for one in axes if one.get_legend() for text in one.get_legend().texts
        }
        assert (f"score, {blind}" in labels) is is_labelled
        assert (f"expected, {blind}" in labels) is is_labelled
        assert (blind in picture.caption) is is_labelled
        (quality,) = (one for one in tables(parts) if "quality" in one.header)
        assert quality.caption.endswith(f"{blind}.") is is_labelled


def test_that_images_decided_comes_first(result, simulated, tmp_path):
    folder = write(tmp_path / "p", result, len(simulated.picks))
    assert "2D classes" not in words(blocks(folder)[:2])
    rule = f"{result.ensemble.threshold_rule}, with images"
    write_ensemble(folder, replace(result.ensemble, threshold_rule=rule))
    assert blocks(folder)[0].startswith("The 2D classes of the candidates decided")


def test_one_micrograph_is_one(tmp_path):
    picks = simulate_picks(1, n_particles=30, box_size_px=BOX_PX, micrograph_size_px=(1500, 1500))
    result = find_consensus(picks.picks, BOX_PX)
    assert "particles on 1 of 1 micrograph." in words(blocks(write(tmp_path / "q", result, 10_000)))


@pytest.mark.usefixtures("_undrawn")
def test_what_decided_is_told(found, result):
    model = result.ensemble
    cut = replace(found, n_selected=found.n_selected + 2)
    assert "the best, by number or false-agreement rate; 12 more were discarded" in words(
        ensemble_blocks(cut, model, [])
    )
    lower = replace(found, weight=np.append(found.weight[:-1], model.threshold / 2))
    assert "Selection: every candidate." in words(ensemble_blocks(lower, model, []))


@pytest.mark.usefixtures("_undrawn")
def test_of_nothing_nothing_is_promised(found, result):
    columns = ("micrograph", "x", "y", "weight", "overlap", "score", "members")
    nothing = replace(found, **{name: getattr(found, name)[:0] for name in columns})
    nothing = replace(nothing, n_selected=0 * found.n_selected)
    text = words(ensemble_blocks(nothing, result.ensemble, []))
    assert "0 particles on 0 of 6 micrographs" in text
    assert "expected" not in text.replace("expected F1", "")


@pytest.mark.usefixtures("_undrawn")
def test_by_quality_where_it_is_known(found, result):
    model = result.ensemble
    (quality,) = (t for t in tables(ensemble_blocks(found, model, [])) if "quality" in t.header)
    assert len(quality.rows) == 3 * (len(model.quality_edges) - 1) == 9
    assert [row[1] for row in quality.rows[:3]] == ["a", "b", "c"]
    assert [row[3] for row in quality.rows] == pytest.approx(model.quality_recall.ravel())
    none = replace(
        model,
        quality_edges=np.zeros(0),
        quality_recall=np.zeros((0, 3)),
        quality_precision=np.zeros((0, 3)),
    )
    assert not any("quality" in t.header for t in tables(ensemble_blocks(found, none, [])))


@pytest.mark.usefixtures("_undrawn")
def test_warnings_of_the_model_stand_with_the_others(found, result):
    model = replace(result.ensemble, warnings=("the data do not decide", "look twice"))
    assert warned(ensemble_blocks(found, model, ["c has no pick at all."])) == [
        "The data do not decide.",
        "Look twice.",
        "c has no pick at all.",
    ]


@pytest.mark.usefixtures("_undrawn")
def test_a_picker_without_a_pick(found, result):
    model = result.ensemble
    precision, ends = model.precision.copy(), model.precision_interval.copy()
    precision[1], ends[1] = np.nan, np.nan
    silent = replace(model, precision=precision, precision_interval=ends)
    row = tables(ensemble_blocks(found, silent, []))[0].rows[1]
    assert np.isnan(row[3])
    assert (row[4], row[-1]) == ("", 0)


def test_the_whole_section(result, simulated, tmp_path):
    parts = blocks(write(tmp_path / "p", result, len(simulated.picks)))
    assert "would train" not in words(parts)
    captions = [part.caption for part in parts if isinstance(part, Picture)]
    assert [caption.split()[0] for caption in captions] == [
        "Estimated",
        "Number",
        "Probabilities",
        "Overlap",
    ]
    assert tables(parts)[-1].header[0] == "agreement"


def test_other_modes_are_told_as_before(simulated, tmp_path):
    result = find_consensus(simulated.picks, BOX_PX, mode="quorum")
    parts = blocks(write(tmp_path / "q", result, len(simulated.picks)))
    assert "REPIC would train pickers on the best" in words(parts)
    assert tables(parts)[0].header == ["picker", "picks", "in consensus", "share"]
    captions = [part.caption for part in parts if isinstance(part, Picture)]
    assert [caption.split()[0] for caption in captions] == ["Number", "Weights", "Overlap"]


def test_the_number_to_train_on_follows_the_ranking(simulated, tmp_path):
    told = {}
    for rank_by in RANKINGS:
        result = find_consensus(simulated.picks, BOX_PX, mode="quorum", rank_by=rank_by)
        parts = blocks(write(tmp_path / rank_by, result, len(simulated.picks)))
        n_best = recommended_num_particles(result)
        assert f"the best {n_best} per micrograph, ranked by {rank_by}." in words(parts)
        told[rank_by] = n_best
        captions = [part.caption for part in parts if isinstance(part, Picture)]
        assert any(caption.startswith(f"{rank_by.capitalize()}s of") for caption in captions)
    assert len(set(told.values())) == 2, told
