"""An image with its boxes, and the frame of every figure."""

from __future__ import annotations

import base64
import html
import math

import numpy as np
import plotly.graph_objects as go

from smviz.colours import class_colours
from smviz.records import Detections, Payload

ACCENT = "#0f9d8f"


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
