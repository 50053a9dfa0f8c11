"""Chosen thresholds as JSON, as `smviz thresholds --json` prints them."""

from __future__ import annotations

from typing import Any

from smviz.choosing import Choice, ChosenThreshold, known
from smviz.intervals import HoldOut, Spread


def thresholds_document(choice: Choice) -> dict[str, Any]:
    """The threshold of all classes together, and that of each class; undefined is None."""
    return {
        "objective": str(choice.objective),
        "iou": choice.iou,
        "level": choice.pooled.interval.level,
        "global": _entry(choice.pooled),
        "classes": [{"class_name": row.name} | _entry(row) for row in choice.classes],
    }


def _entry(row: ChosenThreshold) -> dict[str, Any]:
    numbers = {"threshold": row.interval.point, "low": row.interval.low, "high": row.interval.high} | row.rates
    return {
        "objects": row.objects,
        **{name: known(value) for name, value in numbers.items()},
        **({} if row.reason else {"tp": row.counts.tp, "fp": row.counts.fp, "fn": row.counts.fn}),
        "flat": None if known(row.flat[0]) is None else list(row.flat),
        "weak": row.weak,
        "reason": row.reason,
        **({} if row.held_out is None else {"held_out": _held_out(row.held_out)}),
    }


def _held_out(held_out: HoldOut) -> dict[str, Any]:
    return {
        "threshold": _spread(held_out.threshold),
        "precision": _spread(held_out.judged("precision")),
        "recall": _spread(held_out.judged("recall")),
        "f1": _spread(held_out.judged("f1")),
        "directions": len(held_out.directions),
    }


def _spread(spread: Spread) -> dict[str, float | None]:
    return {"median": known(spread.median), "low": known(spread.low), "high": known(spread.high)}
