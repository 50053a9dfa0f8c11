"""Keeping thresholds for Detect, as a file for production, and from such a file."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from smviz.errors import BadSetting
from smviz.store import SavedThresholds
from smviz.thresholds import Thresholds, dumps
from smviz.ui import session
from smviz.ui.frame import page_link, plain, show_error
from smviz.ui.resources import store
from smviz.ui.saved import Answering, keep, origin_in_words, read_file, values_in_words


def keeping(
    what: Answering, kept: SavedThresholds | None, proposed: Callable[[], Thresholds] | None, same: bool
) -> None:
    """Save the proposed thresholds for Detect, download them, or load others; and what is saved, to be removed.

    Args:
        what: whose thresholds they are.
        kept: those that are saved.
        proposed: makes the file of those that are proposed; None while their intervals are still computed.
        same: whether what is saved is what is proposed.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="keeping"):
        if not session.read_only() and (
            st.button(
                "Saved for Detect" if same else "Save for Detect",
                type="primary",
                icon=":material/check:" if same else ":material/save:",
                disabled=proposed is None or same,
                help=f"Keeps them for {plain(what.label)}: Detect starts with them.",
                key="save thresholds",
            )
            and proposed
        ):
            _save(what, proposed())
        st.download_button(
            "thresholds.json",
            lambda: dumps(proposed()) if proposed else "",
            "thresholds.json",
            "application/json",
            icon=":material/download:",
            on_click="ignore",
            disabled=proposed is None,
            help="For production: `smviz.thresholds.loads` and `apply`. `smviz thresholds` writes the same.",
            key="download thresholds",
        )
        if not session.read_only():
            with st.popover("Load a file", icon=":material/upload:", key="load thresholds"):
                _load(what)
        if kept:
            _saved(what, kept)


def _saved(what: Answering, kept: SavedThresholds) -> None:
    st.caption(
        f":material/check_circle: Saved for {plain(what.label)}: **{values_in_words(kept.thresholds)}**, "
        f"{origin_in_words(kept)}.",
        width="content",
    )
    if session.read_only():
        return
    page_link("Detect", "Use on Detect", what.chosen)
    if st.button("Remove", icon=":material/delete:", type="tertiary", key="remove thresholds"):
        store().forget_thresholds(what.key)
        st.rerun()


def _load(what: Answering) -> None:
    """A thresholds.json from anywhere: shown first, then saved when the person says so."""
    file = st.file_uploader("A thresholds.json", type="json", key="thresholds file")
    if file is None:
        return
    try:
        read = read_file(file.getvalue())
    except BadSetting as error:
        show_error(error)
        return
    whence = f", of run {plain(read.run_name)}" if read.run_name else ""
    st.markdown(f"**{values_in_words(read)}**{whence}")
    if read.endpoint and read.endpoint != what.chosen.endpoint:
        st.warning(f"They were chosen for {plain(read.endpoint)}, another endpoint.", icon=":material/warning:")
    if st.button("Save these for Detect", type="primary", icon=":material/save:", key="save loaded thresholds"):
        _save(what, read, file.name)


def _save(what: Answering, thresholds: Thresholds, file: str = "") -> None:
    try:
        keep(what, thresholds, file)
    except BadSetting as error:
        show_error(error)
        return
    st.toast(f"Saved for {plain(what.label)}.", icon=":material/save:")
    st.rerun()
