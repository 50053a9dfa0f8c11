"""The numbers of an evaluation as JSON: what `smviz evaluate --json` prints, and what a report begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smviz.choosing import known
from smviz.evaluation import Evaluation
from smviz.intervals import Bootstrap, Interval, is_weak

RATES = ("precision", "recall", "f1")


@dataclass(frozen=True, slots=True)
class At:
    """Where precision, recall and F1 are taken: the threshold, and the IoU from which a detection is right."""

    confidence: float
    iou: float = 0.5


def numbers_document(
    evaluation: Evaluation, notes: Sequence[str], bootstrap: Bootstrap | None = None, at: At | None = None
) -> dict[str, Any]:
    """COCO's twelve numbers at the top, in full precision; what is undefined is None.

    Args:
        evaluation: whose numbers they are.
        notes: what was left out or mended.
        bootstrap: of the same matches; with it numbers have "intervals", and classes "AP_interval".
        at: with it there is "at_confidence", and classes have their counts there.
    """
    truth, predictions = evaluation.matches.ground_truth, evaluation.matches.predictions
    skipped = truth.skipped + predictions.skipped
    return {
        **{name: known(value) for name, value in evaluation.numbers.items()},
        **({} if bootstrap is None else {"intervals": _intervals(bootstrap)}),
        **({} if at is None else {"at_confidence": _at_confidence(evaluation, bootstrap, at)}),
        "per_class": _classes(evaluation, bootstrap, at),
        "settings": _settings(evaluation),
        "notes": list(notes),
        "skipped": [{"file": one.file, "where": one.where, "why": one.why} for one in skipped],
    }


def interval_entry(interval: Interval) -> dict[str, Any]:
    """An interval as JSON."""
    return {"low": known(interval.low), "high": known(interval.high), "method": interval.method}


def _settings(evaluation: Evaluation) -> dict[str, Any]:
    matches = evaluation.matches
    settings = matches.settings
    return {
        "protocol": "COCO",
        "ious": list(settings.ious),
        "areas": {name: [low, high] for name, low, high in settings.areas},
        "max_detections": list(settings.max_detections),
        "min_confidence": 0.0,
        "images": len(matches.ground_truth.image_names),
        "objects": int(matches.positives().sum()),
        "detections": len(matches.predictions),
    }


def _intervals(bootstrap: Bootstrap) -> dict[str, Any]:
    numbers = {name: interval_entry(interval) for name, interval in bootstrap.numbers().items()}
    return {"level": bootstrap.level, "resamples": bootstrap.resamples, "seed": bootstrap.seed, **numbers}


def _at_confidence(evaluation: Evaluation, bootstrap: Bootstrap | None, at: At) -> dict[str, Any]:
    counts = evaluation.sweep(None, at.iou).at(at.confidence)
    rates = {rate: known(getattr(counts, rate)) for rate in RATES}
    intervals = {}
    if bootstrap is not None:
        pooled, _ = bootstrap.rates(at.confidence, at.iou)
        intervals = {"intervals": {rate: interval_entry(getattr(pooled, rate)) for rate in RATES}}
    where = {"confidence": at.confidence, "iou": at.iou}
    return where | {"tp": counts.tp, "fp": counts.fp, "fn": counts.fn} | rates | intervals


def _classes(evaluation: Evaluation, bootstrap: Bootstrap | None, at: At | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "class_name": row.name,
            "objects": row.objects,
            "detections": row.detections,
            "AP": known(row.ap),
            "AP50": known(row.ap50),
            "best_threshold": known(row.best_threshold),
            "weak": is_weak(row.objects),
        }
        for row in evaluation.class_table(confidence=0.0)
    ]
    if bootstrap is not None:
        for row, interval in zip(rows, bootstrap.classes("AP"), strict=True):
            row["AP_interval"] = interval_entry(interval)
    if at is not None:
        for row, there in zip(rows, evaluation.class_table(at.confidence, at.iou), strict=True):
            row |= {"tp": there.tp, "fp": there.fp, "fn": there.fn}
            row |= {rate: known(getattr(there, rate)) for rate in RATES}
    return rows
