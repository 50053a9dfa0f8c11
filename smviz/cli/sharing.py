"""The command share: runs copied into a folder for people who only look at them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from smviz.cli.inputs import connection_of
from smviz.cli.output import out, plain, print_json
from smviz.errors import BadSetting
from smviz.settings import Settings
from smviz.sharing import LEFT_OUT, Copy, share_run
from smviz.store import Remote, Store

NAMED = 3  # images that are missing


def share_command(given: argparse.Namespace) -> int:
    """Copy runs into a folder; one that is wrong is told before any is copied."""
    workspace = Settings.from_environment().workspace
    if given.to.expanduser().resolve() == workspace.resolve():
        raise BadSetting("That folder is the workspace itself.", "Name another folder with --to.")
    with Store(workspace) as store:
        runs = [store.run(name) for name in given.runs]
        with Store(given.to.expanduser(), alone=True) as shared:
            copies = [
                share_run(store, run.id, shared, given.images, _remote(given), _telling(run.name)) for run in runs
            ]
    if given.json:
        print_json([_row(copy) for copy in copies])
    for copy in copies:
        if not given.json:
            _tell(copy)
        _tell_missing(copy)
    print(LEFT_OUT, file=sys.stderr)
    return 0


def _tell(copy: Copy) -> None:
    pictures = {"small": f", {copy.images} with a small picture", "full": f", {copy.images} with their file"}
    told = f"{copy.run.name}, {copy.run.total} images{pictures.get(copy.run.shared, '')}"
    out(plain(f"Run {copy.run.id}: {told}."))


def _tell_missing(copy: Copy) -> None:
    if copy.missing:
        more = f" and {len(copy.missing) - NAMED} more" if len(copy.missing) > NAMED else ""
        told = f"Note: cannot be read, or changed since the run: {', '.join(copy.missing[:NAMED])}{more}."
        print(plain(told), file=sys.stderr)


def _row(copy: Copy) -> dict[str, object]:
    run = copy.run
    return {
        "run": run.id,
        "name": run.name,
        "images": run.total,
        "pictures": copy.images,
        "kind": run.shared,
        "missing": list(copy.missing),
    }


def _remote(given: argparse.Namespace) -> Remote:
    def read(uri: str) -> bytes:
        from smviz.sagemaker import SageMaker  # takes long to import, and images are mostly on this machine

        return SageMaker(connection_of(given)).s3_read(uri)

    return read


def _telling(name: str) -> Callable[[float], None]:
    """How far a copy is, on a line of the terminal that is overwritten; in a log, the end is enough."""

    def tell(share: float) -> None:
        print(f"\r{plain(name)}: {share:.0%}", end="\n" if share == 1 else "", file=sys.stderr, flush=True)

    return tell if sys.stderr.isatty() else lambda share: None
