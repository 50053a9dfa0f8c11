"""The command run: an endpoint over many images, into the workspace; and to go on with a run that ended early."""

from __future__ import annotations

import argparse
import math
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

from smviz import responses
from smviz.cli.bar import Bar, clock
from smviz.cli.forecast import foretold
from smviz.cli.inputs import class_names_of, connection_of, format_options, given_preset, proposed_preset
from smviz.cli.output import out, plain, print_json, tell
from smviz.cli.storing import FILE_NOTE, kept_annotations, write_file
from smviz.errors import AccessDenied, BadImage, BadResponse, BadSetting, BadSource, SmvizError
from smviz.exporting import Kind, export_run, failures_csv
from smviz.image_sets import full_place, image_refs, open_images
from smviz.images import prepare
from smviz.local import DEMO_CLASSES, DEMO_ENDPOINT
from smviz.records import Endpoint, ImageRef, Outcome
from smviz.runner import BatchRun, Progress, Retry
from smviz.sagemaker import SageMaker
from smviz.settings import Connection, Preset, Request, Settings, is_loopback
from smviz.store import Run, Store, at_work, read_image, reply_key

TRIED = 5  # images whose replies a format is looked for in
INTERRUPTED = 130  # as shells report an interrupt


@dataclass(frozen=True)
class _Doors:
    """What is called: the endpoint, and S3 for the images; AWS's own where the endpoint is on this machine."""

    endpoint: SageMaker
    files: SageMaker

    def read(self, image: ImageRef) -> bytes:
        return read_image(image, self.files.s3_read)


def run(given: argparse.Namespace) -> int:
    """Call the endpoint for every image that has no reply yet; 0 at the end, 130 when stopped, 2 when it cannot go on.

    Images that fail are told, and are no reason for another status: a run with them is a finished one.
    """
    with Store(Settings.from_environment().workspace) as store:
        if given.resume:
            stored = _unfinished(store, given)
            _check_unclaimed(store, stored)
            doors = _doors(_way_to(stored, given), given.workers)
        else:
            doors = _doors(connection_of(given), given.workers)
            stored = _created(store, given, doors)
        told = plain(f"Run {stored.id}: {stored.name}, {stored.answered} of {stored.total} images have a reply.")
        print(told, file=sys.stderr, flush=True)
        words = foretold(store, stored, doors.endpoint, given.fresh, given.max_calls)
        print(plain(words), file=sys.stderr, flush=True)
        end, interrupted = _worked(store, stored, doors, given)
        stored = store.run(stored.id)
        if given.out:
            _write_all(store, stored, given.out)
    return _told_end(stored, end, interrupted, given)


def _doors(connection: Connection, workers: int) -> _Doors:
    client = SageMaker(connection, pool=max(32, workers))
    if not is_loopback(connection.endpoint_url):
        return _Doors(client, client)
    files = Connection(connection.region, profile=connection.profile, role=connection.role)
    return _Doors(client, SageMaker(files, pool=max(32, workers)))


def _unfinished(store: Store, given: argparse.Namespace) -> Run:
    """The run to go on with: the one that is named, else the newest that fits and has images without a reply."""
    if given.name:
        return store.run(given.name)
    place = full_place(given.images) if given.images else None
    for stored in store.runs():
        fits = stored.request.endpoint == given.endpoint and place in {None, stored.source}
        if fits and not stored.imported and stored.answered < stored.total:
            return stored
    what = f"{given.endpoint} and {given.images}" if given.images else given.endpoint
    raise BadSetting(f"There is no unfinished run of {what}.", "`smviz runs` lists them; name one with --name.")


def _check_unclaimed(store: Store, stored: Run) -> None:
    """Raises RunAtWork before anything is looked at, when another process works on the run."""
    for claim in store.claims():
        if claim.run == stored.id:
            raise at_work(claim)


def _way_to(stored: Run, given: argparse.Namespace) -> Connection:
    """Where the run's endpoint is now: the embedded one listens at another port every time it starts."""
    if stored.imported:
        raise BadSetting(f"The run {stored.name} was imported; nothing can be called for it.", "Start a new run.")
    here = connection_of(given)
    both = is_loopback(stored.connection.endpoint_url) and is_loopback(here.endpoint_url)
    return here if both else stored.connection


