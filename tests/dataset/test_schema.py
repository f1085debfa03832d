"""The columns of the table of simulations."""

import numpy as np
import pyarrow as pa
import pytest
from astropy.io.votable.ucd import check_ucd
from hypothesis import given
from hypothesis import strategies as st

from mwlmc_data.dataset import schema

UNITS = {"", "Msun", "kpc", "km/s", "km2/s2", "deg", "mas/yr", "Gyr"}


def test_names_are_unique_and_follow_the_design():
    names = schema.CATALOGUE_NAMES
    assert len(set(names)) == len(names)
    expected = """
    sim_id split simulator_version m200_mw m_lmc log10_lambda_df ra_lmc dec_lmc distance_lmc v_los_lmc
    pm_ra_lmc pm_dec_lmc beta0 r_dehnen m_lmc_8p7 c200 a_lmc coulomb_log m_mw_50 m_lmc_50 x_lmc y_lmc z_lmc
    vx_lmc vy_lmc vz_lmc v_travel l_apex b_apex vx_travel vy_travel vz_travel mean_v_r mean_v_phi mean_v_theta
    sigma_v_los sigma_v_l sigma_v_b cov_vx_vx cov_vx_vy cov_vx_vz cov_vy_vy cov_vy_vz cov_vz_vz
    err_mean_v_r err_mean_v_phi err_mean_v_theta err_sigma_v_los err_sigma_v_l err_sigma_v_b n_stars_fit
    vx_travel_50_100 vy_travel_50_100 vz_travel_50_100 cov_vx_vx_50_100 cov_vx_vy_50_100 cov_vx_vz_50_100
    cov_vy_vy_50_100 cov_vy_vz_50_100 cov_vz_vz_50_100 n_stars_fit_50_100 vx_travel_50_300 vy_travel_50_300
    vz_travel_50_300 cov_vx_vx_50_300 cov_vx_vy_50_300 cov_vx_vz_50_300 cov_vy_vy_50_300 cov_vy_vz_50_300
    cov_vz_vz_50_300 n_stars_fit_50_300 pericentre_lmc t_pericentre_lmc distance_lmc_start
    """
    assert list(names) == expected.split()


@pytest.mark.parametrize("column", schema.COLUMNS, ids=lambda c: c.name)
def test_every_column_states_its_unit_and_meaning(column):
    assert column.unit in UNITS
    assert len(column.description) > 15
    assert "|" not in column.description, "it would break the table in Markdown"
    assert column.ucd and check_ucd(column.ucd, check_controlled_vocabulary=True)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("m200_mw", "Msun"),
        ("pm_ra_lmc", "mas/yr"),
        ("x_lmc", "kpc"),
        ("vx_travel", "km/s"),
        ("cov_vx_vy", "km2/s2"),
        ("l_apex", "deg"),
        ("t_pericentre_lmc", "Gyr"),
        ("beta0", ""),
        ("vx_travel_50_300", "km/s"),
        ("cov_vy_vz_50_100", "km2/s2"),
        ("m_mw_50", "Msun"),
        ("m_lmc_50", "Msun"),
    ],
)
def test_units(name, unit):
    assert schema.get_column(name).unit == unit


def test_descriptions_state_the_conventions():
    assert "(-180, 180]" in schema.get_column("l_apex").description
    assert "relative to the halo" in schema.get_column("l_apex").description
    assert "cos(dec)" in schema.get_column("pm_ra_lmc").description
    assert "(-8.3, 0, 0.02) kpc" in schema.get_column("x_lmc").description
    assert "r > 50 kpc" in schema.get_column("v_travel").description
    assert "vx_travel_50_100 and vz_travel_50_100" in schema.get_column("cov_vx_vz_50_100").description
    assert "halo, bulge and disc enclosed within 50 kpc of its centre" in schema.get_column("m_mw_50").description


def test_unknown_column_is_named_with_those_allowed():
    with pytest.raises(ValueError, match=r"'m_smc'.*allowed.*m_lmc"):
        schema.get_column("m_smc")


def test_unknown_type_is_refused():
    with pytest.raises(ValueError, match="float16"):
        schema.Column("x", "float16", "", "")


@given(st.integers(0, 2**31 - 1))
def test_split_of_follows_the_rule(sim_id):
    place = sim_id % 128
    expected = "test" if place < 10 else "validation" if place < 20 else "train"
    assert schema.split_of(sim_id) == expected
    assert schema.split_of(np.array([sim_id], dtype=np.int32)).tolist() == [expected]


def test_the_full_set_divides_as_the_release_says():
    parts, counts = np.unique(schema.split_of(np.arange(128_000)), return_counts=True)
    assert dict(zip(parts, counts, strict=True)) == {"test": 10_000, "train": 108_000, "validation": 10_000}


@pytest.mark.parametrize("bad", [-1, 1.5, np.array([3, -2]), "7"])
def test_split_of_refuses_what_is_not_a_sim_id(bad):
    with pytest.raises(ValueError, match="sim_id"):
        schema.split_of(bad)


def test_arrow_schema_carries_units_and_descriptions():
    built = schema.arrow_schema({"config": "gaussian", "seed": "1"})
    assert built.names == list(schema.CATALOGUE_NAMES)
    for column in schema.COLUMNS:
        field = built.field(column.name)
        said = {"unit": column.unit, "description": column.description, "ucd": column.ucd}
        assert field.metadata == {name.encode(): text.encode() for name, text in said.items()}
    assert built.field("sim_id").type == pa.int32()
    assert built.field("m_lmc").type == pa.float32()
    assert built.field("split").type == pa.string()
    assert built.metadata[b"licence"] == b"CC-BY-4.0"
    assert b"2507.10667" in built.metadata[b"source"]
    assert built.metadata[b"config"] == b"gaussian"


def test_markdown_table_has_a_line_of_four_cells_for_each_column():
    lines = schema.markdown_table().splitlines()
    assert len(lines) == 2 + len(schema.COLUMNS)
    assert {line.count("|") for line in lines} == {5}
    assert lines[2 + schema.CATALOGUE_NAMES.index("m_lmc")].startswith("| `m_lmc` | float32 | Msun | ")


def test_groups_partition_the_columns():
    names = [c.name for group in schema.GROUPS.values() for c in group]
    assert tuple(names) == schema.CATALOGUE_NAMES
    assert len(schema.DRAWN) == 12
