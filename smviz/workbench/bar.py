"""The bar: confidence slider on its histogram, IoU, sizes, classes, and the live numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smviz.colours import MARKS, class_colours
from smviz.intervals import Interval, Rates
from smviz.matching import Matches
from smviz.workbench.component import component
from smviz.workbench.part import Part

_component = component("bar", "chips.js")


@dataclass(frozen=True)
class BarState:
    """What the bar chooses: the confidence from which on a detection counts, and what is counted."""

    threshold: float
    part: Part


def bar(
    live: Mapping[str, Any],
    *,
    key: str,
    revision: int,
    best: float | None,
    best_label: str,
    rates: Rates | None,
) -> None:
    """Show the bar. What a person chose is in the session's state under `key` at the next rerun; see `reported`.

    Args:
        live: what the data of every live component holds.
        key: names the bar on the page.
        revision: another one than before makes the browser take the state of `live`; else it keeps its own.
        best: a threshold to mark on the slider.
        best_label: what it is best for.
        rates: precision, recall and F1 of just this state, with their intervals; None where they are not there yet.
    """
    names = live["layout"]["classes"]
    data = {
        **live,
        "revision": revision,
        "best": best,
        "best_label": best_label,
        "intervals": None if rates is None else {name: _sent(interval) for name, interval in vars(rates).items()},
        "colours": {**MARKS, "classes": [class_colours(names)[name] for name in names]},
    }
    _component(key=key, data=data, default={"state": None}, on_state_change=lambda: None)


def reported(told: Mapping[str, Any] | None, revision: int, matches: Matches) -> BarState | None:
    """What the browser last told; None where that is older than what Python gave, or not to be used."""
    if told is None or told.get("revision") != revision:
        return None
    settings, classes = matches.settings, told["classes"]
    known = range(len(matches.ground_truth.class_names))
    try:
        part = Part(
            settings.ious[told["iou"]],
            settings.areas[told["area"]][0],
            None if classes is None else tuple(sorted(known[k] for k in set(classes))),
        )
    except (IndexError, TypeError):
        return None
    return BarState(min(1.0, max(0.0, float(told["threshold"]))), part)


def _sent(interval: Interval) -> dict[str, Any]:
    if math.isnan(interval.low):
        return {"low": None, "high": None, "method": "No interval: there is nothing to tell it from."}
    return {
        "low": interval.low,
        "high": interval.high,
        "method": f"{interval.level:.0%} interval by {interval.method}.",
    }