def _created(store: Store, given: argparse.Namespace, doors: _Doors) -> Run:
    if not given.images:
        raise BadSetting("There are no images to run on.", "Give them with --images: a folder, zip, manifest or s3://…")
    if given.name:
        _check_free(store, given.name)
    annotations = kept_annotations(given.annotations) if given.annotations else None
    connection = connection_of(given)
    endpoint = _described(doors.endpoint, given.endpoint)
    request = Request(
        given.endpoint,
        given.variant,
        component=given.component,
        target_model=given.target_model,
        container=given.container,
        hosting=(endpoint.hosting if endpoint else "") or "real-time",
        s3_input=given.s3_input,
    )
    if endpoint and len(endpoint.variants) > 1 and not given.variant:
        names = ", ".join(variant.name for variant in endpoint.variants)
        print(f"Note: the traffic is split over {names}; --variant has one of them answer.", file=sys.stderr)
    with open_images(given.images, doors.files.s3_source, doors.files.s3_read) as source:
        config = endpoint.config if endpoint else ""
        preset, tried = _preset(store, given, connection, request, doors, config, lambda: image_refs(source))
        name = given.name or store.new_name(_words(given, source.label))
        stored = store.create_run(
            name,
            connection,
            request,
            preset,
            _counted(image_refs(source)),
            annotations,
            config,
            full_place(given.images),
        )
    for outcome, key in tried:
        store.append(stored.id, outcome, key).result()
    return store.run(stored.id)


def _check_free(store: Store, name: str) -> None:
    """Raises BadSetting before anything is listed or called for, when a run of that name is there."""
    if any(name in {stored.id, stored.name} for stored in store.runs()):
        raise BadSetting(f"A run named “{name}” exists already.", "Choose another name, or add --resume.")


def _described(client: SageMaker, endpoint: str) -> Endpoint | None:
    """The endpoint where it may be asked for; invoking alone needs no right to describe."""
    try:
        return client.describe(endpoint)
    except AccessDenied:
        return None


def _preset(
    store: Store,
    given: argparse.Namespace,
    connection: Connection,
    request: Request,
    doors: _Doors,
    config: str,
    images: Callable[[], Iterator[ImageRef]],
) -> tuple[Preset, list[tuple[Outcome, str]]]:
    """How replies are read: as given, as kept for the endpoint, or as the first of them look; those are not lost."""
    preset = given_preset(given)
    embedded = is_loopback(connection.endpoint_url)
    kept = store.preset(f"{'embedded' if embedded else connection.region}/{given.endpoint}")
    if preset is None and kept is None and embedded and given.endpoint == DEMO_ENDPOINT:
        kept = Preset("builtin-ssd", DEMO_CLASSES)
    if preset or kept:
        return preset or _changed(kept or Preset(""), given), []
    tried: list[tuple[Outcome, str]] = []
    found = None
    why: SmvizError = BadSetting("None of the first images could be sent.", "Look at the images.")
    most = TRIED if given.max_calls is None else min(TRIED, given.max_calls)
    for image in islice(images(), most):
        try:
            payload = prepare(doors.read(image), image.name)
        except (BadImage, BadSource) as error:
            why = error
            continue
        reply = doors.endpoint.invoke(request, payload)
        key = reply_key(connection, config, request, payload.sha256)
        tried.append((Outcome(image.name, payload.sha256, payload.width, payload.height, 1, reply), key))
        try:
            found = proposed_preset(given, reply.body, payload.width, payload.height)
            if len(responses.parse(reply.body, payload.width, payload.height, found)):
                break
        except BadResponse as error:
            why = error
    if found is None:
        advice = f"Name the format with --format. {why.advice}"
        raise BadSetting(f"How the replies are to be read cannot be told: {why.message}", advice)
    return found, tried


def _changed(kept: Preset, given: argparse.Namespace) -> Preset:
    """What is known of the endpoint, with the class names and options of this command."""
    options = {**dict(kept.options), **format_options(given)}
    preset = Preset(kept.format, class_names_of(given.classes) or kept.class_names, tuple(options.items()))
    responses.settings_of(preset)
    return preset


def _words(given: argparse.Namespace, label: str) -> str:
    which = f"{given.endpoint} · {given.variant}" if given.variant else given.endpoint
    return f"{which} on {Path(label).name or label}"


