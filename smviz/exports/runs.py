"""A run as a table of its detections, or as its replies in a zip."""

from __future__ import annotations

import math
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from smviz.errors import BadResponse
from smviz.exports.tables import COLUMNS, csv_lines
from smviz.records import Detections, Outcome, Reply

Read = Callable[[Outcome], Detections]
"""What reads the reply of an outcome, as `evaluation.read_by` gives it; raises `BadResponse` where it does not fit."""

RUN_COLUMNS = (*COLUMNS, "width", "height", "latency", "model_latency", "variant", "attempts", "reused")

_SUFFIXES = {
    "application/json": ".json",
    "application/jsonlines": ".jsonl",
    "application/x-npy": ".npy",
    "text/csv": ".csv",
    "text/plain": ".txt",
}
_LONGEST = 200  # bytes of a name's part; file systems take 255, of which a number and a suffix need some
_MOST_FOLDERS = 50  # within each other

# Characters that some file system refuses, controls, and marks that make a name look like another one.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff<>:"|?*]')


@dataclass(slots=True)
class Written:
    """What is in an exported file, and what could not be.

    Attributes:
        images: images whose reply was read or kept.
        detections: detections that were written.
        failed: images without a reply, which are left out.
        unreadable: images whose reply does not fit the preset, which are left out.
        left_out: detections that the file's format cannot hold.
    """

    images: int = 0
    detections: int = 0
    failed: int = 0
    unreadable: int = 0
    left_out: int = 0


def read_each(outcomes: Iterable[Outcome], read: Read, written: Written) -> Iterator[tuple[Outcome, Detections]]:
    """The outcomes that can be read, with their detections; what cannot is counted in `written`."""
    for outcome in outcomes:
        if outcome.reply is None:
            written.failed += 1
            continue
        try:
            detections = read(outcome)
        except BadResponse:
            written.unreadable += 1
            continue
        written.images += 1
        yield outcome, detections


def run_csv(outcomes: Iterable[Outcome], read: Read, out: BinaryIO) -> Written:
    """A table with `RUN_COLUMNS` as its header and a row for each detection, as `table_csv` writes it.

    Args:
        outcomes: of the run, as `Store.iter_outcomes` gives them.
        read: what reads them.
        out: where to. Boxes are in pixels of the frame that was sent, `width` x `height`; latencies in seconds.
    """
    written = Written()
    out.write(csv_lines([RUN_COLUMNS]))
    for outcome, detections in read_each(outcomes, read, written):
        out.write(csv_lines(_rows(outcome, detections)))
        written.detections += len(detections)
    return written


def _rows(outcome: Outcome, detections: Detections) -> Iterator[tuple[str | float, ...]]:
    reply = outcome.reply
    latency, model = (reply.latency, reply.model) if reply else (math.nan, None)
    variant = reply.variant or "" if reply else ""
    call = (latency, math.nan if model is None else model, variant, outcome.attempts, int(outcome.reused))
    names, confidence = detections.names(), detections.confidence.tolist()
    columns = (detections.class_id.tolist(), names, confidence, detections.xyxy.tolist())
    for class_id, name, score, box in zip(*columns, strict=True):
        yield (outcome.image, class_id, name, score, *box, outcome.width, outcome.height, *call)


def run_replies(outcomes: Iterable[Outcome], out: BinaryIO) -> Written:
    """A zip of the raw replies, each called as its image with a suffix more; `importing.import_run` reads them.

    No name leads out of the folder that the zip is unpacked in, and no two are the same there. Parts of a name that no
    file system takes, for they are too long, are cut.
    """
    written = Written()
    taken: dict[str, int] = {}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for outcome in outcomes:
            if outcome.reply is None:
                written.failed += 1
                continue
            member = zipfile.ZipInfo(_member(outcome.image, _suffix(outcome.reply), taken))
            member.external_attr = 0o644 << 16
            archive.writestr(member, outcome.reply.body, zipfile.ZIP_DEFLATED)
            written.images += 1
    return written


def _suffix(reply: Reply) -> str:
    kind = reply.content_type.partition(";")[0].strip().lower()
    unknown = ".json" if reply.body.lstrip()[:1] in (b"[", b"{") else ".bin"
    return _SUFFIXES.get(kind, unknown)


def _member(image: str, suffix: str, taken: dict[str, int]) -> str:
    """A name that no other member has; `taken` is how often each was given, as file systems compare them."""
    parts = (_part(part) for part in image.replace("\\", "/").split("/"))
    name = "/".join([part for part in parts if part][-_MOST_FOLDERS:]) or "image"
    unique = name
    while _alike(unique) in taken:
        taken[_alike(name)] += 1
        unique = f"{name} ({taken[_alike(name)]})"
    taken[_alike(unique)] = 1
    return unique + suffix


def _alike(name: str) -> str:
    """The same for names that some file system does not tell apart: by case, or by how accents are written."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _part(name: str) -> str:
    """A folder's or file's name that every system takes; "" for one that leads elsewhere."""
    fit = _UNSAFE.sub("_", name).encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")
    return fit.rstrip(". ")
