"""A stored run as a file: which formats there are, and what each needs of the workspace."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal

from smviz.annotations import parse_ground_truth
from smviz.evaluation import read_by
from smviz.exports import Written, run_coco, run_coco_index, run_csv, run_replies, table_csv
from smviz.records import Detections, Outcome
from smviz.store import Run, Store

Kind = Literal["coco", "csv", "parquet", "replies"]


@dataclass(frozen=True, slots=True)
class Form:
    """A format a run is exported in: its title for a person, and how its files end."""

    title: str
    suffix: str


FORMS: dict[Kind, Form] = {
    "coco": Form("COCO results", ".coco.json"),
    "csv": Form("CSV", ".csv"),
    "parquet": Form("Parquet", ".parquet"),
    "replies": Form("Raw replies", ".replies.zip"),
}
FAILURE_COLUMNS = ("image", "kind", "message", "advice", "attempts", "log")


def file_suffix(store: Store, run: Run, kind: Kind) -> str:
    """How the file ends: without ground truth, COCO results come in a zip with the table of their ids.

    Raises:
        StoreError: when the workspace cannot be read.
    """
    return ".coco.zip" if kind == "coco" and store.annotations(run.id) is None else FORMS[kind].suffix


def export_run(store: Store, run: Run, kind: Kind, out: BinaryIO) -> Written:
    """Write a run as it is read, image by image; class names are those of the ground truth where the run tells them.

    COCO results have the ids of the run's ground truth. Without one they are a zip: "detections.json", and "index.json"
    with the images and classes that its ids mean.

    Raises:
        BadAnnotations: when the run's ground truth cannot be read.
        StoreError: when the workspace cannot be read.
    """
    outcomes = store.iter_outcomes(run.id)
    if kind == "replies":
        return run_replies(outcomes, out)
    read = _read_as_mapped(run)
    if kind == "csv":
        return run_csv(outcomes, read, out)
    if kind == "parquet":
        from smviz.exports.parquet import run_parquet  # loads for a while

        return run_parquet(outcomes, read, out)
    annotations = store.annotations(run.id)
    if annotations is not None:
        return run_coco(outcomes, read, out, parse_ground_truth(annotations, "The run's ground truth"))
    with tempfile.TemporaryFile() as index, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("detections.json", "w", force_zip64=True) as results:
            written = run_coco_index(outcomes, read, results, index)  # type: ignore[arg-type]
        index.seek(0)
        archive.writestr("index.json", index.read())
    return written


def failures_csv(store: Store, run: Run) -> bytes:
    """The images that failed, and why, as a table with `FAILURE_COLUMNS` as its header.

    Raises:
        StoreError: when the workspace cannot be read.
    """
    failed = ((outcome, outcome.failure) for outcome in store.iter_outcomes(run.id) if outcome.failure)
    return table_csv(
        FAILURE_COLUMNS,
        ((row.image, why.kind, why.message, why.advice, row.attempts, why.log or "") for row, why in failed),
    )


def _read_as_mapped(run: Run) -> Callable[[Outcome], Detections]:
    read, names = read_by(run.preset), dict(run.class_map)
    if not names:
        return read

    def mapped(outcome: Outcome) -> Detections:
        found = read(outcome)
        unwanted = [place for place, name in enumerate(found.class_names) if names.get(name, name) is None]
        kept = found.without(unwanted)
        return replace(kept, class_names=tuple(names.get(name, name) or name for name in kept.class_names))

    return mapped
