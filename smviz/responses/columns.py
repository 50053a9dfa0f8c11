"""Replies whose detections are parallel lists: boxes, scores, classes."""

from __future__ import annotations

import math

from smviz.errors import BadResponse
from smviz.responses.decode import (
    CHECK_FORMAT,
    Floats,
    describe,
    first_image,
    listing,
    member,
    number,
    numbers,
    objects,
    table,
    texts,
)
from smviz.responses.reading import ALL_ORDERS, Reading, stated_frame
from smviz.responses.registry import (
    PIXEL_FRAME,
    Settings,
    box_order,
    class_base,
    coordinates,
    letterbox,
    reads,
)

_MOST_SIDES = 8  # dimensions; the heads of detectors have three


def _columns(reply: object, box_key: str, score_key: str, class_key: str) -> tuple[Floats, Floats, Floats]:
    """The boxes [N, 4], scores [N] and class ids [N] under three keys of one object."""
    return (
        table(member(reply, box_key), f"'{box_key}'", (4,)),
        numbers(member(reply, score_key), f"'{score_key}'"),
        numbers(member(reply, class_key), f"'{class_key}'"),
    )


def _labels(reply: object) -> tuple[str, ...]:
    return texts(reply["labels"], "'labels'") if isinstance(reply, dict) and "labels" in reply else ()


@reads(
    "jumpstart",
    "SageMaker JumpStart object detection",
    "it has the key 'normalized_boxes'",
    (box_order("xyxy"), class_base(0), letterbox()),
)
def jumpstart(reply: object, settings: Settings) -> Reading:
    """`{"normalized_boxes", "classes", "scores", "labels"}`: fractions of the image; "labels" only when verbose.

    One page of AWS's documentation prints the box order as xxyy; AWS's own code reads xyxy.
    """
    columns = _columns(reply, "normalized_boxes", "scores", "classes")
    return Reading(*columns, labels=_labels(reply), orders=ALL_ORDERS, coordinates="normalised")


@reads(
    "jumpstart-segmentation",
    "SageMaker JumpStart instance segmentation",
    "it has the keys 'bboxes' and 'ids'",
    (class_base(0), *PIXEL_FRAME),
)
def jumpstart_segmentation(reply: object, settings: Settings) -> Reading:
    """`{"ids", "scores", "bboxes", "masks", "labels"}`: boxes in pixels; the masks are not read."""
    return Reading(*_columns(reply, "bboxes", "scores", "ids"), labels=_labels(reply))


@reads(
    "tf-serving",
    "TensorFlow object detection",
    "it has the keys of the TensorFlow Object Detection API",
    (box_order("yxyx"), class_base(1), letterbox()),
)
def tf_serving(reply: object, settings: Settings) -> Reading:
    """`{"predictions": [{"detection_boxes", "detection_scores", "detection_classes"}]}`, or columns under "outputs".

    Boxes are ymin, xmin, ymax, xmax in fractions; class ids are those of the label map, which starts at 1 and may
    have gaps; "num_detections" says how many rows are not padding.
    """
    keys = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
    image: dict[str, object]
    if isinstance(reply, dict) and isinstance(reply.get("outputs"), dict):
        batches = {key: listing(batch, f"'{key}'") for key, batch in reply["outputs"].items() if key in keys}
        image = {key: first_image(batch, f"'{key}'") for key, batch in batches.items()}
    else:
        image = first_image(objects(member(reply, "predictions"), "'predictions'"), "'predictions'")
    boxes, scores, ids = _columns(image, *keys[:3])
    count = _count(image["num_detections"], len(boxes)) if "num_detections" in image else len(boxes)
    return Reading(boxes[:count], scores[:count], ids[:count], orders=ALL_ORDERS, coordinates="normalised")


def _count(value: object, most: int) -> int:
    count = number(value, "The number of detections")
    if not 0 <= count <= most or count % 1:
        raise BadResponse(f"The reply speaks of {count:g} detections and holds {most}.", CHECK_FORMAT)
    return int(count)


@reads("detectron2", "Detectron2", "it has the keys 'pred_boxes' and 'pred_classes'", (class_base(0), *PIXEL_FRAME))
def detectron2(reply: object, settings: Settings) -> Reading:
    """`{"pred_boxes", "scores", "pred_classes", "image_size": [height, width]}`, or "image_height", "image_width"."""
    if reply is None:
        raise BadResponse("The reply is null.", "AWS's Detectron2 sample says so when its handler fails: see its log.")
    size = reply if isinstance(reply, dict) else {}
    frame = None
    if "image_size" in size:
        height, width = table([size["image_size"]], "'image_size'", (2,))[0]
        frame = stated_frame(width, height)
    elif "image_width" in size:
        frame = stated_frame(*(number(member(size, key), f"'{key}'") for key in ("image_width", "image_height")))
    return Reading(*_columns(reply, "pred_boxes", "scores", "pred_classes"), frame=frame)


