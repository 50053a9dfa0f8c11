"""The thresholds to ship: of all classes pooled and of each class, each with its interval; and the file of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from smviz.intervals import Bootstrap, HoldOut, Interval, hold_out, is_weak, leaned_threshold
from smviz.matching import Floats, Matches
from smviz.metrics import Counts
from smviz.operating import (
    F1,
    Objective,
    OperatingPoint,
    Sweep,
    fingerprint,
    flat_region,
    operating_point,
    operating_points,
    sweeps,
)
from smviz.records import Outcome
from smviz.store import Run
from smviz.thresholds import Threshold, Thresholds

POOLED = "all classes"

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class ChosenThreshold:
    """A threshold and what it gives; of a weak class, the threshold of all classes pooled.

    Attributes:
        name: of the class, or `POOLED`.
        objects: how many there are to be found.
        interval: of the threshold; its point is what to ship, NaN where there is none.
        flat: the lowest and the highest threshold round it between which little changes, as `operating.flat_region`
            gives them; NaN, NaN where there is none.
        counts: of the class at the threshold.
        weak: whether the class has too few objects for a threshold of its own.
        reason: why there is no threshold, one sentence; "" where there is one.
        held_out: what it is worth on images that did not choose it; None where that was not asked for, of a weak class,
            and where there are fewer than two images.
    """

    name: str
    objects: int
    interval: Interval
    flat: tuple[float, float]
    counts: Counts
    weak: bool
    reason: str = ""
    held_out: HoldOut | None = None

    @property
    def rates(self) -> dict[str, float]:
        """Precision, recall and F1 at the threshold; NaN where there is none."""
        found = {"precision": self.counts.precision, "recall": self.counts.recall, "f1": self.counts.f1}
        return dict.fromkeys(found, math.nan) if self.reason else found


@dataclass(frozen=True, eq=False)
class Choice:
    """The thresholds for an objective: the pooled one, and that of each class where they were wanted."""

    matches: Matches
    objective: Objective
    iou: float
    pooled: ChosenThreshold
    classes: tuple[ChosenThreshold, ...]

    @property
    def weak(self) -> tuple[str, ...]:
        """The classes with objects, but too few for a threshold of their own."""
        return tuple(row.name for row in self.classes if row.weak and row.objects)


def choose(
    matches: Matches,
    objective: Objective = F1,
    iou: float = 0.5,
    per_class: bool = True,
    held_out: bool = False,
    bootstrap: Bootstrap | None = None,
    progress: Progress | None = None,
) -> Choice:
    """The operating point of all classes pooled and of each class, with intervals.

    Args:
        matches: of all images.
        objective: what to choose for.
        iou: from which overlap on a detection is right.
        per_class: whether each class gets a threshold, too.
        held_out: whether each is also judged on images that did not choose it.
        bootstrap: of these matches, where it is at hand.
        progress: called with the share of the work that is done; what it raises ends the work.

    Raises:
        BadSetting: when nothing was matched at the IoU.
    """
    names = matches.ground_truth.class_names if per_class else ()
    images = len(matches.ground_truth.image_names)
    every = sweeps(matches, (None, *range(len(names))), iou)
    points = [operating_point(swept, objective, images) for swept in every]
    bootstrap = bootstrap or Bootstrap(matches)
    rows: list[ChosenThreshold] = []
    for place, (name, swept, point) in enumerate(zip((POOLED, *names), every, points, strict=True)):
        class_id = place - 1 if place else None
        leans = class_id is not None and is_weak(swept.positives)
        if leans:
            row = _leaning(name, swept, rows[0])
        else:
            step = _step(progress, place, len(every))
            row = _own(name, class_id, swept, point, bootstrap, objective, iou, step)
        if held_out and not leans and images > 1:
            row = _judged_elsewhere(row, matches, objective, iou, class_id)
        rows.append(row)
        if progress:
            progress((place + 1) / len(every))
    return Choice(matches, objective, iou, rows[0], tuple(rows[1:]))


def at_once(matches: Matches, objective: Objective = F1, iou: float = 0.5) -> tuple[OperatingPoint, Floats]:
    """What `choose` will choose, without intervals: the pooled operating point, and the threshold of each class [K].

    A class that has no threshold of its own has the pooled one, as production applies it; NaN where there is none.

    Raises:
        BadSetting: when nothing was matched at the IoU.
    """
    points = operating_points(matches, objective, iou)
    leaned = map(leaned_threshold, points.classes, [points.pooled] * len(points.classes), matches.positives().tolist())
    values = np.array([points.pooled.confidence if math.isnan(value) else value for value in leaned])
    return points.pooled, values


def thresholds_of(choice: Choice, run: Run | None = None, variants: Iterable[str] = ()) -> Thresholds:
    """What goes to production; a class that has no threshold of its own is left to the global one.

    Where the run's class map gives the endpoint's classes other names than the ground truth has, both names are there:
    production sees the endpoint's.

    Args:
        choice: whose pooled threshold exists.
        run: that gave the detections; None where they are from a file.
        variants: the production variants that answered; named where there is just one.
    """
    truth, named = choice.matches.ground_truth, sorted(set(variants))
    told = sorted((row for row in choice.classes if not row.reason), key=lambda row: row.objects)  # the last one stays
    classes = {row.name: _threshold(row) for row in told}
    mapped = run.class_map if run else ()
    meant = {name: classes[class_name] for name, class_name in mapped if class_name in classes}
    return Thresholds(
        overall=_threshold(choice.pooled),
        classes=classes | meant,
        objective=str(choice.objective),
        iou=choice.iou,
        level=choice.pooled.interval.level,
        fingerprint=fingerprint(truth),
        images=len(truth.image_names),
        objects=choice.pooled.objects,
        endpoint=run.request.endpoint if run else "",
        config=run.endpoint_config if run else "",
        variant=named[0] if len(named) == 1 else "",
        run_id=run.id if run else "",
        run_name=run.name if run else "",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def variants_of(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """The production variants that answered, as far as replies tell them."""
    return tuple(sorted({one.reply.variant for one in outcomes if one.reply and one.reply.variant}))


def known(value: float) -> float | None:
    """A number for a file: None where it is undefined."""
    return None if math.isnan(value) else value


def _own(
    name: str,
    class_id: int | None,
    swept: Sweep,
    point: OperatingPoint,
    bootstrap: Bootstrap,
    objective: Objective,
    iou: float,
    progress: Progress | None,
) -> ChosenThreshold:
    interval = bootstrap.threshold(objective, iou, class_id, progress)
    flat = flat_region(swept, objective, len(bootstrap.matches.ground_truth.image_names))
    weak = is_weak(swept.positives)
    return ChosenThreshold(name, swept.positives, interval, flat, swept.at(interval.point), weak, point.reason)


def _step(progress: Progress | None, place: int, steps: int) -> Progress | None:
    """The progress of one of the steps, as a part of all: the first takes as long as many classes together."""
    return (lambda share: progress((place + share) / steps)) if progress else None


def _leaning(name: str, swept: Sweep, pooled: ChosenThreshold) -> ChosenThreshold:
    point, region = pooled.interval.point, (math.nan, math.nan)
    return ChosenThreshold(name, swept.positives, pooled.interval, region, swept.at(point), True, pooled.reason)


def _judged_elsewhere(
    row: ChosenThreshold, matches: Matches, objective: Objective, iou: float, class_id: int | None
) -> ChosenThreshold:
    return replace(row, held_out=hold_out(matches, objective, iou, class_id))


def _threshold(row: ChosenThreshold) -> Threshold:
    low, high = known(row.interval.low), known(row.interval.high)
    return Threshold(row.interval.point, low, high, objects=row.objects, weak=row.weak)
