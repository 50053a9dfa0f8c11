"""Random data sets in COCO JSON, and what pycocotools makes of them."""

import contextlib
import io
import json
from functools import cache

import numpy as np
import ultrafast_pycocotools
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from smviz.annotations import parse_ground_truth, parse_results
from smviz.records import GroundTruth, Predictions

NUMBERS = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]


def random_set(seed):
    """A data set of a few images with everything that makes matching hard; every kind of id starts at 0.

    Crowds, ties of scores, duplicate boxes, areas that are not width x height or lie on a border, empty images, classes
    without objects or without detections, files out of order, and for every fourth seed over 100 detections per image.
    """
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(1, 5))
    image_ids = [*(rng.permutation(30)[: int(rng.integers(0, 8))] + 1).tolist(), 0]
    decimals = int(rng.integers(1, 4)) if seed % 3 else 12
    whole = bool(seed % 2)
    annotations, results = [], []
    for image_id in image_ids:
        if rng.random() < 0.15:
            continue
        for _ in range(int(rng.integers(0, 9))):
            side = float(rng.choice([20.0, 32.0, 60.0, 96.0, 150.0]))
            box = np.concatenate([rng.uniform(0, 80, 2), side * rng.uniform(0.7, 1.4, 2)])
            box = np.round(box) if whole else box
            area = float(rng.choice([box[2] * box[3], box[2] * box[3] * 0.6, 32.0**2, 96.0**2]))
            crowd = int(rng.random() < 0.12)
            klass = int(rng.integers(0, max(classes - 1, 1)))
            copies = 2 if rng.random() < 0.1 else 1
            annotations += [(image_id, klass, box, area, crowd)] * copies
            for _ in range(int(rng.integers(0, 5))):
                near = box + rng.normal(0, side * rng.choice([0.0, 0.03, 0.1, 0.3]), 4)
                near[2:] = np.maximum(near[2:], 1)
                named = klass if rng.random() < 0.8 else int(rng.integers(0, classes))
                results.append((image_id, named, np.round(near) if whole else near, round(rng.random(), decimals)))
        for _ in range(130 if seed % 4 == 0 and image_id == image_ids[0] else int(rng.integers(0, 5))):
            box = np.concatenate([rng.uniform(0, 120, 2), rng.uniform(5, 150, 2)])
            results.append(
                (image_id, int(rng.integers(0, classes)) if seed % 8 else 0, box, round(rng.random(), decimals))
            )
    return coco_json(image_ids, classes, [annotations[i] for i in rng.permutation(len(annotations))]), results_json(
        [results[i] for i in rng.permutation(len(results))]
    )


def coco_json(image_ids, classes, annotations):
    """COCO ground truth from (image id, class, ltwh, area, crowd); class and annotation ids count from 0."""
    return {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in image_ids],
        "annotations": [
            {"id": n, "image_id": i, "category_id": k, "bbox": list(map(float, b)), "area": area, "iscrowd": crowd}
            for n, (i, k, b, area, crowd) in enumerate(annotations)
        ],
        "categories": [{"id": k, "name": f"class {k}"} for k in range(classes)],
    }


def results_json(results):
    """COCO results from (image id, class, ltwh, score)."""
    return [
        {"image_id": i, "category_id": k, "bbox": list(map(float, box)), "score": float(score)}
        for i, k, box, score in results
    ]


def columns(truth, results):
    """The same data as smviz reads it."""
    ground_truth = parse_ground_truth(json.dumps(truth).encode())
    return ground_truth, parse_results(json.dumps(results).encode(), ground_truth)


def random_columns(seed):
    """A random set as smviz reads it."""
    return columns(*random_set(seed))


