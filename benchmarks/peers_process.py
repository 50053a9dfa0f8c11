"""One evaluator in this process: `python -m benchmarks.peers_process NAME TRUTH RESULTS [REPEATS]`.

The last line printed is JSON: the twelve numbers and, with repeats, the best CPU and wall seconds of evaluating and
accumulating what has been loaded. Nothing but the evaluator asked for is imported.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

Evaluation = Callable[[], Callable[[], list[float]]]  # evaluates and accumulates; what it returns gives the numbers


def main(name: str, truth: str, results: str, repeats: int = 0) -> None:
    """Load the files and evaluate them, once or for the best of some repeats."""
    evaluation = LOADERS[name](truth, results)
    seconds = []
    for _ in range(max(repeats, 1)):
        cpu, wall = time.process_time(), time.perf_counter()
        numbers = evaluation()
        seconds.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpu_best, wall_best = (min(column) for column in zip(*seconds, strict=True))
    print(json.dumps({"numbers": numbers(), "cpu": cpu_best, "wall": wall_best} if repeats else {"numbers": numbers()}))


def smviz(truth: str, results: str) -> Evaluation:
    annotations = importlib.import_module("smviz.annotations")
    match = importlib.import_module("smviz.matching").match
    coco_numbers = importlib.import_module("smviz.metrics").coco_numbers
    ground_truth = annotations.read_ground_truth(Path(truth))
    predictions = annotations.read_results(Path(results), ground_truth)

    def evaluation() -> Callable[[], list[float]]:
        numbers = coco_numbers(match(ground_truth, predictions))
        return lambda: list(numbers.values())

    return evaluation


def like_pycocotools(module: str, evaluator: str = "COCOeval", coco: str = "") -> Callable[[str, str], Evaluation]:
    """The loader of an evaluator that has the classes and methods of pycocotools."""

    def load(truth: str, results: str) -> Evaluation:
        evaluator_of, coco_of = importlib.import_module(module), importlib.import_module(coco or module)
        known = coco_of.COCO(truth)
        found = known.loadRes(results)

        def evaluation() -> Callable[[], list[float]]:
            made = getattr(evaluator_of, evaluator)(known, found, "bbox")
            made.evaluate()
            made.accumulate()

            def numbers() -> list[float]:
                made.summarize()
                return [float(value) for value in made.stats[:12]]

            return numbers

        return evaluation

    return load


LOADERS: dict[str, Callable[[str, str], Evaluation]] = {
    "smviz": smviz,
    "pycocotools": like_pycocotools("pycocotools.cocoeval", coco="pycocotools.coco"),
    "faster-coco-eval": like_pycocotools("faster_coco_eval", "COCOeval_faster"),
    "hotcoco": like_pycocotools("hotcoco"),
    "ultrafast-pycocotools": like_pycocotools("ultrafast_pycocotools"),
}


if __name__ == "__main__":
    name_given, truth_file, results_file, *times = sys.argv[1:]
    main(name_given, truth_file, results_file, *map(int, times))
