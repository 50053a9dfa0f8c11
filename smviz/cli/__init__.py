"""The command line: the same library without a screen.

Tables for people on a terminal, `--json` for machines on stdout, messages on stderr.
Exit status: 0 good, 1 a check failed, 2 wrong use or input.
"""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Sequence

from smviz.cli.output import out, tell
from smviz.cli.parser import parser
from smviz.errors import SmvizError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status.

    Raises:
        SystemExit: status 2 for arguments that cannot be, 0 for `--help` and `--version`, both as argparse does.
    """
    given = parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without the dash of a table still gets the table
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")  # Pillow warns of odd files; what matters is told as an error
            status = int(given.command(given))
    except SmvizError as error:
        tell(error)
        status = 2
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        status = 130  # as shells report an interrupt
    out(flush=True)
    return status
