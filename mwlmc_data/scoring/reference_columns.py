"""Columns of the file of reference posteriors: a row has an observation, its posterior and how that was tested."""

from __future__ import annotations

from mwlmc_data.dataset import schema
from mwlmc_data.dataset.schema import Column

#: What is inferred, in the order of the last axis of draws.
THETA = ("m_lmc", "m200_mw", "log10_lambda_df")
#: Draws of each reference that are kept.
N_DRAWS = 2000
#: Tests of the whitened residuals of simulations near the observation, each with what it is.
TESTS = {
    "normal": "Kolmogorov and Smirnov's test of its components",
    "kurtosis": "Mardia's test of its kurtosis",
    "scale": "chi-square of its mean square length",
    "mean": "F test of a dependence of its mean on the parameters",
    "spread": "F test of a dependence of its length on the parameters",
}

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


def _truth(name: str) -> Column:
    what = f"Truth: {name} of the observation; {_UNKNOWN}"
    return _real(f"truth_{name}", what, schema.get_column(name).unit, nullable=True)


def _samples(name: str) -> Column:
    what = f"{N_DRAWS:,} draws of {name} from the posterior; the same draw has the same place in all columns of samples"
    return Column(f"samples_{name}", f"float32[{N_DRAWS}]", schema.get_column(name).unit, what)


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


#: Columns of the file, in its order.
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
