"""`mwlmc reflex` and its files: headers, cells and units are read as written, or the file is refused."""

import json
import zipfile

import astropy.units as u
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import MaskedColumn, QTable, Table
from astropy.utils.masked import Masked

import mwlmc_data
from mwlmc_data import cli
from mwlmc_data.simulator import constants as const
from mwlmc_data.storage import votable
from tests.helpers.footers import needs_reader
from tests.helpers.mock_survey import TRUTH, mock, observe

CARTESIAN = ["x", "y", "z", "vx", "vy", "vz"]
OBSERVED = ["l", "b", "distance", "v_los", "pm_l", "pm_b"]
X, V = mock(TRUTH, 200, 20)
STARS = pd.DataFrame(np.c_[X, V], columns=CARTESIAN)
SKY = pd.DataFrame(dict(zip(OBSERVED, observe(X, V, 21, scale=0.1), strict=False)))
for _name, _error in (("distance", 0.0), ("v_los", 0.5), ("pm_l", 0.005), ("pm_b", 0.004)):
    SKY[f"err_{_name}"] = _error
FIT = mwlmc_data.fit_reflex(X, V)


def fit_sky(table):
    errors = {name: table[f"err_{name}"] for name in ("distance", "v_los", "pm_l", "pm_b")}
    return mwlmc_data.fit_reflex_observed(*(table[name] for name in OBSERVED), errors)


@pytest.fixture
def run(capsys, tmp_path):
    """Function that writes a table, or text, runs the command and gives its status, output and errors."""

    def run(content, *options, name="stars.csv"):
        path = tmp_path / name
        if isinstance(content, pd.DataFrame) and path.suffix == ".csv":
            content = content.to_csv(index=False)
        if isinstance(content, str):
            path.write_bytes(content.encode())
        elif isinstance(content, pd.DataFrame):
            content.to_parquet(path)
        elif isinstance(content, pa.Table):
            pq.write_table(content, path)
        status = cli.main(["reflex", str(path), *options])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def assert_fitted(result, fit=FIT):
    status, out, err = result
    assert status == 0, err
    found = json.loads(out)
    assert found["v_travel"] == pytest.approx(fit.v_travel, rel=1e-9)
    assert found["n_stars_fit"] == fit.n_stars
    assert found["n_measured"] == dict(zip(("v_los", "pm_l", "pm_b"), fit.n_measured, strict=True))
    return found


def assert_refused(result, *parts):
    status, out, err = result
    assert (status, out) == (2, "")
    for part in parts:
        assert part in err


def renamed(table, *names):
    """The table as .csv with these names in its header."""
    return ",".join(names) + "\n" + table.to_csv(index=False, header=False)


def test_columns_are_found_by_name_among_others(run):
    assert_fitted(run(STARS.assign(w=1.0, name="a star")[["w", "vz", "name", *CARTESIAN[:5]]], "--json"))
    assert_fitted(run(STARS.to_csv(), "--json"))  # pandas' own index, a column without a name
    assert_fitted(run(renamed(STARS.assign(w=1.0), *CARTESIAN, ""), "--json"))
    assert_fitted(run(renamed(STARS, *(f" {name} " for name in CARTESIAN)), "--json"))
    assert_fitted(run("\ufeff" + STARS.to_csv(index=False, lineterminator="\r\n"), "--json"))


def test_columns_that_begin_with_integers_are_read_as_floats(run):
    """A reader that guesses types from the first megabyte would read integers."""
    many = pd.concat([STARS] * 200, ignore_index=True)
    text = many.round(3).astype(str)
    text.loc[: len(text) - 300, "vz"] = "100"
    table = text.astype(float)
    fit = mwlmc_data.fit_reflex(table[CARTESIAN[:3]].to_numpy(), table[CARTESIAN[3:]].to_numpy())
    assert_fitted(run(text, "--json"), fit)


@pytest.mark.parametrize("short", [CARTESIAN[:5], [*CARTESIAN, "w", "u"], ["star"]])
def test_a_header_of_another_length_is_refused(run, short):
    assert_refused(run(renamed(STARS, *short)), "stars.csv cannot be read", f"Expected {len(short)} columns, got 6")


