"""The outcome of every detection as plain columns, for the browser: it counts from them at the pace of a slider."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smviz.errors import BadSetting
from smviz.matching import Matches

_ALIGNED = 8  # bytes; a typed array of the browser starts at a multiple of its own size
_MOST = {"IoUs": 16, "area ranges": 8, "classes": 1 << 16, "images": 1 << 32}  # what the columns' types hold
_JS_TYPES = {"uint8": "u8", "uint16": "u16", "uint32": "u32", "float64": "f64"}


@dataclass(frozen=True)
class Packed:
    """Columns one after the other, little-endian, each from a multiple of 8 bytes on.

    Of the n detections, in the order of `Matches`: `image` u32, `class_id` u16, `confidence` f64, and of each area
    range a `tp/a` and `fp/a` u16, whose bit t says what the detection is at IoU number t; it is ignored where neither
    is set. Of the G objects, in the order of the ground truth: `truth_image` u32, `truth_class` u16 and `truth_areas`
    u8, whose bit a says whether the object is there to be found in area range a.

    Attributes:
        data: the columns.
        layout: for JSON: `columns` has the type, offset in bytes and length of each by name; `bytes` their total;
            `ious`, `areas` and `classes` name what the bits and the numbers of classes mean; `images` is their number.
    """

    data: bytes
    layout: dict[str, Any]


def pack(matches: Matches) -> Packed:
    """The columns of an evaluation.

    Raises:
        BadSetting: when there are more IoUs, area ranges, classes or images than the columns can tell apart.
    """
    truth, settings = matches.ground_truth, matches.settings
    areas = [name for name, _, _ in settings.areas]
    counts = (len(settings.ious), len(areas), len(truth.class_names), len(truth.image_names))
    for (what, most), count in zip(_MOST.items(), counts, strict=True):
        if count > most:
            raise BadSetting(f"{count:,} {what} are too many to be shown.", f"Evaluate with at most {most:,}.")
    chunks: list[bytes] = []
    columns: dict[str, dict[str, Any]] = {}
    offset = 0
    for name, column in _columns(matches, areas):
        chunk = column.astype(column.dtype.newbyteorder("<"), copy=False).tobytes()
        columns[name] = {"type": _JS_TYPES[column.dtype.name], "offset": offset, "length": len(column)}
        chunks.append(chunk + bytes(-len(chunk) % _ALIGNED))
        offset += len(chunks[-1])
    layout = {
        "columns": columns,
        "bytes": offset,
        "ious": list(settings.ious),
        "areas": areas,
        "classes": list(truth.class_names),
        "images": len(truth.image_names),
    }
    return Packed(b"".join(chunks), layout)


def _columns(matches: Matches, areas: list[str]) -> Iterator[tuple[str, NDArray[Any]]]:
    truth = matches.ground_truth
    yield "confidence", matches.confidence
    yield "image", matches.image.astype(np.uint32)
    yield "class_id", matches.class_id.astype(np.uint16)
    for a, area in enumerate(areas):
        tp, fp = _outcomes(matches, area)
        yield f"tp/{a}", tp
        yield f"fp/{a}", fp
    yield "truth_image", truth.image.astype(np.uint32)
    yield "truth_class", truth.class_id.astype(np.uint16)
    there = np.zeros(len(truth), np.uint8)
    for a, area in enumerate(areas):
        there |= (~matches.ground_truth_ignored(area)).astype(np.uint8) << a
    yield "truth_areas", there


def _outcomes(matches: Matches, area: str) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """True and false positives, a bit for each IoU, uint16 [n] each."""
    true, false = matches.candidate_outcomes(area)
    every = (1 << len(true)) - 1
    tp, fp = np.zeros(len(matches), np.uint16), matches.background(area) * np.uint16(every)
    tp[matches.candidate], fp[matches.candidate] = _bits(true), _bits(false)
    return tp, fp


def _bits(flags: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """One number for each column of flags [T, C], row t its bit t."""
    bits = np.zeros(flags.shape[1], np.uint16)
    for t, row in enumerate(flags):
        bits |= row.astype(np.uint16) << t
    return bits
