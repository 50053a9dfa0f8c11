"""Curves of precision and recall, and an image with its boxes."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from smviz.colours import class_colours
from smviz.operating import Sweep
from smviz.records import Detections, Payload

MOST_POINTS = 1500  # more than a screen has columns; the numbers beside a chart are always the exact ones
ACCENT = "#0f9d8f"


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a precision-recall chart: float64 arrays of equal length, in order of falling confidence."""

    name: str
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    confidence: NDArray[np.float64]


def precision_recall_figure(
    curves: Sequence[Curve], colours: dict[str, str], points: dict[str, tuple[float, float]] | None = None
) -> go.Figure:
    """Precision against recall, a line per class; `points` marks where each class stands at the threshold."""
    figure = go.Figure()
    for curve in curves:
        keep = thinned(len(curve.recall))
        colour = colours.get(curve.name, ACCENT)
        figure.add_scatter(
            x=curve.recall[keep],
            y=curve.precision[keep],
            customdata=curve.confidence[keep],
            name=plain(curve.name),
            mode="lines",
            line={"color": colour, "width": 2, "shape": "hv"},
            hovertemplate=(
                "recall %{x:.3f}<br>precision %{y:.3f}<br>confidence %{customdata:.3f}<extra>%{fullData.name}</extra>"
            ),
        )
        if points and curve.name in points:
            recall, precision = points[curve.name]
            figure.add_scatter(
                x=[recall],
                y=[precision],
                mode="markers",
                marker={"color": colour, "size": 10, "line": {"color": "white", "width": 1.5}},
                showlegend=False,
                hovertemplate="at the threshold<br>recall %{x:.3f}<br>precision %{y:.3f}<extra></extra>",
            )
    return framed(figure, "Recall", "Precision")


def threshold_figure(
    sweep: Sweep,
    threshold: float,
    best: float,
    title: str = "best F1",
    flat: tuple[float, float] = (math.nan, math.nan),
) -> go.Figure:
    """Precision, recall and F1 against confidence, with a line at the threshold and one at the best.

    Args:
        sweep: the counts at every threshold.
        threshold: that is chosen.
        best: the one that serves the objective best; NaN where there is none.
        title: what it is best for.
        flat: the region in which little changes, shaded; NaN, NaN where there is none.
    """
    figure = go.Figure()
    keep = thinned(len(sweep.confidence))
    for name, values, colour, dash in (
        ("Precision", sweep.precision, "#56B4E9", "solid"),
        ("Recall", sweep.recall, "#E69F00", "dash"),
        ("F1", sweep.f1, ACCENT, "solid"),
    ):
        figure.add_scatter(
            x=sweep.confidence[keep],
            y=values[keep],
            name=name,
            mode="lines",
            line={"color": colour, "width": 3 if name == "F1" else 2, "dash": dash},
            hovertemplate="%{y:.3f}<extra>%{fullData.name} at confidence %{x:.3f}</extra>",
        )
    if np.isfinite(flat).all() and flat[0] < flat[1]:
        figure.add_vrect(*flat, fillcolor=ACCENT, opacity=0.12, line_width=0, layer="below")
    figure.add_vline(threshold, line={"color": "#8a94a3", "width": 2}, annotation_text=f"threshold {threshold:.2f}")
    if np.isfinite(best) and abs(best - threshold) > 0.005:
        figure.add_vline(
            best,
            line={"color": ACCENT, "width": 1.5, "dash": "dot"},
            annotation_text=f"{plain(title)} at {best:.2f}",
            annotation_position="bottom right" if best < 0.7 else "bottom left",
        )
    return framed(figure, "Confidence", "Value").update_layout(hovermode="x unified")


def detections_figure(payload: Payload, detections: Detections, threshold: float = 0.0) -> go.Figure:
    """An image with its boxes, for notebooks and reports; the pages use the viewer instead.

    Args:
        payload: the image, as it was sent.
        detections: boxes in pixels of that image.
        threshold: those below are left out; those without a confidence stay.
    """
    figure = go.Figure()
    source = f"data:{payload.content_type};base64,{base64.b64encode(payload.body).decode('ascii')}"
    figure.add_layout_image(
        source=source,
        x=0,
        y=0,
        sizex=payload.width,
        sizey=payload.height,
        xref="x",
        yref="y",
        sizing="stretch",
        layer="below",
    )
    shown = detections.at_least(threshold)
    colours = class_colours(shown.class_names)
    for class_id, name in enumerate(shown.class_names):
        rows = np.flatnonzero(shown.class_id == class_id)
        if not len(rows):
            continue
        left, top, right, bottom = shown.xyxy[rows].T
        gap = np.full(len(rows), np.nan)
        figure.add_scatter(
            x=np.stack([left, right, right, left, left, gap], axis=1).ravel(),
            y=np.stack([top, top, bottom, bottom, top, gap], axis=1).ravel(),
            text=np.repeat([_label(name, score) for score in shown.confidence[rows].tolist()], 6),
            name=f"{plain(name)} ({len(rows)})",
            mode="lines",
            line={"color": colours[name], "width": 2},
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_xaxes(range=[0, payload.width], visible=False, constrain="domain")
    figure.update_yaxes(range=[payload.height, 0], visible=False, scaleanchor="x", constrain="domain")
    return figure.update_layout(margin={"l": 0, "r": 0, "t": 0, "b": 0}, legend={"orientation": "h", "y": -0.02})


def _label(name: str, confidence: float) -> str:
    return plain(name) if math.isnan(confidence) else f"{plain(name)} {confidence:.3f}"


def plain(name: str) -> str:
    """A name as Plotly shows it letter for letter: it takes tags in labels for markup."""
    return html.escape(name, quote=False)


def thinned(length: int) -> NDArray[np.int64]:
    """Indices of at most MOST_POINTS points, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, max(length - 1, 0), min(length, MOST_POINTS)).round().astype(np.int64))


def framed(figure: go.Figure, x_title: str, y_title: str) -> go.Figure:
    """Two axes from 0 to 1, with a legend above."""
    axis = {"range": [-0.01, 1.015], "tickformat": ".1f", "dtick": 0.2}
    figure.update_xaxes(title=x_title, **axis)
    figure.update_yaxes(title=y_title, **axis)
    return figure.update_layout(
        margin={"l": 48, "r": 12, "t": 28, "b": 44},
        height=340,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
