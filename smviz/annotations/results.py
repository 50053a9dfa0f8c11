"""COCO results: detections as a JSON list, read into columns and written back.

The format is described at https://cocodataset.org/#format-results.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from smviz.annotations.coco import notes
from smviz.annotations.documents import Document
from smviz.annotations.fields import Unusable, listed
from smviz.annotations.instances import Id, index, positions, usable
from smviz.errors import BadAnnotations
from smviz.records import GroundTruth, Predictions, Skipped

_ADVICE = (
    "Give COCO results: a JSON list of objects with image_id, category_id, bbox [left, top, width, height] and score."
)


_PORTION = 1 << 15  # bytes


class Result(msgspec.Struct, gc=False):
    """One detection."""

    image_id: Id
    category_id: Id
    bbox: tuple[float, float, float, float]
    score: float


def read_results(path: Path, ground_truth: GroundTruth) -> Predictions:
    """The detections in a COCO results file, joined with the ground truth by id.

    Raises:
        BadAnnotations: when the file cannot be opened, or as `parse_results`.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise BadAnnotations(
            f"{path} cannot be read: {why}.", "Check the path and that the file may be read."
        ) from error
    return parse_results(data, ground_truth, path.name)


def parse_results(data: bytes, ground_truth: GroundTruth, name: str = "results") -> Predictions:
    """The detections in the bytes of a COCO results file; `name` is what messages call it.

    A result that is broken, or whose box or score is no finite number, is left out and named in `skipped`. Detections
    on unknown images or categories are left out and counted in `notes`. A box without width or height is kept, as
    COCO's evaluation keeps it: it matches nothing.

    Raises:
        BadAnnotations: when it is no list of results, or holds results of which none can be used.
    """
    image, class_id, ltwh, confidence, places, skipped = _columns(data, ground_truth, name)
    finite = np.isfinite(ltwh).all(axis=1) & np.isfinite(confidence)
    skipped += [
        Skipped(name, f"result number {places[at]} (from 0)", "its box or score is not a finite number")
        for at in np.flatnonzero(~finite).tolist()
    ]
    if skipped and not finite.any():
        raise BadAnnotations(f"{name} holds no result that can be used: {listed(map(str, skipped), 3)}.", _ADVICE)
    flat = (ltwh[:, 2:] <= 0).any(axis=1)
    keep = (image >= 0) & (class_id >= 0) & finite
    first = listed((f"{record.where}: {record.why}" for record in skipped), 3)
    return Predictions(
        image=image[keep],
        class_id=class_id[keep],
        ltwh=ltwh[keep],
        confidence=confidence[keep],
        notes=notes(
            (image < 0, "detections on images that the ground truth does not list were left out."),
            (class_id < 0, "detections of categories that the ground truth does not list were left out."),
            (flat & keep, "detections have no width or no height; they match nothing."),
            (len(skipped), f"broken results were left out: {first}."),
        ),
        skipped=tuple(skipped),
    )


def results_json(predictions: Predictions, ground_truth: GroundTruth) -> bytes:
    """COCO results as JSON, with the ground truth's ids; `parse_results` reads the same columns from it."""
    columns = (predictions.image, predictions.class_id, predictions.ltwh, predictions.confidence)
    return msgspec.json.encode(
        [
            {
                "image_id": ground_truth.image_ids[image],
                "category_id": ground_truth.category_ids[class_id],
                "bbox": ltwh,
                "score": score,
            }
            for image, class_id, ltwh, score in zip(*(column.tolist() for column in columns), strict=True)
        ]
    )


class _Columns(NamedTuple):
    image: NDArray[np.int64]
    class_id: NDArray[np.int64]
    ltwh: NDArray[np.float64]
    confidence: NDArray[np.float64]
    places: Sequence[int]
    skipped: list[Skipped]


def _columns(data: bytes, ground_truth: GroundTruth, name: str) -> _Columns:
    """All results; `places` are theirs in the file."""
    images, categories = index(ground_truth.image_ids), index(ground_truth.category_ids)
    places: Sequence[int] = ()
    skipped: list[Skipped] = []
    try:
        parts = [_part(results, images, categories) for results in _portions(data)]
        places = range(sum(len(part[0]) for part in parts))
    # One result is not as it should be, or is nested too deeply, or the file is written in an unusual way.
    except (ValueError, RecursionError):
        results, places, skipped = _decoded(data, name)
        parts = [_part(results, images, categories)]
    image, class_id, ltwh, confidence = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Columns(image, class_id, ltwh, confidence, places, skipped)


def _part(
    results: Sequence[Result], images: dict[Id, int], categories: dict[Id, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    return (
        positions(images, (r.image_id for r in results)),
        positions(categories, (r.category_id for r in results)),
        np.fromiter(chain.from_iterable(r.bbox for r in results), np.float64, 4 * len(results)).reshape(-1, 4),
        np.fromiter((r.score for r in results), np.float64, len(results)),
    )


def _portions(data: bytes) -> Iterator[list[Result]]:
    """The list some results at a time: few objects at once stay in the processor's cache and bound memory.

    It is cut where an object seems to end. A cut inside a result or a text leaves a portion that is no JSON.

    Raises:
        ValueError: when a portion is no JSON, or holds what is no result.
    """
    decoder = msgspec.json.Decoder(list[Result])
    start, end = data.index(b"[") + 1, data.rindex(b"]")
    if data[: start - 1].removeprefix(codecs.BOM_UTF8).strip() or data[end + 1 :].strip():
        raise ValueError("more than a list")
    while (cut := data.find(b"},", start + _PORTION, end)) >= 0:
        yield decoder.decode(b"[%b]" % data[start : cut + 1])
        start = cut + 2
    yield decoder.decode(b"[%b]" % data[start:end])


def _decoded(data: bytes, name: str) -> tuple[list[Result], Sequence[int], list[Skipped]]:
    document, skipped = Document(name, data), list[Skipped]()
    try:
        results = document.json(list[Result])
        return results, range(len(results)), skipped
    except Unusable:
        try:
            entries = document.json(list[Any])
        except Unusable as error:
            raise BadAnnotations(f"{name} is not read: {error}.", _ADVICE) from error
    found = usable(entries, Result, "result", name, skipped)
    return list(found.values()), list(found), skipped
