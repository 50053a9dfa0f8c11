"""Replies of containers of one's own, read by the usual names of their fields, or by names that are given.

These formats are registered, and proposed, after all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from smviz.errors import BadResponse
from smviz.responses.decode import (
    CHECK_FORMAT,
    Floats,
    describe,
    first_image,
    listing,
    member,
    numbers,
    objects,
    table,
    texts,
)
from smviz.responses.reading import ALL_ORDERS, Reading
from smviz.responses.records import Record, boxes, corners, field, pluck
from smviz.responses.registry import (
    PIXEL_FRAME,
    Option,
    Settings,
    box_order,
    class_base,
    coordinates,
    reads,
    score_scale,
)

BOXES_KEYS = ("boxes", "bboxes", "bounding_boxes", "pred_boxes", "detection_boxes")
SCORES_KEYS = ("scores", "confidences", "confidence", "pred_scores", "probabilities", "detection_scores")
CLASSES_KEYS = ("class_names", "classes", "class_ids", "pred_classes", "detection_classes", "ids", "labels")
BOX_KEYS = ("bbox", "box", "bounding_box", "boundingBox", "BoundingBox", "rect", "xyxy")
SCORE_KEYS = ("score", "confidence", "probability", "conf", "prob", "Confidence", "Score")
CLASS_KEYS = (
    *("class_name", "className", "category_name", "label_name", "name", "label", "class", "category"),
    *("class_id", "classId", "category_id", "label_id", "Name", "Label"),
)
CORNERS = (
    ("xmin ymin xmax ymax", ("xyxy",)),
    ("x1 y1 x2 y2", ("xyxy",)),
    ("left top right bottom", ("xyxy",)),
    ("left top width height", ("ltwh",)),
    ("Left Top Width Height", ("ltwh",)),
    ("x y width height", ("ltwh", "cxcywh")),
    ("x y w h", ("ltwh", "cxcywh")),
    ("cx cy w h", ("cxcywh",)),
)

USUAL = (
    coordinates("pixels"),
    box_order("xyxy"),
    class_base(0),
    *PIXEL_FRAME,
    Option("box-key", "", "Key of the boxes, when it is no usual one such as 'boxes' or 'bbox'.", "text"),
    Option("score-key", "", "Key of the scores, when it is no usual one such as 'scores' or 'confidence'.", "text"),
    Option("class-key", "", "Key of the classes, when it is no usual one such as 'classes' or 'label'.", "text"),
    score_scale(),
)


@reads("columns", "Parallel lists", "it has parallel lists of boxes and scores", USUAL)
def columns(reply: object, settings: Settings) -> Reading:
    """`{"boxes", "scores", "classes"}`, or one such under a key or in a list: ids, names or no classes at all."""
    image = _image(reply)
    xyxy = table(member(image, _key(image, settings["box-key"], BOXES_KEYS)), "The list of boxes", (4,))
    scores = numbers(member(image, _key(image, settings["score-key"], SCORES_KEYS)), "The list of scores")
    class_key = _key(image, settings["class-key"], CLASSES_KEYS)
    classes = listing(member(image, class_key), "The list of classes") if _used(class_key, image, settings) else None
    return _reading(xyxy, scores, classes, ALL_ORDERS, settings)


@reads("records", "List of objects", "it is a list of objects with a box and a score each", USUAL)
def records(reply: object, settings: Settings) -> Reading:
    """`[{"bbox", "score", "class"}]`, or one such under a key: the box is four numbers or fields like "xmin", "x1"."""
    rows = _rows(reply)
    first = rows[0] if rows else {}
    box_key = settings["box-key"] or next((key for key in BOX_KEYS if key in first), "")
    xyxy, orders = _boxes(rows, box_key)
    scores = field(rows, _key(first, settings["score-key"], SCORE_KEYS))
    class_key = _key(first, settings["class-key"], CLASS_KEYS)
    classes = pluck(rows, class_key) if _used(class_key, first, settings) else None
    return _reading(xyxy, scores, classes, orders, settings)


def _reading(
    xyxy: Floats, scores: Floats, classes: list[object] | None, orders: tuple[str, ...], settings: Settings
) -> Reading:
    scores = scores / float(settings["score-scale"])
    if classes and isinstance(classes[0], str):
        return Reading(xyxy, scores, names=texts(classes, "The list of classes"), orders=orders)
    ids = None if classes is None else numbers(classes, "The list of classes")
    return Reading(xyxy, scores, ids, orders=orders)


def _key(found: Mapping[str, object], asked: str, usual: tuple[str, ...]) -> str:
    return asked or next((key for key in usual if key in found), usual[0])


def _used(class_key: str, found: Mapping[str, object], settings: Settings) -> bool:
    """Whether there are classes: a detector of one class may well leave them out, unless their key was given."""
    return class_key in found or bool(settings["class-key"])


def _image(reply: object) -> Record:
    """The object that holds the lists: the reply, or the only value in it, or the only image of a batch."""
    for _ in range(3):
        if isinstance(reply, list):
            reply = first_image(objects(reply, "The reply"), "The reply")
        if not isinstance(reply, dict) or len(reply) != 1:
            break
        reply = next(iter(reply.values()))
    return objects([reply], "The reply")[0]


def _rows(reply: object) -> list[Record]:
    """The list of objects: the reply, or the only such list in it, or in the only object in it."""
    for _ in range(3):
        if not isinstance(reply, dict):
            break
        inner = [value for value in reply.values() if isinstance(value, dict) or _holds_objects(value)]
        lists = [value for value in reply.values() if value == [] or _holds_objects(value)]
        if len(lists or inner) != 1:
            raise BadResponse(
                f"There is no single list of objects in the reply; found {describe(reply)}.", CHECK_FORMAT
            )
        reply = (lists or inner)[0]
    return objects(reply, "The list of detections")


def _holds_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _boxes(rows: Sequence[Record], path: str) -> tuple[Floats, tuple[str, ...]]:
    """The boxes [N, 4], and the orders that they may be in."""
    found = pluck(rows, path)[0] if rows and path else rows[0] if rows else None
    if path and not isinstance(found, dict):
        return boxes(rows, path), ALL_ORDERS
    for keys, orders in CORNERS:
        if isinstance(found, dict) and all(key in found for key in keys.split()):
            return corners(rows, path, keys), orders
    if rows:
        raise BadResponse(f"There is no box in the first object; found {describe(rows[0])}.", CHECK_FORMAT)
    return boxes(rows, "bbox"), ALL_ORDERS
