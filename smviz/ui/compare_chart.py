"""The difference of every class with its interval, as a chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from smviz.comparing import ClassChange, Verdict

MOST = 20  # classes; those that differ most
COLOURS: dict[Verdict, str] = {
    "better": "#E69F00",
    "worse": "#56B4E9",
    "no difference": "#8B929B",
    "undefined": "#8B929B",
}
GRID = "rgba(128,128,128,0.25)"


def forest(rows: Sequence[ClassChange]) -> dict[str, Any]:
    """A point for each class, the first one on top, with its 95 % interval; in the colour of the run that is better."""
    shown = [row for row in rows if row.objects][:MOST]
    points = [row.change.interval.point for row in shown]
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers",
                "x": points,
                "y": [row.name for row in shown],
                "error_x": {
                    "type": "data",
                    "array": [row.change.interval.high - point for row, point in zip(shown, points, strict=True)],
                    "arrayminus": [point - row.change.interval.low for row, point in zip(shown, points, strict=True)],
                    "color": "#8B929B",
                    "thickness": 1.5,
                    "width": 4,
                },
                "marker": {
                    "size": 10,
                    "color": [COLOURS[row.verdict] for row in shown],
                    "symbol": ["circle" if row.verdict in {"better", "worse"} else "circle-open" for row in shown],
                },
                "hovertemplate": "%{y}: %{x:+.3f}<extra></extra>",
            }
        ],
        "layout": {
            "height": 90 + 26 * max(len(shown), 4),
            "margin": {"l": 10, "r": 10, "t": 10, "b": 45},
            "xaxis": {
                "title": {"text": "AP of B − AP of A"},
                "rangemode": "tozero",
                "zeroline": True,
                "zerolinecolor": "#8B929B",
                "zerolinewidth": 1.5,
                "gridcolor": GRID,
            },
            "yaxis": {"autorange": "reversed", "automargin": True, "gridcolor": GRID, "type": "category"},
        },
    }