def test_a_row_of_another_length_is_refused(run):
    lines = STARS.to_csv(index=False).splitlines()
    for row in (lines[50] + ",1.0", lines[50].rpartition(",")[0]):
        assert_refused(run("\n".join([*lines[:50], row, *lines[51:]])), "Expected 6 columns, got")


def test_a_name_that_is_repeated_is_refused(run, tmp_path):
    assert_refused(run(renamed(STARS.assign(again=0.0), *CARTESIAN, "x")), "has 2 columns 'x': allowed is each once")
    table = pa.Table.from_pandas(STARS)
    assert_refused(run(table.append_column("x", table["y"]), name="stars.parquet"), "has 2 columns 'x'")
    np.savez(tmp_path / "stars.npz", **{name: STARS[name].to_numpy() for name in STARS})
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "stars.npz", "a") as archive:
        archive.writestr("x.npy", archive.read("y.npy"))
    assert_refused(run(None, name="stars.npz"), "x", "2 times")
    # a column that is not used may be repeated
    assert_fitted(run(renamed(STARS.assign(a=0.0, b=0.0), *CARTESIAN, "id", "id"), "--json"))


def test_a_row_of_units_is_refused(run):
    units = ",".join(["kpc"] * 3 + ["km/s"] * 3)
    text = STARS.to_csv(index=False).replace("\n", f"\n{units}\n", 1)
    assert_refused(run(text), "column x has 'kpc' in row 0: allowed is a number, or nothing")


@pytest.mark.parametrize("cell", ["", "nan", "NULL", "--"])
def test_a_cell_without_a_number_is_refused_where_one_is_needed(run, cell):
    table = STARS.astype(object)
    table.loc[[17, 60], "vz"] = cell
    assert_refused(run(table), "column vz has no number in row 17 and 1 more of 200: allowed are finite numbers")
    sky = SKY.astype(object)
    sky.loc[17, "distance"] = cell
    assert_refused(run(sky), "column distance has no number in row 17:")
    sky = SKY.astype(object)
    sky.loc[17, "err_pm_l"] = cell
    assert_refused(run(sky), "errors['pm_l'][17] = nan: allowed is a finite number where pm_l is measured")


@pytest.mark.parametrize("cell", ["fast", "1,5", "1.5km/s", "inf"])
def test_a_cell_that_is_not_a_finite_number_is_refused(run, cell):
    table = STARS.astype(object)
    table.loc[17, "vz"] = cell
    assert_refused(run(table), "column vz", "17")


def test_the_kind_of_fit_follows_from_the_columns(run):
    assert assert_fitted(run(STARS, "--json"))["fitted"] == "cartesian"
    assert assert_fitted(run(SKY, "--json"), fit_sky(SKY))["fitted"] == "observed"
    # observables without errors are not an option
    assert assert_fitted(run(STARS.join(SKY[OBSERVED]), "--json"))["fitted"] == "cartesian"
    both = STARS.join(SKY)
    assert_refused(run(both), "err_distance", "allowed is --cartesian or --observed")
    assert_refused(run(STARS.assign(err_v_los=1.0)), "err_v_los", "allowed is --cartesian or --observed")
    assert assert_fitted(run(both, "--cartesian", "--json"))["fitted"] == "cartesian"
    assert assert_fitted(run(both, "--observed", "--json"), fit_sky(SKY))["fitted"] == "observed"
    assert_refused(run(SKY, "--cartesian"), "lacks the columns ['x', 'y', 'z', 'vx', 'vy', 'vz']")
    assert_refused(run(SKY.drop(columns="pm_l"), "--observed"), "['pm_l']: allowed is", "a column of what is not")
    assert_refused(run(SKY.drop(columns="pm_l")), "['x', 'y', 'z', 'vx', 'vy', 'vz'] of a Cartesian", "['pm_l'] of an")
    out = run(STARS)[1]
    assert out.startswith("fitted: x, y, z, vx, vy, vz, taken to be exact\n")


