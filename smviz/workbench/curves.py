"""Curves that follow the bar: precision, recall and F1 against confidence, and precision against recall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from smviz.colours import class_colours
from smviz.intervals import Bands
from smviz.matching import Floats, Matches
from smviz.workbench.component import component
from smviz.workbench.part import Part

MOST_LINES = 12  # with a colour; further classes are grey

_threshold_curve = component("threshold_curve", "plot.js", "curves.css")
_precision_recall = component("precision_recall", "plot.js", "curves.css")


def threshold_curve(
    live: Mapping[str, Any],
    *,
    key: str,
    best: float | None = None,
    best_label: str = "",
    bands: Bands | None = None,
    flat: tuple[float, float] | None = None,
    height: int = 300,
) -> None:
    """Precision, recall and F1 of the chosen classes together against confidence, counted in the browser.

    The line at the threshold can be dragged; all that follows the bar follows it too. What Python gives here belongs
    to the state in `live`: where the person has moved on to another IoU, size range or other classes, it is left out
    until it is given anew.

    Args:
        live: what the data of every live component holds, from `Derived.live`.
        key: names the chart on the page.
        best: a threshold to mark.
        best_label: what it is best for.
        bands: intervals to draw round the curves.
        flat: a region of thresholds to shade, low and high.
        height: of the chart in CSS pixels.
    """
    data = {
        **live,
        "best": best,
        "best_label": best_label,
        "bands": None if bands is None else _sent(bands),
        "flat": None if flat is None or np.isnan(flat).any() else list(flat),
        "height": height,
    }
    _threshold_curve(key=key, data=data)


def precision_recall(live: Mapping[str, Any], *, key: str, height: int = 300) -> None:
    """Precision against recall, a line per class with a point where the threshold is; counted in the browser.

    The most frequent of the chosen classes have a colour, the other classes are grey. A click on a line sets the
    threshold to that of the place that was clicked.
    """
    names = live["layout"]["classes"]
    colours = [class_colours(names)[name] for name in names]
    _precision_recall(key=key, data={**live, "colours": colours, "most_lines": MOST_LINES, "height": height})


def coloured_classes(matches: Matches, part: Part) -> list[int]:
    """The classes whose lines have a colour, ascending: the most frequent of the chosen ones.

    Raises:
        BadSetting: when there is no such area range.
    """
    objects = matches.positives(part.area)
    chosen = range(len(objects)) if part.classes is None else part.classes
    frequent = sorted((k for k in chosen if objects[k]), key=lambda k: (-objects[k], k))
    return sorted(frequent[:MOST_LINES])


def _sent(bands: Bands) -> dict[str, Any]:
    rates = {"precision": bands.precision, "recall": bands.recall, "f1": bands.f1}
    ends = {name: {"low": _listed(band.low), "high": _listed(band.high)} for name, band in rates.items()}
    return {"confidence": _listed(bands.confidence), **ends}


def _listed(values: Floats) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
