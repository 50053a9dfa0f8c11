"""How the calls of a run went, as JSON: latency, who answered, what 1,000 images cost, and why images failed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from smviz.choosing import known
from smviz.pricing import cost_per_1000, idle_cost_per_day
from smviz.records import Outcome
from smviz.reporting.subject import Subject
from smviz.runner.progress import quantiles

BINS = 40
NAMED = 8  # images that a cause names


def calls_document(subject: Subject) -> dict[str, Any] | None:
    """Latency in seconds over the calls that were made, the variants that answered and the cost; None for a file."""
    if subject.run is None:
        return None
    called = [one.reply for one in subject.outcomes if one.reply and not one.reused]
    latency = [reply.latency for reply in called if math.isfinite(reply.latency)]
    model = [reply.model for reply in called if reply.model is not None]
    variants = Counter(one.reply.variant for one in subject.outcomes if one.reply and one.reply.variant)
    mean = float(np.mean(latency)) if latency else math.nan
    price = subject.usd_per_hour
    return {
        "images": subject.run.total,
        "answered": subject.run.answered,
        "failed": subject.run.failed,
        "reused": sum(one.reused for one in subject.outcomes),
        "timed": len(latency),
        "latency": {
            **{name: known(value) for name, value in zip(("p50", "p95", "p99"), quantiles(latency), strict=True)},
            "mean": known(mean),
            "model_p50": float(np.median(model)) if model else None,
        },
        "histogram": _histogram(latency),
        "variants": dict(variants.most_common()),
        "usd_per_hour": known(price),
        "usd_per_1000_images": known(cost_per_1000(None if math.isnan(price) else price, 1, mean)),
        "usd_per_idle_day": known(idle_cost_per_day(None if math.isnan(price) else price)),
    }


def failures_document(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """The failures grouped by what went wrong, the most frequent first; "…" stands where an image's name stood."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for one in outcomes:
        if one.failure:
            why = one.failure
            groups.setdefault((why.kind, why.message.replace(one.image, "…"), why.advice), []).append(one.image)
    return [
        {"kind": kind, "message": message, "advice": advice, "images": len(names), "first": names[:NAMED]}
        for (kind, message, advice), names in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]


def _histogram(latency: list[float]) -> dict[str, Any] | None:
    """Seconds in equal bins; the slowest hundredth stands in the last one."""
    if not latency:
        return None
    shown = np.minimum(latency, np.quantile(latency, 0.99) * 1.05)
    counts, edges = np.histogram(shown, BINS)
    return {"edges": edges.tolist(), "counts": counts.tolist()}
