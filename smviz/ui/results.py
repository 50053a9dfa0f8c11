"""What an evaluation says, on a page: numbers, curves, tables, and one image with every hit, miss and mistake."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from smviz import charts, exports
from smviz.colours import class_colours
from smviz.errors import SmvizError
from smviz.evaluation import Evaluation, judged_image
from smviz.metrics import precision_recall
from smviz.operating import best_f1
from smviz.records import Outcome
from smviz.store import Run
from smviz.ui.frame import number, plain
from smviz.ui.resources import image_url, picture_url, prepared, store, thumbnail
from smviz.viewer import ImageMatches, ImageTruth, viewer

THUMBNAIL = 160  # pixels wide
NUMBERS = {
    "AP": "Average precision, mean over IoU 0.50 to 0.95 and classes",
    "AP50": "AP at IoU 0.50",
    "AP75": "AP at IoU 0.75",
    "APs": "AP of small objects, up to 32² pixels",
    "APm": "AP of medium objects, 32² to 96² pixels",
    "APl": "AP of large objects, from 96² pixels",
    "AR1": "Average recall with 1 detection per image and class",
    "AR10": "Average recall with 10 detections per image and class",
    "AR100": "Average recall with 100 detections per image and class",
    "ARs": "AR of small objects",
    "ARm": "AR of medium objects",
    "ARl": "AR of large objects",
}


def coco_numbers(evaluation: Evaluation) -> None:
    """The twelve numbers, with the settings that made them."""
    names = list(NUMBERS)
    for row in (names[:6], names[6:]):
        for column, name in zip(st.columns(6, gap="small"), row, strict=True):
            column.metric(name, number(evaluation.numbers[name]), help=NUMBERS[name], border=True)
    st.caption(
        "COCO's protocol: IoU 0.50 to 0.95 in steps of 0.05, at most 100 detections per image and class, "
        "crowd regions ignored, confidence from 0."
    )
    for note in evaluation.notes:
        st.caption(f":material/info: {plain(note)}")


def threshold_picker(evaluation: Evaluation, run: Run) -> tuple[float, float]:
    """The confidence threshold and the IoU that curves and tables below stand for; the best F1's until moved."""
    key = f"threshold of {run.id}"
    slider, button, overlap = st.columns([5, 1.5, 1], vertical_alignment="bottom", gap="medium")
    iou = overlap.selectbox("IoU", evaluation.matches.settings.ious, format_func="{:.2f}".format, key="iou")
    best = best_f1(evaluation.sweep(None, iou)).confidence
    unknown = math.isnan(best)
    pending = st.session_state.pop("viewer threshold", None)
    if pending is not None:
        st.session_state[key] = pending
    elif key not in st.session_state:
        st.session_state[key] = _from_link("threshold", 0.5 if unknown else best)
    if button.button(
        f"Best F1: {number(best)}",
        icon=":material/target:",
        disabled=unknown,
        help="The confidence with the highest F1 over all classes together; every distinct score was tried.",
        width="stretch",
    ):
        st.session_state[key] = best
    threshold = slider.slider("Confidence threshold", 0.0, 1.0, step=0.001, format="%.3f", key=key)
    if st.query_params.get("threshold") != f"{threshold:.6g}":
        st.query_params["threshold"] = f"{threshold:.6g}"
    return threshold, iou


def at_threshold(evaluation: Evaluation, threshold: float, iou: float) -> None:
    """Counts, precision, recall and F1 of all classes together at the threshold."""
    counts = evaluation.sweep(None, iou).at(threshold)
    values = {
        "Precision": number(counts.precision),
        "Recall": number(counts.recall),
        "F1": number(counts.f1),
        "True positives": f"{counts.tp:,}",
        "False positives": f"{counts.fp:,}",
        "Missed": f"{counts.fn:,}",
    }
    for column, (name, value) in zip(st.columns(6, gap="small"), values.items(), strict=True):
        column.metric(name, value, border=True)


def curves(evaluation: Evaluation, threshold: float, iou: float) -> None:
    """Precision against recall per class, and precision, recall and F1 against confidence."""
    names = evaluation.matches.ground_truth.class_names
    rows = evaluation.class_table(threshold, iou)
    lines = []
    for class_id, name in enumerate(names):
        curve = precision_recall(evaluation.matches, class_id, iou)
        lines.append(charts.Curve(name, curve.recall, curve.precision, curve.confidence))
    points = {row.name: (row.recall, row.precision) for row in rows}
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Precision and recall", anchor=False)
        st.plotly_chart(charts.precision_recall_figure(lines, class_colours(names), points), key="pr curve")
        st.caption(f"At IoU {iou:.2f}; the dots are where each class stands at the threshold.")
    with right:
        st.subheader("Precision, recall and F1 against confidence", anchor=False)
        sweep = evaluation.sweep(None, iou)
        best = best_f1(sweep).confidence
        st.plotly_chart(charts.threshold_figure(sweep, threshold, best), key="threshold curve")
        st.caption(f"All classes together, at IoU {iou:.2f}; every distinct score is a point.")


