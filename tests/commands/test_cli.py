"""The command `mwlmc`."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.table import QTable, Table

import mwlmc_data
from mwlmc_data import cli
from mwlmc_data.dataset import release, schema
from mwlmc_data.simulator import SIMULATOR_VERSION
from mwlmc_data.storage.hashing import sha256_of
from tests.helpers.footers import needs_reader, read_footer
from tests.helpers.halo_folders import copy_of_mini

SIMULATE = [
    "simulate",
    "--m200-mw",
    "9.1e11",
    "--m-lmc",
    "2.3e11",
    "--log10-lambda-df",
    "0.7",
    "--n-stars",
    "1500",
]
COLUMNS = ["x", "y", "z", "vx", "vy", "vz"]


@pytest.fixture
def run(capsys):
    """Function that runs the command and gives its status, output and errors."""

    def run(*words):
        try:
            status = cli.main([str(word) for word in words])
        except SystemExit as stop:
            status = stop.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def assert_refused(result, *named):
    status, out, err = result
    assert status == 2
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert err.startswith("mwlmc: error: ")
    for part in named:
        assert part in err


@pytest.fixture(scope="module")
def stars():
    """Halo stars with a known reflex motion: (20, -10, -40) km/s, isotropic with 80 km/s."""
    rng = np.random.default_rng(8)
    directions = rng.normal(size=(3000, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    positions = directions * rng.uniform(20.0, 150.0, size=(3000, 1))
    velocities = rng.normal(scale=80.0, size=(3000, 3)) - (20.0, -10.0, -40.0)
    return pd.DataFrame(np.concatenate([positions, velocities], axis=1), columns=COLUMNS)


def write(stars, path):
    if path.suffix == ".npz":
        np.savez(path, **{name: stars[name].to_numpy() for name in stars})
    elif path.suffix == ".csv":
        stars.to_csv(path, index=False)
    else:
        stars.to_parquet(path)
    return path


class TestCite:
    def test_it_prints_what_the_function_gives(self, run):
        assert run("cite") == (0, mwlmc_data.cite() + "\n", "")
        assert run("cite", "--style", "text") == (0, mwlmc_data.cite("text") + "\n", "")

    def test_unknown_style(self, run):
        assert_refused(run("cite", "--style", "apa"), "'apa'", "bibtex")

    def test_it_loads_nothing_heavy(self):
        heavy = ["torch", "numba", "pandas", "scipy", "astropy", "datasets", "pyarrow", "sbi"]
        code = (
            "import sys; from mwlmc_data import cli; cli.main(['cite']); "
            f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stderr.strip() == "[]"


class TestInfo:
    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.setattr(release, "DATA_DIR", tmp_path)
        (tmp_path / "gaussian.parquet").write_bytes(b"rows" * 10)
        release.register(
            tmp_path / "gaussian.parquet", config="gaussian", rows=123, seed=9, simulator_version="1"
        )
        return tmp_path

    def test_json(self, run, folder):
        status, out, _ = run("info", "--json")
        info = json.loads(out)
        assert status == 0
        assert info["versions"] == {
            "package": mwlmc_data.__version__,
            "data": release.DATA_VERSION,
            "simulator": SIMULATOR_VERSION,
        }
        (file,) = info["files"]
        assert file["state"] == "verified"
        assert (file["rows"], file["config"], file["bytes"]) == (123, "gaussian", 40)
        assert [c["name"] for c in info["columns"]] == list(schema.CATALOGUE_NAMES)
        assert {c["name"]: c["unit"] for c in info["columns"]}["m_lmc"] == "Msun"

    def test_text(self, run, folder):
        status, out, _ = run("info")
        assert status == 0
        assert "123 simulations" in out
        assert f"{sha256_of(folder / 'gaussian.parquet')}: verified" in out
        for column in schema.COLUMNS:
            assert column.description in out

    def test_other_versions_are_named_and_what_was_retracted(self, run, folder):
        path = folder / "registry.json"
        content = json.loads(path.read_text())
        content["versions"]["0.9.0"] = content["versions"][release.DATA_VERSION] | {"retracted": "erratum 1: signs"}
        path.write_text(json.dumps(content))
        status, out, _ = run("info")
        assert status == 0
        assert "0.9.0: not embedded; `mwlmc fetch all --version 0.9.0` gets it" in out
        assert "0.9.0 was RETRACTED: erratum 1: signs" in out
        known = json.loads(run("info", "--json")[1])["known"]
        assert known["0.9.0"] == {"embedded": False, "retracted": "erratum 1: signs"}
        assert known[release.DATA_VERSION] == {"embedded": True, "retracted": None}

    def test_damage_is_reported_with_status_1(self, run, folder):
        (folder / "gaussian.parquet").write_bytes(b"rots" * 10)
        status, out, _ = run("info", "--json")
        assert status == 1
        assert "is not the file of the release" in json.loads(out)["files"][0]["state"]

    def test_without_files(self, run, folder):
        (folder / "registry.json").unlink()
        status, out, _ = run("info")
        assert status == 0
        assert "No embedded files" in out

    def test_a_closed_pipe_is_not_reported_as_a_failure(self, folder):
        process = subprocess.Popen(
            [sys.executable, "-m", "mwlmc_data", "info"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        process.wait()


class TestSimulate:
    def test_json_is_what_the_function_gives(self, run):
        status, out, _ = run(
            *SIMULATE, "--beta0", "0.3", "--dec-lmc", "-69", "--ra-lmc", "80", *SKY, "--seed", "4", "--json"
        )
        assert status == 0
        result = json.loads(out)
        parameters = mwlmc_data.Parameters(
            m200_mw=9.1e11,
            m_lmc=2.3e11,
            log10_lambda_df=0.7,
            beta0=0.3,
            ra_lmc=80.0,
            dec_lmc=-69.0,
            distance_lmc=50.0,
            v_los_lmc=260.0,
            pm_ra_lmc=1.9,
            pm_dec_lmc=0.3,
        )
        expected = mwlmc_data.simulate(parameters, seed=4, n_stars=1500)
        assert result["parameters"] == parameters.to_dict()
        assert result["reflex"]["v_travel"] == pytest.approx(expected.reflex.v_travel, rel=1e-9)
        assert result["reflex"]["sigma_v_b"] == pytest.approx(expected.reflex.dispersions[2], rel=1e-9)
        assert result["reflex"]["errors"] == pytest.approx(expected.reflex.errors, rel=1e-6)
        assert result["pericentre_lmc"] == pytest.approx(expected.orbit.pericentre, rel=1e-9)
        assert result["t_pericentre_lmc"] == pytest.approx(expected.orbit.t_pericentre, rel=1e-9)

    def test_text_shows_values_errors_and_units(self, run):
        status, out, _ = run(*SIMULATE)
        assert status == 0
        for part in ("v_travel", "l_apex", "+-", "km/s", "deg", "pericentre of the LMC", "kpc at -"):
            assert part in out

    @pytest.mark.parametrize("suffix", [".npz", ".parquet", ".fits", ".ecsv"])
    def test_the_stars_it_writes_give_the_same_fit(self, run, tmp_path, suffix):
        path = tmp_path / f"halo{suffix}"
        _, out, _ = run(*SIMULATE, "--out", path, "--json")
        written = json.loads(out)["reflex"]
        status, out, _ = run("reflex", path, "--json")
        read = json.loads(out)
        assert status == 0
        assert read.pop("fitted") == "cartesian"
        assert set(read.pop("n_measured").values()) == {read["n_stars_fit"]}
        assert read == pytest.approx(
            {k: v for k, v in written.items() if k != "errors"} | {"errors": pytest.approx(written["errors"])}
        )

    def test_written_parquet_holds_units_and_parameters(self, run, tmp_path):
        path = tmp_path / "halo.parquet"
        run(*SIMULATE, "--out", path)
        table = pq.read_table(path)
        assert table.num_rows == 1500
        assert table.schema.field("x").metadata[b"unit"] == b"kpc"
        assert table.schema.field("vz").metadata[b"unit"] == b"km/s"
        assert json.loads(table.schema.metadata[b"parameters"])["m_lmc"] == 2.3e11
        fields = {field.name: field for field in read_footer(path).fields}
        assert (fields["x"].unit, fields["vz"].unit) == ("kpc", "km/s")
        assert fields["x"].ucd == "pos.cartesian.x;pos.galactocentric"

    @needs_reader
    def test_astropy_sees_units_in_written_parquet(self, run, tmp_path):
        path = tmp_path / "halo.parquet"
        run(*SIMULATE, "--out", path)
        seen = Table.read(path, format="parquet.votable")
        assert (seen["x"].unit, seen["vz"].unit) == ("kpc", "km/s")
        assert seen["x"].meta["ucd"] == "pos.cartesian.x;pos.galactocentric"

    @pytest.mark.parametrize("suffix", [".fits", ".ecsv"])
    def test_what_astropy_writes_has_units_and_parameters(self, run, tmp_path, suffix):
        path = tmp_path / f"halo{suffix}"
        run(*SIMULATE, "--out", path)
        table = QTable.read(path)
        assert [table[name].unit for name in COLUMNS] == ["kpc"] * 3 + ["km/s"] * 3 and len(table) == 1500
        assert json.loads(table.meta["PARAMS"])["m_lmc"] == 2.3e11 and table.meta["LICENCE"] == "CC-BY-4.0"

    @pytest.mark.parametrize(
        ("words", "named"),
        [
            (["simulate"], ["--m200-mw", "--m-lmc", "--log10-lambda-df"]),
            ([*SIMULATE, "--m-lmc", "heavy"], ["--m-lmc", "heavy"]),
            ([*SIMULATE, "--m-lmc", "-1e11"], ["m_lmc", "-100000000000"]),
            ([*SIMULATE, "--beta0", "1.5"], ["beta0", "1.5", "0.9"]),
            ([*SIMULATE, "--m200-mw", "nan"], ["m200_mw", "nan"]),
            ([*SIMULATE, "--ra-lmc", "80"], ["dec_lmc"]),
            ([*SIMULATE, "--m-lmc-8p7", "some"], ["m_lmc_8p7", "some"]),
            ([*SIMULATE, "--n-stars", "0"], ["n_stars", "0"]),
            ([*SIMULATE, "--engine", "gala"], ["gala", "numba"]),
            ([*SIMULATE, "--seed", "-3"], ["seed", "-3"]),
            ([*SIMULATE, "--out", "halo.csv"], ["halo.csv", ".npz", ".parquet", ".fits", ".ecsv"]),
            ([*SIMULATE, "--out", "nowhere/halo.npz"], ["nowhere"]),
        ],
        ids=lambda x: " ".join(x[-2:]),
    )
    def test_bad_input(self, run, words, named):
        assert_refused(run(*words), *named)


SKY = ["--distance-lmc", "50", "--v-los-lmc", "260", "--pm-ra-lmc", "1.9", "--pm-dec-lmc", "0.3"]


class TestReflex:
    @pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet"])
    def test_known_stars(self, run, stars, tmp_path, suffix):
        status, out, _ = run("reflex", write(stars, tmp_path / f"stars{suffix}"), "--json")
        result = json.loads(out)
        beyond = np.linalg.norm(stars[COLUMNS[:3]], axis=1) > 50
        assert status == 0
        assert result["n_stars_fit"] == beyond.sum()
        for name, truth in (("vx_travel", 20.0), ("vy_travel", -10.0), ("vz_travel", -40.0)):
            assert abs(result[name] - truth) < 4 * result["errors"][name]
            assert 0.5 < result["errors"][name] < 6.0
        assert result["sigma_v_los"] == pytest.approx(80, rel=0.06)

    def test_shell(self, run, stars, tmp_path):
        path = write(stars, tmp_path / "stars.csv")
        _, out, _ = run("reflex", path, "--r-min", "60", "--r-max", "90", "--json")
        radius = np.linalg.norm(stars[COLUMNS[:3]], axis=1)
        assert json.loads(out)["n_stars_fit"] == ((radius > 60) & (radius < 90)).sum()

    def test_text(self, run, stars, tmp_path):
        status, out, _ = run("reflex", write(stars, tmp_path / "stars.csv"))
        assert status == 0
        assert "v_travel" in out

    def test_observed_stars(self, run, tmp_path):
        """A table of observables gives the fit of its columns, with their errors and correlation."""
        rng, n = np.random.default_rng(4), 60
        names = "l b distance v_los pm_l pm_b err_distance err_v_los err_pm_l err_pm_b corr_pm".split()
        table = pd.DataFrame(
            [
                rng.uniform(-180, 180, n),
                rng.uniform(-80, 80, n),
                rng.uniform(70, 120, n),
                rng.normal(-20, 90, n),
                rng.normal(0, 0.3, n),
                rng.normal(-0.4, 0.3, n),
                rng.uniform(5, 9, n),
                rng.uniform(1, 5, n),
                rng.uniform(0.05, 0.2, n),
                rng.uniform(0.05, 0.2, n),
                rng.uniform(-0.8, 0.8, n),
            ],
            index=names,
        ).T
        status, out, _ = run("reflex", write(table, tmp_path / "giants.csv"), "--observed", "--json")
        result = json.loads(out)
        errors = dict(zip(("distance", "v_los", "pm_l", "pm_b", "corr"), table.to_numpy().T[6:], strict=True))
        fit = mwlmc_data.fit_reflex_observed(*table.to_numpy().T[:6], errors)
        assert status == 0 and result["n_stars_fit"] == n
        for name in ("v_travel", "l_apex", "b_apex"):
            assert result[name] == pytest.approx(getattr(fit, name), rel=1e-9)
            assert result["errors"][name] == pytest.approx(fit.errors[name], rel=1e-9)
        without = write(table.drop(columns="corr_pm"), tmp_path / "uncorrelated.csv")
        _, out, _ = run("reflex", without, "--observed", "--json")
        assert abs(json.loads(out)["v_travel"] - result["v_travel"]) > 0.1, "the correlation should matter"

    def test_missing_file(self, run, tmp_path):
        assert_refused(run("reflex", tmp_path / "none.csv"), "none.csv")

    def test_unknown_kind_of_file(self, run, tmp_path):
        (tmp_path / "stars.dat").write_text("1 2 3")
        assert_refused(run("reflex", tmp_path / "stars.dat"), "stars.dat", ".npz, .csv, .parquet, .fits, .ecsv, .vot")
        (tmp_path / "stars.fits").write_text("SIMPLE")
        assert_refused(run("reflex", tmp_path / "stars.fits"), "stars.fits cannot be read as .fits")

    def test_missing_columns(self, run, stars, tmp_path):
        path = write(stars.drop(columns=["vy"]), tmp_path / "stars.csv")
        assert_refused(run("reflex", path), "['vy']")
        assert_refused(run("reflex", path, "--observed"), "distance", "err_pm_b")

    @pytest.mark.parametrize("suffix", [".npz", ".parquet", ".csv"])
    def test_damaged_file(self, run, stars, tmp_path, suffix):
        path = write(stars, tmp_path / f"stars{suffix}")
        path.write_bytes(path.read_bytes()[:40] if suffix != ".csv" else b"")
        assert_refused(run("reflex", path), str(path))

    def test_an_array_without_names(self, run, tmp_path):
        np.save(tmp_path / "stars.npy", np.zeros((5, 6)))
        (tmp_path / "stars.npy").rename(tmp_path / "stars.npz")
        assert_refused(run("reflex", tmp_path / "stars.npz"), "no names")

    @pytest.mark.parametrize("bad", ["nan", "fast", ""])
    def test_values_that_are_not_numbers(self, run, stars, tmp_path, bad):
        table = stars.astype(object)
        table.loc[17, "vz"] = bad
        assert_refused(run("reflex", write(table, tmp_path / "stars.csv")), "vz", "row 17")

    def test_too_few_stars(self, run, stars, tmp_path):
        assert_refused(run("reflex", write(stars[:5], tmp_path / "stars.csv")), "stars = 5 of 5")

    def test_bad_shell(self, run, stars, tmp_path):
        path = write(stars, tmp_path / "stars.csv")
        assert_refused(run("reflex", path, "--r-min", "90", "--r-max", "60"), "r_min", "90")


def test_unknown_command(run):
    assert_refused(run("fit"), "fit", "info")


def test_no_command(run):
    assert_refused(run(), "COMMAND")


@pytest.mark.parametrize("command", ["info", "simulate", "reflex", "cite"])
def test_help(run, command):
    status, out, _ = run(command, "--help")
    assert status == 0
    assert "usage: mwlmc " + command in out


def test_a_halo_is_shown_and_written(run, tmp_path):
    status, out, _ = run("halo", "7", "--out", tmp_path / "halo.npz")
    assert status == 0
    assert "4500 stars of simulation 7 of the gaussian set, from store" in out
    with np.load(tmp_path / "halo.npz") as file:
        assert np.array_equal(file["x"], mwlmc_data.load_halo(7).positions[:, 0])
    status, out, _ = run("halo", "7", "--json")
    assert status == 0
    reported = json.loads(out)
    assert reported["n_stars"] == 4500
    row = mwlmc_data.load_catalogue().iloc[7]
    assert reported["reflex"]["v_travel"] == pytest.approx(row["v_travel"], abs=0.5)


def test_an_unavailable_halo_is_a_one_line_error(run, tmp_path):
    assert_refused(run("halo", "128000"), "sim_id = 128000", "0 to 127999")
    assert_refused(run("halo", "99", "--source", "store"), "sim_id 99", "mwlmc fetch haloes")
    assert_refused(run("halo", "7", "--out", tmp_path / "halo.txt"), "halo.txt", ".npz, .parquet, .fits or .ecsv")
    assert_refused(run("plot", "halo", "7", "--out", tmp_path / "halo.txt"), "halo.txt", ".png, .pdf or .svg")


def test_info_says_where_haloes_are(run, tmp_path, monkeypatch):
    monkeypatch.setenv("MWLMC_DATA_DIR", str(tmp_path))
    status, out, _ = run("info")
    assert status == 0
    assert f"the local store is {tmp_path / release.DATA_VERSION}" in out
    status, out, _ = run("info", "--json")
    assert [(folder["present"], folder["files"]) for folder in json.loads(out)["folders"]] == [(3, 3)]
    mini = copy_of_mini(tmp_path / release.DATA_VERSION)
    mini.path(mini.manifest.files[0]).unlink()
    _, out, _ = run("info")
    assert f"{mini.root}: 2 of 3 files" in out


@pytest.mark.parametrize("module", ["mwlmc_data", "mwlmc_data.cli"])
def test_both_modules_run_the_command(module):
    done = subprocess.run([sys.executable, "-m", module, "cite", "--style", "text"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "arXiv:2507.10667" in done.stdout