@pytest.mark.parametrize("name", ["stars.csv", "stars.parquet"])
def test_empty_cells_are_not_measured(run, name):
    table = SKY.copy()
    table.loc[::3, ["pm_l", "pm_b", "err_pm_l", "err_pm_b"]] = np.nan
    table.loc[1::4, "v_los"] = np.nan
    fit = fit_sky(table)
    assert fit.n_measured == (150, 133, 133)
    assert_fitted(run(table, "--json", name=name), fit)
    out = run(table, name=name)[1]
    assert out.startswith(
        "fitted: l, b, distance, v_los, pm_l, pm_b with errors (no column corr_pm); "
        "of 184 stars measured: v_los 150, pm_l 133, pm_b 133\n"
    )


def test_lines_of_sight_alone(run):
    """What they do not determine is described in words, and is null in JSON, which has no NaN."""
    table = SKY.assign(pm_l="", pm_b="", err_pm_l="", err_pm_b="")
    found = json.loads(run(table, "--json")[1])
    assert found.pop("r_max") is None  # the shell has no outer end
    open_ones = [name for name, value in found.items() if value is None]
    assert open_ones == ["mean_v_phi", "mean_v_theta", "sigma_v_l", "sigma_v_b"]
    assert [name for name, value in found["errors"].items() if value is None] == open_ones
    text = run(table)[1]
    for name in open_ones:
        assert f"{name:<14} not determined by these stars" in text


def test_warnings_of_the_fit_go_to_standard_error(run):
    status, out, err = run(SKY.assign(err_distance=0.1 * SKY.distance), "--json")
    assert status == 0 and json.loads(out)["n_stars_fit"] > 100
    assert err.startswith("warning: errors['distance'] = 10 per cent of the distance") and err.count("\n") == 1
    few = SKY.copy()
    few.loc[5:, "v_los"] = np.nan
    status, out, err = run(few)
    assert status == 0 and "measured: v_los 0, pm_l" in out
    assert err.startswith("warning: v_los = measured for ") and "leaves v_los out" in err
    assert run(SKY)[2] == ""


def test_a_dispersion_at_zero_is_reported(run):
    table = SKY.assign(err_pm_l=0.5, err_pm_b=0.5)
    assert fit_sky(table).at_zero == ("sigma_v_l", "sigma_v_b")
    found = json.loads(run(table, "--json")[1])
    assert found["sigma_v_l"] == 0.0 and found["errors"]["sigma_v_l"] is None
    assert "sigma_v_l           0.00 km/s (held there: the errors explain all of the scatter)" in run(table)[1]


