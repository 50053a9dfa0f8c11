"""Raw output heads of YOLO networks: one column of box and class scores for each anchor, before NMS."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smviz.boxes import Boxes, cxcywh_to_xyxy, pairwise_iou
from smviz.errors import BadResponse
from smviz.responses.columns import triton_tensor
from smviz.responses.decode import CHECK_FORMAT, Floats, objects, table
from smviz.responses.reading import Reading
from smviz.responses.registry import FRAME, Option, Settings, coordinates, letterbox, reads
from smviz.responses.rows import rows_of

MOST_CANDIDATES = 10_000
"""How many anchors, the best ones, NMS looks at: more than the 8,400 of a 640 x 640 network."""


@reads(
    "yolo-head",
    "YOLO raw head, before NMS",
    "it is a tensor whose columns are a box and class scores from 0 to 1",
    (
        Option(
            "layout",
            "channels-first",
            "[1, 4 + classes, anchors] as YOLOv8 and later export it, or the other way round.",
            choices=("channels-first", "anchors-first"),
        ),
        Option("objectness", "no", "Whether a score of its own precedes those of the classes.", choices=("no", "yes")),
        coordinates("pixels"),
        FRAME,
        letterbox("640x640"),
        Option("min-score", "0.001", "Anchors under this score are dropped before NMS.", "fraction"),
        Option(
            "nms-iou", "0.7", "Of two boxes of a class that overlap by more than this IoU the better stays.", "fraction"
        ),
    ),
)
def yolo_head(reply: object, settings: Settings) -> Reading:
    """`[1, 4 + classes, anchors]`, nested or as a Triton output: cx, cy, w, h in network pixels; NMS is done here."""
    head = tensor_of(reply)
    head = head.T if settings["layout"] == "channels-first" else head
    first = 5 if settings["objectness"] == "yes" else 4
    if head.shape[1] <= first:
        raise BadResponse(f"A head of {head.shape[1]} columns has no room for class scores.", CHECK_FORMAT)
    scores = head[:, first:] * head[:, 4:5] if first == 5 else head[:, first:]
    if not ((head[:, 4:] >= 0) & (head[:, 4:] <= 1)).all():
        raise BadResponse("The class scores of the head are not all within 0 to 1.", CHECK_FORMAT)
    ids, best = scores.argmax(axis=1), scores.max(axis=1)
    kept = np.flatnonzero(best >= float(settings["min-score"]))
    kept = np.sort(kept[np.argsort(-best[kept], kind="stable")[:MOST_CANDIDATES]])
    _refuse_broken(head[kept, :4])
    with np.errstate(over="ignore", invalid="ignore"):
        kept = kept[nms(cxcywh_to_xyxy(head[kept, :4]), best[kept], ids[kept], float(settings["nms-iou"]))]
    return Reading(head[kept, :4], best[kept], ids[kept].astype(np.float64), orders=("cxcywh",), anchors=len(head))


def tensor_of(reply: object) -> Floats:
    """The head of one image, float64 [A, B]: the only output of a Triton reply, or nested lists.

    Raises:
        BadResponse: when there is none, or several.
    """
    outputs = reply.get("outputs") if isinstance(reply, dict) else None
    if not (isinstance(outputs, list) and outputs and isinstance(outputs[0], dict)):
        return table(rows_of(reply, batched=True), "The tensor")
    found = [triton_tensor(output) for output in objects(outputs, "'outputs'") if "data" in output]
    shapes = [list(tensor.shape) for tensor in found]
    if len(found) != 1 or len(shapes[0]) != 3 or shapes[0][0] != 1:
        raise BadResponse(f"The reply has tensors of the shapes {shapes[:5]}, not one of [1, A, B].", CHECK_FORMAT)
    head: Floats = found[0][0]
    return head


def _refuse_broken(cxcywh: Boxes) -> None:
    if not np.isfinite(cxcywh).all() or (cxcywh[:, 2:] < 0).any():
        raise BadResponse("The head has a box with a negative size or without a finite place.", CHECK_FORMAT)


def nms(xyxy: Boxes, scores: Floats, class_id: NDArray[np.int64], iou: float) -> NDArray[np.int64]:
    """Greedy non-maximum suppression within each class.

    Args:
        xyxy: float64 [N, 4].
        scores: float64 [N]; of equal scores the earlier row goes first.
        class_id: int64 [N].
        iou: a box is dropped when it overlaps a better one of its class by more than this.

    Returns:
        The rows that stay, int64 [M], ascending.
    """
    kept: list[int] = []
    for label in np.unique(class_id):
        left = np.flatnonzero(class_id == label)
        left = left[np.argsort(-scores[left], kind="stable")]
        while len(left):
            kept.append(int(left[0]))
            left = left[1:][pairwise_iou(xyxy[left[:1]], xyxy[left[1:]])[0] <= iou]
    return np.array(sorted(kept), dtype=np.int64)
