"""Figures: what they show, what a profile holds, and what is refused."""

import subprocess
import sys

import astropy.units as u
import numpy as np
import pytest
from astropy.table import MaskedColumn, QTable, Table

import mwlmc_data
from mwlmc_data import Halo, Parameters, cli, corner_plot, integrate_orbit
from mwlmc_data.dataset import schema
from mwlmc_data.plotting.profile import radial_profile
from mwlmc_data.plotting.sky import draw_track, project_on_map
from mwlmc_data.plotting.skymap import galactic_angles
from mwlmc_data.plotting.style import new_figure
from mwlmc_data.simulator.frames import galactocentric_basis

#: Motion of the disc of the synthetic halo [km/s]: towards l = 135, b = -45 deg.
TRAVEL = np.array([-30.0, 30.0, -42.4264])
SIGMA_R, SIGMA_T = 90.0, 60.0


def stars(n=6000, travel=TRAVEL, seed=3):
    """A radially anisotropic halo at 20 to 200 kpc that lags behind the disc."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(n, 3))
    positions = directions / np.linalg.norm(directions, axis=1)[:, None] * rng.uniform(20, 200, (n, 1))
    components = rng.normal(size=(n, 3)) * [SIGMA_R, SIGMA_T, SIGMA_T]
    velocities = np.einsum("nk,nki->ni", components, galactocentric_basis(positions)) - travel
    return Halo(positions.astype("f4"), velocities.astype("f4"))


@pytest.fixture(scope="module")
def halo():
    return stars()


@pytest.fixture(scope="module")
def orbit():
    return integrate_orbit(Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7))


@pytest.fixture(scope="module")
def figure(halo, orbit):
    figure = halo.plot(orbit=orbit, title="a halo")
    figure.draw_without_rendering()
    return figure


def line(ax, label):
    """Points of the labelled line of an axis, (n, 2)."""
    (found,) = [entry for entry in ax.lines if entry.get_label() == label]
    return found.get_xydata()


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


class TestHaloFigure:
    def test_it_has_a_map_a_colour_bar_and_three_profiles(self, figure):
        assert len(figure.axes) == 5
        sky, bar, density, means, dispersions = figure.axes
        assert sky.name == "mollweide"
        assert figure.get_suptitle() == "a halo"
        assert [ax.get_title() for ax in (density, means, dispersions)] == [
            "stars per kpc³",
            "mean velocity [km/s]",
            "velocity dispersion [km/s]",
        ]
        assert all(ax.get_xscale() == "log" and "[kpc]" in ax.get_xlabel() for ax in (density, means, dispersions))
        assert "stars beyond 50 kpc" in bar.get_xlabel() and "[km/s]" in bar.get_xlabel()

    def test_the_apex_is_drawn_where_the_fit_puts_it(self, figure, halo):
        reflex = mwlmc_data.fit_reflex(halo.positions, halo.velocities)
        apex = line(figure.axes[0], "apex of the disc")[0]
        # longitude grows to the left
        assert apex == pytest.approx(np.radians([-reflex.l_apex, reflex.b_apex]))
        assert reflex.l_apex == pytest.approx(135, abs=6) and reflex.b_apex == pytest.approx(-45, abs=5)
        antapex = line(figure.axes[0], "antapex")[0]
        assert antapex == pytest.approx(np.radians([180 - reflex.l_apex, -reflex.b_apex]))
        title = figure.axes[0].get_title()
        assert f"{reflex.v_travel:.0f} ± {reflex.errors['v_travel']:.0f} km/s" in title and "b = −4" in title

    def test_the_map_is_a_dipole_blue_towards_the_apex(self, figure):
        """Ahead of the disc the stars approach with about its speed; behind it they recede."""
        mesh = figure.axes[0].collections[0]
        corners = mesh.get_coordinates()
        velocity = np.asarray(mesh.get_array()).reshape(len(corners) - 1, -1)
        apex = line(figure.axes[0], "apex of the disc")[0]
        antapex = line(figure.axes[0], "antapex")[0]

        def at(place):
            middle = (corners[1:, 1:] + corners[:-1, :-1]) / 2
            return velocity.flat[np.argmin(np.linalg.norm(middle - place, axis=-1))]

        # smoothing by 20 deg keeps 1 - 0.35^2 of a dipole
        assert at(apex) == pytest.approx(-53, abs=10) and at(antapex) == pytest.approx(53, abs=10)
        low, high = mesh.get_clim()
        assert low == -high and mesh.get_cmap()(0.0)[2] > 0.3 > mesh.get_cmap()(0.0)[0]

    def test_the_orbit_ends_at_the_lmc_of_today(self, figure, orbit):
        sky = figure.axes[0]
        today = line(sky, "LMC today")[0]
        assert line(sky, "LMC's past orbit")[-1] == pytest.approx(today, abs=1e-12)
        # l = 280.5, b = -32.9 deg: where the LMC is on anyone's sky
        assert np.degrees(today) == pytest.approx([79.5, -32.9], abs=1.5)
        assert len(line(sky, "LMC's past orbit")) >= len(orbit.time)
        assert [text.get_text() for text in sky.texts if "Gyr" in text.get_text()] == ["1 Gyr ago", "2 Gyr ago"]

    def test_the_edge_of_the_fit_is_on_every_profile(self, halo):
        for ax in halo.plot(r_min=80.0).axes[2:]:
            (ground,) = ax.patches
            assert ground.get_x() == 80.0 and ground.get_x() + ground.get_width() == pytest.approx(ax.get_xlim()[1])

    def test_without_an_orbit_there_is_no_lmc_and_a_given_fit_is_not_repeated(self, halo):
        reflex = mwlmc_data.fit_reflex(halo.positions, -halo.velocities)
        sky = halo.plot(reflex=reflex).axes[0]
        assert legend(sky) == ["apex of the disc", "antapex"]
        apex = line(sky, "apex of the disc")[0]
        assert apex == pytest.approx(np.radians([-reflex.l_apex, reflex.b_apex]))
        assert np.degrees(apex[0]) == pytest.approx(45, abs=6)

    def test_the_mean_towards_the_apex_is_the_reflex_motion(self, figure):
        means = figure.axes[3]
        assert legend(means) == ["outwards", "towards the apex"]
        outwards, along = (np.array([y for _, y in c.lines[0].get_xydata()]) for c in means.containers)
        assert along.mean() == pytest.approx(-60, abs=4) and abs(outwards.mean()) < 6

    def test_it_can_be_drawn_into_a_subfigure(self, halo):
        whole = new_figure(12, 6)
        left, right = whole.subfigures(1, 2)
        assert halo.plot(figure=left) is whole
        assert len(left.axes) == 5 and not right.axes

    def test_a_simulation_draws_its_own_orbit(self):
        simulation = mwlmc_data.simulate(Parameters(m200_mw=9.1e11, m_lmc=2.3e11, log10_lambda_df=0.7), n_stars=600)
        sky = simulation.plot(r_min=30.0).axes[0]
        expected = project_on_map(galactic_angles(simulation.orbit.relative[-1:, :3]))
        assert line(sky, "LMC today")[0] == pytest.approx(np.ravel(expected))

    def test_a_released_halo_is_drawn_with_the_orbit_of_its_row(self):
        today = mwlmc_data.load_catalogue(columns=["x_lmc", "y_lmc", "z_lmc"], format="numpy")
        sky = mwlmc_data.load_halo(7).plot().axes[0]
        expected = project_on_map(galactic_angles(np.array([[today[f"{axis}_lmc"][7] for axis in "xyz"]])))
        assert line(sky, "LMC today")[0] == pytest.approx(np.ravel(expected), abs=1e-4)

    def test_it_is_not_registered_with_pyplot_and_a_notebook_shows_it(self, figure):
        import matplotlib.pyplot as plt

        assert plt.get_fignums() == []
        assert figure._repr_png_().startswith(b"\x89PNG\r\n\x1a\n")

    def test_what_cannot_be_drawn_is_refused(self, halo):
        with pytest.raises(ValueError, match="stars = 0 of 6000 beyond r_min = 500"):
            halo.plot(r_min=500.0)
        with pytest.raises(ValueError, match="kernel = -1"):
            halo.plot(kernel=-1.0)

    def test_without_matplotlib_the_extra_is_named(self, halo, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        with pytest.raises(ImportError, match=r'plots need matplotlib .*pip install "mwlmc-data\[plot\]"'):
            halo.plot()


def test_a_track_is_lifted_where_it_crosses_the_edge_of_the_map():
    l = np.radians(np.linspace(150.0, 210.0, 61))
    path = 1e4 * np.stack([np.cos(l), np.sin(l), 0 * l], axis=1)
    ax = new_figure(4, 2).add_subplot(projection="mollweide")
    draw_track(ax, path)
    x = ax.lines[0].get_xydata()[:, 0]
    assert np.isnan(x).sum() == 1 and np.isfinite(x).sum() == 61
    assert np.nanmax(np.abs(np.diff(x))) < 0.1


class TestProfile:
    def test_counts_densities_and_their_errors(self):
        """Uniform in radius: equal numbers of stars in shells of equal depth."""
        halo = stars(20_000)
        profile = radial_profile(halo.positions, halo.velocities, [20, 60, 100, 140])
        radius = np.linalg.norm(halo.positions, axis=1)
        assert profile.count.tolist() == np.histogram(radius, [20, 60, 100, 140])[0].tolist()
        assert profile.count == pytest.approx(20_000 * 40 / 180, rel=0.05)
        volume = 4 / 3 * np.pi * np.diff(np.array([20.0, 60, 100, 140]) ** 3)
        assert profile.density == pytest.approx(profile.count / volume)
        assert profile.density_error == pytest.approx(np.sqrt(profile.count) / volume)
        assert profile.radius == pytest.approx([np.sqrt(1200), np.sqrt(6000), np.sqrt(14000)])

    def test_velocities_are_recovered_within_their_errors(self):
        halo = stars(20_000, travel=np.zeros(3))
        profile = radial_profile(halo.positions, halo.velocities, np.linspace(20, 200, 10), direction=[0, 0, 2])
        for found, true in (
            (profile.mean_v_r, 0.0),
            (profile.mean_v_along, 0.0),
            (profile.sigma_r, SIGMA_R),
            (profile.sigma_t, SIGMA_T),
        ):
            pulls = (found[:, 0] - true) / found[:, 1]
            assert np.abs(pulls).max() < 4 and 0.4 < pulls.std() < 1.7
        # Gaussian: sigma / sqrt(2 n), and both tangential components count
        assert profile.sigma_r[:, 1] == pytest.approx(SIGMA_R / np.sqrt(2 * profile.count), rel=0.15)
        assert profile.sigma_t[:, 1] == pytest.approx(SIGMA_T / np.sqrt(4 * profile.count), rel=0.15)
        assert profile.mean_v_r[:, 1] == pytest.approx(SIGMA_R / np.sqrt(profile.count), rel=0.15)

    def test_shells_with_few_stars_have_a_density_but_no_velocities(self):
        halo = stars(50)
        profile = radial_profile(halo.positions, halo.velocities, [20, 25, 200, 300])
        assert profile.count[0] < 10 and np.isnan(profile.sigma_r[0]).all() and np.isfinite(profile.sigma_r[1]).all()
        assert profile.count[2] == 0 and profile.density[2] == 0 and np.isnan(profile.mean_v_along).all()

    def test_shells_of_its_own_are_even_in_log_r(self, halo):
        edges = radial_profile(halo.positions, halo.velocities).edges
        assert len(edges) == 19 and np.ptp(np.diff(np.log(edges))) < 1e-9
        assert 20 < edges[0] < 25 and 190 < edges[-1] < 200

    def test_units_are_converted_and_masks_refused(self, halo):
        x, v = halo.positions.astype(float), halo.velocities.astype(float)
        expected = radial_profile(x, v, [20, 50, 100], [1, 0, 0])
        got = radial_profile((x * u.kpc).to(u.m), (v * u.km / u.s).to(u.kpc / u.Gyr), [2e4, 5e4, 1e5] * u.pc, [1, 0, 0])
        np.testing.assert_array_equal(got.count, expected.count)
        np.testing.assert_allclose(got.mean_v_along, expected.mean_v_along, rtol=1e-9)
        hidden = np.ma.masked_array(v, np.zeros_like(v, bool) | (np.arange(len(v)) == 2)[:, None])
        with pytest.raises(ValueError, match=r"velocities = 3 masked or missing values.*velocities\[2, 0\]"):
            radial_profile(x, hidden)
        with pytest.raises(ValueError, match=r"velocities = an array of shape \(\d+, 3\)"):
            radial_profile(x, v[:-1])
        with pytest.raises(ValueError, match=r"direction = .*a length above 0"):
            radial_profile(x, v, direction=[0, 0, 0])
        with pytest.raises(ValueError, match="positions = 0 stars"):
            radial_profile(x[:0], v[:0])

    @pytest.mark.parametrize("edges", [[50], [0, 10], [50, 40], [10, 20, 20], [[1, 2], [3, 4]]])
    def test_edges_that_do_not_make_shells_are_refused(self, halo, edges):
        with pytest.raises(ValueError, match=r"edges = .*allowed"):
            radial_profile(halo.positions, halo.velocities, edges)


@pytest.fixture(scope="module")
def table():
    return mwlmc_data.load_catalogue("test", config="flat")


class TestCorner:
    def test_labels_have_units_and_masses_are_scaled(self, table):
        figure = corner_plot(table, ["m_lmc", "m200_mw", "log10_lambda_df", "b_apex"], title="flat")
        assert len(figure.axes) == 16
        bottom = figure.axes[12:]
        assert [ax.get_xlabel() for ax in bottom] == [
            "m_lmc\n[1e10 Msun]",
            "m200_mw\n[1e11 Msun]",
            "log10_lambda_df",
            "b_apex\n[deg]",
        ]
        limits = [ax.get_xlim() for ax in bottom]
        assert limits[0] == pytest.approx((table.m_lmc.min() / 1e10, table.m_lmc.max() / 1e10))
        assert limits[1] == pytest.approx((table.m200_mw.min() / 1e11, table.m200_mw.max() / 1e11))
        assert limits[3] == pytest.approx((table.b_apex.min(), table.b_apex.max()))
        # each histogram counts every row
        (steps,) = figure.axes[0].patches
        heights = steps.get_xy()[:, 1]
        bins = (len(heights) - 2) // 2
        assert heights[1 : 2 * bins : 2].sum() == len(table)
        assert figure.get_suptitle() == "flat"

    def test_truths_of_drawn_columns_are_marked_and_others_ignored(self, table):
        row = table.iloc[5]
        figure = corner_plot(table, ["m_lmc", "v_travel"], truths=row)
        diagonal = [figure.axes[0].lines[0].get_xdata()[0], figure.axes[3].lines[0].get_xdata()[0]]
        assert diagonal == pytest.approx([row.m_lmc / 1e10, row.v_travel])
        figure = corner_plot(table, ["m_lmc", "v_travel"], truths={"v_travel": 2000.0, "l_apex": 3.0})
        assert not figure.axes[0].lines
        assert figure.axes[3].get_xlim()[1] > 2000

    def test_any_numeric_table_is_accepted(self):
        rng = np.random.default_rng(0)
        figure = corner_plot({"m_lmc": rng.uniform(1e11, 2e11, 50), "ratio": rng.uniform(size=50)}, ["ratio", "m_lmc"])
        assert [ax.get_xlabel() for ax in figure.axes[2:]] == ["ratio", "m_lmc\n[1e10 Msun]"]

    def test_a_constant_column_is_drawn_as_a_line(self, table, caplog):
        figure = corner_plot(table.assign(beta0=0.5), ["beta0", "v_travel"])
        low, high = figure.axes[0].get_xlim()
        assert low < 0.5 < high
        assert not figure.axes[2].collections, "contours would give it a width"
        (steps,) = figure.axes[0].patches
        vertices = steps.get_xy()
        filled = vertices[vertices[:, 1] == len(table), 0]
        assert filled.min() < 0.5 < filled.max()
        assert caplog.records == []

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ("m_lmc", "columns = 'm_lmc': allowed is a sequence"),
            ([], "1 to 16 names"),
            (["m_lmc", "m_lmc"], "each once"),
            (list(schema.CATALOGUE_NAMES[3:20]), "1 to 16 names"),
            (["m_smc"], "columns = 'm_smc': allowed are sim_id, m200_mw, m_lmc"),
            (["m_lmc", "split"], r"table\['split'\]\[0\] = '.*': allowed is a real number"),
        ],
    )
    def test_columns_that_cannot_be_drawn_are_refused(self, table, columns, message):
        with pytest.raises(ValueError, match=message):
            corner_plot(table, columns)

    def test_numbers_that_cannot_be_drawn_are_refused(self, table):
        broken = table.assign(v_travel=table.v_travel.where(table.index != 4))
        with pytest.raises(ValueError, match=r"table\['v_travel'\]\[4\] = nan: allowed is a finite number in km/s"):
            corner_plot(broken, ["m_lmc", "v_travel"])
        with pytest.raises(ValueError, match="table = 2 rows: allowed are 3 or more for 3 columns"):
            corner_plot(table[:2], ["m_lmc", "v_travel", "l_apex"])
        for bad in (np.nan, "much", None):
            with pytest.raises(ValueError, match=r"truths\['m_lmc'\] = .*: allowed is a finite number in Msun"):
                corner_plot(table, ["m_lmc"], truths={"m_lmc": bad})

    def test_masked_values_are_refused_and_units_converted(self, table):
        hidden = Table({"m_lmc": MaskedColumn(table.m_lmc, mask=table.index == 1), "v_travel": table.v_travel})
        with pytest.raises(ValueError, match=r"table\['m_lmc'\] = 1 masked or missing value"):
            corner_plot(hidden, ["m_lmc"])
        units = QTable({"v_travel": table.v_travel.to_numpy(float) * 1e3 * u.m / u.s})
        shown = [corner_plot(t, ["v_travel"]).axes[0].get_xlim() for t in (table, units)]
        np.testing.assert_allclose(*shown, rtol=1e-6)
        with pytest.raises(ValueError, match=r"table\['v_travel'\] = numbers in kpc"):
            corner_plot(QTable({"v_travel": [1.0, 2.0] * u.kpc}), ["v_travel"])
        with pytest.raises(ValueError, match=r"truths\['v_travel'\] = numbers in kpc"):
            corner_plot(table, ["v_travel"], truths={"v_travel": 1 * u.kpc})
        with pytest.raises(ValueError, match="columns of lengths"):
            corner_plot({"v_travel": [1.0, 2.0, 3.0], "l_apex": [1.0, 2.0]}, ["v_travel", "l_apex"])

    def test_without_corner_the_extra_is_named(self, table, monkeypatch):
        monkeypatch.setitem(sys.modules, "corner", None)
        with pytest.raises(ImportError, match=r'plots need corner .*pip install "mwlmc-data\[plot\]"'):
            corner_plot(table, ["m_lmc"])


class TestCommand:
    def run(self, capsys, *words):
        try:
            status = cli.main(["plot", *map(str, words)])
        except SystemExit as stop:
            status = stop.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    def test_a_halo_is_drawn_with_the_orbit_of_its_row(self, capsys, tmp_path, monkeypatch):
        drawn = {}
        plot = Halo.plot
        monkeypatch.setattr(
            Halo, "plot", lambda self, **options: drawn.update(options, halo=self) or plot(self, **options)
        )
        out = tmp_path / "halo.png"
        assert self.run(capsys, "halo", 7, "--out", out, "--r-min", 60) == (0, f"wrote {out}\n", "")
        assert out.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        row = mwlmc_data.load_catalogue(columns=["sim_id", "pericentre_lmc"]).set_index("sim_id").loc[7]
        orbit = integrate_orbit(drawn["halo"].parameters)
        assert orbit.pericentre == pytest.approx(row.pericentre_lmc, abs=1e-3)
        assert drawn["r_min"] == 60 and drawn["title"] == "gaussian set, simulation 7"

    @pytest.mark.parametrize(("suffix", "start"), [(".svg", b"<?xml"), (".pdf", b"%PDF-")])
    def test_columns_are_drawn(self, capsys, tmp_path, suffix, start):
        out = tmp_path / f"corner{suffix}"
        words = ("corner", "m_lmc", "v_travel", "--config", "flat", "--split", "test", "--rows", 100, "--out", out)
        assert self.run(capsys, *words) == (0, f"wrote {out}\n", "")
        assert out.read_bytes().startswith(start)

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("halo", "7", "--out", "halo.jpg"), "'halo.jpg': allowed is a name that ends in .png, .pdf or .svg"),
            (("halo", "7", "--out", "nowhere/halo.png"), "there is no 'nowhere'"),
            (("halo", "-3", "--out", "halo.png"), "sim_id = -3: allowed is a whole number from 0 to 127999"),
            (("halo", "seven", "--out", "halo.png"), "invalid int value: 'seven'"),
            (("halo", "7"), "--out"),
            (("corner", "--out", "corner.png"), "COLUMN"),
            (("corner", "m_smc", "--out", "corner.png"), "column = 'm_smc'"),
            (("corner", "split", "--out", "corner.png"), "table['split'][0] = 'test': allowed is a real number"),
            (("corner", "m_lmc", "--rows", "0", "--out", "corner.png"), "--rows = 0: allowed is 1 or more"),
            (("corner", "m_lmc", "--config", "round", "--out", "corner.png"), "'round'"),
            (("corner", "m_lmc", "--split", "half", "--out", "corner.png"), "split = 'half'"),
            (("sky", "7"), "sky"),
        ],
    )
    def test_bad_input_is_refused_in_one_line(self, capsys, tmp_path, monkeypatch, words, message):
        monkeypatch.chdir(tmp_path)
        status, out, err = self.run(capsys, *words)
        assert (status, out) == (2, "")
        assert err.startswith("mwlmc: error: ") and len(err.splitlines()) == 1 and message in err
        assert list(tmp_path.iterdir()) == []


def test_nothing_heavy_is_loaded_before_it_is_needed():
    code = "import sys, mwlmc_data; mwlmc_data.corner_plot; print({'numba', 'matplotlib', 'corner'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