def class_table(evaluation: Evaluation, threshold: float, iou: float) -> None:
    """A row per class, as table and CSV."""
    rows = evaluation.class_table(threshold, iou)
    table = pd.DataFrame(
        {
            "Class": [row.name for row in rows],
            "Objects": [row.objects for row in rows],
            "AP": [row.ap for row in rows],
            "AP50": [row.ap50 for row in rows],
            "TP": [row.tp for row in rows],
            "FP": [row.fp for row in rows],
            "FN": [row.fn for row in rows],
            "Precision": [row.precision for row in rows],
            "Recall": [row.recall for row in rows],
            "F1": [row.f1 for row in rows],
            "Best threshold": [row.best_threshold for row in rows],
        }
    )
    _titled_table("Classes", table, "classes.csv")
    three = st.column_config.NumberColumn(format="%.3f")
    bar = st.column_config.ProgressColumn(format="%.3f", min_value=0, max_value=1)
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "AP": bar,
            "AP50": bar,
            "Precision": three,
            "Recall": three,
            "F1": three,
            "Best threshold": st.column_config.NumberColumn(
                format="%.3f", help="The confidence with this class's highest F1 at the chosen IoU"
            ),
        },
    )


def image_table(
    evaluation: Evaluation, run: Run, outcomes: Sequence[Outcome], threshold: float, iou: float
) -> str | None:
    """A row per image, worst first, as table and CSV; returns the name of the selected image."""
    latency = {outcome.image: outcome.reply.latency * 1000 for outcome in outcomes if outcome.reply}
    unsorted = evaluation.image_table(threshold, iou)
    rows = [unsorted[image] for image in _worst_first(evaluation)]
    table = pd.DataFrame(
        {
            "Image": [row.name for row in rows],
            "TP": [row.tp for row in rows],
            "FP": [row.fp for row in rows],
            "FN": [row.fn for row in rows],
            "Precision": [row.precision for row in rows],
            "Recall": [row.recall for row in rows],
            "F1": [row.f1 for row in rows],
            "Latency": [latency.get(row.name, float("nan")) for row in rows],
        }
    )
    _titled_table("Images", table.rename(columns={"Latency": "Latency (ms)"}), "images.csv")
    st.caption("Worst first at the best F1. Select a row to see the image with every hit, mistake and miss.")
    table.insert(0, "Picture", [_thumbnail(run, name) for name in table["Image"]])
    linked = [i for i, row in enumerate(rows) if row.name == st.query_params.get("image")]
    three = st.column_config.NumberColumn(format="%.3f")
    event = st.dataframe(
        table,
        hide_index=True,
        height=340,
        row_height=64,
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": linked, "columns": [], "cells": []}},
        key=f"images of {run.id}",
        column_config={
            "Picture": st.column_config.ImageColumn("", width=100),
            "Precision": three,
            "Recall": three,
            "F1": st.column_config.ProgressColumn(format="%.3f", min_value=0, max_value=1),
            "Latency": st.column_config.NumberColumn(format="%.0f ms"),
        },
        alt="The images of this run; select a row to open one",
    )
    selected = event["selection"]["rows"]
    if not selected:
        st.query_params.pop("image", None)
        return None
    name = str(table["Image"].iloc[selected[0]])
    if st.query_params.get("image") != name:
        st.query_params["image"] = name
    return name


def one_image(evaluation: Evaluation, run: Run, name: str, threshold: float, iou: float) -> None:
    """The viewer with one image of the run: true positives, false positives and missed objects marked.

    Raises:
        StoreError: when the image is not there any more.
        BadImage: when it can no longer be decoded.
    """
    payload = prepared(store().image_data(run.id, name), name)
    truth = evaluation.matches.ground_truth
    image = truth.image_names.index(name)
    judged = judged_image(evaluation, image, iou)
    width, height = (int(side) for side in truth.image_sizes[image])  # the frame that the boxes are in
    st.subheader(plain(name), anchor=False)
    state = viewer(
        picture_url(payload, "evaluate image"),
        judged.detections,
        width=width or payload.width,
        height=height or payload.height,
        key="evaluate viewer",
        image_key=f"{run.id} {name} {iou}",
        threshold=threshold,
        best_threshold=_defined(best_f1(evaluation.sweep(None, iou)).confidence),
        ground_truth=ImageTruth(judged.truth_xyxy, judged.truth_class_id, judged.truth_ignored),
        matches=ImageMatches(judged.taken, judged.ignored),
    )
    if state.threshold != threshold:
        st.session_state["viewer threshold"] = state.threshold
        st.rerun()


def _titled_table(title: str, table: pd.DataFrame, file_name: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.subheader(title, anchor=False)
        st.download_button(
            "CSV",
            lambda: exports.table_csv(table.columns, table.itertuples(index=False)),
            file_name,
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            key=f"download {file_name}",
        )


def _thumbnail(run: Run, name: str) -> str | None:
    try:
        small = thumbnail(run.id, name)
    except SmvizError:  # a failed image stays a row of the table, without a picture
        return None
    return image_url(small, "image/jpeg", f"thumbnail {name}")


def _worst_first(evaluation: Evaluation) -> list[int]:
    """Images by falling number of mistakes at the best F1: an order that the slider does not change."""
    best = _defined(evaluation.best_threshold.confidence)
    rows = evaluation.image_table(0.5 if best is None else best)
    return [row.image for row in sorted(rows, key=lambda row: (-(row.fp + row.fn), row.name))]


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _from_link(name: str, otherwise: float) -> float:
    """A confidence from the address bar, where it is one."""
    try:
        value = float(st.query_params.get(name, ""))
    except ValueError:
        return otherwise
    return value if 0 <= value <= 1 else otherwise
