"""The page of benchmarks/workbench.py: one evaluation, live in the browser, or behind `st.slider`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import streamlit as st

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.evaluation import made_up
from smviz import charts
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
    names = found.matches.ground_truth.class_names
    points = {row.name: (row.recall, row.precision) for row in rows}
    left, right = st.columns(2)
    left.plotly_chart(
        charts.precision_recall_figure(lines(found), class_colours(names), points), key="precision recall"
    )
    figure = charts.threshold_figure(sweep, threshold, threshold)
    right.plotly_chart(figure.update_layout(title_text=f"{threshold:.3f}"), key="curve")
    st.dataframe(pd.DataFrame([vars(row) for row in rows]))


def lines(found: Derived) -> list[charts.Curve]:
    """Of as many classes as the live chart colours; computed once."""

    def line(k: int) -> charts.Curve:
        curve = precision_recall_of(found.matches, k, 0.5)
        return charts.Curve(found.matches.ground_truth.class_names[k], curve.recall, curve.precision, curve.confidence)

    return found.once("lines", lambda: [line(k) for k in range(MOST_LINES)])


if st.query_params.get("with") == "rerun":
    rerun(derived())
else:
    live(derived())
