"""Plotly figures from numbers. Colours of text and paper are left to the page's theme."""

from smviz.charts.curves import (
    MOST_POINTS,
    Curve,
    detections_figure,
    precision_recall_figure,
    threshold_figure,
)
from smviz.charts.mistakes import breakdown_figure, reliability_figure, tide_figure

__all__ = [
    "MOST_POINTS",
    "Curve",
    "breakdown_figure",
    "detections_figure",
    "precision_recall_figure",
    "reliability_figure",
    "threshold_figure",
    "tide_figure",
]
