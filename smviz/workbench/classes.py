"""The table of classes: what the browser counts beside what Python knows, sorted by the person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from smviz.colours import MARKS, class_colours
from smviz.intervals import WEAK, Interval, is_weak
from smviz.matching import Floats, Matches
from smviz.operating import best_f1
from smviz.workbench.component import component
from smviz.workbench.part import Part

# What the table shows, in its order: the heading of each column by its name in classes.js.
HEADINGS = {
    "name": "Class",
    "objects": "Objects",
    "detections": "Detections",
    "ap": "AP",
    "ap50": "AP50",
    "tp": "TP",
    "fp": "FP",
    "fn": "FN",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "best": "Best threshold",
}

_component = component("classes", "query.js", "filter.js", "filter.css")


@dataclass(frozen=True, eq=False)
class AveragePrecisions:
    """What does not follow the threshold, of each class [K], in one area range.

    Attributes:
        ap, ap50: float64 [K], NaN for a class without an object.
        intervals: [K], of `ap`; None where they are not there yet.
    """

    ap: Floats
    ap50: Floats
    intervals: Sequence[Interval] | None


@dataclass(frozen=True)
class Shown:
    """What of the table the person has chosen to see.

    Attributes:
        column: by which it is sorted; None where the classes stand as they are.
        falling: whether the highest comes first.
        columns: the names of those that are shown beside the class's own; None for all.
        rows: the numbers of the classes that a filter has left, as they stand; None for all.
    """

    column: str | None = None
    falling: bool = True
    columns: tuple[str, ...] | None = None
    rows: tuple[int, ...] | None = None


def class_table(live: Mapping[str, Any], precisions: AveragePrecisions, *, key: str) -> None:
    """Show the table. What the person has chosen to see of it is in the session's state under `key`; see `shown_by`.

    A click on a row chooses only its class.

    Args:
        live: what the data of every live component holds.
        precisions: in the area range of `live`.
        key: names the table on the page.
    """
    names, found = live["layout"]["classes"], precisions.intervals
    ends = None if found is None else [[_sent(one.low), _sent(one.high)] for one in found]
    data = {
        **live,
        "headings": HEADINGS,
        "ap": [_sent(value) for value in precisions.ap],
        "ap50": [_sent(value) for value in precisions.ap50],
        "intervals": ends,
        "few": WEAK,
        "colours": {**MARKS, "classes": [class_colours(names)[name] for name in names]},
    }
    _component(key=key, data=data, default={"sort": None}, on_sort_change=lambda: None)


def shown_by(told: Mapping[str, Any] | None) -> Shown:
    """What the browser told of the table; whatever it cannot mean is left out."""
    told = told or {}
    column = told.get("column")
    columns, rows = told.get("columns"), told.get("rows")
    return Shown(
        column if column in HEADINGS else None,
        bool(told.get("falling", True)) if column in HEADINGS else True,
        tuple(name for name in HEADINGS if name in columns) if isinstance(columns, list) else None,
        tuple(k for k in rows if isinstance(k, int)) if isinstance(rows, list) else None,
    )


def class_columns(
    matches: Matches, threshold: float, part: Part, precisions: AveragePrecisions, shown: Shown
) -> dict[str, list[Any]]:
    """The table as it is shown, a list for each heading, with the ends of the intervals of AP.

    Raises:
        BadSetting: when nothing was matched at the IoU or in the area range.
    """
    counts, names = part.per_class(matches, threshold), matches.ground_truth.class_names
    by_column: dict[str, Any] = {
        "name": np.array(names, object),
        "ap": precisions.ap,
        "ap50": precisions.ap50,
        "best": np.array([best_f1(sweep).confidence for sweep in part.sweeps(matches)]),
    }
    for name in HEADINGS.keys() - by_column.keys():
        by_column[name] = getattr(counts, name)
    order = _order(by_column, shown, len(names))
    table: dict[str, list[Any]] = {}
    for name, heading in HEADINGS.items():
        if name != "name" and shown.columns is not None and name not in shown.columns:
            continue
        table[heading] = [by_column[name][k] for k in order]
        if name == "ap":
            found = precisions.intervals
            for end in ("low", "high"):
                table[f"AP {end}"] = [np.nan if found is None else getattr(found[k], end) for k in order]
    table["Weak"] = ["weak" if is_weak(int(counts.objects[k])) else "" for k in order]
    return table


def _order(by_column: Mapping[str, Any], shown: Shown, classes: int) -> list[int]:
    """As classes.js sorts: what is undefined comes last either way, equal ones by their number."""
    if shown.rows is not None:
        return [k for k in shown.rows if 0 <= k < classes]
    if shown.column is None:
        return list(range(classes))
    values = by_column[shown.column]
    defined = [k for k in range(classes) if values[k] == values[k]]
    undefined = [k for k in range(classes) if values[k] != values[k]]
    return sorted(defined, key=lambda k: values[k], reverse=shown.falling) + undefined


def _sent(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
