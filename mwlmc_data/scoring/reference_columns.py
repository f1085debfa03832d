"""Columns of the files of reference posteriors: a row has an observation, its posterior and how that was tested.

`COLUMNS` are those of the references given the nine numbers, `COLUMNS_OF_50_100` of those with stars at 50 to 100 kpc,
`COLUMNS_OF_24` of those given the 24, `COLUMNS_OF_STARS` of those given stars, and `COLUMNS_OF_SURVEY` of those given
surveys.
"""

from __future__ import annotations

from dataclasses import replace

from mwlmc_data.dataset import schema
from mwlmc_data.dataset.schema import Column

#: What is inferred, in the order of the last axis of draws.
THETA = ("m_lmc", "m200_mw", "log10_lambda_df")
#: The other drawn parameters of a halo, of which references given stars have draws as well.
NUISANCES = ("m_lmc_8p7", "beta0", "r_dehnen")
#: Draws of each reference that are kept, and of each given stars.
N_DRAWS, N_STAR_DRAWS, N_SURVEY_DRAWS = 2000, 1000, 500
#: Tests of the whitened residuals of simulations near the observation, each with what it is.
TESTS = {
    "normal": "Kolmogorov and Smirnov's test of its components",
    "kurtosis": "Mardia's test of its kurtosis",
    "scale": "chi-square of its mean square length",
    "mean": "F test of a dependence of its mean on the parameters",
    "spread": "F test of a dependence of its length on the parameters",
}

#: Data of the references with stars at 50 to 100 kpc, beside the LMC's: columns of the catalogue.
DATA_OF_50_100 = tuple(f"v{axis}_travel_50_100" for axis in "xyz")
#: Data of the references given 24 numbers, beside the LMC's position and velocity: columns of the catalogue.
DATA_OF_24 = (
    "vx_travel", "vy_travel", "vz_travel",
    "mean_v_r", "mean_v_phi", "mean_v_theta",
    "sigma_v_los", "sigma_v_l", "sigma_v_b",
    *(f"v{axis}_travel_{shell}" for shell in ("50_100", "50_300") for axis in "xyz"),
    "n_stars_fit", "n_stars_fit_50_100", "n_stars_fit_50_300",
)  # fmt: skip

_UNKNOWN = "null where the case quotes none"
_AGREEMENTS = {
    "halves": "the posteriors from the two halves of the design",
    "rerun": "the posteriors from this design and another",
    "refit": "the posterior and one from many more simulations near it",
}
_DIFFERENCES = {
    "distance": "Total variation distance of {}",
    "shift": "Greatest difference of the means of {}, in standard deviations",
    "spread": "Greatest ratio of the variances of {}, that above one",
}
_NOT_MADE = "null where the check was not made"


def _count(name: str, description: str) -> Column:
    return Column(name, "int32", "", description)


def _real(name: str, description: str, unit: str = "", *, nullable: bool = False) -> Column:
    return Column(name, "float32", unit, description, nullable)


def name_samples(parameter: str) -> str:
    """Name of the column with the draws of a parameter."""
    return f"samples_{parameter}"


def _truth(name: str) -> Column:
    what = f"Truth: {name} of the observation; {_UNKNOWN}"
    return _real(f"truth_{name}", what, schema.get_column(name).unit, nullable=True)


def _samples(name: str, n: int = N_DRAWS) -> Column:
    what = f"{n:,} draws of {name} from the posterior; the same draw has the same place in all columns of samples"
    return Column(name_samples(name), f"float32[{n}]", schema.get_column(name).unit, what)


def _agreement(name: str) -> tuple[Column, ...]:
    optional = name != "halves"
    note = f"; {_NOT_MADE}" if optional else ""
    return tuple(
        _real(f"{name}_{part}", words.format(_AGREEMENTS[name]) + note, nullable=optional)
        for part, words in _DIFFERENCES.items()
    )


def _importance(name: str, description: str, unit: str = "") -> Column:
    return _real(f"importance_{name}", f"Importance sampling: {description}; {_NOT_MADE}", unit, nullable=True)