def in_units(table, **units):
    """An arrow table whose fields state units."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    fields = [field.with_metadata({"unit": units[field.name]}) for field in arrow.schema if field.name in units]
    fields += [field for field in arrow.schema if field.name not in units]
    return pa.table([arrow[field.name] for field in fields], schema=pa.schema(fields))


def test_units_of_parquet_are_converted(run):
    table = STARS.assign(x=STARS.x * 1e3, vz=STARS.vz * 1e3)
    assert_fitted(run(in_units(table, x="pc", y="kpc", vz="m/s"), "--json", name="stars.parquet"))
    assert_refused(run(in_units(STARS, x="deg"), name="stars.parquet"), "column x = numbers in deg", "kpc")
    assert_refused(run(in_units(STARS, x="furlongs"), name="stars.parquet"), "column x has the unit 'furlongs'")


def test_units_and_masks_of_astropy_are_taken(run, tmp_path):
    """astropy keeps them in the metadata of the table, and in columns beside the numbers."""
    table = QTable({name: STARS[name].to_numpy() * (u.kpc if name in "xyz" else u.km / u.s) for name in CARTESIAN})
    table["x"], table["vz"] = table["x"].to(u.pc), table["vz"].to(u.m / u.s)
    table["name"] = np.full(len(table), "a star")
    table.write(tmp_path / "stars.parquet")
    assert_fitted(run(None, "--json", name="stars.parquet"))
    table["x"] = STARS.x.to_numpy() * u.deg
    table.write(tmp_path / "stars.parquet", overwrite=True)
    assert_refused(run(None, name="stars.parquet"), "column x = numbers in deg", "kpc")
    sky = Table.from_pandas(SKY, units={"distance": u.kpc, "v_los": u.km / u.s})
    sky["distance"] = sky["distance"].to(u.pc)
    hidden = np.arange(len(sky)) % 3 == 0
    for masked in (
        MaskedColumn(np.where(hidden, -999.0, SKY.v_los), mask=hidden, unit=u.km / u.s),
        Masked(np.where(hidden, -999.0, SKY.v_los) * u.km / u.s, mask=hidden),
    ):
        sky["v_los"] = masked
        sky.write(tmp_path / "stars.parquet", overwrite=True)
        assert_fitted(run(None, "--json", name="stars.parquet"), fit_sky(SKY.assign(v_los=SKY.v_los.mask(hidden))))


FORMATS = {"fits": "fits", "ecsv": "ascii.ecsv", "vot": "votable"}


@pytest.mark.parametrize("ending", FORMATS)
def test_tables_of_astronomers_are_read_by_name_with_units_and_masks(run, tmp_path, ending):
    path = tmp_path / f"stars.{ending}"
    table = QTable({name: STARS[name].to_numpy() * (u.kpc if name in "xyz" else u.km / u.s) for name in CARTESIAN})
    table["x"], table["vz"] = table["x"].to(u.pc), table["vz"].to(u.m / u.s)
    table["name"] = np.full(len(table), "a star")
    table = table[["vz", "name", *CARTESIAN[:5]]]
    table.write(path, format=FORMATS[ending])
    assert_fitted(run(None, "--json", name=path.name))
    table["x"] = STARS.x.to_numpy() * u.deg
    table.write(path, format=FORMATS[ending], overwrite=True)
    assert_refused(run(None, name=path.name), "column x = numbers in deg", "kpc")
    hidden = np.arange(len(SKY)) % 3 == 0
    sky = Table.from_pandas(SKY)
    sky["v_los"] = MaskedColumn(np.where(hidden, -999.0, SKY.v_los), mask=hidden, unit="km/s")
    sky.write(path, format=FORMATS[ending], overwrite=True)
    wanted = fit_sky(SKY.assign(v_los=SKY.v_los.mask(hidden)))
    assert_fitted(run(None, "--json", name=path.name), wanted)
    assert f"measured: v_los {wanted.n_measured[0]}," in run(None, name=path.name)[1]
    sky["distance"] = MaskedColumn(SKY.distance, mask=np.arange(len(SKY)) == 17)
    sky.write(path, format=FORMATS[ending], overwrite=True)
    assert_refused(run(None, name=path.name), "column distance has no number in row 17:")


@pytest.mark.parametrize("ending", FORMATS)
def test_a_damaged_table_of_astronomers_is_refused(run, ending):
    assert_refused(run("no table", name=f"stars.{ending}"), f"stars.{ending} cannot be read as .{ending}")


FOOTER = """<VOTABLE version="{version}" {namespace}><RESOURCE><TABLE>
<FIELD name="star" datatype="unicodeChar" arraysize="10*"/>
<FIELD name="x" datatype="double" unit="pc"/><FIELD name="y" datatype="double" unit="kpc"/>
<FIELD name="vx" datatype="double" unit="{speed}"/><FIELD name="vy" datatype="double" unit="{speed}"/>
</TABLE></RESOURCE></VOTABLE>"""


@pytest.mark.parametrize(
    ("version", "namespace", "speed"),
    [
        ("1.4", 'xmlns="http://www.ivoa.net/xml/VOTable/v1.3"', "km.s**-1"),
        ("1.3", 'xmlns="http://www.ivoa.net/xml/VOTable/v1.3"', "km.s-1"),
        ("1.1", "", "km/s"),
    ],
)
def test_units_in_the_footer_of_parquet_are_converted(run, version, namespace, speed):
    """As TOPCAT writes them: in a VOTable of the footer alone, beside texts that astropy before 7.1 cannot describe."""
    content = FOOTER.format(version=version, namespace=namespace, speed=speed)
    table = pa.Table.from_pandas(STARS.assign(x=STARS.x * 1e3, star="δ"))
    footer = {votable.VERSION_KEY: "1.0", votable.CONTENT_KEY: content}
    assert_fitted(run(table.replace_schema_metadata(footer), "--json", name="stars.parquet"))
    unreadable = "the VOTable in its footer cannot be read"
    for wrong, named in [
        ("<VOTABLE", unreadable),
        ("no XML", unreadable),
        ("<VOTABLE/>", unreadable),
        (content.replace("km", "Msun", 1), "column vx = numbers in solMass / s"),
    ]:
        broken = table.replace_schema_metadata({votable.CONTENT_KEY: wrong})
        assert_refused(run(broken, name="stars.parquet"), named)


@needs_reader
def test_units_that_astropy_wrote_into_the_footer_are_converted(run, tmp_path):
    units = {"x": "pc", **dict.fromkeys("yz", "kpc"), **dict.fromkeys(CARTESIAN[3:], "km/s")}
    metadata = {name: {"unit": unit} for name, unit in units.items()}
    table = Table.from_pandas(STARS.assign(x=STARS.x * 1e3))
    table.write(tmp_path / "stars.parquet", format="parquet.votable", metadata=metadata)
    assert_fitted(run(None, "--json", name="stars.parquet"))


def test_metadata_that_astropy_cannot_read_are_refused(run):
    table = pa.Table.from_pandas(STARS).replace_schema_metadata({"table_meta_yaml": "- [ {"})
    assert_refused(run(table, name="stars.parquet"), "astropy cannot read it")


@pytest.mark.parametrize("name", ["corr", "pm_corr", "Corr_PM", "rho", "corr_pm_l_pm_b", "pml_pmb_corr"])
def test_a_correlation_under_another_name_is_refused(run, name):
    assert_refused(run(SKY.assign(**{name: 0.5})), f"column {name!r}", "do you mean 'corr_pm'?")
    # a fit to other columns does not need the correlation
    assert_fitted(run(STARS.join(SKY).assign(**{name: 0.5}), "--cartesian", "--json"))


def test_a_correlation_is_used_and_reported(run):
    assert "pm_b with errors and corr_pm; of" in run(SKY.assign(corr_pm=0.5))[1]
    assert "pm_b with errors (no column corr_pm); of" in run(SKY.assign(ra_dec_corr=0.5, corrected=1.0))[1]


def test_headers_that_are_not_names_are_shown(run):
    text = STARS.to_csv(index=False)
    assert_refused(run(STARS.to_csv(index=False, sep=";")), "its header is 'x;y;z;vx;vy;vz'")
    assert_refused(run(STARS.to_csv(index=False, sep="\t")), "its header is 'x\\ty\\tz\\tvx\\tvy\\tvz'")
    assert_refused(run("# " + text), "lacks the columns ['x'] of a Cartesian", "its header is '# x', 'y', 'z'")
    assert_refused(run("# " + text, "--cartesian"), "lacks the columns ['x']: allowed is", "its header is '# x', 'y'")
    assert_fitted(run(text, "--json", name="STARS.CSV"))


def test_a_number_in_place_of_a_column_is_refused(run, tmp_path):
    np.savez(tmp_path / "stars.npz", **{name: SKY[name].to_numpy() for name in SKY} | {"err_v_los": 0.5})
    assert_refused(run(None, name="stars.npz"), "err_v_los has the shape (): allowed is (n,)")


def test_integers_nulls_and_text_of_parquet(run):
    table = STARS.astype({"x": "int64"})
    fit = mwlmc_data.fit_reflex(table[CARTESIAN[:3]].to_numpy(), V)
    assert_fitted(run(table, "--json", name="stars.parquet"), fit)
    assert_fitted(run(STARS.astype(str), "--json", name="stars.parquet"))
    arrow = pa.Table.from_pandas(STARS, preserve_index=False)
    nulls = pa.array([None if i == 5 else float(value) for i, value in enumerate(STARS.x)])
    assert_refused(run(arrow.set_column(0, "x", nulls), name="stars.parquet"), "column x has no number in row 5:")


def test_the_command_has_the_defaults_of_the_function():
    options = cli._make_parser().parse_args(["reflex", "stars.csv"])
    assert (options.r_min, options.r_max) == (const.FIT_R_MIN, np.inf)
