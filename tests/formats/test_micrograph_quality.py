"""The table of micrographs: what is written is read again, and damage is named."""

import numpy as np
import pytest

from repic_plugin.consensus import (
    Thresholds,
    accepted,
    find_consensus,
    median_scores,
    micrograph_quality,
)
from repic_plugin.formats import MICROGRAPHS, read_micrograph_quality, write_micrograph_quality
from repic_plugin.simulation import simulate_picks


def some_quality(mode="probabilistic"):
    picks = simulate_picks(5, 3, recall=0.8, precision=0.7, picker_names=["a, b", "c", "d"]).picks
    junk = np.array([0.1, np.nan, 0.5, 0.0, 1.0])
    return micrograph_quality(find_consensus(picks, 180, mode=mode), median_scores(picks), junk)


@pytest.mark.parametrize("mode", ["all", "probabilistic"])
@pytest.mark.parametrize("thresholds", [Thresholds(), Thresholds(0.4, 12.5, 0.45)])
def test_what_is_written_is_read_again(mode, thresholds, tmp_path):
    quality = some_quality(mode)
    write_micrograph_quality(tmp_path, quality, thresholds)
    found = read_micrograph_quality(tmp_path)
    assert found.thresholds == thresholds
    assert (found.quality.names, found.quality.picker_names) == (quality.names, ("a, b", "c", "d"))
    np.testing.assert_array_equal(found.is_accepted, accepted(quality, thresholds))
    assert found.is_accepted.all() == (thresholds == Thresholds())
    for name in ("agreement", "n_particles", "n_expected", "precision", "junk", "score"):
        np.testing.assert_allclose(
            getattr(found.quality, name), getattr(quality, name), rtol=1e-8, err_msg=name
        )


def test_without_a_table_there_is_none(tmp_path):
    assert read_micrograph_quality(tmp_path) is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("agreement", "agrement", "line 1: columns must be"),
        ("true", "yes", "is_accepted must be true or false, got 'yes'"),
        ("\nmic_000,0", "\nmic_000,x", "line 2: agreement must be a finite number or empty"),
    ],
)
def test_damage_is_named(old, new, message, tmp_path):
    write_micrograph_quality(tmp_path, some_quality())
    path = tmp_path / MICROGRAPHS
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        read_micrograph_quality(tmp_path)
