"""The commands runs, import and export: what is in the workspace, and the ways in and out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from smviz.annotations import kept_json
from smviz.cli.inputs import connection_of, given_preset
from smviz.cli.output import out, plain, print_json, print_table
from smviz.errors import BadSetting
from smviz.exporting import export_run
from smviz.image_sets import image_refs, open_images
from smviz.importing import import_run
from smviz.records import ImageRef
from smviz.sagemaker import SageMaker
from smviz.settings import Settings
from smviz.sources import open_source
from smviz.store import Claim, Run, Store

Result = TypeVar("Result")

FILE_NOTE = "The page groups them by cause; `--out DIR` writes failures.csv."


def runs_command(given: argparse.Namespace) -> int:
    """The runs of the workspace, newest first."""
    with Store(Settings.from_environment().workspace) as store:
        stored, claims = store.runs(), {claim.run: claim for claim in store.claims()}
    if given.json:
        print_json([_row(run, claims.get(run.id)) for run in stored])
        return 0
    if not stored:
        print("There are no runs in this workspace.", file=sys.stderr)
    rows = [
        (
            run.id,
            run.name,
            run.created[:16].replace("T", " "),
            claims[run.id].state if run.id in claims else run.state,
            f"{run.answered}/{run.total}",
            str(run.failed),
        )
        for run in stored
    ]
    print_table(("run", "name", "created (UTC)", "state", "answered", "failed"), rows)
    return 0


def kept_annotations(path: Path) -> bytes:
    """The ground truth in a file, a folder or a zip, as a run keeps it."""
    with open_source(path) as source:
        return kept_json(source)


def import_command(given: argparse.Namespace) -> int:
    """A run made from COCO results, a Batch Transform job's outputs, or saved replies."""
    client = SageMaker(connection_of(given))
    annotations = kept_annotations(given.annotations) if given.annotations else None
    preset = given_preset(given)
    place = str(given.path)
    source = client.s3_source(place) if place.startswith("s3://") else open_source(Path(place).expanduser())
    with Store(Settings.from_environment().workspace) as store, source:
        images = _images(given.images, client)
        name = given.name or f"{source.label.rstrip('/').rpartition('/')[2]} (imported)"
        run = import_run(store, source, given.kind, name, images, annotations, preset, client.s3_read)
    for line in run.note.splitlines():
        print(f"Note: {plain(line)}", file=sys.stderr)
    if given.json:
        print_json(_row(run))
    else:
        out(plain(f"Run {run.id}: {run.name}, {run.answered} of {run.total} images have a reply, {run.failed} failed."))
    return 0


def export_command(given: argparse.Namespace) -> int:
    """A stored run as a file."""
    with Store(Settings.from_environment().workspace) as store:
        run = store.run(given.run)
        written = write_file(given.output, lambda file: export_run(store, run, given.format, file))
    left = {
        "images failed": written.failed,
        "replies cannot be read as the run's preset says": written.unreadable,
        "detections have no place in this format": written.left_out,
    }
    for what, count in left.items():
        if count:
            print(f"Note: {count} {what}, and are left out.", file=sys.stderr)
    what = f", {written.detections} detections" if given.format != "replies" else ""
    print(f"{written.images} images{what} written to {plain(str(given.output))}", file=sys.stderr)
    return 0


def _images(place: str | None, client: SageMaker) -> tuple[ImageRef, ...]:
    return () if place is None else tuple(image_refs(open_images(place, client.s3_source, client.s3_read)))


def write_file(path: Path, write: Callable[[BinaryIO], Result]) -> Result:
    """Have a file written, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            written = write(file)
        part.replace(path)
    except OSError as error:
        raise BadSetting(f"Cannot write {path}: {error.strerror}.", "Choose another file.") from error
    finally:
        part.unlink(missing_ok=True)
    return written


def _row(run: Run, claim: Claim | None = None) -> dict[str, Any]:
    """A run for machines; `claim` is that of whoever works on it."""
    return {
        "run": run.id,
        "name": run.name,
        "created": run.created,
        "endpoint": run.request.endpoint or None,
        "variant": run.request.variant,
        "source": run.source,
        "imported": run.imported,
        "state": claim.state if claim else run.state,
        "at_work": str(claim) if claim else None,
        "images": run.total,
        "answered": run.answered,
        "failed": run.failed,
        "note": run.note,
    }
