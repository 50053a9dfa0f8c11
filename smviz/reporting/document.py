"""A report's numbers as one JSON object: what `smviz evaluate --json` tells, and everything else that was found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np

from smviz import __version__
from smviz.choosing import known, variants_of
from smviz.diagnosis import Breakdown
from smviz.matching import Floats
from smviz.operating import fingerprint
from smviz.records import Outcome
from smviz.reporting.calls import calls_document, failures_document
from smviz.reporting.findings import BINS, Findings
from smviz.reporting.numbers import numbers_document
from smviz.reporting.subject import Subject
from smviz.reporting.thresholds import thresholds_document
from smviz.settings import is_loopback
from smviz.store import Run

FORMAT = 1


def report_document(found: Findings, worst: Iterable[tuple[str, int, int, int]]) -> dict[str, Any]:
    """All numbers, in full precision; what is undefined is None.

    Args:
        found: what was computed.
        worst: name, true positives, false positives and misses of the images that are shown.
    """
    subject, options = found.subject, found.options
    cutoffs = subject.cutoffs
    notes = (*subject.evaluation.notes, *(f"{cutoff.sentence} {cutoff.advice}" for cutoff in cutoffs))
    return {
        **numbers_document(subject.evaluation, notes, found.bootstrap, found.at),
        "report": {
            "format": FORMAT,
            "title": options.title or subject.name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "smviz_version": __version__,
            "images": options.images,
        },
        "thresholds": thresholds_document(found.choice),
        "limits": [{"kind": cutoff.kind, "value": cutoff.value, "share": cutoff.share} for cutoff in cutoffs],
        "curves": _curves(found),
        "score_histogram": {"bins": BINS, "tp": list(found.true), "fp": list(found.false)},
        "tide": _tide(found),
        "confusion": _confusion(found),
        "calibration": _calibration(found),
        "breakdowns": {title: _breakdown(breakdown) for title, breakdown in found.breakdowns.items()},
        "worst_images": [dict(zip(("name", "tp", "fp", "fn"), row, strict=True)) for row in worst],
        "calls": calls_document(subject),
        "failures": failures_document(subject.outcomes),
        "provenance": _provenance(subject),
    }


def to_json(document: dict[str, Any]) -> str:
    """The document as text; a lone surrogate, which UTF-8 does not have, is written as JSON's own escape."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    return text.encode("utf-8", "backslashreplace").decode()


def _curves(found: Findings) -> dict[str, Any]:
    names = found.matches.ground_truth.class_names
    rates = {"precision": found.precision, "recall": found.recall, "f1": found.f1}
    return {
        "iou": found.at.iou,
        "confidence": found.confidence.tolist(),
        **{name: _listed(values) for name, values in rates.items()},
        "precision_at_recalls": [
            {"class_name": names[k], "precision": _listed(curve)}
            for k, curve in zip(found.shown, found.curves, strict=True)
        ],
    }


def _tide(found: Findings) -> dict[str, Any] | None:
    if found.tide is None:
        return None
    tide = found.tide
    return {
        "iou": tide.positive,
        "background": tide.background,
        "ap": known(tide.ap),
        "errors": [{"name": e.name, "count": len(e), "delta_ap": known(e.delta_ap)} for e in tide.errors],
        "false_positives": known(tide.false_positives),
        "false_negatives": known(tide.false_negatives),
    }


def _confusion(found: Findings) -> dict[str, Any]:
    """The cells that are not 0; None is background."""
    names = (*found.matches.ground_truth.class_names, None)
    counts = found.confusion.counts
    cells = [
        {"labelled": names[row], "found_as": names[column], "times": int(counts[row, column])}
        for row, column in np.argwhere(counts > 0).tolist()
    ]
    return {"confidence": found.at.confidence, "iou": found.at.iou, "cells": cells}


def _calibration(found: Findings) -> dict[str, Any]:
    diagram = found.calibration
    columns = {"count": diagram.count.tolist(), "confidence": _listed(diagram.confidence)}
    return {
        "iou": found.at.iou,
        "d_ece": known(diagram.error),
        "d_ece_kept": known(found.kept_error),
        "laece0": known(found.placed_error),
        "bins": columns | {"precision": _listed(diagram.target)},
    }


def _breakdown(breakdown: Breakdown) -> list[dict[str, Any]]:
    """The parts that have an object."""
    return [
        {
            "part": breakdown.names[part],
            "objects": int(breakdown.objects[part]),
            "recall": known(float(breakdown.recall[part])),
            "precision": known(float(breakdown.precision[part])),
            "ap": known(float(breakdown.ap[part])),
        }
        for part in np.flatnonzero(breakdown.objects > 0).tolist()
    ]


def _provenance(subject: Subject) -> dict[str, Any]:
    run, truth = subject.run, subject.evaluation.matches.ground_truth
    return {
        "ground_truth": fingerprint(truth),
        "images_sent": images_fingerprint(subject.outcomes) if run else None,
        "detections_file": subject.file or None,
        "run": _run(run) if run else None,
        "endpoint": _endpoint(run, subject.outcomes) if run and not run.imported else None,
        "reading": _reading(run) if run else None,
    }


def images_fingerprint(outcomes: Iterable[Outcome]) -> str:
    """A SHA-256 in hexadecimal of the names and the bytes of the images that were sent, in any order."""
    digest = hashlib.sha256()
    for name, sha256 in sorted((one.image, one.sha256) for one in outcomes):
        digest.update(repr((name, sha256)).encode() + b"\n")
    return digest.hexdigest()


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "name": run.name,
        "created": run.created,
        "source": run.source or None,
        "imported": run.imported or None,
        "note": run.note or None,
    }


def _endpoint(run: Run, outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Who was called, and how; custom attributes may hold a secret, so only that there are some is told."""
    request = {name: value for name, value in asdict(run.request).items() if value is not None and name != "endpoint"}
    if run.request.custom_attributes:
        request["custom_attributes"] = "set, not told here"
    return {
        "name": run.request.endpoint,
        "config": run.endpoint_config or None,
        "region": "on this machine" if is_loopback(run.connection.endpoint_url) else run.connection.region,
        "variants": list(variants_of(outcomes)),
        "request": request,
    }


def _reading(run: Run) -> dict[str, Any]:
    return {
        "format": run.preset.format,
        "options": dict(run.preset.options),
        "class_names": list(run.preset.class_names),
        "class_map": dict(run.class_map),
    }


def _listed(values: Floats) -> list[float | None]:
    return [known(value) for value in values.tolist()]
