"""The page of benchmarks/viewer.py: the same boxes in the viewer, or in a Plotly chart behind `st.slider`."""

from __future__ import annotations

import base64
import io

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from smviz.colours import class_colours
from smviz.records import Detections
from smviz.viewer import viewer

WIDTH, HEIGHT = 1920, 1080
NAMES = ("car", "van", "truck", "bus", "motorbike", "bicycle", "person", "trailer")

st.set_page_config(layout="wide")


@st.cache_data(scope="session")
def picture() -> str:
    """Soft noise as a JPEG, as heavy to decode as a photograph."""
    noise = np.random.default_rng(0).integers(60, 190, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def boxes(count: int) -> Detections:
    """Boxes spread over the frame by a fixed seed."""
    random = np.random.default_rng(7)
    size = random.uniform(12, 90, (count, 2))
    corner = random.uniform(0, 1, (count, 2)) * ([WIDTH, HEIGHT] - size)
    classes = random.integers(0, len(NAMES), count)
    return Detections(np.hstack([corner, corner + size]), random.uniform(0, 1, count), classes, NAMES)


def chart(detections: Detections, threshold: float) -> go.Figure:
    """The fastest way that Plotly has: one trace of closed polylines per class."""
    kept = detections.at_least(threshold)
    figure = go.Figure(layout_title_text=f"{threshold:.2f}")
    figure.add_layout_image(
        source=picture(), xref="x", yref="y", x=0, y=0, sizex=WIDTH, sizey=HEIGHT, sizing="stretch", layer="below"
    )
    for class_id, (name, colour) in enumerate(class_colours(NAMES).items()):
        left, top, right, bottom = kept.xyxy[kept.class_id == class_id].T
        gap = np.full_like(left, np.nan)
        x = np.stack([left, right, right, left, left, gap], axis=1).ravel()
        y = np.stack([top, top, bottom, bottom, top, gap], axis=1).ravel()
        figure.add_scatter(x=x, y=y, mode="lines", name=name, line={"color": colour, "width": 2}, hoverinfo="skip")
    figure.update_xaxes(range=[0, WIDTH], visible=False)
    figure.update_yaxes(range=[HEIGHT, 0], visible=False, scaleanchor="x")
    return figure.update_layout(height=660, margin={"l": 0, "r": 0, "t": 30, "b": 0})


found = boxes(int(st.query_params.get("n", "300")))
if st.query_params.get("with") == "plotly":
    cut = st.slider("Confidence", 0.0, 1.0, 0.3, 0.01)
    st.plotly_chart(chart(found, cut), key="chart")
else:
    viewer(picture(), found, width=WIDTH, height=HEIGHT, key="viewer", image_key="noise", threshold=0.3)
