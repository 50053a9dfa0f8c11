"""The images of an evaluation, worst first, and one of them with every hit, miss and mistake."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from smviz.errors import SmvizError
from smviz.records import Outcome
from smviz.store import Run
from smviz.ui.derived import Derived
from smviz.ui.frame import plain
from smviz.ui.one_image import one_image
from smviz.ui.resources import image_url, thumbnail
from smviz.ui.tables import THREE, titled_table
from smviz.ui.threshold_bar import Chosen

__all__ = ["images", "one_image"]

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