def _counted(images: Iterator[ImageRef]) -> Iterator[ImageRef]:
    """Tells how many there are so far, for the listing of a large bucket takes long."""
    for number, image in enumerate(images, 1):
        if number % 10_000 == 0:
            print(f"{number} images so far", file=sys.stderr, flush=True)
        yield image


def _worked(store: Store, stored: Run, doors: _Doors, given: argparse.Namespace) -> tuple[Progress, bool]:
    """The run at its end, and whether a person had it stopped."""
    batch = BatchRun(
        store,
        stored,
        partial(doors.endpoint.invoke, stored.request),
        given.workers,
        _NO_RENEWAL,
        read=doors.read,
        fresh=given.fresh,
        max_calls=given.max_calls,
    )
    bar = Bar()
    with _gentle_interrupt(batch, bar) as interrupted:
        batch.start()
        try:
            while not batch.wait(0.1):
                bar.tell(batch.progress)
            bar.tell(batch.result())
        finally:
            bar.end()
    return batch.progress, interrupted.is_set()


_NO_RENEWAL = Retry(renewals=0)  # nobody is there to give new credentials: the run ends, and is resumed


@contextmanager
def _gentle_interrupt(batch: BatchRun, bar: Bar) -> Iterator[threading.Event]:
    """The first Ctrl-C finishes what is under way, the second one ends the process as usual."""
    told = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if told.is_set():
            raise KeyboardInterrupt
        told.set()
        batch.stop()
        bar.say("Stopping: calls that are under way are finished and kept. Ctrl-C again ends at once.")

    if threading.current_thread() is not threading.main_thread():
        yield told
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield told
    finally:
        signal.signal(signal.SIGINT, before)


def _write_all(store: Store, stored: Run, folder: Path) -> None:
    """What can be made of the run by now, in a folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting(f"Cannot make {folder}: {error.strerror}.", "Choose another folder for --out.") from error
    kinds: dict[str, Kind] = {"detections.csv": "csv"}
    if store.annotations(stored.id) is not None:
        kinds["detections.coco.json"] = "coco"
    for name, kind in kinds.items():
        write_file(folder / name, partial(export_run, store, stored, kind))
    write_file(folder / "failures.csv", lambda file: file.write(failures_csv(store, stored)))


def _told_end(stored: Run, end: Progress, interrupted: bool, given: argparse.Namespace) -> int:
    """Says how it ended, and how to go on; returns the exit status."""
    if end.error:
        tell(end.error)
    if stored.failed:
        kinds = ", ".join(f"{count} {kind}" for kind, count in end.failures.items()) or "before"
        print(f"Note: {stored.failed} images failed ({kinds}). {FILE_NOTE}", file=sys.stderr)
    if stored.answered < stored.total:
        again = shlex.join(["smviz", "run", "--endpoint", stored.request.endpoint, "--name", stored.name, "--resume"])
        print(f"What was answered is kept. To go on: {plain(again)}", file=sys.stderr)
    if given.json:
        print_json(_summary(stored, end))
    else:
        p50, p95, _ = end.latency
        speed = "" if math.isnan(p50) else f", latency p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms"
        out(
            f"{stored.answered} of {stored.total} images have a reply, {stored.failed} failed; {end.calls} calls, "
            f"{end.reused} replies reused, {clock(end.elapsed)}{speed}. Run {stored.id}"
        )
    if end.state == "failed":
        return 2
    return INTERRUPTED if interrupted and end.state == "stopped" else 0


def _summary(stored: Run, end: Progress) -> dict[str, Any]:
    latency = dict(zip(("p50", "p95", "p99"), end.latency, strict=True))
    return {
        "run": stored.id,
        "name": stored.name,
        "state": end.state,
        "images": stored.total,
        "answered": stored.answered,
        "failed": stored.failed,
        "failures": dict(end.failures),
        "reused": end.reused,
        "calls": end.calls,
        "throttled": end.throttled,
        "retries": end.retries,
        "seconds": end.elapsed,
        "latency_ms": {name: None if math.isnan(value) else value * 1000 for name, value in latency.items()},
        "error": end.error.kind if end.error else None,
    }
