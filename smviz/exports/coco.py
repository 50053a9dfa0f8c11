"""A run as COCO results, see https://cocodataset.org/#format-results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from smviz.boxes import xyxy_to_ltwh
from smviz.exports.runs import Read, Written, read_each
from smviz.names import base_name, folded
from smviz.records import Detections, GroundTruth, Outcome

Id = int | str


def run_coco(outcomes: Iterable[Outcome], read: Read, out: BinaryIO, truth: GroundTruth) -> Written:
    """COCO results with the ids of the ground truth, in its images' pixels.

    Images and classes are found, and boxes scaled, as `evaluation.predictions_from` does it; what the ground truth
    does not have, or has no confidence, is left out. Of two images of the run that are one there, the first counts.
    """
    image_of, class_of = _image_index(truth), _class_index(truth)
    written = Written()
    taken: set[int] = set()
    results = _List(out)
    for outcome, detections in read_each(outcomes, read, written):
        image = image_of.get(outcome.image, image_of.get(base_name(outcome.image)))
        if image is None or image in taken:
            written.left_out += len(detections)
            continue
        taken.add(image)
        places = [class_of.get(name, class_of.get(folded(name), -1)) for name in detections.class_names]
        ids = [None if place < 0 else truth.category_ids[place] for place in places]
        scale = _scale(outcome, truth.image_sizes[image])
        _write(results, _results(truth.image_ids[image], detections, ids, scale), len(detections), written)
    results.end()
    return written


def run_coco_index(outcomes: Iterable[Outcome], read: Read, out: BinaryIO, index: BinaryIO) -> Written:
    """COCO results of a run without ground truth: its images and classes are numbered from 1.

    Args:
        outcomes: of the run.
        read: what reads them.
        out: where the results go.
        index: where the table of names goes: COCO ground truth with these images and classes, and no annotations.
    """
    written = Written()
    class_ids: dict[str, Id] = {}
    results = _List(out)
    index.write(b'{"images": ')
    images = _List(index)
    for number, (outcome, detections) in enumerate(read_each(outcomes, read, written), start=1):
        image = {"id": number, "file_name": outcome.image, "width": outcome.width, "height": outcome.height}
        images.add(image)
        used = set(detections.class_id.tolist())
        ids = [
            class_ids.setdefault(name, len(class_ids) + 1) if class_id in used else None
            for class_id, name in enumerate(detections.class_names)
        ]
        _write(results, _results(number, detections, ids, np.ones(4)), len(detections), written)
    results.end()
    images.end()
    categories = msgspec.json.encode([{"id": number, "name": _plain(name)} for name, number in class_ids.items()])
    index.write(b', "annotations": [], "categories": ' + categories + b"}\n")
    return written


class _List:
    """A JSON list that is written as it grows, an entry a line."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._between = b"[\n"

    def add(self, entry: object) -> None:
        self._out.write(self._between + msgspec.json.encode(entry))
        self._between = b",\n"

    def end(self) -> None:
        self._out.write((b"[" if self._between == b"[\n" else b"\n") + b"]")


def _write(results: _List, rows: Iterable[dict[str, object]], count: int, written: Written) -> None:
    before = written.detections
    for row in rows:
        results.add(row)
        written.detections += 1
    written.left_out += count - (written.detections - before)


def _results(
    image: Id, detections: Detections, ids: list[Id] | list[Id | None], scale: NDArray[np.float64]
) -> Iterator[dict[str, object]]:
    """What COCO can hold: detections of a known class, with a confidence and a box in finite numbers."""
    ltwh = xyxy_to_ltwh(detections.xyxy * scale)
    finite = np.isfinite(ltwh).all(axis=1) & np.isfinite(detections.confidence)
    columns = (detections.class_id.tolist(), ltwh.tolist(), detections.confidence.tolist(), finite.tolist())
    for class_id, box, score, usable in zip(*columns, strict=True):
        if usable and ids[class_id] is not None:
            yield {"image_id": image, "category_id": ids[class_id], "bbox": box, "score": score}


def _scale(outcome: Outcome, size: NDArray[np.int64]) -> NDArray[np.float64]:
    sent = np.array([outcome.width, outcome.height])
    if min(*sent, *size) <= 0 or (sent == size[::-1]).all():
        return np.ones(4)
    return np.tile(size / sent, 2)


def _image_index(truth: GroundTruth) -> dict[str, int]:
    index = {name: image for image, name in enumerate(truth.image_names)}
    bases = Counter(base_name(name) for name in truth.image_names)
    for image, name in enumerate(truth.image_names):
        if bases[base_name(name)] == 1:
            index.setdefault(base_name(name), image)
    return index


def _class_index(truth: GroundTruth) -> dict[str, int]:
    """Where classes share a name, it means the most frequent."""
    frequent = np.argsort(-np.bincount(truth.class_id, minlength=len(truth.class_names)), kind="stable").tolist()
    index: dict[str, int] = {}
    for key in (str, folded):
        for place in frequent:
            index.setdefault(key(truth.class_names[place]), place)
    return index


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
