"""The command `mwlmc`: what the package holds, one simulation, one fit, and how to cite.

Only the parser is built at the start; every command imports what it needs when it runs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mwlmc_data import schema

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mwlmc_data.simulator import Reflex, Simulation

_REQUIRED = ("m200_mw", "m_lmc", "log10_lambda_df")
_PARAMETERS = (*schema.DRAWN, *schema.LMC_VECTOR, "c200", "a_lmc")
_PHASE_SPACE = ("x", "y", "z", "vx", "vy", "vz")
_OBSERVABLES = ("l", "b", "distance", "v_los", "pm_l", "pm_b")
_ERRORS = ("err_distance", "err_v_los", "err_pm_l", "err_pm_b")
_CORRELATION = "corr_pm"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words of the command line; those of the process by default.

    Returns
    -------
    int
        Exit status: 0 done, 1 failed or damaged data, 2 bad input, 130 interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        status = options.run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader of a pipe has gone, as `head` does; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError, ImportError) as error:
        return _fail(error, 2)
    except RuntimeError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return 130


def _fail(error: Exception, status: int) -> int:
    text = " ".join(str(error).split())
    print(f"mwlmc: error: {text or type(error).__name__}", file=sys.stderr)
    return status


class _Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"mwlmc: error: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="mwlmc", description="Milky Way-LMC simulations and the reflex motion of the halo.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    info = commands.add_parser("info", help="versions, embedded files and columns")
    _add_json(info)
    info.set_defaults(run=_info)

    simulate = commands.add_parser("simulate", help="make one simulation and fit its reflex motion")
    for name in _PARAMETERS:
        column = schema.column(name)
        simulate.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            type=str if name == "m_lmc_8p7" else float,
            required=name in _REQUIRED,
            metavar=column.unit or "NUMBER",
            help=column.description.replace("%", "%%"),
        )
    simulate.add_argument("--seed", type=int, default=0, help="seed of the stars (default: %(default)s)")
    simulate.add_argument(
        "--n-stars", type=int, default=4500, help="stars of the halo (default: %(default)s)"
    )
    simulate.add_argument(
        "--engine", default="auto", help="auto, numba, numba-float64, cuda or agama (default: %(default)s)"
    )
    simulate.add_argument("--out", type=Path, metavar="FILE", help="write the stars as .npz or .parquet")
    _add_json(simulate)
    simulate.set_defaults(run=_simulate)

    reflex = commands.add_parser(
        "reflex",
        help="fit the reflex motion to a file of stars",
        description=(
            f"Fit the reflex motion to stars in an .npz, .csv or .parquet file with the columns "
            f"{', '.join(_PHASE_SPACE)} (Galactocentric, kpc and km/s), or with --observed "
            f"{', '.join(_OBSERVABLES + _ERRORS)} (deg, kpc, km/s, mas/yr) and, if known, {_CORRELATION}."
        ),
    )
    reflex.add_argument("file", type=Path, metavar="FILE")
    reflex.add_argument("--observed", action="store_true", help="the file holds observables with errors")
    reflex.add_argument("--r-min", type=float, default=50.0, metavar="kpc", help="least radius (default: 50)")
    reflex.add_argument(
        "--r-max", type=float, default=math.inf, metavar="kpc", help="greatest (default: none)"
    )
    _add_json(reflex)
    reflex.set_defaults(run=_reflex)

    cite = commands.add_parser("cite", help="how to cite the paper, the data and the software")
    cite.add_argument("--style", default="bibtex", help="bibtex or text (default: %(default)s)")
    cite.set_defaults(run=_cite)
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _cite(options: argparse.Namespace) -> int:
    from mwlmc_data.citation import cite

    print(cite(options.style))
    return 0


def _info(options: argparse.Namespace) -> int:
    from mwlmc_data import __version__, release
    from mwlmc_data.simulator import SIMULATOR_VERSION

    files = []
    for version, entries in release.load_registry().items():
        for config, entry in entries.items():
            try:
                release.verified_path(config, version)
                state = "verified"
            except release.DamagedFileError as error:
                state = str(error)
            files.append({"version": version, "config": config, **entry, "state": state})
    columns = [
        {"name": c.name, "dtype": c.dtype, "unit": c.unit, "description": c.description}
        for c in schema.COLUMNS
    ]
    if options.json:
        versions = {
            "package": __version__,
            "data": release.DATA_VERSION,
            "simulator": SIMULATOR_VERSION,
        }
        _print_json({"versions": versions, "files": files, "columns": columns})
    else:
        print(f"mwlmc-data {__version__}, data {release.DATA_VERSION}, simulator {SIMULATOR_VERSION}\n")
        print("Embedded files" if files else "No embedded files")
        for f in files:
            print(
                f"  {f['version']} {f['config']}: {f['rows']} simulations, {f['bytes']} bytes, "
                f"seed {f['seed']}"
            )
            print(f"    SHA-256 {f['sha256']}: {f['state']}")
        print("\nColumns")
        for c in schema.COLUMNS:
            print(f"  {c.name:<20} {c.unit or '-':<7} {c.description}")
    return 0 if all(f["state"] == "verified" for f in files) else 1


def _simulate(options: argparse.Namespace) -> int:
    if options.out is not None:
        _check_output(options.out)
    from mwlmc_data.simulator import Parameters, simulate

    given = {name: getattr(options, name) for name in _PARAMETERS if getattr(options, name) is not None}
    simulation = simulate(
        Parameters(**given), seed=options.seed, n_stars=options.n_stars, engine=options.engine
    )
    reflex, orbit = simulation.reflex, simulation.orbit
    if options.out is not None:
        _write_halo(simulation, options.out)
    if options.json:
        _print_json(
            {
                "parameters": simulation.parameters.to_dict(),
                "seed": options.seed,
                "n_stars": options.n_stars,
                "reflex": _reflex_numbers(reflex),
                "pericentre_lmc": float(orbit.pericentre),
                "t_pericentre_lmc": float(orbit.t_pericentre),
                "distance_lmc_start": float(orbit.distance[0]),
            }
        )
        return 0
    _print_reflex(reflex)
    print(f"pericentre of the LMC     {orbit.pericentre:8.2f} kpc at {orbit.t_pericentre:.3f} Gyr")
    print(f"distance 2.2 Gyr ago      {orbit.distance[0]:8.2f} kpc")
    return 0


def _check_output(path: Path) -> None:
    """Refuse a bad name before the work and not after it."""
    if path.suffix not in (".npz", ".parquet"):
        raise ValueError(f"--out {str(path)!r} is not allowed: the name ends in .npz or .parquet")
    if not path.parent.is_dir():
        raise ValueError(f"--out {str(path)!r} is not allowed: there is no folder {str(path.parent)!r}")


def _write_halo(simulation: Simulation, path: Path) -> None:
    import numpy as np

    halo = simulation.halo
    stars = np.concatenate([halo.positions, halo.velocities], axis=1)
    columns = {name: stars[:, i] for i, name in enumerate(_PHASE_SPACE)}
    parameters = json.dumps({**simulation.parameters.to_dict(), "seed": simulation.seed})
    if path.suffix == ".npz":
        np.savez(path, allow_pickle=False, parameters=parameters, **columns)  # type: ignore[arg-type]
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [
        pa.field(name, pa.float32(), metadata={"unit": "km/s" if name.startswith("v") else "kpc"})
        for name in _PHASE_SPACE
    ]
    halo_schema = pa.schema(fields, metadata={"parameters": parameters, "licence": schema.LICENCE})
    pq.write_table(pa.table(columns, schema=halo_schema), path, compression="zstd")


def _reflex(options: argparse.Namespace) -> int:
    needed = _OBSERVABLES + _ERRORS if options.observed else _PHASE_SPACE
    stars = _read_stars(options.file, needed)
    from mwlmc_data.simulator import fit_reflex, fit_reflex_observed

    if options.observed:
        errors = {name.removeprefix("err_"): stars[name] for name in _ERRORS}
        if _CORRELATION in stars:
            errors["corr"] = stars[_CORRELATION]
        reflex = fit_reflex_observed(
            stars["l"],
            stars["b"],
            stars["distance"],
            stars["v_los"],
            stars["pm_l"],
            stars["pm_b"],
            errors,
            r_min=options.r_min,
            r_max=options.r_max,
        )
    else:
        import numpy as np

        phase_space = np.stack([stars[name] for name in _PHASE_SPACE], axis=1)
        reflex = fit_reflex(phase_space[:, :3], phase_space[:, 3:], options.r_min, options.r_max)
    if options.json:
        _print_json(_reflex_numbers(reflex))
    else:
        _print_reflex(reflex)
    return 0


def _read_stars(path: Path, needed: Sequence[str]) -> dict[str, np.ndarray]:
    """Read the needed columns, and the correlation where there is one, as float64 arrays."""
    import zipfile

    import numpy as np
    import pandas as pd

    if not path.is_file():
        raise ValueError(f"there is no file {str(path)!r}")
    if path.suffix not in _READERS:
        raise ValueError(f"file {str(path)!r} is not allowed: the name ends in {', '.join(_READERS)}")
    try:
        table = _READERS[path.suffix](path)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be read as {path.suffix}: {error}") from error
    missing = [name for name in needed if name not in table]
    if missing:
        raise ValueError(f"{path} lacks the columns {missing}; it needs {', '.join(needed)}")
    stars = {}
    for name in (*needed, *([_CORRELATION] if _CORRELATION in table else [])):
        numbers = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers))[0])
            value = table[name].iloc[row]
            raise ValueError(f"{path}: column {name} has {value!r} in row {row}; finite numbers are allowed")
        stars[name] = numbers
    return stars


def _read_npz(path: Path) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    loaded = np.load(path)
    if isinstance(loaded, np.ndarray):
        raise ValueError("it holds one array and no names")
    with loaded as file:
        return pd.DataFrame({name: file[name] for name in file.files if file[name].ndim == 1})


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(path)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)


_READERS = {".npz": _read_npz, ".csv": _read_csv, ".parquet": _read_parquet}


def _reflex_numbers(reflex: Reflex) -> dict[str, Any]:
    """Give the fit under the catalogue's names."""
    from mwlmc_data.simulator.reflex import REFLEX_NAMES

    numbers = {"v_travel": reflex.v_travel, "l_apex": reflex.l_apex, "b_apex": reflex.b_apex}
    numbers |= dict(zip(REFLEX_NAMES, reflex.values.tolist(), strict=True))
    return {**numbers, "errors": reflex.errors, "n_stars_fit": reflex.n_stars}


def _print_reflex(reflex: Reflex) -> None:
    numbers = _reflex_numbers(reflex)
    print(f"reflex motion of the disc relative to {reflex.n_stars} halo stars")
    for name, error in reflex.errors.items():
        print(f"  {name:<14} {numbers[name]:9.2f} +- {error:6.2f} {schema.column(name).unit}")


def _print_json(content: dict[str, Any]) -> None:
    print(json.dumps(content, indent=2, allow_nan=False))


if __name__ == "__main__":
    sys.exit(main())
