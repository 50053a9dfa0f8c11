"""From what a reply holds to detections in pixels of the image that was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smviz.boxes import Boxes, cxcywh_to_xyxy, ltwh_to_xyxy
from smviz.errors import BadResponse
from smviz.records import Detections, frozen_array
from smviz.responses.decode import CHECK_FORMAT, Floats

ORDERS: Mapping[str, Callable[[Boxes], Boxes]] = {
    "xyxy": lambda boxes: boxes,
    "yxyx": lambda boxes: boxes[:, [1, 0, 3, 2]],
    "xxyy": lambda boxes: boxes[:, [0, 2, 1, 3]],
    "ltwh": ltwh_to_xyxy,
    "cxcywh": cxcywh_to_xyxy,
}
"""How the four numbers of a box may be ordered, each with the way to left, top, right, bottom."""

ALL_ORDERS = tuple(ORDERS)

MOST_CLASSES = 100_000
"""Larger class ids are taken for a misread column: the largest vocabularies have some 20,000 classes."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What a reply holds, in the reply's own order and units.

    Attributes:
        boxes: float64 [N, 4].
        scores: float64 [N], 0 to 1; None where the format carries none.
        ids: float64 [N], class ids as written; negative marks padding or a suppressed row. None without ids.
        names: [N], class names as written. None without names.
        labels: the class list, where the reply carries it; index is the class id less the class base.
        orders: the box orders that the reply allows; the first one holds unless a setting names another of them.
        coordinates: "pixels" or "normalised", unless a setting says so.
        frame: width and height that the reply states for its boxes, or None.
        anchors: how many anchors a raw head has; 0 for anything else.
    """

    boxes: Floats
    scores: Floats | None
    ids: Floats | None = None
    names: tuple[str, ...] | None = None
    labels: tuple[str, ...] = ()
    orders: tuple[str, ...] = ("xyxy",)
    coordinates: str = "pixels"
    frame: tuple[float, float] | None = None
    anchors: int = 0

    def __post_init__(self) -> None:
        columns = {"scores": self.scores, "classes": self.ids, "class names": self.names}
        for what, column in columns.items():
            if column is not None and len(column) != len(self.boxes):
                raise BadResponse(f"There are {len(self.boxes)} boxes but {len(column)} {what}.", CHECK_FORMAT)

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, rows: NDArray[np.int64]) -> Reading:
        """Only these rows, in this order."""
        return replace(
            self,
            boxes=self.boxes[rows],
            scores=None if self.scores is None else self.scores[rows],
            ids=None if self.ids is None else self.ids[rows],
            names=None if self.names is None else tuple(self.names[row] for row in rows),
        )


@dataclass(frozen=True, eq=False)
class Parsed:
    """Detections in the order of the reply; the columns are those of `Detections`.

    Attributes:
        xyxy: float64 [N, 4], pixels of the image that was sent, as the reply has them: nothing is clipped.
        confidence: float64 [N], 0 to 1; NaN where the format carries no score.
        class_id: int64 [N], index into `class_names`.
        class_names: one name for each class id that occurs, and possibly more.
    """

    xyxy: Floats
    confidence: Floats
    class_id: NDArray[np.int64]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "xyxy", frozen_array(self.xyxy, np.float64, 4))
        object.__setattr__(self, "confidence", frozen_array(self.confidence, np.float64))
        object.__setattr__(self, "class_id", frozen_array(self.class_id, np.int64))
        object.__setattr__(self, "class_names", _padded(self.class_names, int(self.class_id.max(initial=-1)) + 1))

    def __len__(self) -> int:
        return len(self.confidence)

    def detections(self) -> Detections:
        """The same, sorted by descending confidence."""
        return Detections(self.xyxy, self.confidence, self.class_id, self.class_names)

    def rows(self) -> Iterator[dict[str, object]]:
        """One JSON-ready object for each detection; a confidence that the format does not carry is None."""
        columns = zip(self.xyxy.tolist(), self.confidence.tolist(), self.class_id.tolist(), strict=True)
        for xyxy, confidence, class_id in columns:
            yield {
                "class_id": class_id,
                "class_name": self.class_names[class_id],
                "confidence": None if confidence != confidence else confidence,
                "xyxy": xyxy,
            }


def stated_frame(width: float, height: float) -> tuple[float, float]:
    """The frame that a reply states for its boxes.

    Raises:
        BadResponse: when it is no size at all.
    """
    if not (1 <= width <= 1e6 and 1 <= height <= 1e6):
        raise BadResponse(f"The reply states an image of {width:g} x {height:g} pixels.", CHECK_FORMAT)
    return width, height


def resolve(
    reading: Reading, width: int, height: int, settings: Mapping[str, str], class_names: tuple[str, ...] = ()
) -> Parsed:
    """Detections in pixels of the image that was sent, padding dropped, in the order of the reply.

    Padding is a row with a negative class id, or with a box of zeros and a score of zero. Every other row must
    be a box: coordinates that are not finite, a negative width or height, a score outside 0 to 1 or a class id
    that is no whole number mean that the format is not the right one or that the model is broken, and one such
    row casts doubt on all of them.

    Args:
        reading: what the reply holds.
        width: pixels of the image that was sent.
        height: pixels of the image that was sent.
        settings: every option of the format.
        class_names: index is the class id less the class base; empty where the reply carries names.

    Raises:
        BadResponse: as above; the row is named, counted from 0.
    """
    rows = np.flatnonzero(~_padding(reading))
    if len(rows) < len(reading):
        reading = reading.take(rows)
    class_id, names = _classes(reading, rows, int(settings.get("class-base", "0")), class_names)
    xyxy = _pixels(reading, width, height, settings)
    broken = np.any(~np.isfinite(xyxy), axis=1)
    _refuse(rows, broken, "has a coordinate that is not a finite number", reading.boxes)
    inside_out = np.any(xyxy[:, 2:] < xyxy[:, :2], axis=1)
    _refuse(rows, inside_out, "has a negative width or height", reading.boxes)
    return Parsed(xyxy, _confidence(reading, rows), class_id, names)


def _padding(reading: Reading) -> NDArray[np.bool_]:
    padding = np.zeros(len(reading), dtype=np.bool_)
    if reading.ids is not None:
        padding |= reading.ids < 0
    if reading.scores is not None:
        padding |= (reading.scores == 0) & ~reading.boxes.any(axis=1)
    return padding


def _refuse(rows: NDArray[np.int64], bad: NDArray[np.bool_], what: str, found: Floats) -> None:
    if bad.any():
        first = int(np.argmax(bad))
        more = f" ({bad.sum()} of {len(bad)} rows are like that)" if bad.sum() > 1 else ""
        raise BadResponse(
            f"Row {rows[first]} {what}: {found[first].tolist()}{more}.",
            "Check the response format chosen for this endpoint and its options; if they are right, so is this "
            "message: the model gave a broken row.",
        )


def _confidence(reading: Reading, rows: NDArray[np.int64]) -> Floats:
    if reading.scores is None:
        return np.full(len(reading), np.nan)
    # A softmax in float32 may exceed 1 by its rounding.
    good = (reading.scores >= 0) & (reading.scores <= 1 + 1e-6)
    _refuse(rows, ~good, "has a score outside 0 to 1", reading.scores)
    return np.minimum(reading.scores, 1)


def _pixels(reading: Reading, width: int, height: int, settings: Mapping[str, str]) -> Boxes:
    """Boxes float64 [N, 4] as left, top, right, bottom in pixels of the image that was sent."""
    asked = settings.get("boxes", "")
    order = asked if asked in reading.orders else reading.orders[0]
    boxed, _, corner = settings.get("letterbox", "").partition(" ")
    size = boxed or settings.get("frame", "")
    frame = np.array([float(side) for side in size.split("x")] if size else reading.frame or (width, height))
    image = np.array([width, height], dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        xyxy = ORDERS[order](reading.boxes)
        if settings.get("coordinates", reading.coordinates) == "normalised":
            xyxy = xyxy * np.tile(frame, 2)
        if boxed:
            gain = (frame / image).min()
            pad = np.zeros(2) if corner else (frame - image * gain) / 2
            xyxy = (xyxy - np.tile(pad, 2)) / gain
        elif not np.array_equal(frame, image):
            xyxy = xyxy * np.tile(image, 2) / np.tile(frame, 2)
    return xyxy


def _classes(
    reading: Reading, rows: NDArray[np.int64], base: int, class_names: tuple[str, ...]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Class ids int64 [N], and the names that they index. Names in the reply win over numbers."""
    ids, names = reading.ids, reading.names
    if names is not None and ids is None and _numbered(names, class_names):
        ids, names = np.array([float(name) for name in names]), None
    if ids is None:
        if names is not None:
            return _by_name(names, class_names)
        return np.zeros(len(reading), dtype=np.int64), class_names or ("object",)
    index = _whole(ids, rows, base)
    if names is None and not reading.labels:
        return index, class_names
    if names is None:
        _refuse(rows, index >= len(reading.labels), f"has no name among the {len(reading.labels)} labels", ids)
        if not class_names:
            return index, reading.labels
        names = tuple(reading.labels[label] for label in index)
    if not class_names:
        named = dict(zip(index.tolist(), names, strict=True))
        if all(named[label] == name for label, name in zip(index.tolist(), names, strict=True)):
            return index, tuple(named.get(label, f"class {label}") for label in range(max(named, default=-1) + 1))
    return _by_name(names, class_names)


