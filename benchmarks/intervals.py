"""How long intervals take, and how much memory: `python -m benchmarks.intervals [images] [detections] [resamples]`.

The data set is that of `benchmarks.evaluation`: COCO's validation set in size.
"""

from __future__ import annotations

import resource
import sys

from benchmarks.evaluation import made_up, timed
from smviz.intervals import Bootstrap, difference, hold_out
from smviz.matching import match
from smviz.operating import F1, parse_objective


def main(images: int = 5_000, detections: int = 500_000, resamples: int = 1_000) -> None:
    """Time each step once, in this process's CPU seconds."""
    matches = match(*made_up(images, detections))
    bootstrap = timed("draw images", lambda: Bootstrap(matches, resamples))
    numbers = timed("twelve numbers", bootstrap.numbers)
    timed("AP of each class", lambda: bootstrap.classes("AP"))
    timed("rates at a threshold", lambda: bootstrap.rates(0.5))
    timed("threshold F1, pooled", lambda: bootstrap.threshold(F1))
    timed("threshold F1, class 40", lambda: bootstrap.threshold(F1, class_id=40))
    few = Bootstrap(matches, max(resamples // 10, 10))
    timed("precision>=0.7, a tenth", lambda: few.threshold(parse_objective("precision>=0.7")))
    timed("two runs, again", lambda: difference(bootstrap, bootstrap).numbers())
    timed("hold out", lambda: hold_out(matches))
    print(f"{'peak of the process':24} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB")
    for name, number in numbers.items():
        print(f"{name:6} {number.point:.4f}  {number.low:.4f} to {number.high:.4f}  {number.method}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
