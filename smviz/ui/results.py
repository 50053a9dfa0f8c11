"""The images of an evaluation, worst first, and one of them with every hit, miss and mistake."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from smviz.errors import SmvizError
from smviz.evaluation import judged_image
from smviz.records import Outcome
from smviz.store import Run
from smviz.ui.choice import restored
from smviz.ui.derived import Derived
from smviz.ui.frame import page_link, plain
from smviz.ui.resources import image_url, picture_url, prepared, run_image, thumbnail
from smviz.ui.tables import THREE, titled_table
from smviz.ui.threshold_bar import Chosen
from smviz.viewer import ImageMatches, ImageTruth, viewer

MOST_PICTURES = 300  # rows with a thumbnail; the worst come first


def images(derived: Derived, run: Run, outcomes: Sequence[Outcome], chosen: Chosen) -> None:
    """The section: a table of all images, and the one that is selected.

    Raises:
        StoreError: when the image is not there any more.
        BadImage: when it can no longer be decoded.
    """
    if not derived.matches.ground_truth.image_names:
        st.info("No image of the ground truth has a reply.", icon=":material/image:")
        return
    name = image_table(derived, run, outcomes, chosen)
    if name:
        st.subheader(plain(name), anchor=False)
        one_image(derived, run, name, chosen)


def image_table(derived: Derived, run: Run, outcomes: Sequence[Outcome], chosen: Chosen) -> str | None:
    """A row per image, worst first, as table and CSV; returns the name of the selected image."""
    latency = {outcome.image: outcome.reply.latency * 1000 for outcome in outcomes if outcome.reply}
    unsorted = derived.evaluation.image_table(chosen.threshold, chosen.iou)
    rows = [unsorted[image] for image in derived.once("worst first", lambda: _worst_first(derived))]
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
    titled_table("Images", table.rename(columns={"Latency": "Latency (ms)"}), "images.csv")
    st.caption("Worst first at the best F1. Select a row to see the image with every hit, mistake and miss.")
    table.insert(
        0,
        "Picture",
        [_thumbnail(run, name) if place < MOST_PICTURES else None for place, name in enumerate(table["Image"])],
    )
    linked = [i for i, row in enumerate(rows) if row.name == st.query_params.get("image")]
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
            "Precision": THREE,
            "Recall": THREE,
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


def one_image(
    derived: Derived,
    run: Run,
    name: str,
    chosen: Chosen,
    key: str = "evaluate viewer",
    detection: int | None = None,
) -> None:
    """The viewer with one image of the run: true positives, false positives and missed objects marked.

    Args:
        derived: the evaluation.
        run: that has the image.
        name: of the image.
        chosen: what counts.
        key: of the viewer.
        detection: the one to be selected at first, as position in the matches.

    Raises:
        StoreError: when the image is not there any more.
        BadImage: when it can no longer be decoded.
    """
    payload = prepared(run_image(run.id, name), name)
    truth = derived.matches.ground_truth
    image = truth.image_names.index(name)
    judged = judged_image(derived.evaluation, image, chosen.iou)
    width, height = (int(side) for side in truth.image_sizes[image])  # the frame that the boxes are in
    state = viewer(
        picture_url(payload, key),
        judged.detections,
        width=width or payload.width,
        height=height or payload.height,
        key=key,
        image_key=f"{run.id} {name} {chosen.iou}",
        threshold=chosen.threshold,
        best_threshold=chosen.best_known,
        ground_truth=ImageTruth(judged.truth_xyxy, judged.truth_class_id, judged.truth_ignored),
        matches=ImageMatches(judged.choices, judged.truth_crowd, judged.uncounted, judged.most),
        selected=None if detection is None else _place(derived, image, detection),
    )
    page_link(
        "Detect",
        "Open in Detect: exports, tiles, the raw reply",
        restored(),
        {"run": run.id, "image": name, "threshold": f"{chosen.threshold:.6g}"},
    )
    if state.threshold != chosen.threshold:
        st.session_state["viewer threshold"] = state.threshold
        st.rerun()


def _place(derived: Derived, image: int, detection: int) -> int:
    """Where a detection of the matches stands among those of its image, as `judged_image` sorts them."""
    predictions = derived.matches.predictions
    rows = np.flatnonzero(predictions.image == image)
    rows = rows[np.argsort(-predictions.confidence[rows], kind="stable")]
    return int(np.flatnonzero(rows == derived.matches.prediction[detection])[0])


def _thumbnail(run: Run, name: str) -> str | None:
    try:
        small = thumbnail(run.id, name)
    except SmvizError:  # a failed image stays a row of the table, without a picture
        return None
    return image_url(small, "image/jpeg", f"thumbnail {name}")


def _worst_first(derived: Derived) -> list[int]:
    """Images by falling number of mistakes at the best F1: an order that the slider does not change."""
    best = derived.evaluation.best_threshold
    rows = derived.evaluation.image_table(0.5 if best.reason else best.confidence)
    return [row.image for row in sorted(rows, key=lambda row: (-(row.fp + row.fn), row.name))]
