"""A raw reply, as it came."""

from __future__ import annotations

import msgspec
import streamlit as st

from smviz.records import Reply

SHOWN = 4000  # characters that are put on the page; the download holds all


def raw_reply(reply: Reply) -> None:
    """The reply's bytes as indented JSON where they are JSON, with the download of the bytes themselves."""
    with st.expander("Raw reply", icon=":material/data_object:"):
        text = _pretty(reply.body)
        st.code(text[:SHOWN], language="json", wrap_lines=True)
        if len(text) > SHOWN:
            st.caption(f"The first {SHOWN:,} of {len(text):,} characters; the download holds all.")
        st.download_button(
            "Download the raw reply", reply.body, "reply.json", icon=":material/download:", on_click="ignore"
        )


def _pretty(body: bytes) -> str:
    try:
        return msgspec.json.format(body, indent=2).decode("utf-8")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode("utf-8", "replace")
