"""Plotly figures from numbers. Colours of text and paper are left to the page's theme."""

from smviz.charts.figures import detections_figure
from smviz.charts.mistakes import breakdown_figure, reliability_figure, tide_figure

__all__ = [
    "breakdown_figure",
    "detections_figure",
    "reliability_figure",
    "tide_figure",
]
