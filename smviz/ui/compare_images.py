"""The images in which two runs differ, by which of them is better there; and one of them in the viewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import pandas as pd
import streamlit as st

from smviz.boxes import ltwh_to_xyxy
from smviz.errors import SmvizError
from smviz.matching import Integers, Matches
from smviz.records import Detections, Outcome, Payload
from smviz.store import Run
from smviz.ui.compare_classes import downloads
from smviz.ui.compare_cuts import Cuts, move
from smviz.ui.compare_state import Compared
from smviz.ui.frame import plain, show_error
from smviz.ui.resources import image_url, picture_url, prepared, run_image, thumbnail
from smviz.viewer import ImageTruth, Pair, View, viewer

MOST_ROWS = 1000  # of a table on the screen; the files have all
MOST_PICTURES = 200  # rows with a thumbnail
ROW_HEIGHT = 44
VIEWS: tuple[View, ...] = get_args(View)
SIGNS = {"B better": 1, "A better": -1, "Even": 0}
ALL = "All"
TABS = (ALL, *SIGNS)


def images(compared: Compared, cuts: Cuts) -> None:
    """The section: the table of images, and below it the one that is open."""
    tab, table, order = _table_of(compared, cuts)
    name = _picked(compared, cuts, tab, table, order)
    if name is None:
        st.caption(":material/touch_app: Select a row to see the image, with the boxes of both runs.")
        return
    _one_image(compared, cuts, name, order)


def _table_of(compared: Compared, cuts: Cuts) -> tuple[str, pd.DataFrame, Integers]:
    """What is shown of which images, and their places in order."""
    if not compared.comparison.labelled:
        order, table = compared.once(("differing", cuts.key), lambda: differing_table(compared, cuts))
        _title("Images by how much the runs differ", "images compared", table)
        return ALL, table, order
    flips = compared.flips(*cuts.key)
    counts = {name: int(((np.sign(flips.gain) == sign) & (flips.flipped > 0)).sum()) for name, sign in SIGNS.items()}
    counts[ALL] = len(flips.gain)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        tab = st.segmented_control(
            "Images",
            TABS,
            default=ALL,
            required=True,
            format_func=lambda name: f"{name} · {counts[name]:,}",
            key="flipped",
            bind="query-params",
            label_visibility="collapsed",
            help="By objects found and false positives avoided, at these thresholds",
        )
        order, table = compared.once(("flipped", tab, cuts.key), lambda: flipped_table(compared, cuts, tab))
        with st.container(horizontal=True, gap="small", width="content"):
            downloads(f"images {tab}", table)
    return tab, table, order


def _title(title: str, file_name: str, table: pd.DataFrame) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.markdown(f"**{title}**")
        with st.container(horizontal=True, gap="small", width="content"):
            downloads(file_name, table)


def flipped_table(compared: Compared, cuts: Cuts, tab: str) -> tuple[Integers, pd.DataFrame]:
    """A row for each image of a tab, the largest gain first: their places, and the table."""
    flips = compared.flips(*cuts.key)
    gain, flipped = flips.gain, flips.flipped
    of_tab = np.ones(len(gain), np.bool_) if tab == ALL else (np.sign(gain) == SIGNS[tab]) & (flipped > 0)
    chosen = np.flatnonzero(of_tab)
    order = chosen[np.lexsort((-flipped[chosen], -np.abs(gain[chosen])))]
    return order, pd.DataFrame(
        {
            "Image": _names(compared, order),
            "Gain of B": gain[order],
            "Found only by A": flips.found_a[order],
            "Found only by B": flips.found_b[order],
            "Wrong only in A": flips.wrong_a[order],
            "Wrong only in B": flips.wrong_b[order],
        }
    )


def differing_table(compared: Compared, cuts: Cuts) -> tuple[Integers, pd.DataFrame]:
    """A row for each image, that with the most detections without a partner first: their places, and the table."""
    agreement = compared.agreement(*cuts.key)
    differ = agreement.only_a + agreement.only_b
    order = np.argsort(-differ, kind="stable")
    return order, pd.DataFrame(
        {
            "Image": _names(compared, order),
            "Differ": differ[order],
            "Agree": agreement.both[order],
            "Only A": agreement.only_a[order],
            "Only B": agreement.only_b[order],
        }
    )


def _names(compared: Compared, order: Integers) -> list[str]:
    return [compared.comparison.images[place][0].image for place in order.tolist()]


def _picked(compared: Compared, cuts: Cuts, tab: str, table: pd.DataFrame, order: Integers) -> str | None:
    """The image of the address bar, or the one that a person selects in the table."""
    linked = st.query_params.get("image")
    if linked is not None and linked not in compared.place:
        st.warning(f"The image “{plain(linked)}” of the link is not in both runs.", icon=":material/image_search:")
        st.query_params.pop("image", None)
        linked = None
    if not len(table):
        st.info(f"There is no image of this kind ({tab}).", icon=":material/check_circle:")
        return linked
    shown = table.head(MOST_ROWS)
    rows = [int(row) for row in np.flatnonzero(shown["Image"] == linked)] if linked else []
    pictured = shown.copy()
    pictured.insert(0, "Picture", _thumbnails(compared, order[: len(shown)]))
    event = st.dataframe(
        pictured,
        hide_index=True,
        height=min(ROW_HEIGHT * len(shown) + 40, ROW_HEIGHT * 4 + 40),
        row_height=ROW_HEIGHT,
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": rows[:1], "columns": [], "cells": []}},
        # A row stands for another image where thresholds or runs change, and a selection is a row.
        key=f"compared images {compared.a.id} {compared.b.id} {tab} {cuts.key} {_opened_elsewhere(tab, linked)}",
        column_config={
            "Picture": st.column_config.ImageColumn("", width=80),
            "Gain of B": st.column_config.NumberColumn(
                format="%+d", help="Objects that only B found and mistakes that only A made, less the other way round"
            ),
        },
        alt="The images of both runs; select a row to open one",
    )
    if len(table) > MOST_ROWS:
        st.caption(f"The first {MOST_ROWS:,} of {len(table):,}; the files have all.")
    selected = event["selection"]["rows"]
    if not selected or selected == rows:
        return linked
    name = str(shown["Image"].iloc[selected[0]])
    _open(name)
    st.session_state[f"opened in {tab}"] = (st.session_state[f"opened in {tab}"][0], name)
    return name


def _opened_elsewhere(tab: str, linked: str | None) -> int:
    """A number that changes where the image was opened by other means than the table, whose selection must follow."""
    slot = f"opened in {tab}"
    count, last = st.session_state.get(slot, (0, None))
    if last != linked:
        count += 1
    st.session_state[slot] = (count, linked)
    return int(count)


def _open(name: str) -> None:
    st.query_params["image"] = name


def _thumbnails(compared: Compared, order: Integers) -> list[str | None]:
    pairs = [compared.comparison.images[place] for place in order[:MOST_PICTURES].tolist()]
    return [_thumbnail(compared.a, one) for one, _ in pairs] + [None] * (len(order) - len(pairs))


def _thumbnail(run: Run, outcome: Outcome) -> str | None:
    try:
        small = thumbnail(run.id, outcome.image)
    except SmvizError:  # the row stays, without a picture
        return None
    return image_url(small, "image/jpeg", f"compared {outcome.image}")


def _one_image(compared: Compared, cuts: Cuts, name: str, order: Integers) -> None:
    """One image with the boxes of both runs, in the view that the address names."""
    place = compared.place[name]
    pair = compared.comparison.images[place]
    step = _stepper(compared, name, order)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"##### {plain(name)}", width="content")
        with st.container(horizontal=True, gap="small", vertical_alignment="center", width="content"):
            st.button("Previous", icon=":material/chevron_left:", on_click=step, args=(-1,), key="previous flipped")
            st.button("Next", icon=":material/chevron_right:", on_click=step, args=(1,), key="next flipped")
            view = st.segmented_control(
                "View",
                VIEWS,
                default=VIEWS[0],
                required=True,
                key="view",
                bind="query-params",
                label_visibility="collapsed",
            )
    try:
        payload = _picture(compared, pair)
    except SmvizError as error:
        show_error(error)
        return
    a, b = (_detections(side.matches, place) for side in (compared.comparison.a, compared.comparison.b))
    width, height = (int(side) for side in compared.truth.image_sizes[place])
    shared = cuts.mode == "One for both"
    state = viewer(
        picture_url(payload, "compared picture"),
        a,
        width=width or payload.width,
        height=height or payload.height,
        key="compare viewer",
        image_key=f"{compared.a.id} {compared.b.id} {name}",
        threshold=cuts.a,
        best_threshold=None if shared else cuts.best_a,
        ground_truth=_truth(compared.comparison.a.matches, place) if compared.comparison.labelled else None,
        other=b,
        pair=Pair(
            view,
            (_caption("A", compared.a, pair[0]), _caption("B", compared.b, pair[1])),
            None if shared else cuts.b,
            None if shared else cuts.best_b,
            cuts.iou,
        ),
        on_step=step,
        stage_height=560,
    )
    _legend(compared, cuts)
    if (state.threshold, state.other_threshold) != (cuts.a, None if shared else cuts.b):
        move(state.threshold, state.other_threshold)
        st.rerun()


def _stepper(compared: Compared, name: str, order: Integers) -> Callable[[int], None]:
    """What opens the previous or next image of the table."""

    def step(by: int) -> None:
        at = np.flatnonzero(order == compared.place[name])
        if len(order):
            to = int(order[(int(at[0]) + by) % len(order)] if len(at) else order[0])
            _open(compared.comparison.images[to][0].image)

    return step


def _picture(compared: Compared, pair: tuple[Outcome, Outcome]) -> Payload:
    """The image of A, or that of B where A's is not there any more.

    Raises:
        StoreError: when neither is there.
        BadImage: when neither can be decoded.
    """
    try:
        return prepared(run_image(compared.a.id, pair[0].image), pair[0].image)
    except SmvizError:
        return prepared(run_image(compared.b.id, pair[1].image), pair[1].image)


def _detections(matches: Matches, image: int) -> Detections:
    found = matches.predictions
    rows = np.flatnonzero(found.image == image)
    names = matches.ground_truth.class_names
    return Detections(ltwh_to_xyxy(found.ltwh[rows]), found.confidence[rows], found.class_id[rows], names)


def _truth(matches: Matches, image: int) -> ImageTruth:
    truth = matches.ground_truth
    rows = np.flatnonzero(truth.image == image)
    return ImageTruth(ltwh_to_xyxy(truth.ltwh[rows]), truth.class_id[rows], matches.ground_truth_ignored()[rows])


def _caption(letter: str, run: Run, outcome: Outcome) -> str:
    reply = outcome.reply
    latency = "" if reply is None or np.isnan(reply.latency) else f" · {reply.latency * 1000:,.0f} ms"
    return f"{letter} · {run.name}{latency}"


def _legend(compared: Compared, cuts: Cuts) -> None:
    labels = " · thin pink: ground truth (G)" if compared.comparison.labelled else ""
    st.caption(
        f"Grey: both agree (same class, IoU ≥ {cuts.iou:.2f}) · :blue[blue]: only A · :orange[orange, dashed]: only B"
        f"{labels}. Both pictures share zoom, place, classes and filters."
    )
