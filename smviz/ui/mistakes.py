"""The section of errors: what is confused with what, which errors cost most, where, and which labels look wrong."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st

from smviz import charts, diagnosis
from smviz.diagnosis import Breakdown, ConfusionMatrix, Review
from smviz.store import Run
from smviz.ui.derived import Derived
from smviz.ui.frame import number, plain
from smviz.ui.results import one_image
from smviz.ui.tables import table_height
from smviz.ui.threshold_bar import Chosen

TIDE_MEANS = {
    "Cls": "right place, wrong class",
    "Loc": "right class, badly placed",
    "Both": "wrong class and badly placed",
    "Dupe": "an object found once more",
    "Bkg": "nothing is labelled there",
    "Miss": "an object that nothing found",
}
REASONS = {
    "missing": "no label",
    "class": "another class",
    "box": "another box",
    "unseen": "nothing found",
    "double": "labelled twice",
}
TIDE_IOU = 0.5
MOST_DOUBTS = 500
MOST_CONFUSED = 10

BREAKDOWNS: dict[str, Callable[..., Breakdown]] = {
    "Size (COCO's)": diagnosis.by_size,
    "Area": diagnosis.by_area,
    "Shape": diagnosis.by_aspect,
    "Objects in the image": diagnosis.by_crowding,
    "Nearest neighbour": diagnosis.by_neighbour,
}


def mistakes(derived: Derived, run: Run, chosen: Chosen) -> None:
    """The section."""
    if not len(derived.matches) and not len(derived.matches.ground_truth):
        st.info("There is neither a detection nor an object, so there is no error.", icon=":material/check_circle:")
        return
    left, right = st.columns(2, gap="large")
    with left:
        _confusion(derived, chosen)
    with right:
        _tide(derived)
    left, right = st.columns(2, gap="large")
    with left:
        _calibration(derived, chosen)
    with right:
        _breakdown(derived, chosen)
    _review(derived, run, chosen)


def _confusion(derived: Derived, chosen: Chosen) -> None:
    st.subheader("Confusion", anchor=False)
    matrix = diagnosis.confusion_matrix(derived.matches, chosen.threshold, chosen.iou, derived.near)
    names = derived.matches.ground_truth.class_names
    st.plotly_chart(charts.confusion_figure(matrix, names), key="confusion")
    st.caption(
        f"At confidence ≥ {chosen.threshold:.3f} and IoU ≥ {chosen.iou:.2f}; the colour is the share of the row. Pairs "
        "of the same class are made first."
    )
    if len(names) > charts.MOST_WRITTEN:
        _most_confused(matrix, names)


def _most_confused(matrix: ConfusionMatrix, names: tuple[str, ...]) -> None:
    off = matrix.counts[:-1, :-1].copy()
    np.fill_diagonal(off, 0)
    cells = np.argsort(-off, axis=None, kind="stable")[:MOST_CONFUSED]
    rows, columns = np.unravel_index(cells[off.ravel()[cells] > 0], off.shape)
    table = {
        "Labelled": [names[row] for row in rows],
        "Found as": [names[column] for column in columns],
        "Times": off[rows, columns],
    }
    st.dataframe(pd.DataFrame(table), hide_index=True, height=table_height(len(rows), 240))


def _tide(derived: Derived) -> None:
    st.subheader("What errors cost", anchor=False)
    if TIDE_IOU not in derived.matches.settings.ious:
        return
    tide = derived.once("tide", lambda: diagnosis.tide(derived.matches, TIDE_IOU, near=derived.near))
    st.plotly_chart(charts.tide_figure(tide), key="tide")
    means = " · ".join(f"**{name}** {TIDE_MEANS[name]}" for name in diagnosis.ERRORS)
    st.caption(
        f"TIDE at IoU {tide.positive:g}, over all confidences: the AP of {number(tide.ap)} that fixing each kind alone "
        f"would add; it does not add up. {means}."
    )


def _calibration(derived: Derived, chosen: Chosen) -> None:
    st.subheader("Does confidence mean precision?", anchor=False)
    targets = derived.once(
        ("precision targets", chosen.iou), lambda: diagnosis.precision_targets(derived.matches, chosen.iou)
    )
    diagram = diagnosis.reliability(targets)
    if math.isnan(diagram.error):
        st.info("There is no detection to tell from.", icon=":material/analytics:")
        return
    st.plotly_chart(charts.reliability_figure(diagram), key="reliability")
    placed = derived.once("laece0", lambda: diagnosis.laece0(derived.matches))
    kept = diagnosis.reliability(targets, confidence=chosen.threshold).error
    st.caption(
        f"**D-ECE {number(diagram.error)}** over all detections, {number(kept)} from the threshold on: how far mean "
        f"confidence and precision at IoU {chosen.iou:.2f} lie apart, in 10 bins. **LaECE0 {number(placed)}**: how far "
        "confidence and the IoU that is reached lie apart, mean over classes, in 25 bins. 0 is best."
    )


def _breakdown(derived: Derived, chosen: Chosen) -> None:
    st.subheader("Where it is weak", anchor=False)
    by = st.segmented_control(
        "By",
        list(BREAKDOWNS),
        default=next(iter(BREAKDOWNS)),
        required=True,
        key="breakdown",
        label_visibility="collapsed",
    )
    more = {"near": derived.near} if by == "Nearest neighbour" else {}
    breakdown = BREAKDOWNS[by](derived.matches, chosen.threshold, chosen.iou, **more)
    if not breakdown.objects.sum():
        st.info("There is no object to be found.", icon=":material/analytics:")
        return
    st.plotly_chart(charts.breakdown_figure(breakdown, by), key="breakdown chart")
    st.caption(
        f"Recall and precision at confidence ≥ {chosen.threshold:.3f}, AP over all, at IoU {chosen.iou:.2f}; parts "
        "without an object are left out."
    )


def _review(derived: Derived, run: Run, chosen: Chosen) -> None:
    st.subheader("Labels to look at again", anchor=False)
    missing = derived.once("missing", lambda: diagnosis.probably_missing(derived.matches, near=derived.near))
    wrong = derived.once("wrong", lambda: diagnosis.probably_wrong(derived.matches, near=derived.near))
    titles = {"Probably missing": missing, "Probably wrong": wrong}
    queue = st.segmented_control(
        "Queue",
        list(titles),
        default=next((title for title, review in titles.items() if len(review)), "Probably missing"),
        required=True,
        format_func=lambda title: f"{title} ({len(titles[title]):,})",
        key="review queue",
        label_visibility="collapsed",
    )
    st.caption(
        "Where a confident detector and the labels contradict each other, one of them is wrong; first where that is "
        "most likely the labels. Nothing is changed. Select a row to see it."
    )
    review = titles[queue]
    if not len(review):
        st.info("No label is in doubt here.", icon=":material/check_circle:")
        return
    row = _queue(review, f"{queue} of {run.id}")
    if row is not None:
        _doubt(derived, run, chosen, review, row)


def _queue(review: Review, key: str) -> int | None:
    names = review.matches.ground_truth.image_names
    shown = range(min(len(review), MOST_DOUBTS))
    table = {
        "Image": [names[review.image[row]] for row in shown],
        "Doubt": [REASONS[diagnosis.REASONS[review.reason[row]]] for row in shown],
        "Score": review.score[: len(shown)],
        "What speaks against the labels": [review.sentence(row) for row in shown],
    }
    event = st.dataframe(
        pd.DataFrame(table),
        hide_index=True,
        height=table_height(len(shown), 260),
        on_select="rerun",
        selection_mode="single-row",
        key=key,
        column_config={
            "Score": st.column_config.ProgressColumn(format="%.2f", min_value=0, max_value=1, width="small"),
            "What speaks against the labels": st.column_config.TextColumn(width="large"),
        },
        alt="Labels in doubt; select a row to see it in its image",
    )
    if len(review) > MOST_DOUBTS:
        st.caption(f"The first {MOST_DOUBTS} of {len(review):,}.")
    selected: list[int] = event["selection"]["rows"]
    return selected[0] if selected else None


def _doubt(derived: Derived, run: Run, chosen: Chosen, review: Review, row: int) -> None:
    name = derived.matches.ground_truth.image_names[review.image[row]]
    detection = int(review.detection[row])
    st.markdown(f":orange[:material/help:] {plain(review.sentence(row))}")
    one_image(derived, run, name, chosen, key="doubt viewer", detection=None if detection < 0 else detection)