def _marginal(name: str) -> tuple[Column, ...]:
    return (
        _importance(f"shift_{name}", f"difference of the mean of {name} [standard deviations]"),
        _importance(f"shift_error_{name}", f"standard error of that of {name}"),
        _importance(f"spread_{name}", f"ratio of the variances of {name}"),
        _importance(f"distribution_{name}", f"p-value of the agreement of the marginal of {name}"),
    )


#: Columns of the file given the nine numbers, in its order.
COLUMNS: tuple[Column, ...] = (
    Column("name", "string", "", "Name of the observation: test- and the sim_id, or that of the validation case"),
    Column("kind", "string", "", "test, or the kind of the validation case: rigid, deforming or cosmological"),
    _count("sim_id", "Number of the simulation in the set gaussian; -1 for a validation case"),
    Column("config", "string", "", "Set whose prior the posterior has"),
    schema.get_column("simulator_version"),
    *(schema.get_column(f"{axis}_lmc") for axis in ("x", "y", "z", "vx", "vy", "vz")),
    *(
        _real(f"v{axis}_travel", f"Observed velocity of the disc relative to the stellar halo along {axis}", "km/s")
        for axis in "xyz"
    ),
    *(_truth(name) for name in THETA),
    *(_samples(name) for name in THETA),
    _real(
        "log_prob_truth",
        f"Log posterior density of the truth per 1e10 Msun of m_lmc, 1e11 Msun of m200_mw and dex [nats]; {_UNKNOWN}",
        nullable=True,
    ),
    Column("certified", "bool", "", "Whether the reference passed every check; only such are scored against"),
    Column("reasons", "string", "", "What is not passed, each with the number and what is allowed; empty if certified"),
    _count("n_simulations", "Simulations of the design"),
    _count("n_failed", "Simulations of the design that failed"),
    _count("n_near", "Simulations near the observation, on which the Gaussian noise is tested"),
    _real("log_likelihood", "Mean log density of simulations left out of the fit [nats]"),
    _real("log_evidence", "Log density of the observation, averaged over the prior, per (km/s)^3 [nats]"),
    _real("nearest", "Whitened distance of the observation from the nearest predicted mean of the design"),
    _real("interpolation", "Root mean square error of the log density that comes of the grid [nats]"),
    *(column for name in _AGREEMENTS for column in _agreement(name)),
    *(_real(f"p_{name}", f"Gaussian noise: p-value of {words}") for name, words in TESTS.items()),
    _real("rerun_c2st", f"Accuracy of a classifier of draws from this design and another; {_NOT_MADE}", nullable=True),
    _importance("effective", "effective sample size"),
    _importance("evidence", "difference of the log evidence [nats]"),
    _importance("evidence_error", "standard error of that of the log evidence [nats]"),
    _importance("noise_scale", "variance of the noise over what the reflex fits say"),
    _importance("noise_kurtosis", "kurtosis of the noise over that of a Gaussian"),
    *(column for name in THETA for column in _marginal(name)),
)

_AT = {column.name: i for i, column in enumerate(COLUMNS)}


def _replace_data(names: tuple[str, ...]) -> tuple[Column, ...]:
    """Columns of a file given other data than the travel vector."""
    data = (schema.get_column(name) for name in names)
    return (*COLUMNS[: _AT["vx_travel"]], *data, *COLUMNS[_AT["vz_travel"] + 1 :])


#: The same with stars at 50 to 100 kpc.
COLUMNS_OF_50_100: tuple[Column, ...] = _replace_data(DATA_OF_50_100)

_MARGINAL_DISTANCE = "Largest difference of the marginal distribution functions of {}"
_OF_24 = {
    "log_evidence": "Log density of the 18 numbers beside the LMC's, averaged over the prior, in the units of their "
    "columns [nats]",
    "interpolation": "Error of the log evidence that comes of the number of draws [nats]",
    "importance_noise_scale": f"Importance sampling: variance of the noise over that of the model; {_NOT_MADE}",
    "halves_distance": _MARGINAL_DISTANCE.format(_AGREEMENTS["halves"]),
    "rerun_distance": f"{_MARGINAL_DISTANCE.format(_AGREEMENTS['rerun'])}; {_NOT_MADE}",
    "refit_distance": f"{_MARGINAL_DISTANCE.format(_AGREEMENTS['refit'])}; {_NOT_MADE}",
}
#: The same given the 24 numbers: more data, and a posterior on draws in place of a grid.
COLUMNS_OF_24: tuple[Column, ...] = tuple(
    replace(column, description=_OF_24.get(column.name, column.description))
    for column in _replace_data(DATA_OF_24)
)

