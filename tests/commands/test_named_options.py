"""Every command names options as the user typed them, never an argument of the library."""

import io
import re
import sys

import mrcfile
import numpy as np
import pytest

from repic_plugin.cli import main
from repic_plugin.commands.options import with_options
from tests.commands.helpers import each, write_picks

MAP = ("phantom", "--out", "OUT")
CONSENSUS = ("consensus", "PICKS", "--out", "OUT", "--box-size", 100)
EVALUATE = ("evaluate", "PICKS/crYOLO", "PICKS/topaz", "--box-size", 100)
SIMULATE = ("simulate", "OUT")
MICROGRAPHS = ("simulate-micrographs", *MAP)
PARTICLES = ("simulate-particles", *MAP)
QUORUM = ("--mode", "quorum")
PROBABLE = ("--mode", "probabilistic")

# A command, options that are wrong, and what the line has to name
WRONG = [
    (CONSENSUS[:-2], ["--box-size", 0], "--box-size"),
    (CONSENSUS[:-2], each("--box-size", "crYOLO=9"), "--box-size"),
    (CONSENSUS, [*QUORUM, "--quorum", 1], "--quorum"),
    (CONSENSUS, ["--quorum", 2], "--quorum"),
    (CONSENSUS, ["--min-overlap", 1], "--min-overlap"),
    (CONSENSUS, ["--min-score", "warp=0.1"], "--min-score"),
    (CONSENSUS, ["--min-score", "topaz=nan"], "--min-score"),
    (CONSENSUS, ["--score-transform", "warp=rank"], "--score-transform"),
    (CONSENSUS, ["--score-transform", "topaz=log"], "--score-transform"),
    (CONSENSUS, ["--drop-outside", 0, -5], "--drop-outside"),
    (CONSENSUS, ["--num-particles", 0], "--num-particles"),
    (CONSENSUS, ["--time-limit", 0], "--time-limit"),
    (CONSENSUS, ["--threads", 0], "--threads"),
    (CONSENSUS, ["--target-precision", 0.5], "--target-precision"),
    (CONSENSUS, [*PROBABLE, "--target-precision", 2], "--target-precision"),
    (CONSENSUS, [*PROBABLE, "--largest-component"], "--largest-component"),
    (CONSENSUS, ["--quality", "TABLE"], "--quality"),
    (EVALUATE, ["--radius", 0], "--radius"),
    (EVALUATE, ["--micrograph-size", 0, 5], "--micrograph-size"),
    (EVALUATE, ["--threads", 0], "--threads"),
    (EVALUATE, ["--flip-y"], "--micrograph-size"),
    (EVALUATE[:-1], [0], "--box-size"),
    (SIMULATE, ["--micrographs", 0], "--micrographs"),
    (SIMULATE, ["--pickers", 0], "--pickers"),
    (SIMULATE, ["--particles", -1], "--particles"),
    (SIMULATE, ["--micrograph-size", 0, 5], "--micrograph-size"),
    (SIMULATE, ["--box-size", 0], "--box-size"),
    (SIMULATE, ["--micrograph-size", 100, 100], "--micrograph-size"),
    (SIMULATE, ["--recall", 2], "--recall"),
    (SIMULATE, ["--precision", 0.5, 0.5], "--precision"),
    (SIMULATE, ["--jitter", -1], "--jitter"),
    (SIMULATE, ["--score-separation", "nan"], "--score-separation"),
    (SIMULATE, ["--seed", -1], "--seed"),
    (SIMULATE, ["--pixel-size", 0], "--pixel-size"),
    (MICROGRAPHS, ["--micrographs", 0], "--micrographs"),
    (MICROGRAPHS, ["--particles", -1], "--particles"),
    (MICROGRAPHS, ["--size", 0, 5], "--size"),
    (MICROGRAPHS, ["--snr", 0], "--snr"),
    (MICROGRAPHS, ["--pixel-size", 0], "--pixel-size"),
    (MICROGRAPHS, ["--micrograph-pixel-size", 0], "--micrograph-pixel-size"),
    (MICROGRAPHS, ["--micrograph-pixel-size", 1000], "--micrograph-pixel-size"),
    (MICROGRAPHS, ["--box-size", 0], "--box-size"),
    (MICROGRAPHS, ["--min-distance", 1], "--min-distance"),
    (MICROGRAPHS, ["--junk", -1], "--junk"),
    (MICROGRAPHS, ["--gradient", -1], "--gradient"),
    (MICROGRAPHS, ["--seed", -1], "--seed"),
    (MICROGRAPHS, ["--defocus", 2, 1], "--defocus"),
    (MICROGRAPHS, ["--voltage", 0], "--voltage"),
    (MICROGRAPHS, ["--spherical-aberration", "nan"], "--spherical-aberration"),
    (MICROGRAPHS, ["--amplitude-contrast", 2], "--amplitude-contrast"),
    (PARTICLES, ["--views", 0], "--views"),
    (PARTICLES, ["--per-view", 0], "--per-view"),
    (PARTICLES, ["--snr", 0], "--snr"),
    (PARTICLES, ["--box-size", 1], "--box-size"),
    (PARTICLES, ["--spread", -1], "--spread"),
    (PARTICLES, ["--max-shift", -1], "--max-shift"),
    (PARTICLES, ["--max-shift", 999], "--max-shift"),
    (PARTICLES, ["--uneven", -1], "--uneven"),
    (PARTICLES, ["--junk", 1], "--junk"),
    (PARTICLES, ["--seed", -1], "--seed"),
    (PARTICLES, ["--defocus", 2, 1], "--defocus"),
    (PARTICLES, ["--voltage", -1], "--voltage"),
    (("fsc", "MAPS/a.mrc", "MAPS/a.mrc"), ["--pixel-size", 0], "--pixel-size"),
    (("fsc", "MAPS/a.mrc", "MAPS/a.mrc"), ["--mask", "MAPS/zero.mrc"], "--mask"),
    (("fsc", "MAPS/zero.mrc", "MAPS/a.mrc"), ["--register"], "MAP"),
    (("score-classes", "MAPS/assignments.csv", "MAPS/truth.csv"), ["--classes", 1], "--classes"),
    (
        ("score-classes", "MAPS/assignments.csv", "MAPS/truth.csv"),
        ["--max-angle", 200],
        "--max-angle",
    ),
    (("report", "PICKS"), ["--out", "PICKS"], "--out"),
    (("run", "TABLE"), [], "--project"),
    (("demo", "--picks", "CSV"), ["--out", "OUT"], "--box-size"),
    (("demo-iterative", "--out", "OUT"), ["--seed", -1], "--seed"),
    (("demo-iterative", "--out", "OUT"), ["--pixel-size", 0], "--pixel-size"),
]


