"""Runs are copied into a folder that can be given away: all that is needed to look at them, and nothing to call with.

A copy has the run's numbers, replies, labels and decisions. Whose credentials called is left out, and where things are
on this machine. `LEFT_OUT` says so in words, and the tests hold it.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO, Literal, get_args

from smviz.annotations import ground_truth_json, parse_ground_truth
from smviz.errors import BadSetting, SmvizError, UnknownRun
from smviz.images import enlarged, prepare, smaller
from smviz.names import base_name
from smviz.records import Failure, ImageRef, Outcome
from smviz.settings import Connection, is_loopback
from smviz.store import FILE_NAME, Remote, Run, Store

Images = Literal["full", "small", "none"]
IMAGES: tuple[Images, ...] = get_args(Images)
LONGEST = 1024  # pixels of a small picture's longer side
QUALITY = 85

KEPT = "Each run with its replies, failures, ground truth, class names, note and decisions about labels."
LEFT_OUT = (
    "Left out: credentials, profiles and roles, ARNs, the addresses of endpoints that are not AWS's own, custom "
    "attributes, S3 places that images are sent through, the folders of this machine, and who works on a run. Ground "
    "truth goes as boxes, without the further fields of its file."
)
MEANT: dict[Images, str] = {
    "full": "The image files as they are, with what the camera wrote into them, such as the place.",
    "small": f"Pictures of at most {LONGEST:,} pixels, without what the camera wrote; boxes lie right on them.",
    "none": "No pixel of an image; names, numbers and boxes only.",
}

_ARN = re.compile(r"\barn:aws[\w-]{0,20}:[^\s\"'“”<>()\[\]{},;]{1,2000}")
_REGISTRY = re.compile(r"\b\d{12}(?=\.dkr\.ecr)")
_KEY = re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{12,}")
_NOT_IN_A_NAME = r"\s\"'“”<>|*?:,;()"
_FOLDERS = re.compile(
    rf"(?:\bfile://(?=/)|(?<![\w/.:~-]))(?:~?/|[A-Za-z]:\\|\\\\)(?:[^{_NOT_IN_A_NAME}/\\]{{1,255}}[/\\]){{1,60}}"
)
_ABSOLUTE = re.compile(r"(?:file://|~?/|[A-Za-z]:[/\\]|\\\\)")


@dataclass(frozen=True, slots=True)
class Copy:
    """A run that was copied.

    Attributes:
        run: as it stands where it was copied to.
        images: how many images it has there.
        missing: the names of those that cannot be read, or have changed since the run.
    """

    run: Run
    images: int
    missing: tuple[str, ...]


def share_run(
    store: Store,
    id_or_name: str,
    shared: Store,
    images: Images = "small",
    remote: Remote | None = None,
    progress: Callable[[float], object] = lambda share: None,
) -> Copy:
    """Copy a run into another workspace, in place of an earlier copy of it.

    Args:
        store: the workspace that has the run.
        id_or_name: the run.
        shared: where to; opened with `alone` where its folder is to be given away.
        images: what goes along of the images. A small picture is made only of the very image that was sent.
        remote: reads images that are not on this machine.
        progress: is told the share that is done, now and then.

    Raises:
        BadAnnotations: when the run's ground truth cannot be read.
        BadSetting: when the run itself is in `shared`, and is no copy.
        StoreError: when there is no such run, or a workspace cannot be read or written.
    """
    run = store.run(id_or_name)
    _check_no_original(shared, run)
    if run.shared and images != "none":
        images = run.shared  # a copy of a copy has no more than that
    annotations = store.annotations(run.id)
    missing: list[str] = []
    rows = _rows(store, run, images, remote, missing, progress)
    copy = shared.keep_copy(
        bare_run(run, images),
        rows,
        None if annotations is None else _bare_truth(annotations),
        store.decisions(run.id),
    )
    progress(1.0)
    return Copy(copy, 0 if images == "none" else run.total - len(missing), tuple(missing))


def take_back(shared: Store, run_id: str) -> None:
    """Delete the copy of a run, and give its room back to the disk.

    Raises:
        BadSetting: when the run there is no copy.
        StoreError: when there is no such run, or the workspace cannot be written.
    """
    run = shared.run(run_id)
    _check_no_original(shared, run)
    shared.delete_run(run.id)
    shared.compact()


def zip_shared(folder: Path, out: BinaryIO) -> None:
    """Write the folder of shared runs as a zip, which is unpacked to be looked at; its store must be closed."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(folder / FILE_NAME, f"smviz-shared/{FILE_NAME}")
        archive.writestr("smviz-shared/README.txt", README)


