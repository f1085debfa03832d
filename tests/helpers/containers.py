"""One table in every container that a user may hold it in."""

from types import SimpleNamespace

import astropy.units as u
import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
from astropy.table import QTable, Table

from mwlmc_data.simulator.limits import LIMITS


def with_units(table):
    """A QTable in other units."""
    made = QTable({name: table[name].to_numpy(float) for name in table})
    other = {"Msun": u.kg, "kpc": u.pc, "km/s": u.m / u.s, "deg": u.rad, "mas/yr": u.deg / u.Gyr}
    for name in table:
        if name in LIMITS and (unit := LIMITS[name][2]) in other:
            made[name] = (made[name] * u.Unit(unit)).to(other[unit])
    return made


def interchanged(table):
    """A table that offers only the older of two protocols."""
    return SimpleNamespace(__dataframe__=pa.Table.from_pandas(table).__dataframe__)


CONTAINERS = {
    "pandas": lambda t: t,
    "pandas, nullable": lambda t: t.convert_dtypes(dtype_backend="numpy_nullable"),
    "pandas, arrow": lambda t: t.convert_dtypes(dtype_backend="pyarrow"),
    "pandas, objects": lambda t: t.astype(object),
    "arrow": lambda t: pa.Table.from_pandas(t, preserve_index=False),
    "arrow, a stream": lambda t: pa.Table.from_pandas(t, preserve_index=False).to_reader(),
    "arrow, dictionaries": lambda t: pa.table({n: pa.array(t[n]).dictionary_encode() for n in t}),
    "interchange": interchanged,
    "astropy": Table.from_pandas,
    "astropy, masked": lambda t: Table(Table.from_pandas(t), masked=True),
    "astropy, units": with_units,
    "datasets": lambda t: datasets.Dataset.from_pandas(t, preserve_index=False),
    "datasets, chosen": lambda t: datasets.Dataset.from_pandas(pd.concat([t, t]), preserve_index=False).select(
        range(len(t))
    ),
    "numpy, structured": lambda t: t.to_records(index=False),
    "numpy, masked": lambda t: np.ma.array(np.asarray(t.to_records(index=False))),
    "a dict of arrays": lambda t: {n: t[n].to_numpy() for n in t},
    "a dict of lists": lambda t: t.to_dict("list"),
    "a list of rows": lambda t: t.to_dict("records"),
    "a list of tuples": lambda t: list(t.itertuples(index=False)),
    "rows of astropy": lambda t: list(Table.from_pandas(t)),
}
