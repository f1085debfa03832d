"""What each published column is in the words of the Virtual Observatory: UCD1+ (IVOA Recommendation 1.6, 2024)."""

from __future__ import annotations

_VELOCITY = "phys.veloc"
_DISPERSION = "phys.veloc.dispersion"
_SPHERICAL = {
    "mean_v_r": f"{_VELOCITY};pos.spherical.r;stat.mean",
    "mean_v_phi": f"{_VELOCITY};pos.spherical.azi;stat.mean",
    "mean_v_theta": f"{_VELOCITY};pos.spherical.colat;stat.mean",
    "sigma_v_los": f"{_DISPERSION};spect.dopplerVeloc",
    "sigma_v_l": f"{_DISPERSION};pos.galactic.lon",
    "sigma_v_b": f"{_DISPERSION};pos.galactic.lat",
}
_OF = ("", "_lmc")
_UCDS: dict[str, str] = {
    "sim_id": "meta.id;meta.main",
    "split": "meta.code.class",
    "config": "meta.id;meta.dataset",
    "simulator_version": "meta.version;meta.software",
    "m200_mw": "phys.mass;phys.virial",
    "m_lmc": "phys.mass",
    "m_lmc_8p7": "phys.mass",
    "m_mw_50": "phys.mass",
    "m_lmc_50": "phys.mass",
    "log10_lambda_df": "arith.factor",
    "ra_lmc": "pos.eq.ra",
    "dec_lmc": "pos.eq.dec",
    "distance_lmc": "pos.distance",
    "v_los_lmc": "spect.dopplerVeloc",
    "pm_ra_lmc": "pos.pm;pos.eq.ra",
    "pm_dec_lmc": "pos.pm;pos.eq.dec",
    "beta0": f"{_DISPERSION};arith.ratio",
    "r_dehnen": "phys.size.radius",
    "a_lmc": "phys.size.radius",
    "c200": "phys.size.radius;arith.ratio",
    "coulomb_log": "stat.param",
    "v_travel": f"{_VELOCITY};stat.fit.param",
    "l_apex": "pos.galactic.lon;stat.fit.param",
    "b_apex": "pos.galactic.lat;stat.fit.param",
    "n_stars_fit": "meta.number",
    "r_min": "pos.distance;pos.galactocentric;stat.min",
    "r_max": "pos.distance;pos.galactocentric;stat.max",
    "pericentre_lmc": "pos.distance;src.orbital.periastron",
    "t_pericentre_lmc": "time.epoch;src.orbital.periastron",
    "distance_lmc_start": "pos.distance;time.start",
    "positions": "pos;pos.cartesian;pos.galactocentric",
    "velocities": f"{_VELOCITY};pos.cartesian;pos.galactocentric",
    "name": "meta.id;meta.main",
    "kind": "meta.code.class",
    "pattern": "meta.code.class",
    "group": "meta.code.class",
    "outside": "meta.code.qual",
    "source": "meta.bib",
    "certified": "meta.code.status",
    "reasons": "meta.note",
    "algorithm": "meta.version",
    "log_prob_truth": "stat.likelihood",
    "neg_log_posterior": "stat.likelihood",
    "energy_score": "stat.fit.goodness",
    "n_simulations": "meta.number",
    "n_failed": "meta.number",
    "n_near": "meta.number",
    "log_likelihood": "stat.likelihood",
    "log_evidence": "stat.likelihood",
    "nearest": "stat.fit.goodness",
    "interpolation": "stat.error",
    "n_stars": "meta.number",
    "n_draws": "meta.number",
    "n_effective": "meta.number",
    "n_evaluations": "meta.number",
    "cpu_seconds": "time.duration",
    "live_id": "meta.id;meta.main",
    "m_lmc_infall": "phys.mass;time.start",
    "m_lmc_bound_infall": "phys.mass;time.start",
    "m_lmc_bound": "phys.mass",
    "m_lmc_8p7_today": "phys.mass",
    "m_lmc_50_today": "phys.mass",
    "m200_mw_today": "phys.mass;phys.virial",
    "m_mw_50_today": "phys.mass",
    "miss_position": "stat.error;pos.distance",
    "miss_velocity": f"stat.error;{_VELOCITY}",
    "rms_position": "stat.fit.residual;pos.distance",
    "rms_velocity": f"stat.fit.residual;{_VELOCITY}",
    "run_sha256": "meta.checksum",
    "missed": "meta.note",
    "edge": "stat.fit.goodness",
    **_SPHERICAL,
    **{f"err_{name}": f"stat.error;{ucd}" for name, ucd in _SPHERICAL.items()},
    **{f"{axis}{of}": f"pos.cartesian.{axis};pos.galactocentric" for axis in "xyz" for of in _OF},
    **{f"v{axis}{of}": f"{_VELOCITY};pos.cartesian.{axis};pos.galactocentric" for axis in "xyz" for of in _OF},
    **{f"v{axis}_disc": f"{_VELOCITY};pos.cartesian.{axis}" for axis in "xyz"},
    **{f"v{axis}_travel": f"{_VELOCITY};pos.cartesian.{axis};stat.fit.param" for axis in "xyz"},
    **{
        f"cov_v{a}_v{b}": f"stat.covariance;{_VELOCITY};pos.cartesian.{a};pos.cartesian.{b}"
        for a in "xyz"
        for b in "xyz"
    },
}
_SHELLS = ("_50_100", "_50_300")
#: Prefixes of columns that hold the same quantity as the rest of the name says.
_SAME = ("truth_", "samples_")
_CHECKS = {
    "sigmas_": "stat.value",
    "p_": "stat.probability",
    "halves_": "stat.fit.goodness",
    "rerun_": "stat.fit.goodness",
    "refit_": "stat.fit.goodness",
    "sampler_": "stat.fit.goodness",
    "rank_": "stat.probability",
    "error_": "stat.error",
    "importance_": "stat.fit.goodness",
}


def ucd_of(name: str) -> str:
    """Look up the UCD of a published column.

    Parameters
    ----------
    name : str
        Name of a column.

    Returns
    -------
    str
        UCD1+, words separated by semicolons; empty for a name that is not known here.
    """
    for shell in _SHELLS:
        name = name.removesuffix(shell)
    for prefix in _SAME:
        name = name.removeprefix(prefix)
    if name in _UCDS:
        return _UCDS[name]
    return next((ucd for prefix, ucd in _CHECKS.items() if name.startswith(prefix)), "")
