"""Measure the committed models, as they are served, on held-out scenes.

Average precision is pycocotools' own, with COCO's settings (at most 100 detections per image).
"""

from __future__ import annotations

import contextlib
import io
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from demo.coco import CATEGORIES
from demo.scenes import CLASSES
from smviz.boxes import ltwh_to_xyxy, pairwise_iou, xyxy_to_ltwh
from smviz.local.detector import Detector

THRESHOLDS = (0.2, 0.3, 0.4, 0.5)
CONFUSION_THRESHOLD = 0.3
IOU = 0.5
SCORE_BINS = np.linspace(0, 1, 11)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured of one model.

    Attributes:
        ap: name and value of COCO's six average precisions.
        class_ap50: of each class. `class_objects`: how many objects of it there were.
        operating: (threshold, precision, recall) at IoU 0.5, by COCO's matching within classes.
        confusion: int64 [classes + 1, classes + 1]: rows truth, last: background; columns detected, last: missed.
        histogram: detections per tenth of score.
        boxes_per_image: mean. `milliseconds`: median for one image by one thread.
    """

    ap: dict[str, float]
    class_ap50: dict[str, float]
    class_objects: dict[str, int]
    operating: list[tuple[float, float, float]]
    confusion: NDArray[np.int64]
    histogram: list[int]
    boxes_per_image: float
    milliseconds: float


def measure(model: Path, images: Path, truth: dict[str, Any]) -> Measurement:
    """Run a model over the pictures of a COCO data set in the folder `images`, and judge it."""
    detections, milliseconds = _detect(model, images, truth)
    evaluation = _evaluate(truth, detections)
    names = ("AP", "AP50", "AP75", "AP small", "AP medium", "AP large")
    precision = evaluation.eval["precision"]  # [IoU, recall, class, area, max detections]
    objects = [a["category_id"] for a in truth["annotations"] if not a["iscrowd"]]
    return Measurement(
        ap=dict(zip(names, map(float, evaluation.stats[: len(names)]), strict=True)),
        class_ap50={c: float(precision[0, :, i, 0, -1].mean()) for i, c in enumerate(CLASSES)},
        class_objects={c["name"]: objects.count(c["id"]) for c in CATEGORIES},
        operating=[(t, *_precision_recall(evaluation, t)) for t in THRESHOLDS],
        confusion=_confusion(truth, detections),
        histogram=np.histogram([d["score"] for d in detections], SCORE_BINS)[0].tolist(),
        boxes_per_image=len(detections) / len(truth["images"]),
        milliseconds=milliseconds,
    )


def _detect(model: Path, images: Path, truth: dict[str, Any]) -> tuple[list[dict[str, Any]], float]:
    """COCO's result entries, and the median milliseconds per image."""
    detector, detections, times = Detector(model), [], []
    for entry in truth["images"]:
        with Image.open(images / entry["file_name"]) as image:
            image.load()
            start = time.perf_counter()
            rows = detector.detect(image)
        times.append(time.perf_counter() - start)
        frame = np.array([entry["width"], entry["height"]] * 2)
        for class_id, score, *shares in rows:
            box = xyxy_to_ltwh((np.array(shares) * frame)[None])[0].tolist()
            category = CATEGORIES[int(class_id)]["id"]
            detections.append({"image_id": entry["id"], "category_id": category, "score": score, "bbox": box})
    return detections, 1000 * median(times)


def _evaluate(truth: dict[str, Any], detections: list[dict[str, Any]]) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes([dict(d) for d in detections]), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def _precision_recall(evaluation: COCOeval, threshold: float) -> tuple[float, float]:
    """Over all classes, at IoU 0.5, from COCO's own matches."""
    every_size = evaluation.params.areaRng[0]
    found = false = objects = 0
    for result in evaluation.evalImgs:
        if result is None or result["aRng"] != every_size:
            continue
        counted = (np.array(result["dtScores"]) >= threshold) & ~result["dtIgnore"][0].astype(bool)
        matched = result["dtMatches"][0] > 0
        found += int((counted & matched).sum())
        false += int((counted & ~matched).sum())
        objects += int((~np.array(result["gtIgnore"], bool)).sum())
    return found / max(1, found + false), found / objects


def _confusion(truth: dict[str, Any], detections: list[dict[str, Any]]) -> NDArray[np.int64]:
    """Detections against objects of any class, best overlap first; extra ones on a found object are left out."""
    matrix = np.zeros((len(CLASSES) + 1, len(CLASSES) + 1), np.int64)
    for entry in truth["images"]:
        labels = [a for a in truth["annotations"] if a["image_id"] == entry["id"]]
        objects = [a for a in labels if not a["iscrowd"]]
        found = [d for d in detections if d["image_id"] == entry["id"] and d["score"] >= CONFUSION_THRESHOLD]
        _confuse(matrix, objects, found, _boxes([a for a in labels if a["iscrowd"]]))
    return matrix


def _confuse(
    matrix: NDArray[np.int64],
    objects: list[dict[str, Any]],
    found: list[dict[str, Any]],
    ignored: NDArray[np.float64],
) -> None:
    boxes = _boxes(found)
    iou = pairwise_iou(_boxes(objects), boxes)
    missed, free = set(range(len(objects))), set(range(len(found)))
    for flat in np.argsort(-iou, axis=None, kind="stable"):
        i, j = np.unravel_index(flat, iou.shape)
        if iou[i, j] < IOU:
            break
        if i in missed and j in free:
            missed.discard(int(i))
            free.discard(int(j))
            matrix[objects[i]["category_id"] - 1, found[j]["category_id"] - 1] += 1
    for i in missed:
        matrix[objects[i]["category_id"] - 1, -1] += 1
    for j in free:
        if iou[:, j].max(initial=0) < IOU and _inside(boxes[j], ignored) < IOU:
            matrix[-1, found[j]["category_id"] - 1] += 1


def _boxes(entries: list[dict[str, Any]]) -> NDArray[np.float64]:
    return ltwh_to_xyxy(np.array([e["bbox"] for e in entries], float).reshape(-1, 4))


def _inside(box: NDArray[np.float64], regions: NDArray[np.float64]) -> float:
    """The largest share of a box that lies in one of the regions."""
    low, high = np.maximum(box[:2], regions[:, :2]), np.minimum(box[2:], regions[:, 2:])
    overlap = np.clip(high - low, 0, None).prod(axis=1)
    return float((overlap / (box[2:] - box[:2]).prod()).max(initial=0))