@reads("torchvision", "torchvision", "it has the keys 'boxes', 'labels' and 'scores'", (class_base(1), *PIXEL_FRAME))
def torchvision(reply: object, settings: Settings) -> Reading:
    """`{"boxes", "labels", "scores"}`, or a list of one such: pixels; labels start at 1, as 0 is the background."""
    image = first_image(listing(reply, "The reply"), "The reply") if isinstance(reply, list) else reply
    return Reading(*_columns(image, "boxes", "scores", "labels"))


@reads(
    "triton-nms",
    "Triton / KServe V2 with NMS inside",
    "it has the outputs of the EfficientNMS plugin",
    (coordinates("pixels"), box_order("xyxy"), class_base(0), *PIXEL_FRAME),
)
def triton_nms(reply: object, settings: Settings) -> Reading:
    """`{"outputs": [{"name", "shape", "data"}]}` with num_dets, det_boxes, det_scores and det_classes."""
    outputs = {str(output.get("name")): output for output in objects(member(reply, "outputs"), "'outputs'")}
    found = {name: triton_tensor(member(outputs, name)) for name in ("det_boxes", "det_scores", "det_classes")}
    shape = found["det_boxes"].shape
    if len(shape) != 3 or shape[0] != 1 or shape[2] != 4:
        raise BadResponse(f"'det_boxes' has the shape {list(shape)}, not [1, N, 4].", "Send one image at a time.")
    boxes, scores, ids = found["det_boxes"][0], found["det_scores"].ravel(), found["det_classes"].ravel()
    count = len(boxes)
    if "num_dets" in outputs:
        count = _count(triton_tensor(outputs["num_dets"]).ravel().tolist()[:1].pop(), count)
    return Reading(boxes[:count], scores[:count], ids[:count], orders=ALL_ORDERS)


def triton_tensor(output: object) -> Floats:
    """One tensor of a KServe V2 reply, float64, in its own shape.

    Raises:
        BadResponse: when shape and data do not agree, or the data are not numbers.
    """
    shape = [int(side) for side in numbers(member(output, "shape"), "'shape'") if 1 <= side < 1e9]
    data = numbers(member(output, "data"), "'data'")
    if not 0 < len(shape) <= _MOST_SIDES or math.prod(shape) != len(data):
        shown = f"{shape[:_MOST_SIDES]}{'' if len(shape) <= _MOST_SIDES else ' and more'}"
        raise BadResponse(f"A tensor of shape {shown} has {len(data)} values.", "Look at the container's output.")
    return data.reshape(shape)


@reads(
    "vertex",
    "Vertex AI object detection",
    "it has the keys 'bboxes', 'confidences' and 'displayNames'",
    (box_order("xxyy"), letterbox()),
)
def vertex(reply: object, settings: Settings) -> Reading:
    """`{"predictions": [{"bboxes", "confidences", "displayNames", "ids"}]}`: xmin, xmax, ymin, ymax in fractions."""
    image = first_image(objects(member(reply, "predictions"), "'predictions'"), "'predictions'")
    return Reading(
        table(member(image, "bboxes"), "'bboxes'", (4,)),
        numbers(member(image, "confidences"), "'confidences'"),
        names=texts(member(image, "displayNames"), "'displayNames'"),
        orders=ALL_ORDERS,
        coordinates="normalised",
    )


@reads(
    "gluoncv-arrays",
    "GluonCV network output",
    "it is three arrays, of N ids, N scores and N boxes",
    (class_base(0), *PIXEL_FRAME),
)
def gluoncv_arrays(reply: object, settings: Settings) -> Reading:
    """`[[[[id]]], [[[score]]], [[[x1, y1, x2, y2]]]]`: pixels of the network's frame, padded with -1."""
    arrays = listing(reply, "The reply")
    if len(arrays) != 3:
        raise BadResponse(f"The reply is {describe(reply)}, not three arrays.", CHECK_FORMAT)
    ids, scores, boxes = (
        table(first_image(listing(array, what), what), what, (width,))
        for array, what, width in zip(arrays, ("The ids", "The scores", "The boxes"), (1, 1, 4), strict=True)
    )
    return Reading(boxes, scores[:, 0], ids[:, 0])
