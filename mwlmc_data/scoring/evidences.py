"""Evidences of the models for observations of the task `models`: what the right probabilities are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mwlmc_data.array_types import Float64Array
from mwlmc_data.dataset import schema
from mwlmc_data.display import Displayed
from mwlmc_data.simulator.physics import PHYSICS
from mwlmc_data.storage import embedded, parquet

#: Name in the registry of the benchmark's files.
NAME = "evidences"
#: Draws of the errors of the evidences, over which probabilities are averaged.
_N_DRAWS, _SEED = 4096, 20250715


def _name(prefix: str, model: str) -> str:
    return f"{prefix}_{model.replace('-', '_')}"


#: Columns of the embedded file, a row for each observation.
COLUMNS: tuple[schema.Column, ...] = (
    schema.get_column("sim_id"),
    *(
        schema.Column(
            _name("log_evidence", model), "float32", "", f"ln evidence of {model} less the largest; -inf if impossible"
        )
        for model in PHYSICS
    ),
    *(
        schema.Column(_name("error", model), "float32", "", f"Standard error of ln evidence of {model}")
        for model in PHYSICS
    ),
)


@dataclass(frozen=True, repr=False)
class Evidences(Displayed):
    """Evidences of m models for n observations.

    Attributes
    ----------
    sim_id : ndarray, shape (n,)
        Numbers of the observations' simulations.
    log_evidence, error : ndarray, shape (n, m)
        ln of the density of the stars under each model, given their number, up to a constant of each observation, and
        its standard error [nats]; -inf, with an error of 0, for a model that cannot have made them.
    """

    sim_id: NDArray[np.integer]
    log_evidence: Float64Array
    error: Float64Array

    def compute_probabilities(self) -> Float64Array:
        """Compute the probabilities (n, m) of equally probable models, averaged over the errors of the evidences."""
        noise = np.random.default_rng(_SEED).standard_normal((_N_DRAWS, 1, self.error.shape[1]))
        total = np.zeros(self.error.shape)
        for part in noise:
            logs = self.log_evidence + self.error * part
            weights = np.exp(logs - logs.max(axis=1, keepdims=True))
            total += weights / weights.sum(axis=1, keepdims=True)
        return total / len(noise)


def write_evidences(found: Evidences, directory: Path) -> Path:
    """Write evidences to `evidences.parquet` in a folder of embedded files, and register them."""
    import pyarrow as pa

    from mwlmc_data.simulator import SIMULATOR_VERSION

    relative = found.log_evidence - found.log_evidence.max(axis=1, keepdims=True)
    columns = [found.sim_id.astype(np.int32), *relative.T.astype(np.float32), *found.error.T.astype(np.float32)]
    arrow_schema = schema.table_schema(COLUMNS, {"config": NAME, "simulator_version": SIMULATOR_VERSION})
    path = directory / f"{NAME}.parquet"
    parquet.write_table(pa.table(columns, schema=arrow_schema), path)
    embedded.register(path, NAME, len(found.sim_id), SIMULATOR_VERSION)
    return path


def load_evidences(directory: Path | None = None) -> Evidences | None:
    """Load the embedded evidences; None if this version of the package has none.

    Parameters
    ----------
    directory : Path, optional
        Folder of the embedded files; that of the package by default.
    """
    import pyarrow.parquet as pq

    path = embedded.verify_file(NAME, directory)
    if path is None:
        return None
    table = pq.read_table(path)

    def stack(prefix: str, models: Sequence[str] = tuple(PHYSICS)) -> Float64Array:
        columns = [table[_name(prefix, model)].to_numpy() for model in models]
        return np.stack(columns, axis=1).astype(np.float64)

    return Evidences(table["sim_id"].to_numpy(), stack("log_evidence"), stack("error"))
