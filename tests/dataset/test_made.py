"""Arrays that are made from stars on demand: the same stars, kept, resumed, and made again where they are stale."""

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data.dataset import library, made, release
from mwlmc_data.dataset.made import Recipe, load_made, simulate_outer_stars
from mwlmc_data.scoring.star_sets import pad_stars

IDS = np.array([21, 22, 150, 151, 152])
RECIPE = Recipe("first-stars", 1, pad_stars, {"n_max": 40})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MWLMC_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(made, "BLOCK", 2)
    return tmp_path / release.DATA_VERSION / "made" / RECIPE.name


@pytest.fixture
def simulated(monkeypatch):
    """Numbers of the haloes that are simulated from here on, in this process."""
    numbers = []

    def follow(rows, seed):
        for row, stars in zip(rows, simulate_outer_stars(rows, seed), strict=True):
            numbers.append(row["sim_id"])
            yield stars

    monkeypatch.setattr(made, "simulate_outer_stars", follow)
    return numbers


def far_stars(sim_id):
    halo = mw.load_halo(sim_id, source="simulation")
    far = np.linalg.norm(halo.positions.astype(float), axis=1) > 50
    return np.concatenate([halo.positions, halo.velocities], axis=1)[far]


def test_the_stars_are_those_of_the_haloes_beyond_50_kpc_bit_for_bit():
    rows, seed = library.get_recipe(library.Chunk((0, 21)), "gaussian", None)
    for number, stars in zip((0, 21), simulate_outer_stars(rows, seed), strict=True):
        assert stars.dtype == np.float32 and np.array_equal(stars, far_stars(number))
    row = mw.load_catalogue("train", columns=["n_stars_fit"]).iloc[1]
    assert abs(len(stars) - row["n_stars_fit"]) <= 1, "the catalogue counts them (within one on another processor)"


def test_haloes_are_made_once_and_kept_in_order(folder, simulated):
    first = load_made(RECIPE, IDS, workers=1)
    assert first["stars"].shape == (5, 40, 6) and first["mask"].all() and simulated == IDS.tolist()
    for i, number in enumerate(IDS):
        assert np.array_equal(first["stars"][i], far_stars(number)[:40])
    again = load_made(RECIPE, IDS, workers=1)
    assert simulated == IDS.tolist() and len(list(folder.iterdir())) == 3
    assert all(np.array_equal(first[name], again[name]) for name in first)
    more = load_made(RECIPE, np.append(IDS[:4], [153, 154]), workers=1)
    assert simulated == [*IDS.tolist(), 153, 154], "lists that begin alike share their files"
    assert np.array_equal(more["stars"][:4], first["stars"][:4])


def test_processes_make_the_same_bytes(folder, tmp_path, monkeypatch):
    load_made(RECIPE, IDS, workers=1)
    one = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setenv("MWLMC_DATA_DIR", str(tmp_path / "other"))
    load_made(RECIPE, IDS, workers=2)
    other = tmp_path / "other" / release.DATA_VERSION / "made" / RECIPE.name
    assert {path.name: path.read_bytes() for path in other.iterdir()} == one


def test_an_interrupted_run_goes_on(folder, simulated, monkeypatch):
    whole = made._write

    def stop(path, *arguments):
        whole(path, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(made, "_write", stop)
    with pytest.raises(KeyboardInterrupt):
        load_made(RECIPE, IDS, workers=1)
    monkeypatch.setattr(made, "_write", whole)
    assert simulated == [21, 22]
    load_made(RECIPE, IDS, workers=1)
    assert simulated == IDS.tolist() and not list(folder.glob("*.tmp"))


def change_simulator(monkeypatch):
    whole, key = made._identify, b'"simulator_version": "'
    monkeypatch.setattr(made, "_identify", lambda *a: whole(*a).replace(key, key + b"9"))
    return RECIPE


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("what", ["simulator", "version", "options", "damage", "cut", "other haloes"])
def test_stale_and_damaged_files_are_made_again(what, folder, simulated, monkeypatch):
    ids, recipe = IDS[:2], RECIPE
    right = load_made(RECIPE, ids, workers=1)
    (path,) = folder.iterdir()
    before = path.read_bytes()
    if what == "simulator":
        recipe = change_simulator(monkeypatch)
    elif what == "version":
        recipe = Recipe(RECIPE.name, 2, pad_stars, RECIPE.options)
    elif what == "options":
        recipe = Recipe(RECIPE.name, 1, pad_stars, {"n_max": 30})
    elif what == "damage":
        damage(path)
    elif what == "cut":
        path.write_bytes(before[:1000])
    else:
        load_made(RECIPE, ids[::-1], workers=1)
        (other,) = set(folder.iterdir()) - {path}
        path.write_bytes(other.read_bytes())
    done = len(simulated)
    found = load_made(recipe, ids, workers=1)
    assert simulated[done:] == ids.tolist()
    n = recipe.options["n_max"]
    assert np.array_equal(found["stars"], right["stars"][:, :n])
    assert (path.read_bytes() == before) == (what not in ("simulator", "version", "options"))


def test_another_simulator_than_the_releases_is_refused(monkeypatch):
    monkeypatch.setattr("mwlmc_data.simulator.SIMULATOR_VERSION", "9.9.9")
    with pytest.raises(library.MissingHaloError, match=r"simulator .* and this is 9\.9\.9, which gives other stars"):
        load_made(RECIPE, IDS[:1], workers=1)


@pytest.mark.parametrize(
    ("ids", "words"), [([], "sim_ids = 0 numbers"), ([-1], "sim_ids"), ([128_000], "sim_ids"), ([0.5], "sim_ids")]
)
def test_numbers_outside_the_set_are_refused_and_write_nothing(ids, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        load_made(RECIPE, np.array(ids), workers=1)
    assert list(tmp_path.iterdir()) == []


def test_the_order_of_the_stars_is_random():
    """The first stars are as far out and as fast as the rest: their number alone is cut."""
    from scipy import stats

    rows, seed = library.get_recipe(library.Chunk(tuple(range(20, 32))), "gaussian", None)
    found = list(simulate_outer_stars(rows, seed))
    for columns in (slice(0, 3), slice(3, 6)):
        first, rest = (np.concatenate([np.linalg.norm(s[part, columns], axis=1) for s in found])
                       for part in (slice(1024), slice(1024, None)))  # fmt: skip
        assert stats.ks_2samp(first, rest).pvalue > 1e-3
