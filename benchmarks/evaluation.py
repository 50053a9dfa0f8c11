"""How long an evaluation takes step by step: `python -m benchmarks.evaluation [images] [detections]`.

With two files named after the numbers, it writes the data set to them as COCO JSON and does nothing else.

The data set is made up: COCO's validation set in size (5,000 images, about 36,000 objects, 80 classes of very different
frequency), with 100 detections per image of which about one in ten is near an object.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from smviz.annotations import ground_truth_json, parse_ground_truth, parse_results, results_json
from smviz.evaluation import evaluate
from smviz.matching import match
from smviz.metrics import coco_numbers, per_image
from smviz.operating import ThresholdTable, best_f1, sweep
from smviz.records import GroundTruth, Predictions

Result = TypeVar("Result")

CLASSES = 80
PORTION = 100_000


def main(images: int = 5_000, detections: int = 500_000) -> None:
    """Time each step once, in this process's CPU seconds."""
    ground_truth, predictions = made_up(images, detections)
    truth_file, results_file = ground_truth_json(ground_truth), results_json(predictions, ground_truth)
    del predictions
    ground_truth = timed("parse ground truth", lambda: parse_ground_truth(truth_file))
    predictions = timed("parse results", lambda: parse_results(results_file, ground_truth))
    matches = timed("match", lambda: match(ground_truth, predictions))
    timed("twelve numbers", lambda: coco_numbers(matches))
    table = timed("threshold table", lambda: ThresholdTable(matches))
    thresholds = np.linspace(0, 1, 1000).tolist()  # milliseconds for all are microseconds for one
    timed("1000 look-ups, 80 classes", lambda: [table.counts(threshold) for threshold in thresholds])
    evaluation = evaluate(ground_truth, predictions)
    pooled = timed("sweep, pooled", lambda: sweep(matches))
    timed("best F1, pooled", lambda: best_f1(pooled))
    timed("counts at a threshold", lambda: pooled.at(0.5))
    timed("class table, first", lambda: evaluation.class_table(0.5))
    timed("class table, again", lambda: evaluation.class_table(0.4))
    timed("image table", lambda: evaluation.image_table(0.5))
    timed("image table at a threshold", lambda: per_image(matches, 0.5))
    print(f"{'peak of the process':26} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB")


def written(images: int, detections: int, truth: str, results: str) -> None:
    """Write the data set some detections at a time, so that ten times the size needs no ten times the memory."""
    ground_truth, predictions = made_up(images, detections)
    Path(truth).write_bytes(ground_truth_json(ground_truth))
    with Path(results).open("wb") as file:
        for start in range(0, detections, PORTION):
            rows = slice(start, start + PORTION)
            part = results_json(
                Predictions(
                    predictions.image[rows],
                    predictions.class_id[rows],
                    predictions.ltwh[rows],
                    predictions.confidence[rows],
                ),
                ground_truth,
            )
            file.write((b"," if start else b"[") + part[1:-1])
        file.write(b"]")


def timed(what: str, work: Callable[[], Result]) -> Result:
    """Run once and print the CPU time."""
    start = time.process_time()
    result = work()
    print(f"{what:26} {1000 * (time.process_time() - start):8.2f} ms")
    return result


def made_up(images: int, detections: int, seed: int = 0) -> tuple[GroundTruth, Predictions]:
    """A random data set of the size asked for; objects: 7.2 per image."""
    rng = np.random.default_rng(seed)
    objects = int(7.2 * images)
    frequency = 1 / np.arange(1, CLASSES + 1)
    image = rng.integers(0, images, objects)
    class_id = rng.choice(CLASSES, objects, p=frequency / frequency.sum())
    sides = np.exp(rng.normal(4, 1, (objects, 2)))
    ltwh = np.concatenate([rng.uniform(0, 500, (objects, 2)), sides], axis=1).round(2)
    ground_truth = GroundTruth(
        image_names=tuple(f"{i:012d}.jpg" for i in range(images)),
        image_ids=tuple(range(1, images + 1)),
        image_sizes=np.full((images, 2), 640),
        class_names=tuple(f"class {k}" for k in range(CLASSES)),
        category_ids=tuple(range(1, CLASSES + 1)),
        image=image,
        class_id=class_id,
        ltwh=ltwh,
        area=sides.prod(axis=1) * 0.7,
        crowd=rng.random(objects) < 0.01,
    )
    near = rng.integers(0, objects, detections // 10)
    far = detections - len(near)
    shaken = ltwh[near] + rng.normal(0, 0.08, (len(near), 4)) * np.tile(sides[near], 2)
    shaken[:, 2:] = np.maximum(shaken[:, 2:], 1)
    elsewhere = np.concatenate([rng.uniform(0, 500, (far, 2)), np.exp(rng.normal(4, 1, (far, 2)))], axis=1)
    where = np.concatenate([image[near], rng.integers(0, images, far)])
    rows = np.argsort(where, kind="stable")
    return ground_truth, Predictions(
        image=where[rows],
        class_id=np.concatenate([class_id[near], rng.choice(CLASSES, far, p=frequency / frequency.sum())])[rows],
        ltwh=np.concatenate([shaken, elsewhere])[rows].round(2),
        confidence=np.concatenate([rng.beta(3, 2, len(near)), rng.beta(1, 6, far)])[rows].round(4),
    )


if __name__ == "__main__":
    if len(sys.argv) > 3:
        written(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:5])
    else:
        main(*map(int, sys.argv[1:]))
