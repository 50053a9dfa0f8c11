"""A raw reply, as it came, and as it is read."""

from __future__ import annotations

import msgspec
import pandas as pd
import streamlit as st

from smviz.errors import SmvizError
from smviz.records import Payload, Reply
from smviz.responses import parse_in_order
from smviz.settings import Preset
from smviz.ui.frame import plain

SHOWN = 4000  # characters that are put on the page; the download holds all
LARGEST_TREE = 200_000  # bytes; a browser takes long to build a larger one
TALL = 420  # pixels


def raw_reply(
    reply: Reply, payload: Payload | None = None, preset: Preset | None = None, expanded: bool = False
) -> None:
    """The reply as a tree where it is JSON, with the download of its bytes; beside it what the preset reads in it.

    Args:
        reply: as it came.
        payload: the image that was sent; with `preset`, the reading is shown too.
        preset: how replies are read.
        expanded: whether it is open at first.
    """
    with st.expander("Raw reply", icon=":material/data_object:", expanded=expanded):
        st.caption(f"{len(reply.body):,} bytes of {plain(reply.content_type or 'a type that was not told')}")
        if payload is None or preset is None:
            _as_it_came(reply)
            return
        left, right = st.columns(2, gap="medium")
        with left:
            st.markdown("**As it came**")
            _as_it_came(reply)
        with right:
            st.markdown(f"**As it is read**, format {plain(preset.format)}")
            _as_read(reply, payload, preset)


def _as_it_came(reply: Reply) -> None:
    tree = _tree(reply.body)
    with st.container(height=TALL, border=True):
        if tree is not None:
            st.json(tree, expanded=2)
        else:
            text = reply.body[: 4 * SHOWN].decode("utf-8", "replace")
            st.code(text[:SHOWN], language=None, wrap_lines=True)
    if tree is None and len(reply.body) > SHOWN:
        st.caption(f"The beginning of {len(reply.body):,} bytes; the download holds all.")
    st.download_button(
        "Download the raw reply", reply.body, "reply.json", icon=":material/download:", on_click="ignore"
    )


def _tree(body: bytes) -> object | None:
    """The reply as JSON, when it is that and not too large to be laid out."""
    if len(body) > LARGEST_TREE:
        return None
    try:
        tree: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return tree if isinstance(tree, dict | list) else None


def _as_read(reply: Reply, payload: Payload, preset: Preset) -> None:
    try:
        read = parse_in_order(reply.body, payload.width, payload.height, preset)
    except SmvizError as error:
        st.error(f"**{plain(error.message)}**  \n{plain(error.advice)}", icon=":material/error:")
        return
    boxes = read.xyxy.T if len(read) else ((),) * 4
    table = pd.DataFrame(
        {
            "Class": [f"{read.class_names[i]} ({i})" for i in read.class_id],
            "Score": read.confidence,
            **dict(zip(("Left", "Top", "Right", "Bottom"), boxes, strict=True)),
        }
    )
    pixels = st.column_config.NumberColumn(format="%.1f")
    st.dataframe(
        table,
        height=TALL,
        column_config={
            "Score": st.column_config.NumberColumn(format="%.4f"),
            **dict.fromkeys(("Left", "Top", "Right", "Bottom"), pixels),
        },
        alt="What the reply's rows are read as, in its own order",
    )
    st.caption(
        "In the order of the reply, from 0; rows that only pad it are left out. Boxes in pixels, nothing clipped."
    )
