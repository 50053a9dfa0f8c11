"""What is collected after every run of a page."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterator

import streamlit as st

SETTLED = 2  # runs of a page after which what it imports, and what the imports made, is there


def settle(page: str) -> None:
    """Leave what was imported for good out of the garbage collections from now on.

    Streamlit collects all garbage after every run of a page, and would look at every module each time: that took longer
    than most runs. What is brought and computed afterwards is collected as before.
    """
    if next(_runs(page)) == SETTLED:
        gc.collect()
        gc.freeze()


@st.cache_resource(show_spinner=False)
def _runs(page: str) -> Iterator[int]:
    """Counts the runs of a page on this server."""
    return itertools.count(1)
