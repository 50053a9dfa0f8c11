"""Replies whose detections are rows of numbers: `[class, score, box]` or `[box, score, class]`."""

from __future__ import annotations

import msgspec
import numpy as np

from smviz.errors import BadResponse
from smviz.responses.decode import CHECK_CONTAINER, CHECK_FORMAT, describe, first_image, listing, member, table, texts
from smviz.responses.reading import ALL_ORDERS, Reading
from smviz.responses.registry import (
    PIXEL_FRAME,
    Settings,
    box_order,
    class_base,
    coordinates,
    letterbox,
    reads,
)

USUAL_KEYS = ("boxes", "bounding_boxes", "predictions", "prediction", "detections", "outputs", "output", "results")


def rows_of(reply: object, batched: bool = False) -> list[object]:
    """The rows of one image, wherever a reply keeps them.

    A reply may be the rows; an object with the rows under one of the usual keys, or as its only list; or either
    of them once more within; and the rows may sit in a batch of one, or must, when `batched`.

    Raises:
        BadResponse: when there is no such list, or the batch holds detections of several images.
    """
    for _ in range(2):
        if isinstance(reply, dict):
            reply = _inner(reply)
    rows = listing(reply, "The list of detections")
    if rows and all(isinstance(row, list) and (not row or isinstance(row[0], list)) for row in rows):
        return listing(first_image(rows, "The reply"), "The list of detections")
    if batched:
        raise BadResponse(f"There is no batch of rows in the reply; found {describe(reply)}.", CHECK_FORMAT)
    return rows


def _inner(reply: dict[str, object]) -> object:
    for key in USUAL_KEYS:
        if key in reply:
            return reply[key]
    lists = [value for value in reply.values() if isinstance(value, list)]
    if len(lists) != 1:
        raise BadResponse(f"There is no list of detections in the reply; found {describe(reply)}.", CHECK_FORMAT)
    return lists[0]


@reads(
    "builtin-ssd",
    "SageMaker built-in object detection",
    "the key 'prediction' holds rows of six with a whole number first and a score second",
    (class_base(0), letterbox()),
)
def builtin_ssd(reply: object, settings: Settings) -> Reading:
    """`{"prediction": [[class, score, xmin, ymin, xmax, ymax]]}`, boxes in fractions of the image, class -1 is padding.

    Source: SageMaker Developer Guide, "Object Detection Request and Response Formats".
    """
    rows = table(member(reply, "prediction"), "'prediction'", (6,))
    return Reading(rows[:, 2:], rows[:, 1], rows[:, 0], coordinates="normalised")


@reads(
    "yolo-end2end",
    "YOLO with NMS inside",
    "it is a batch of rows of six with a score in column 4 and a whole number in column 5",
    (coordinates("pixels"), class_base(0), PIXEL_FRAME[0], letterbox("640x640")),
)
def yolo_end2end(reply: object, settings: Settings) -> Reading:
    """`[[[x1, y1, x2, y2, score, class]]]` in pixels of the network's frame, padded with rows of zeros."""
    rows = table(rows_of(reply, batched=True), "The list of detections", (6,))
    return Reading(rows[:, :4], rows[:, 4], rows[:, 5])


@reads(
    "yolo-rows",
    "YOLO rows",
    "the last column of its rows is a whole number and the one before is a score",
    (coordinates("pixels"), box_order("xyxy"), class_base(0), *PIXEL_FRAME),
)
def yolo_rows(reply: object, settings: Settings) -> Reading:
    """`[[x1, y1, x2, y2, score, class]]`, or seven columns with a track id before the score; or `{}`.

    Under "boxes" (AWS's YOLOv8 sample), "bounding_boxes" (SageMaker-YOLOv9), another key, or bare;
    SageMaker-YOLOv9 answers `{}` when it finds nothing.
    """
    rows = np.zeros((0, 6)) if reply == {} else table(rows_of(reply), "The list of detections", (6, 7))
    return Reading(rows[:, :4], rows[:, -2], rows[:, -1], orders=ALL_ORDERS)


@reads(
    "class-first-rows",
    "Class-first rows",
    "its rows of six have a whole number first and a score second",
    (coordinates("normalised"), box_order("xyxy"), class_base(0), *PIXEL_FRAME),
)
def class_first_rows(reply: object, settings: Settings) -> Reading:
    """`[[class, score, x1, y1, x2, y2]]`, bare, in a batch (SageMaker Clarify's container) or under a key."""
    rows = table(rows_of(reply), "The list of detections", (6,))
    return Reading(rows[:, 2:], rows[:, 1], rows[:, 0], orders=ALL_ORDERS)


@reads(
    "named-rows",
    "Rows with class names",
    "its rows of six have a class name in column 4 and a score in column 5",
    (coordinates("pixels"), box_order("xyxy"), *PIXEL_FRAME),
)
def named_rows(reply: object, settings: Settings) -> Reading:
    """`[[x1, y1, x2, y2, "name", score]]`, bare or under keys such as "outputs", "detections" (AWS Marketplace)."""
    try:
        rows = msgspec.convert(rows_of(reply), list[tuple[float, float, float, float, str, float]])
    except UnicodeEncodeError:
        raise BadResponse("The rows hold a broken character (half a surrogate pair).", CHECK_CONTAINER) from None
    except (msgspec.ValidationError, OverflowError) as error:
        raise BadResponse(f"The rows are not four numbers, a name and a score: {error}.", CHECK_FORMAT) from None
    boxes = np.array([row[:4] for row in rows], dtype=np.float64).reshape(-1, 4)
    names = texts([row[4] for row in rows], "The column of class names")
    return Reading(boxes, np.array([row[5] for row in rows], dtype=np.float64), names=names, orders=ALL_ORDERS)
