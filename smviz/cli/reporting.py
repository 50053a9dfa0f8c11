"""The command report: one HTML file of all there is to know of a run."""

from __future__ import annotations

import argparse
import math
import sys

from smviz.cli.evaluating import write_bytes
from smviz.cli.inputs import connection_of
from smviz.cli.judging import Judged, judged, tell_notes
from smviz.cli.output import plain
from smviz.errors import BadImage
from smviz.operating import parse_objective
from smviz.reporting.making import make_report
from smviz.reporting.pictures import Read
from smviz.reporting.subject import Options, Subject
from smviz.settings import Settings, is_loopback
from smviz.store import Store


def report_command(given: argparse.Namespace) -> int:
    """Numbers, threshold, curves, errors and the worst images in one file; `--json` writes the numbers, too."""
    objective = parse_objective(given.objective)
    source = judged(given)
    options = Options(objective, given.confidence, given.iou, given.images, given.worst, given.title or "")
    subject = Subject(source.evaluation, source.run, source.outcomes, str(source.file or ""), _price(given, source))
    report = make_report(subject, options, _reader(given, source), _tell_share if sys.stderr.isatty() else _say_nothing)
    tell_notes(source)
    for path, body in ((given.output, report.html), (given.json, report.json)):
        if path:
            write_bytes(path, body)
            print(f"{plain(str(path))}: {len(body) / 1024:,.0f} kB", file=sys.stderr)
    return 0


def _tell_share(share: float) -> None:
    """How far it is, on a line of the terminal that is overwritten."""
    print(f"\rMaking the report: {share:.0%}", end="\n" if share == 1 else "", file=sys.stderr, flush=True)


def _say_nothing(share: float) -> None:
    """In a log, the files at the end are enough."""


def _price(given: argparse.Namespace, source: Judged) -> float:
    if given.price is not None:
        return float(given.price)
    return 0.0 if source.run and is_loopback(source.run.connection.endpoint_url) else math.nan


def _reader(given: argparse.Namespace, source: Judged) -> Read:
    """What reads the images of a run; a file of detections does not tell where its images are."""
    run = source.run

    def remote(uri: str) -> bytes:
        from smviz.sagemaker import SageMaker  # takes long to import, and images are mostly on this machine

        return SageMaker(connection_of(given)).s3_read(uri)

    def read(name: str) -> bytes:
        if run is None:
            raise BadImage("A file of detections does not tell where its images are.", "Report a stored run.")
        with Store(Settings.from_environment().workspace) as store:
            return store.image_data(run.id, name, remote)

    return read