_SIX = (*THETA, *NUISANCES)
_OTHER_RUNS = {
    "rerun": "the draws and those of another seed, with other stars behind the selection's probability",
    "sampler": "the draws and those of another library's sampler",
}


def _describe_row(of_survey: tuple[Column, ...] = (), n_draws: int = N_STAR_DRAWS) -> tuple[Column, ...]:
    """First columns of a file given stars, to the truths."""
    return (
        Column("name", "string", "", "Name of the observation: test- and the sim_id"),
        Column("kind", "string", "", "test"),
        _count("sim_id", "Number of the simulation in the set gaussian"),
        *COLUMNS[_AT["config"] : _AT["vx_travel"]],
        *of_survey,
        _count("n_stars", "Stars of the observation"),
        *(_real(f"truth_{name}", f"Truth: {name} of the observation", schema.get_column(name).unit) for name in _SIX),
        *(_samples(name, n_draws) for name in _SIX),
    )


_MADE = (
    *(COLUMNS[_AT[name]] for name in ("certified", "reasons")),
    _count("algorithm", "Number of the version of infer_stars that drew it"),
    _real("n_effective", "Effective number of the draws that these are chosen from"),
    _count("n_evaluations", "Evaluations of the stars' likelihood"),
    _real("cpu_seconds", "Time on one core", "s"),
    _real("log_evidence", "Log density of the stars given their number, averaged over the prior [nats]"),
    _real("error_sampling", "Error of log_evidence that comes of the number of draws [nats]"),
    _real("error_selection", "Error of the sum of ln P over the stars, over the posterior, up to a constant [nats]"),
    _real("error_probability", "Error of the sum of ln P over the stars that is common to all parameters [nats]"),
)
_JUDGED = (
    _real("edge", "Part of the posterior near the edge of the region in which ln P was computed"),
    _real("p_value", "Fraction of sets of stars simulated at the posterior's mean that are at least as unusual"),
    *(_real(f"rank_{name}", f"Part of the draws of {name} below its truth") for name in _SIX),
)


def _compare_run(run: str) -> tuple[Column, ...]:
    words = _OTHER_RUNS[run]
    said = {
        "distance": f"Largest Kolmogorov-Smirnov distance of a marginal between {words}; {_NOT_MADE}",
        "shift": f"Greatest difference of the means of {words}, in standard deviations; {_NOT_MADE}",
        "spread": f"Greatest ratio of the variances of {words}, that above one; {_NOT_MADE}",
    }
    return tuple(_real(f"{run}_{part}", said[part], nullable=True) for part in _DIFFERENCES)


#: The same given stars.
COLUMNS_OF_STARS: tuple[Column, ...] = (
    *_describe_row(),
    _real(
        "log_prob_truth",
        "Log posterior density of the truth per 1e10 Msun of m_lmc, 1e11 Msun of m200_mw and dex [nats]",
    ),
    *_MADE,
    _real("error_density", "Error of log_prob_truth that comes of the number of draws [nats]"),
    *_JUDGED,
    *(column for run in _OTHER_RUNS for column in _compare_run(run)),
    _real("sampler_evidence", f"Difference of the other sampler's log evidence [nats]; {_NOT_MADE}", nullable=True),
    _real("sampler_effective", f"Effective number of the other sampler's draws; {_NOT_MADE}", nullable=True),
)

#: The same given surveys: stars with errors of measurement.
COLUMNS_OF_SURVEY: tuple[Column, ...] = (
    *_describe_row(
        (Column("pattern", "string", "", "Which velocities of the survey's stars are missing"),), N_SURVEY_DRAWS
    ),
    _real("log_prob_truth", "Always null: draws alone do not give the density of the truth", nullable=True),
    *_MADE,
    _count("n_draws", "Draws of the true phase space of each star"),
    _real("error_draws", "Error of the sum of ln L over the posterior that comes of the number of these draws [nats]"),
    _real("error_integrals", "Error of log_evidence that comes of the number of these draws [nats]"),
    *_JUDGED,
    *_compare_run("rerun"),
)