@pytest.fixture
def places(tmp_path, tiny):
    """Input of every command, by the words that stand for it."""
    maps = tmp_path / "maps"
    maps.mkdir()
    write_map(maps)
    (maps / "assignments.csv").write_text("particle,class\n1@s.mrcs,0\n2@s.mrcs,1\n")
    (maps / "truth.csv").write_text(
        "particle,view,rot_deg,tilt_deg,psi_deg\n1@s.mrcs,0,0,0,0\n2@s.mrcs,1,0,90,0\n"
    )
    table = tmp_path / "quality.csv"
    table.write_text("micrograph,defocus\nm1,1\nm2,2\nm3,3\n")
    text = "x,y\n100,100\n"
    coordinates = write_picks(tmp_path / "csv", {"a": {"m1.csv": text}, "b": {"m1.csv": text}})
    return {
        "PICKS": str(tiny),
        "OUT": str(tmp_path / "out"),
        "MAPS": str(maps),
        "TABLE": str(table),
        "CSV": str(coordinates),
    }


def write_map(folder):
    for name, fill in (("a", np.random.default_rng(0).normal(size=(16,) * 3)), ("zero", 0)):
        with mrcfile.new(folder / f"{name}.mrc") as file:
            file.set_data(np.zeros((16,) * 3, np.float32) + np.float32(fill))
            file.voxel_size = 2


def filled(words, places):
    pattern = "|".join(places)
    return [re.sub(rf"^(?:{pattern})(?=$|/)", lambda m: places[m[0]], str(w)) for w in words]


@pytest.mark.parametrize(
    "command, options, named",
    WRONG,
    ids=[f"{command[0]} {' '.join(map(str, options))}" for command, options, _ in WRONG],
)
def test_a_wrong_value_names_its_option(run, places, command, options, named):
    outcome = run(*filled(command, places), *filled(options, places))
    assert outcome.code == 2
    line = outcome.err[-1]
    assert re.search(rf"(?<![\w-]){named}(?![\w-])", line), line
    for place in places.values():
        line = line.replace(place, "")
    assert not re.search(r"[a-z]+_[a-z]", line), line


@pytest.mark.parametrize(
    "message, expected",
    [
        ("box_size_px must be 1", "--box-size must be 1"),
        ("seed must be 1; lower n_seed", "--seed must be 1; lower --seed"),
        ("seed of the box", "seed of the box"),
        ("/data/box_size_px/a: is a file", "/data/box_size_px/a: is a file"),
        ("box_size_px.csv: is a file", "box_size_px.csv: is a file"),
        ("extra column 'box_size_px' is there", "extra column 'box_size_px' is there"),
        ("box_shape_px must be 1", "box_shape_px must be 1"),
    ],
)
def test_only_arguments_are_replaced(message, expected):
    assert with_options(message, {"box_size": "--box-size", "seed": "--seed"}) == expected


def test_a_terminal_without_the_letter_gets_its_nearest(places, tmp_path, monkeypatch):
    """LANG=C and PYTHONIOENCODING=ascii are common on clusters."""
    pages = [io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", pages[0])
    monkeypatch.setattr(sys, "stderr", pages[1])
    map_file = filled(["MAPS/a.mrc"], places)[0]
    assert main(["fsc", f"grün={map_file}", map_file]) == 0
    assert main(["fsc", str(tmp_path / "Å∈.mrc"), map_file]) == 2
    out, err = ([*map(str.strip, page.detach().getvalue().decode().splitlines())] for page in pages)
    assert out[1] == "grun  4.00 A or finer  4.00 A or finer"
    assert err == [f"repic-plugin: error: {tmp_path}/A\\u2208.mrc: no such file; check the name"]
