"""Footprints and tables of stars: fetched from their homes, verified, and in the package's columns."""

import dataclasses
import hashlib

import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data.dataset.manifest import ListedFile
from mwlmc_data.fetching import FetchError
from mwlmc_data.observations import footprints, published_tables
from mwlmc_data.rewinding.healpix import find_pixels
from mwlmc_data.rewinding.observed import is_observed, take_observed
from mwlmc_data.storage.errors import DamagedFileError


def listed(path, content):
    return ListedFile(path, "stars", "all", 1, len(content), hashlib.sha256(content).hexdigest())


class TestStars:
    @pytest.mark.parametrize("name", mw.observations.load_star_tables())
    def test_a_table_names_its_home_at_a_revision(self, name):
        table = mw.observations.load_star_tables()[name]
        assert name == table.name and table.home.startswith("https://raw.githubusercontent.com/")
        assert any(len(part) == 40 for part in table.home.split("/")), "a commit, not a branch"
        assert table.citation.count("@") == len(table.references) >= 1
        if table.observation:
            fit = mw.observations.load_observation(table.observation)
            assert (fit.n_stars, fit.r_min, fit.reach) == (table.n_stars, table.r_min, table.r_max)

    def stand_in(self, monkeypatch, folder, name, content, n):
        table = mw.observations.load_star_tables()[name]
        (folder / table.file.name).write_bytes(content)
        made = dataclasses.replace(table, n_stars=n, file=listed(table.file.path, content))
        monkeypatch.setattr(published_tables, "load_star_tables", lambda: {name: made})

    def test_rows_of_the_k_giants_become_columns_that_the_fit_takes(self, tmp_path, monkeypatch):
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(17, 40))
        rows[6:9] = rng.uniform(0, 360, 40), rng.uniform(-80, 80, 40), rng.uniform(60, 100, 40)
        rows[9], rows[10:12] = rng.normal(0, 90, 40), rng.normal(0, 0.2, (2, 40))
        rows[12:16], rows[16] = 0.1, 0.0
        text = "\n".join(" ".join(map(repr, row.tolist())) for row in rows).encode()
        self.stand_in(monkeypatch, tmp_path, "yaaqib24-50-kgiants", text, 40)
        stars = mw.observations.fetch_stars("yaaqib24-50-kgiants", mirrors=tmp_path, directory=tmp_path / "here")
        assert list(stars.columns) == list(published_tables._ROWS)
        np.testing.assert_array_equal(stars["pm_b"], rows[11])
        names = ("distance", "v_los", "pm_l", "pm_b")
        fit = mw.fit_reflex_observed(
            *(stars[n] for n in ("l", "b", *names)), errors={n: stars[f"err_{n}"] for n in names}
        )
        assert fit.n_stars == 40
        # infer_stars takes the table for observed stars, not for stars whose phase space is exact
        assert is_observed(stars) and len(take_observed(stars)) == 40

    def test_the_names_of_desi_become_those_of_the_package(self, tmp_path, monkeypatch):
        head = ",x,y,z,vx,vy,vz,l,b,d,vlos,mul,mub,d_err,vlos_err,mul_err,mub_err,pm_corr,TEFF"
        text = f"{head}\n9,{','.join(map(str, range(18)))}\n".encode()
        self.stand_in(monkeypatch, tmp_path, "desi-dr1-bhb-50", text, 1)
        stars = mw.observations.fetch_stars("desi-dr1-bhb-50", mirrors=tmp_path, directory=tmp_path / "here")
        row = stars.iloc[0]
        assert (row["distance"], row["pm_l"], row["err_v_los"], row["corr_pm"], row["TEFF"]) == (8, 10, 13, 16, 17)

    def test_another_number_of_stars_is_refused(self, tmp_path, monkeypatch):
        self.stand_in(monkeypatch, tmp_path, "desi-dr1-bhb-50", b",x\n0,1\n", 2)
        with pytest.raises(DamagedFileError):
            mw.observations.fetch_stars("desi-dr1-bhb-50", mirrors=tmp_path, directory=tmp_path / "here")

    def test_another_name_is_refused(self):
        with pytest.raises(ValueError, match="name = 'kgiants': allowed is 'yaaqib24-50-kgiants'"):
            mw.observations.fetch_stars("kgiants")


class TestFootprint:
    #: Directions (l, b) and whether DESI's map of Bystrom et al. 2025 holds them.
    OF_THE_MAP = (
        (0.0, 90.0, True), (180.0, 60.0, True), (60.0, 45.0, True), (150.0, -45.0, True), (90.0, 5.0, False),
        (300.0, -40.0, False), (270.0, -60.0, False), (0.0, -5.0, False),
    )  # fmt: skip

    def test_the_rule_agrees_with_the_map_away_from_their_edges(self):
        for l, b, is_inside in self.OF_THE_MAP:
            assert mw.observations.in_legacy_surveys(l, b) == is_inside

    def test_the_rule_covers_what_its_bounds_say(self):
        """By counting pixels: declination from -18 to 84 degrees, more than 18 degrees from the plane."""
        rng = np.random.default_rng(1)
        l, b = rng.uniform(0, 360, 40_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 40_000)))
        inside = mw.observations.in_legacy_surveys(l, b)
        assert inside.mean() == pytest.approx(0.461, abs=0.01)
        assert not inside[np.abs(b) <= 18].any()

    def test_a_selection_takes_the_rule(self):
        survey = mw.Selection(r_min=50.0, footprint=mw.observations.in_legacy_surveys)
        # towards the north Galactic pole, and towards the centre
        assert survey.compute_completeness([[0.0, 0.0, 80.0], [80.0, 0.0, 0.0]]).tolist() == [1.0, 0.0]
        assert "in_legacy_surveys" in repr(survey)

    def test_a_selection_takes_a_fetched_map(self, tmp_path, monkeypatch):
        pixels = np.zeros(12288, bool)
        pixels[find_pixels(32, np.array([30.0]), np.array([50.0]))] = True
        np.save(tmp_path / "DESI_footprint.npy", pixels)
        content = (tmp_path / "DESI_footprint.npy").read_bytes()
        assert len(content) == footprints._DESI.bytes
        with pytest.raises(FetchError, match="SHA-256"):
            mw.observations.fetch_footprint(mirrors=tmp_path, directory=tmp_path / "here")
        monkeypatch.setattr(footprints, "_DESI", listed("DESI_footprint.npy", content))
        found = mw.observations.fetch_footprint(mirrors=tmp_path, directory=tmp_path / "here")
        np.testing.assert_array_equal(found, pixels)
        assert "HEALPix map" in repr(mw.Selection(footprint=found))
