"""`repic-plugin consensus --images`: candidates on simulated micrographs and their classes."""

import shutil
import warnings

import numpy as np
import pytest
from scipy import ndimage

from repic_plugin.commands.simulate_micrographs import _write_star
from repic_plugin.consensus import ALL_CANDIDATES, candidates_to_look_at, find_consensus
from repic_plugin.formats import (
    classify_candidates,
    open_mrc,
    read_picks_dir,
    write_mrc,
    write_picks_file,
)
from repic_plugin.formats.results import candidate_classification
from repic_plugin.simulation import phantom_map, simulate_exposures
from tests.commands.helpers import assert_refused, command, csv_rows

BOX, SIZE, N, N_MICROGRAPHS = 32, 420, 30, 5
PIXEL_SIZE = 8.0
FILES = ("candidate_images.csv", "image_classes.csv", "picker_classes.csv")


def exposures():
    return simulate_exposures(
        phantom_map(BOX),
        N_MICROGRAPHS,
        pixel_size_angstrom=PIXEL_SIZE,
        n_particles=N,
        micrograph_size_px=(SIZE, SIZE),
        snr=0.5,
        n_junk=0,
        random_state=3,
    )


def material_ctfs():
    return [one.ctf for one in exposures()]


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Micrographs, the places of the particles, and two blob detectors beside a better picker."""
    folder = tmp_path_factory.mktemp("images")
    rng, truth = np.random.default_rng(0), {}
    (folder / "micrographs").mkdir()
    for number, one in enumerate(exposures()):
        name = f"mic{number}"
        truth[name] = one.centers
        write_mrc(folder / "micrographs" / f"{name}.mrc", one.micrograph, PIXEL_SIZE)
        blobs = peaks(one.micrograph, one.centers)
        for picker, (recall, share) in {
            "one": (0.5, 1),
            "two": (0.5, 1),
            "good": (0.95, 0),
        }.items():
            found = np.concatenate(
                [
                    one.centers[rng.random(N) < recall],
                    blobs[: int(share * len(blobs))],
                    rng.uniform(BOX, SIZE - BOX, (8, 2)),
                ]
            )
            found = found + rng.normal(0, 1, found.shape)
            place = folder / "picks" / picker
            place.mkdir(parents=True, exist_ok=True)
            write_picks_file(
                place / f"{name}.box", *found.T, box_size_px=BOX, score=rng.random(len(found))
            )
    return folder, truth


def peaks(micrograph, centers, n=40):
    """Dark places of noise, as a blob detector picks them, away from the particles."""
    response = ndimage.gaussian_laplace(micrograph.astype(float), 5)
    y, x = np.nonzero(response == ndimage.maximum_filter(response, BOX // 2))
    inside = (np.minimum(x, y) > BOX) & (np.maximum(x, y) < SIZE - BOX)
    apart = np.hypot(*(np.column_stack([x, y])[:, None] - centers).T).min(axis=0) > 0.6 * BOX
    kept = np.flatnonzero(inside & apart)
    best = kept[np.argsort(-response[y, x][kept])[:n]]
    return np.column_stack([x, y])[best].astype(float)


def consensus(run, folder, out, *options):
    picks = ("consensus", folder / "picks", "--box-size", BOX, "--mode", "probabilistic")
    return run(*picks, "--out", out, *options)


def f1(out, truth):
    rows = csv_rows(out / "consensus.csv")
    right = 0
    for name, centers in truth.items():
        mine = [
            (float(r["x_center"]), float(r["y_center"])) for r in rows if r["micrograph"] == name
        ]
        if mine:
            distance = np.hypot(*(np.array(mine)[:, None] - centers).T)
            right += int((distance.min(axis=1) < BOX / 4).sum())
    return 2 * right / (len(rows) + N * len(truth))


@pytest.fixture(scope="module")
def outcome(material, tmp_path_factory):
    """What the command told, and the folder it wrote."""
    folder, out = material[0], tmp_path_factory.mktemp("out") / "looked"
    return consensus(command, folder, out, "--images", folder / "micrographs"), out


@pytest.fixture(scope="module")
def looked(outcome):
    told, out = outcome
    assert told.code == 0, told.err
    return out


def test_images_find_what_agreement_does_not(run, material, outcome, looked, tmp_path):
    folder, truth = material
    told, _ = outcome
    assert consensus(run, folder, tmp_path / "blind").code == 0
    assert f1(tmp_path / "blind", truth) < 0.6
    assert f1(looked, truth) > 0.85
    assert any("candidates were looked at, in" in line for line in told.out)
    assert any("good is better than agreement says" in line for line in told.err)


def test_tables_of_candidates_and_classes(run, material, looked):
    candidates, classes, of_pickers = (csv_rows(looked / name) for name in FILES)
    labels = np.array([int(row["class"]) for row in candidates])
    sizes = np.array([int(row["size"]) for row in classes])
    assert (np.bincount(labels[labels >= 0], minlength=len(classes)) == sizes).all()
    assert len(of_pickers) == 3 * len(classes)
    n_kept = len(csv_rows(looked / "consensus.csv"))
    probability = np.array([float(row["probability"]) for row in candidates])
    weights = sorted(float(row["weight"]) for row in csv_rows(looked / "consensus.csv"))
    assert weights == pytest.approx(np.sort(probability)[-n_kept:], abs=1e-5)
    assert open_mrc(looked / "candidate_averages.mrcs", 0).shape == (BOX, BOX)


def test_chosen_classes_decide(run, material, looked, tmp_path):
    folder, _ = material
    best = [row["class"] for row in csv_rows(looked / FILES[1]) if float(row["share"]) >= 0.5]
    given = ("--classes", looked, "--good", ",".join(best))
    assert consensus(run, folder, tmp_path / "chosen", *given).code == 0
    before, after = (len(csv_rows(one / "consensus.csv")) for one in (looked, tmp_path / "chosen"))
    assert after == pytest.approx(before, rel=0.15)
    none = consensus(run, folder, tmp_path / "none", "--classes", looked, "--good", best[0])
    assert none.code == 0
    assert len(csv_rows(tmp_path / "none" / "consensus.csv")) < before / 2


def test_the_same_seed_gives_the_same_files(run, material, looked, tmp_path):
    folder, _ = material
    images = ("--images", folder / "micrographs", "--threads", 2)
    assert consensus(run, folder, tmp_path / "again", *images).code == 0
    for name in (*FILES, "consensus.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (looked / name).read_bytes()


def test_the_classes_of_an_earlier_run_give_the_same_files(run, material, looked, tmp_path):
    folder, _ = material
    assert consensus(run, folder, tmp_path / "again", "--classes", looked).code == 0
    boxes = sorted(path.name for path in looked.glob("*.box"))
    assert len(boxes) == N_MICROGRAPHS
    for name in (*FILES, "consensus.csv", "pickers.csv", "candidate_averages.mrcs", *boxes):
        assert (tmp_path / "again" / name).read_bytes() == (looked / name).read_bytes()


def test_random_picks_are_not_particles(run, tmp_path):
    """The negative control: three pickers of random places."""
    rng = np.random.default_rng(1)
    for picker in ("one", "two", "three"):
        for number in range(N_MICROGRAPHS):
            place = tmp_path / "picks" / picker
            place.mkdir(parents=True, exist_ok=True)
            x, y = rng.uniform(BOX, SIZE - BOX, (2, 60))
            scores = rng.random(60)
            write_picks_file(place / f"mic{number}.box", x, y, box_size_px=BOX, score=scores)
    noise = tmp_path / "micrographs"
    noise.mkdir()
    for number in range(N_MICROGRAPHS):
        write_mrc(
            noise / f"mic{number}.mrc", rng.normal(size=(SIZE, SIZE)).astype(np.float32), PIXEL_SIZE
        )
    outcome = consensus(run, tmp_path, tmp_path / "out", "--images", noise)
    if outcome.code == 0:
        assert len(csv_rows(tmp_path / "out" / "consensus.csv")) < 0.15 * 3 * 60 * N_MICROGRAPHS
    else:
        assert "chance" in outcome.err[-1]


@pytest.mark.parametrize(
    "options, problem",
    [
        (("--good", "1"), "--good names classes of an earlier run or of a file; add --classes"),
        (("--pixel-size", 5), "--pixel-size needs --images"),
        (("--images", "{}/nothing"), "no such folder"),
        (("--images", "{}/picks"), "holds no micrographs"),
        (("--images", "{}/micrographs/mic0.mrc"), "is a file, give its folder"),
        (("--images", "{}/small"), "candidates lie outside"),
        (("--images", "{}/mixed"), "micrographs must have one pixel size"),
        (("--images", "{}/micrographs", "--image-classes", 9999), "are needed for 9999 classes"),
        (("--seed", 1), "--seed needs --images"),
        (("--images", "{}/other"), "has no image of 5 of 5 micrographs, such as mic0, but x.mrc"),
        (("--images", "{}/micrographs", "--good", "1"), "add --classes DIR"),
        (("--images", "{}/micrographs", "--classes", "{}"), "give one of both"),
        (("--images", "{}/micrographs", "--pixel-size", 0), "--pixel-size must be positive"),
        (("--images", "{}/micrographs", "--image-classes", 1), "--image-classes"),
        (("--classes", "{}/nothing"), "candidate_images.csv"),
        (("--ctf", "{}/ctf.star"), "--ctf needs --images"),
        (("--images", "{}/micrographs", "--ctf", "{}/ctf.star"), "ctf.star: no such file"),
        (("--images", "{}/micrographs", "--num-particles", 0), "--num-particles must be"),
        (("--images", "{}/micrographs", "--position", "mean"), "--position mean has no effect"),
        (("--images", "{}/micrographs", "--out", "{}/micrographs/x"), "the micrographs of --ima"),
        (("--images", "{}/micrographs", "--out", "{}/picks/x"), "with the picks, and would"),
    ],
)
def test_what_does_not_go_together_is_refused(run, material, tmp_path, options, problem):
    folder, _ = material
    (folder / "other").mkdir(exist_ok=True)
    write_mrc(folder / "other" / "x.mrc", np.zeros((SIZE, SIZE), np.float32), PIXEL_SIZE)
    for number in range(N_MICROGRAPHS):
        image = np.asarray(open_mrc(folder / "micrographs" / f"mic{number}.mrc"))
        for name, pixels, size in (
            ("small", image[::2, ::2], 2 * PIXEL_SIZE),
            ("mixed", image, PIXEL_SIZE + (number == 2)),
        ):
            (folder / name).mkdir(exist_ok=True)
            write_mrc(folder / name / f"mic{number}.mrc", np.ascontiguousarray(pixels), size)
    words = [str(word).format(folder) for word in options]
    outcome = consensus(run, folder, tmp_path / "out", *words)
    assert outcome.code == 2
    assert problem in outcome.err[-1]
    assert not (tmp_path / "out").exists()


def test_classes_with_the_ctf_of_each_micrograph(run, material, looked, tmp_path):
    folder, truth = material
    star = tmp_path / "micrographs_ctf.star"
    _write_star(star, list(truth), material_ctfs(), PIXEL_SIZE)
    images = ("--images", folder / "micrographs", "--ctf", star)
    assert consensus(run, folder, tmp_path / "with", *images).code == 0
    assert f1(tmp_path / "with", truth) > 0.85
    averages = [open_mrc(one / "candidate_averages.mrcs", 0) for one in (looked, tmp_path / "with")]
    assert not np.allclose(*averages)
    _write_star(star, list(truth)[1:], material_ctfs()[1:], PIXEL_SIZE)
    outcome = consensus(run, folder, tmp_path / "lacking", *images)
    assert outcome.code == 2
    assert "1 of 5 micrographs have no CTF in it, such as mic0" in outcome.err[-1]


def test_a_blank_or_denoised_micrograph_is_named_and_not_looked_at(run, material, tmp_path):
    folder, truth = material
    for number in range(N_MICROGRAPHS):
        image = np.asarray(open_mrc(folder / "micrographs" / f"mic{number}.mrc"))
        image = {1: np.zeros_like(image), 2: ndimage.gaussian_filter(image, 4)}.get(number, image)
        (tmp_path / "images").mkdir(exist_ok=True)
        write_mrc(tmp_path / "images" / f"mic{number}.mrc", image, PIXEL_SIZE)
    outcome = consensus(run, folder, tmp_path / "out", "--images", tmp_path / "images")
    assert outcome.code == 0
    told = [line for line in outcome.err if "not looked at: " in line]
    assert ["mic1: it is blank" in told[0], "mic2: it was filtered" in told[1]] == [True, True]
    rows = csv_rows(tmp_path / "out" / "candidate_images.csv")
    of_class = {name: {row["class"] for row in rows if row["micrograph"] == name} for name in truth}
    assert of_class["mic1"] == of_class["mic2"] == {"-1"}
    assert len(of_class["mic3"]) > 1


def test_an_unreadable_micrograph_is_an_error(run, material, tmp_path):
    folder, _ = material
    shutil.copytree(folder / "micrographs", tmp_path / "images")
    (tmp_path / "images" / "mic3.mrc").write_bytes(b"no image")
    images = ("--images", tmp_path / "images", "--pixel-size", PIXEL_SIZE)
    outcome = consensus(run, folder, tmp_path / "out", *images)
    assert outcome.code == 2
    assert "mic3.mrc: an MRC file has a header of" in outcome.err[-1]


def test_other_modes_do_not_look(run, material, out):
    folder, _ = material
    outcome = run(
        *("consensus", folder / "picks", "--box-size", BOX, "--out", out),
        *("--images", folder / "micrographs"),
    )
    assert_refused(outcome, "need --mode probabilistic")


def test_classes_of_other_picks_are_refused(run, material, looked, tmp_path):
    folder, _ = material
    outcome = consensus(run, folder, tmp_path / "o", "--classes", looked, "--copy-distance", 0)
    if outcome.code:
        assert "are not among them" in outcome.err[-1]
    one = folder / "picks" / "one" / "mic0.box"
    text = one.read_text()
    one.write_text(text + "100 100 32 32 0.5\n")
    try:
        outcome = consensus(run, folder, tmp_path / "p", "--classes", looked)
    finally:
        one.write_text(text)
    assert outcome.code == 2
    assert "are not among them" in outcome.err[-1]


def test_chosen_classes_can_be_chosen_from_again(run, material, looked, tmp_path):
    folder, _ = material
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert consensus(run, folder, once, "--classes", looked).code == 0
    assert consensus(run, folder, twice, "--classes", once).code == 0
    for name in (*FILES, "consensus.csv", "candidate_averages.mrcs"):
        assert (once / name).read_bytes() == (twice / name).read_bytes()
    # shares have six digits in the table
    assert len(csv_rows(once / "consensus.csv")) == len(csv_rows(looked / "consensus.csv"))


def test_micrographs_without_particles_are_told(run, material, tmp_path):
    folder, _ = material
    rng = np.random.default_rng(5)
    for number in range(N_MICROGRAPHS):
        image = rng.normal(size=(SIZE, SIZE)).astype(np.float32)
        (tmp_path / "noise").mkdir(exist_ok=True)
        write_mrc(tmp_path / "noise" / f"mic{number}.mrc", image, PIXEL_SIZE)
    outcome = consensus(run, folder, tmp_path / "out", "--images", tmp_path / "noise")
    assert outcome.code == 0
    assert any("no 2D class looks like particles" in line for line in outcome.err)


def test_all_candidates_are_assigned_to_the_classes_of_a_sample(material, monkeypatch):
    """Classes found on two of five micrographs; on the others they separate particles as well."""
    monkeypatch.setattr(candidate_classification, "MOST_IMAGES", 250)
    monkeypatch.setattr(candidate_classification, "IMAGES_PER_BATCH", 150)
    folder, truth = material
    picks = read_picks_dir(folder / "picks").picks
    options = {"mode": "probabilistic", "num_particles": ALL_CANDIDATES}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of copies
        candidates = find_consensus(picks, BOX, **options)
    files = [str(folder / "micrographs" / f"{name}.mrc") for name in candidates.micrograph_names]
    told = []
    found = classify_candidates(
        candidates,
        files,
        BOX,
        pixel_size_angstrom=PIXEL_SIZE,
        progress=lambda *numbers: told.append(numbers),
    )
    assert told == [(number, len(files)) for number in range(1, len(files) + 1)]
    sample = candidates_to_look_at(candidates.micrograph, 250)
    has_class = found.label >= 0
    assert found.n_assigned == (has_class & ~sample).sum() > 0
    assert has_class.mean() > 0.9  # the others reach beyond the micrograph
    assert found.size.sum() == has_class.sum()
    names = np.array(candidates.micrograph_names)[candidates.micrograph]
    near = np.array(
        [
            np.hypot(*(truth[name] - center).T).min() < BOX / 4
            for name, center in zip(names, found.centers)
        ]
    )
    good = found.share[found.label] >= 0.5
    for part in (sample, ~sample):
        precision = near[has_class & part & good].mean()
        recall = good[has_class & part & near].mean()
        assert precision > 0.8 and recall > 0.8, (precision, recall)