def dense_set(seed):
    """Four images with about 180 detections of one class on each, more than COCO keeps, and few of another class.

    Objects and crowds overlap each other, so that who chooses first decides what is left. Scores tie at even seeds.
    """
    rng = np.random.default_rng(seed)
    annotations, results = [], []
    for image_id in range(4):
        boxes = np.concatenate([rng.uniform(0, 120, (14, 2)), rng.uniform(15, 130, (14, 2))], axis=1)
        for box in boxes:
            area = float(rng.choice([box[2] * box[3], 32.0**2, 96.0**2]))
            annotations.append((image_id, int(rng.random() < 0.15), box, area, int(rng.random() < 0.2)))
        for _ in range(210):
            box = boxes[rng.integers(len(boxes))] + rng.normal(0, rng.choice([1.0, 5.0, 20.0]), 4)
            box[2:] = np.maximum(box[2:], 1)
            results.append((image_id, int(rng.random() < 0.15), box, round(rng.random(), 12 if seed % 2 else 2)))
    return coco_json(range(4), 2, annotations), results_json([results[i] for i in rng.permutation(len(results))])


def shifted(truth, results, by=1):
    """A copy of the files with every id raised."""
    truth, results = json.loads(json.dumps([truth, results]))
    for entry in truth["images"] + truth["annotations"] + truth["categories"]:
        entry["id"] += by
    for entry in truth["annotations"] + results:
        entry["image_id"] += by
        entry["category_id"] += by
    return truth, results


def pycocotools(truth, results, evaluator=COCOeval, shift=1):
    """The evaluation by pycocotools, with every id shifted by one, because it takes annotation 0 for no match."""
    truth, results = shifted(truth, results, shift)
    with contextlib.redirect_stdout(io.StringIO()):
        known, found = COCO(), COCO()
        known.dataset = truth
        known.createIndex()
        found.dataset = truth | {"annotations": []}
        found.createIndex()
        evaluation = evaluator(known, known.loadRes(results) if results else found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


class HeedsIgnore(COCOeval):
    """pycocotools, but an annotation that is `difficult` is ignored as `evaluateImg` ignores what is marked `ignore`.

    Its own `_prepare` reads `ignore` and then overwrites it by `iscrowd`.
    """

    def _prepare(self):
        super()._prepare()
        for truths in self._gts.values():
            for truth in truths:
                truth["ignore"] = truth["ignore"] or truth.get("difficult", 0)


def ultrafast(truth, results):
    """The evaluation by ultrafast-pycocotools, another program in another language; it takes ids as they are."""
    known = ultrafast_pycocotools.COCO(truth)
    evaluation = ultrafast_pycocotools.COCOeval(known, known.loadRes(results), "bbox")
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.run()
    return evaluation


@cache
def oracle(seed):
    """The evaluation of a random set by pycocotools."""
    return pycocotools(*random_set(seed))


def oracle_numbers(evaluation):
    """The twelve numbers of pycocotools by name, NaN for its -1."""
    return {name: np.nan if value == -1 else value for name, value in zip(NUMBERS, evaluation.stats, strict=True)}


def small_set(objects=(), detections=(), images=2, classes=2, sizes=(640, 480)):
    """Columns by hand: objects (image, class, ltwh[, area[, crowd]]), detections (image, class, ltwh, confidence)."""
    full = [(*row, row[2][2] * row[2][3])[:4] if len(row) < 4 else row[:4] for row in objects]
    ground_truth = GroundTruth(
        image_names=tuple(f"{i}.jpg" for i in range(images)),
        image_ids=tuple(range(images)),
        image_sizes=np.array([sizes] * images),
        class_names=tuple(f"class {k}" for k in range(classes)),
        category_ids=tuple(range(classes)),
        image=[row[0] for row in full],
        class_id=[row[1] for row in full],
        ltwh=[row[2] for row in full],
        area=[row[3] for row in full],
        crowd=[len(row) > 4 and row[4] for row in objects],
    )
    return ground_truth, Predictions(
        image=[row[0] for row in detections],
        class_id=[row[1] for row in detections],
        ltwh=[row[2] for row in detections],
        confidence=[row[3] for row in detections],
    )
