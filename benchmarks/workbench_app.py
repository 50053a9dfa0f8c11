"""The page of benchmarks/workbench.py: one evaluation, live in the browser, or behind `st.slider`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.evaluation import made_up
from smviz.colours import class_colours
from smviz.evaluation import evaluate
from smviz.metrics import precision_recall as precision_recall_of
from smviz.ui.derived import Derived
from smviz.ui.resources import image_url
from smviz.workbench import Part
from smviz.workbench.bar import bar
from smviz.workbench.classes import AveragePrecisions, class_table
from smviz.workbench.curves import MOST_LINES, precision_recall, threshold_curve
from smviz.workbench.images import Choice, image_grid

START = 0.3

st.set_page_config(layout="wide")


@st.cache_resource
def derived() -> Derived:
    """5,000 images, 500,000 detections, 80 classes."""
    return Derived(evaluate(*made_up(5_000, 500_000)), "benchmark")


def live(found: Derived) -> None:
    """The bar, both curves and the table of classes, or the images."""
    told = found.live(START, Part())
    bar(told, key="bar", revision=0, best=None, best_label="", rates=None)
    if st.query_params["with"] == "images":
        names = list(found.matches.ground_truth.image_names)
        about = {"names": names, "latency": [None] * len(names), "failures": []}
        image_grid(
            told,
            key="images",
            about=image_url(json.dumps(about).encode(), "application/json", "about"),
            version="0",
            failed=0,
            turn=0,
            tiles={},
            opened={"turn": 0, "id": None, "title": "", "step": {"turn": 0, "by": 0}},
            choice=Choice(),
            file=None,
            on_export=lambda: None,
            height=640,
        )
        return
    left, right = st.columns(2)
    with left:
        precision_recall(told, key="precision recall")
    with right:
        threshold_curve(told, key="curve")
    average = found.evaluation.average_precision
    class_table(told, AveragePrecisions(average.mean(axis=0), average[0], None), key="classes")


def rerun(found: Derived) -> None:
    """The same numbers, curves and table, as a page of Streamlit's own parts draws them at each rerun."""
    threshold = st.slider("Confidence", 0.0, 1.0, START, 0.001, format="%.3f")
    sweep = found.evaluation.sweep(None, 0.5)
    counts = sweep.at(threshold)
    for column, name in zip(st.columns(6), ("precision", "recall", "f1", "tp", "fp", "fn"), strict=True):
        column.metric(name, f"{getattr(counts, name):.3f}")
    rows = found.evaluation.class_table(threshold, 0.5)
    left, right = st.columns(2)
    left.plotly_chart(recalled(found, {row.name: (row.recall, row.precision) for row in rows}), key="precision recall")
    figure = go.Figure(layout_title_text=f"{threshold:.3f}")
    keep = thinned(len(sweep.confidence))
    for name in ("precision", "recall", "f1"):
        figure.add_scatter(x=sweep.confidence[keep], y=getattr(sweep, name)[keep], name=name, mode="lines")
    figure.add_vline(threshold)
    right.plotly_chart(figure, key="curve")
    st.dataframe(pd.DataFrame([vars(row) for row in rows]))


def recalled(found: Derived, points: dict[str, tuple[float, float]]) -> go.Figure:
    """Precision against recall, a line for as many classes as the live chart colours, each with its point."""
    figure, names = go.Figure(), found.matches.ground_truth.class_names
    colours = class_colours(names)
    for k, name in enumerate(names[:MOST_LINES]):
        curve = found.once(("curve", k), lambda k=k: precision_recall_of(found.matches, k, 0.5))
        keep = thinned(len(curve.recall))
        figure.add_scatter(
            x=curve.recall[keep], y=curve.precision[keep], name=name, mode="lines", line_color=colours[name]
        )
        figure.add_scatter(x=[points[name][0]], y=[points[name][1]], mode="markers", marker_color=colours[name])
    return figure


def thinned(length: int) -> NDArray[np.int64]:
    """Places of at most 1,500 points: more than a screen has columns."""
    return np.unique(np.linspace(0, max(length - 1, 0), min(length, 1500)).round().astype(np.int64))


if st.query_params.get("with") == "rerun":
    rerun(derived())
else:
    live(derived())