README = """Runs of an object detector, to be looked at with smviz. Nothing is called and nothing can be changed.

Unpack the zip, then, in a checkout of smviz:

    make run REPLAY=/path/to/smviz-shared
"""


def shown_image(store: Store, run_id: str, name: str, remote: Remote | None = None) -> bytes:
    """The bytes of an image of a run, in the frame that was sent; a small picture of a shared run is enlarged to it.

    Raises:
        BadImage, StoreError: as `Store.image_data`.
    """
    data = store.image_data(run_id, name, remote)
    frame = store.copied_frame(run_id, name)
    return enlarged(data, *frame) if frame else data


def bare_run(run: Run, images: Images) -> Run:
    """What is told of a run to those who were not there."""
    where = run.connection
    here = "http://127.0.0.1" if is_loopback(where.endpoint_url) else None
    return replace(
        run,
        name=bare(run.name),
        note=bare(run.note),
        source=_bare_place(run.source),
        imported=bare(run.imported),
        connection=Connection(where.region, here),
        request=replace(run.request, custom_attributes=None, s3_input=None),
        shared=images,
    )


def bare(text: str) -> str:
    """A text without ARNs, keys and the folders of a machine; the names of files stay.

    >>> bare("cannot read /home/ann/set/a.jpg")
    'cannot read …/a.jpg'
    """
    text = _ARN.sub("(an ARN)", text)
    text = _REGISTRY.sub("…", text)
    text = _KEY.sub("(a key)", text)
    return _FOLDERS.sub("…/", text)


def _check_no_original(shared: Store, run: Run) -> None:
    try:
        there = shared.run(run.id)
    except UnknownRun:
        return
    if not there.shared:
        raise BadSetting(
            f"The run “{run.name}” is in {shared.folder} itself, not as a copy.", "Share it into another folder."
        )


def _rows(
    store: Store,
    run: Run,
    images: Images,
    remote: Remote | None,
    missing: list[str],
    progress: Callable[[float], object],
) -> Iterator[tuple[ImageRef, Outcome | None]]:
    """The images in order, each with its outcome; those that cannot go along are added to `missing`."""
    outcomes = store.iter_outcomes(run.id)
    upcoming = next(outcomes, None)
    for at, name in enumerate(store.image_names(run.id)):
        outcome = upcoming if upcoming is not None and upcoming.image == name else None
        if outcome is not None:
            upcoming = next(outcomes, None)
        data = None
        if images != "none":
            data = _picture(store, run, name, outcome, images, remote)
            missing += [] if data is not None else [name]
        yield ImageRef(name, data=data), None if outcome is None else _bare_outcome(outcome)
        if at % 20 == 0:
            progress(at / run.total)


def _picture(
    store: Store, run: Run, name: str, outcome: Outcome | None, images: Images, remote: Remote | None
) -> bytes | None:
    """The bytes that go along; None where there are none, or they are no longer those of the run."""
    try:
        data = store.image_data(run.id, name, remote)
        if images == "full" or run.shared == "small":
            return data
        payload = prepare(data, name)
        if outcome and outcome.width and (payload.width, payload.height) != (outcome.width, outcome.height):
            return None
        if outcome and outcome.reply and not run.imported and outcome.sha256 not in {"", payload.sha256}:
            return None
        return smaller(payload, LONGEST, QUALITY).body
    except SmvizError:
        return None


def _bare_outcome(outcome: Outcome) -> Outcome:
    why = outcome.failure
    return outcome if why is None else replace(outcome, failure=Failure(why.kind, bare(why.message), bare(why.advice)))


def _bare_truth(annotations: bytes) -> bytes:
    """The ground truth as boxes; images that it names by their place on a machine, it names below their folder."""
    truth = parse_ground_truth(annotations, "The run's ground truth")
    return ground_truth_json(replace(truth, image_names=_below(truth.image_names), notes=(), skipped=()))


def _below(names: tuple[str, ...]) -> tuple[str, ...]:
    """The same names, the absolute ones without the folder that they have in common."""
    parts = {name: re.split(r"[/\\]", name.removeprefix("file://")) for name in names if _ABSOLUTE.match(name)}
    folders = zip(*(part[:-1] for part in parts.values()), strict=False)
    common = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, folders))
    return tuple("/".join(parts[name][common:]) if name in parts else name for name in names)


def _bare_place(source: str) -> str:
    """Where images come from, in words; of a folder on a machine its name."""
    return f"…/{base_name(source.rstrip('/'))}" if _ABSOLUTE.match(source) else bare(source)
