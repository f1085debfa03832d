"""The command `mwlmc`.

Only the parser is built at startup; each command imports what it needs when it runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from mwlmc_data.commands import cite, fetch, halo, infer, info, plot, reflex, score, simulate, verify
from mwlmc_data.terminal import Parser, tolerate_encodings

_COMMANDS = (info, fetch, simulate, halo, reflex, infer, plot, verify, score, cite)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments of the command line; those of the process by default.

    Returns
    -------
    int
        Exit status: 0 success; 1 failure, such as a full disk or damaged data; 2 bad input; 130 interrupted.
    """
    with tolerate_encodings():
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    options = _make_parser().parse_args(arguments)
    try:
        status = options.run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader of the pipe has closed it, as `head` does; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        from mwlmc_data.storage.errors import exit_status

        return _fail(error, exit_status(error))
    except (ValueError, ImportError, LookupError) as error:
        return _fail(error, 2)
    except RuntimeError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return 130


def _fail(error: Exception, status: int) -> int:
    text = " ".join(str(error).split())
    print(f"mwlmc: error: {text or type(error).__name__}", file=sys.stderr)
    return status


class _Parser(Parser):
    """A parser that reports an error in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"mwlmc: error: {message} (see {self.prog} --help)\n")


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="mwlmc", description="Milky Way-LMC simulations and the reflex motion of the halo.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    for command in _COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
