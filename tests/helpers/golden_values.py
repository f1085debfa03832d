"""A few numbers of every stage of a simulation, which `test_golden` compares.

They show that a value changed, not which value is right: the tests against formulae, quadrature and agama show that.
``python -m tests.helpers.golden_values`` writes them, and only a new `SIMULATOR_VERSION` calls for it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from mwlmc_data.simulator import Parameters, equations, equilibrium, fit_reflex_observed, integrate_orbit, potentials
from mwlmc_data.simulator.engines import outskirts
from mwlmc_data.simulator.orbit import build_field
from mwlmc_data.simulator.reflex_fit import fit_reflex, fit_shells
from mwlmc_data.simulator.streams import halo_stream
from mwlmc_data.simulator.tables import Field, milky_way

PATH = Path(__file__).parents[1] / "reference" / "golden.json"
P = Parameters(m200_mw=1.1e12, m_lmc=1.6e11, log10_lambda_df=0.3, beta0=0.5, r_dehnen=12.0)
POINTS = np.array([[0.3, -0.2, 0.1], [8.0, 1.0, -0.4], [3.0, -4.0, 2.0], [-30.0, 40.0, 15.0], [200.0, 90.0, -150.0]])
#: Anisotropies without and with a cut of f1 near the centre.
BETAS = (0.0, 0.45, 0.76, 0.9)


def equilibria() -> dict[str, list]:
    """Tables of equilibrium haloes, and the first stars drawn from them."""
    found = {}
    for i, beta in enumerate(BETAS):
        tables = equilibrium.equilibrium(1.1e12, 13.0, beta, 12.0)
        for name in ("x", "f1", "excess", "log_bound"):
            found[f"{name} {beta}"] = getattr(tables, name)[5::23].tolist()
        found[f"scales {beta}"] = [tables.b, tables.scale_radius, tables.scale_speed]
        found[f"stars {beta}"] = equilibrium.draw_stars(tables, 12, halo_stream(7, i)).tolist()
    return found


def orbits() -> dict[str, list]:
    """The pair's past, and the table that the stars' kernel reads."""
    orbit, field = build_field(P)
    few = integrate_orbit(P, n_output=4)
    return {
        "lmc": orbit.lmc[::110].tolist(),
        "mw": orbit.mw[:-1:110].tolist(),
        "few": few.lmc.tolist(),
        "pericentre": [orbit.pericentre, orbit.t_pericentre],
        "quintics": field.orbit[::110].tolist(),
        "field": [field.t_start, field.dt, field.gm_lmc, field.a_lmc, field.height],
        "radial": field.radial[::90].tolist(),
        "disc": field.disc.tolist(),
    }


def _field() -> Field:
    """A field whose LMC moves on a quintic of round numbers, cheap without the compiler."""
    mw = milky_way(P.m200_mw, P.c200)
    rng = np.random.default_rng(3)
    quintics = rng.uniform(-1, 1, (4, 6, 3)) * np.array([60.0, 20.0, 5.0, 2.0, 1.0, 0.5])[:, None]
    return Field(mw.radial, mw.disc, mw.height, quintics, -0.4, 0.1, 6.9e5, 14.0)


def forces() -> dict[str, list]:
    """Accelerations of a star, and stars moved with the float64 kernel, with the number of its evaluations."""
    field = _field()
    mw = (field.radial, field.disc, field.height)
    times = (-0.4, -0.333, -0.2, -0.05, 0.0)
    moved = np.array(
        [
            [9.0, 1.0, 2.0, 20.0, 180.0, 60.0],
            [-40.0, 30.0, 10.0, -50.0, -30.0, 120.0],
            [0.5, 0.1, 0.2, 90.0, -60.0, 30.0],
        ]
    )
    return {
        "milky way": [equations.milky_way(*x, *mw) for x in POINTS.tolist()],
        "lmc": [equations.lmc_position(t, field.t_start, field.dt, field.orbit) for t in times],
        "stars": [equations.star_acceleration(t, *x, field) for t, x in zip(times, POINTS.tolist(), strict=True)],
        "evaluations": [equations.integrate_stars(moved, -0.4, -0.1, field, 1e-6)],
        "moved": moved.tolist(),
    }


def exact() -> dict[str, list]:
    """The slow potentials."""
    radius = np.linalg.norm(POINTS, axis=1)
    return {
        "bulge": [potentials.bulge_density(radius).tolist(), potentials.bulge_mass(radius).tolist()],
        "bulge acceleration": potentials.bulge_acceleration(POINTS).tolist(),
        "disc": [potentials.disc_density(POINTS).tolist(), potentials.disc_acceleration(POINTS[1:]).tolist()],
        "halo": potentials.nfw_acceleration(POINTS, 1.1e12, 13.0).tolist(),
        "concentration": [potentials.concentration(m) for m in (1e11, 1e12, 1e13)],
        "energy": outskirts.energy_estimate(np.hstack([POINTS, 3 * POINTS]), P).tolist(),
    }


def fits() -> dict[str, list]:
    """A fit, its covariances, and shells."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(60, 3))
    x *= (rng.uniform(55, 180, 60) / np.linalg.norm(x, axis=1))[:, None]
    v = rng.normal(size=(60, 3)) * [90.0, 60.0, 70.0] + [10.0, -20.0, 30.0]
    fit = fit_reflex(x, v, weights=rng.uniform(0.5, 2, 60))
    _, shells = fit_shells(x, v, 50.0, (100.0, 150.0))
    return {
        "values": fit.values.tolist(),
        "covariance": np.sqrt(np.diag(fit.covariance)).tolist(),
        "plain": np.sqrt(np.diag(fit.covariance_plain)).tolist(),
        "likelihood": [fit.log_likelihood],
        "shells": [[*shell.vector.tolist(), shell.n_stars] for shell in shells],
    }


def observed() -> dict[str, list]:
    """Fits of what is observed, with errors and correlations; of the second some is not measured."""
    rng = np.random.default_rng(9)
    n = 45
    l, b = rng.uniform(-180, 180, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    distance = rng.uniform(65, 120, n)
    columns = [rng.normal(-20, 100, n), rng.normal(0, 0.25, n), rng.normal(-0.3, 0.25, n)]
    errors = {
        "distance": 0.08 * distance,
        "v_los": rng.uniform(1, 9, n),
        "pm_l": rng.uniform(0.02, 0.2, n),
        "pm_b": rng.uniform(0.02, 0.2, n),
        "corr": rng.uniform(-0.7, 0.7, n),
    }
    found = {}
    for name in ("all", "some"):
        fit = fit_reflex_observed(l, b, distance, *columns, errors)
        found[name] = [*fit.values.tolist(), fit.log_likelihood, fit.n_stars]
        found[f"{name}, covariances"] = [fit.covariance.ravel().tolist(), fit.covariance_plain.ravel().tolist()]
        columns = [np.where(np.arange(n) % 7 == k, np.nan, column) for k, column in enumerate(columns)]
    return found


STAGES = {f.__name__: f for f in (equilibria, orbits, forces, exact, fits, observed)}

if __name__ == "__main__":
    made = {name: stage() for name, stage in STAGES.items()}
    PATH.write_text(json.dumps(made) + "\n", encoding="utf-8")
    print(f"written: {PATH}, {PATH.stat().st_size} bytes")
