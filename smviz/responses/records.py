"""Replies whose detections are objects, one each, with named fields."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from smviz.errors import BadResponse
from smviz.responses.decode import (
    CHECK_FORMAT,
    Floats,
    decode_csv,
    describe,
    first_image,
    listing,
    member,
    number,
    numbers,
    objects,
    snippet,
    table,
    texts,
)
from smviz.responses.reading import Reading, stated_frame
from smviz.responses.registry import (
    PIXEL_FRAME,
    Settings,
    class_base,
    coordinates,
    letterbox,
    reads,
)

Record = dict[str, object]


def pluck(rows: Sequence[Record], path: str) -> list[object]:
    """What every row holds under a path of keys such as "box.xmin".

    Raises:
        BadResponse: when a row has no such field; it is counted from 0.
    """
    values: list[object] = list(rows)
    for key in path.split("."):
        try:
            values = [value[key] for value in values]  # type: ignore[index]
        except (KeyError, TypeError):
            lacking = next(i for i, value in enumerate(values) if not isinstance(value, dict) or key not in value)
            found = describe(rows[lacking])
            raise BadResponse(f"Row {lacking} has no field {path!r}; found {found}.", CHECK_FORMAT) from None
    return values


def field(rows: Sequence[Record], path: str) -> Floats:
    """A field of numbers, float64 [N]."""
    return numbers(pluck(rows, path), f"The field {path!r}")


def names(rows: Sequence[Record], path: str) -> tuple[str, ...]:
    """A field of texts, [N]."""
    return texts(pluck(rows, path), f"The field {path!r}")


def corners(rows: Sequence[Record], path: str, keys: str) -> Floats:
    """The boxes [N, 4] from four fields, named by `keys` with blanks between, of the object under a path."""
    prefix = f"{path}." if path else ""
    return np.stack([field(rows, prefix + key) for key in keys.split()], axis=1).reshape(-1, 4)


def boxes(rows: Sequence[Record], path: str) -> Floats:
    """The boxes [N, 4] from a field of four numbers."""
    return table(pluck(rows, path), f"The field {path!r}", (4,))


@reads(
    "builtin-annotation",
    "SageMaker built-in object detection, annotation form",
    "the key 'annotations' holds objects with 'class_id', 'score', 'left', 'top', 'width' and 'height'",
    (class_base(0), *PIXEL_FRAME),
)
def builtin_annotation(reply: object, settings: Settings) -> Reading:
    """`{"image_size", "annotations": [{"class_id", "score", "left", "top", "width", "height"}]}` in pixels.

    What the built-in container answers to Accept: application/json;annotation=1.
    """
    rows = objects(member(reply, "annotations"), "'annotations'")
    ltwh = corners(rows, "", "left top width height")
    frame = frame_of(member(reply, "image_size"))
    return Reading(ltwh, field(rows, "score"), field(rows, "class_id"), orders=("ltwh",), frame=frame)


def frame_of(image_size: object) -> tuple[float, float]:
    """Width and height from a list of one object that has them."""
    size = first_image(objects(image_size, "The image size"), "The image size")
    return stated_frame(*(number(member(size, side), f"The {side}") for side in ("width", "height")))


def _hugging_face(rows: Sequence[Record]) -> Reading:
    return Reading(corners(rows, "box", "xmin ymin xmax ymax"), field(rows, "score"), names=names(rows, "label"))


@reads(
    "hugging-face",
    "Hugging Face object detection",
    "its objects have 'score', 'label' and a 'box' of xmin, ymin, xmax, ymax",
    PIXEL_FRAME,
)
def hugging_face(reply: object, settings: Settings) -> Reading:
    """`[{"score", "label", "box": {"xmin", "ymin", "xmax", "ymax"}}]` in pixels, or a list of one such list."""
    rows = listing(reply, "The reply")
    if rows and all(isinstance(image, list) for image in rows):
        rows = listing(first_image(rows, "The reply"), "The reply")
    return _hugging_face(objects(rows, "The reply"))


@reads(
    "hugging-face-csv",
    "Hugging Face object detection, CSV",
    "its header is score, label, box",
    PIXEL_FRAME,
    decode=decode_csv,
)
def hugging_face_csv(reply: object, settings: Settings) -> Reading:
    """The same as a table `score,label,box`, the box as Python prints it: what Accept: text/csv gives."""
    scores, printed = (_cells(reply, name) for name in ("score", "box"))
    labels = listing(member(reply, "label"), "The labels")
    cells = zip(scores, labels, printed, strict=True)
    return _hugging_face([{"score": score, "label": label, "box": box} for score, label, box in cells])


def _cells(reply: object, name: str) -> list[object]:
    return [_cell(text.replace("'", '"')) for text in texts(member(reply, name), f"The column {name!r}")]


def _cell(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise BadResponse(f"A cell of the table cannot be read: {snippet(text, 60)}.", CHECK_FORMAT) from None


@reads(
    "ultralytics",
    "Ultralytics summary",
    "its objects have 'name', 'class', 'confidence' and a 'box' of x1, y1, x2, y2",
    (coordinates("pixels"), class_base(0), *PIXEL_FRAME),
)
def ultralytics(reply: object, settings: Settings) -> Reading:
    """`[{"name", "class", "confidence", "box": {"x1", "y1", "x2", "y2"}}]` in pixels, or in fractions."""
    rows = objects(reply, "The reply")
    xyxy = corners(rows, "box", "x1 y1 x2 y2")
    if any("x3" in box for box in pluck(rows, "box")):  # type: ignore[operator]
        raise BadResponse("The boxes have more than two corners: they are rotated.", "smviz shows upright boxes only.")
    return Reading(xyxy, field(rows, "confidence"), field(rows, "class"), names(rows, "name"))


@reads(
    "yolov5-pandas",
    "YOLOv5 pandas records",
    "its objects have 'xmin', 'ymin', 'xmax', 'ymax', 'confidence', 'class' and 'name'",
    (coordinates("pixels"), class_base(0), *PIXEL_FRAME),
)
def yolov5_pandas(reply: object, settings: Settings) -> Reading:
    """`[{"xmin", "ymin", "xmax", "ymax", "confidence", "class", "name"}]` in pixels."""
    rows = objects(reply, "The reply")
    xyxy = corners(rows, "", "xmin ymin xmax ymax")
    return Reading(xyxy, field(rows, "confidence"), field(rows, "class"), names(rows, "name"))


@reads(
    "mmdetection",
    "MMDetection TorchServe",
    "its objects have 'class_name', 'bbox' and 'score'",
    PIXEL_FRAME,
)
def mmdetection(reply: object, settings: Settings) -> Reading:
    """`[{"class_label", "class_name", "bbox": [x1, y1, x2, y2], "score"}]` in pixels; older ones lack "class_label"."""
    rows = objects(reply, "The reply")
    numbered = all("class_label" in row for row in rows)
    ids = field(rows, "class_label") if numbered else None
    return Reading(boxes(rows, "bbox"), field(rows, "score"), ids, names(rows, "class_name"))


@reads(
    "torchserve",
    "TorchServe object detector",
    "its objects have 'score' and one other key, the class, which holds the box",
    (class_base(1), *PIXEL_FRAME),
)
def torchserve(reply: object, settings: Settings) -> Reading:
    """`[{"person": [x1, y1, x2, y2], "score"}]` in pixels; without a name map the key is the id, which starts at 1."""
    rows = objects(reply, "The reply")
    scores = field(rows, "score")
    keys = [[key for key in row if key != "score"] for row in rows]
    if any(len(found) != 1 for found in keys):
        raise BadResponse("An object holds more than a score and a box named for its class.", CHECK_FORMAT)
    named = [found[0] for found in keys]
    xyxy = table([row[name] for row, name in zip(rows, named, strict=True)], "The boxes", (4,))
    return Reading(xyxy, scores, names=texts(named, "The class names"))


@reads(
    "rekognition",
    "Rekognition Custom Labels",
    "it has the key 'CustomLabels'",
    (letterbox(),),
)
def rekognition(reply: object, settings: Settings) -> Reading:
    """`{"CustomLabels": [{"Name", "Confidence", "Geometry": {"BoundingBox"}}]}`: per cent, fractions of the image.

    Labels without "Geometry" describe the whole image and are left out.
    """
    rows = [row for row in objects(member(reply, "CustomLabels"), "'CustomLabels'") if "Geometry" in row]
    ltwh = corners(rows, "Geometry.BoundingBox", "Left Top Width Height")
    scores = field(rows, "Confidence") / 100
    return Reading(ltwh, scores, names=names(rows, "Name"), orders=("ltwh",), coordinates="normalised")


@reads(
    "gluoncv-marketplace",
    "GluonCV (AWS Marketplace)",
    "its objects have 'id', 'score', 'left', 'top', 'right' and 'bottom'",
    PIXEL_FRAME,
)
def gluoncv_marketplace(reply: object, settings: Settings) -> Reading:
    """`[{"id", "score", "left", "top", "right", "bottom"}]` in pixels; "id" is the class name."""
    rows = objects(reply, "The reply")
    return Reading(corners(rows, "", "left top right bottom"), field(rows, "score"), names=names(rows, "id"))


@reads(
    "gluoncv-auto",
    "GluonCV Auto",
    "its objects have 'predict_class', 'predict_score' and 'predict_rois'",
    (letterbox(),),
)
def gluoncv_auto(reply: object, settings: Settings) -> Reading:
    """`[{"predict_class", "predict_score", "predict_rois": {"xmin", ...}}]` in fractions of the image."""
    rows = objects(reply, "The reply")
    xyxy = corners(rows, "predict_rois", "xmin ymin xmax ymax")
    scores, classes = field(rows, "predict_score"), names(rows, "predict_class")
    return Reading(xyxy, scores, names=classes, coordinates="normalised")


@reads(
    "autogluon",
    "AutoGluon MultiModal",
    "its objects have 'image' and 'bboxes'",
    (class_base(0), *PIXEL_FRAME),
)
def autogluon(reply: object, settings: Settings) -> Reading:
    """`[{"image", "bboxes": [{"class", "class_id", "bbox": [x1, y1, x2, y2], "score"}]}]` in pixels."""
    images = pluck(objects(reply, "The reply"), "bboxes")
    rows = objects(first_image(images, "The reply"), "'bboxes'")
    return Reading(boxes(rows, "bbox"), field(rows, "score"), field(rows, "class_id"), names(rows, "class"))


@reads(
    "geti",
    "Geti prediction",
    "its objects have a 'shape' of type RECTANGLE and 'labels' with a 'probability'",
    PIXEL_FRAME,
)
def geti(reply: object, settings: Settings) -> Reading:
    """`{"predictions": [{"shape": {"x", "y", "width", "height"}, "labels": [{"name", "probability"}]}]}` in pixels.

    Before Geti 1.13 the key was "annotations".
    """
    key = "predictions" if isinstance(reply, dict) and "predictions" in reply else "annotations"
    rows = objects(member(reply, key), f"'{key}'")
    kinds = set(names(rows, "shape.type")) - {"RECTANGLE"}
    if kinds:
        raise BadResponse(f"There are shapes that are no boxes: {', '.join(sorted(kinds))[:100]}.", CHECK_FORMAT)
    labels = [_label(value) for value in pluck(rows, "labels")]
    ltwh = corners(rows, "shape", "x y width height")
    return Reading(ltwh, field(labels, "probability"), names=names(labels, "name"), orders=("ltwh",))


def _label(labels: object) -> Record:
    """The most probable label of a shape."""
    found = objects(labels, "'labels'")
    if not found:
        raise BadResponse("There is a shape without a label.", CHECK_FORMAT)
    return found[int(np.argmax(field(found, "probability")))]


@reads(
    "roboflow",
    "Roboflow inference",
    "its objects have 'x', 'y', 'width', 'height', 'confidence' and 'class', and it states the image's size",
    (class_base(0), *PIXEL_FRAME),
)
def roboflow(reply: object, settings: Settings) -> Reading:
    """`{"predictions": [{"x", "y", "width", "height", "confidence", "class", "class_id"}], "image"}`: centres."""
    rows = objects(member(reply, "predictions"), "'predictions'")
    cxcywh = corners(rows, "", "x y width height")
    ids, classes = field(rows, "class_id"), names(rows, "class")
    frame = frame_of([member(reply, "image")])
    return Reading(cxcywh, field(rows, "confidence"), ids, classes, orders=("cxcywh",), frame=frame)


@reads(
    "tf-mask-rcnn",
    "TensorFlow Mask R-CNN container",
    "the key 'annotations' holds objects with 'bbox', 'category_id' and 'category_name', without a score",
    (class_base(0), *PIXEL_FRAME),
)
def tf_mask_rcnn(reply: object, settings: Settings) -> Reading:
    """`{"annotations": [{"bbox": [left, top, width, height], "category_id", "category_name"}]}`: pixels, no score."""
    rows = objects(member(reply, "annotations"), "'annotations'")
    ids, classes = field(rows, "category_id"), names(rows, "category_name")
    return Reading(boxes(rows, "bbox"), None, ids, classes, orders=("ltwh",))