def _by_name(names: tuple[str, ...], class_names: tuple[str, ...]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Ids by name, whatever the case; names that the class list lacks follow it as they first appear."""
    index: dict[str, int] = {}
    for position, name in enumerate(class_names):
        index.setdefault(name.casefold(), position)
    appended: list[str] = []
    for name in names:
        if name.casefold() not in index:
            index[name.casefold()] = len(class_names) + len(appended)
            appended.append(name)
    return np.array([index[name.casefold()] for name in names], dtype=np.int64), (*class_names, *appended)


def _whole(ids: Floats, rows: NDArray[np.int64], base: int) -> NDArray[np.int64]:
    with np.errstate(invalid="ignore"):
        good = (ids == np.floor(ids)) & (ids < MOST_CLASSES)
        _refuse(rows, ~good, "has a class id that is no whole number below 100,000", ids)
        _refuse(rows, ids < base, f"has a class id below the class base {base}", ids)
        whole: NDArray[np.int64] = ids.astype(np.int64) - base
    return whole


def _numbered(names: tuple[str, ...], class_names: tuple[str, ...]) -> bool:
    """Whether the names are ids written as text, and not names of the class list that happen to be digits."""
    digits = all(name.isascii() and name.isdigit() and len(name) < 16 for name in names)
    return bool(names) and digits and not set(names) <= set(class_names)


def _padded(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    return (*names, *(f"class {index}" for index in range(len(names), count)))
