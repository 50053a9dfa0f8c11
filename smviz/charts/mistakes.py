"""Figures of what goes wrong: TIDE's errors, calibration, and where a detector is weak."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from smviz.charts.figures import ACCENT, framed, plain
from smviz.diagnosis import Breakdown, Reliability, Tide

ERROR_COLOURS = {
    "Cls": "#CC79A7",
    "Loc": "#E69F00",
    "Both": "#999999",
    "Dupe": "#56B4E9",
    "Bkg": "#D55E00",
    "Miss": "#0072B2",
}
_TEXT = {"color": "#8a94a3"}
_SELECTED = {"marker": {"opacity": 1.0}, "textfont": _TEXT}
_UNSELECTED = {"marker": {"opacity": 0.45}, "textfont": _TEXT}


def tide_figure(tide: Tide) -> go.Figure:
    """What each kind of error costs: the AP that fixing it alone would add."""
    names = [error.name for error in tide.errors]
    gains = [error.delta_ap for error in tide.errors]
    figure = go.Figure(
        go.Bar(
            x=gains,
            y=names,
            orientation="h",
            marker={"color": [ERROR_COLOURS[name] for name in names]},
            selected=_SELECTED,
            unselected=_UNSELECTED,
            text=[f"{gain:.3f}" for gain in gains],
            textposition="outside",
            cliponaxis=False,
            customdata=[len(error) for error in tide.errors],
            hovertemplate="%{y}: %{customdata} errors, fixing them adds %{x:.3f} AP<extra></extra>",
        )
    )
    largest = max((gain for gain in gains if np.isfinite(gain)), default=0.0)
    figure.update_xaxes(title="AP that fixing it alone would add", range=[0, max(largest * 1.2, 0.01)])
    figure.update_yaxes(autorange="reversed")
    return figure.update_layout(margin={"l": 48, "r": 24, "t": 12, "b": 44}, height=340)


def reliability_figure(diagram: Reliability) -> go.Figure:
    """Precision against mean confidence in each bin, with the diagonal of a perfectly calibrated detector."""
    middle = (diagram.edges[:-1] + diagram.edges[1:]) / 2
    full = diagram.count > 0
    figure = go.Figure()
    figure.add_bar(
        x=middle[full],
        y=diagram.target[full],
        width=np.diff(diagram.edges)[full] * 0.94,
        marker={"color": ACCENT, "opacity": 0.35},
        selected={"marker": {"opacity": 0.8}},
        unselected={"marker": {"opacity": 0.35}},
        customdata=diagram.count[full],
        hovertemplate="precision %{y:.3f} of %{customdata} detections<extra></extra>",
        name="Precision",
    )
    figure.add_scatter(
        x=diagram.confidence[full],
        y=diagram.target[full],
        mode="lines+markers",
        line={"color": ACCENT, "width": 2},
        marker={"size": 7},
        hovertemplate="mean confidence %{x:.3f}<br>precision %{y:.3f}<extra></extra>",
        showlegend=False,
    )
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": "#8a94a3", "dash": "dash", "width": 1.5},
        name="As confident as precise",
        hoverinfo="skip",
    )
    return framed(figure, "Confidence", "Precision")


def breakdown_figure(breakdown: Breakdown, title: str) -> go.Figure:
    """Recall, precision and AP of each part, side by side; the parts without an object are left out."""
    kept = np.flatnonzero(breakdown.objects > 0)
    names = [plain(breakdown.names[part]) for part in kept]
    figure = go.Figure()
    for name, values, colour in (
        ("Recall", breakdown.recall, "#E69F00"),
        ("Precision", breakdown.precision, "#56B4E9"),
        ("AP", breakdown.ap, ACCENT),
    ):
        figure.add_bar(
            x=names,
            y=values[kept],
            name=name,
            marker={"color": colour},
            selected=_SELECTED,
            unselected=_UNSELECTED,
            customdata=breakdown.objects[kept],
            hovertemplate="%{y:.3f}<extra>%{fullData.name} · %{x}, %{customdata} objects</extra>",
        )
    figure.update_xaxes(title=title, type="category")
    figure.update_yaxes(range=[0, 1.015], tickformat=".1f", dtick=0.2)
    return figure.update_layout(
        margin={"l": 48, "r": 12, "t": 28, "b": 44},
        height=300,
        bargap=0.3,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
