"""The component of crops: a virtual scroll of square pictures of single boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from smviz.colours import MARKS
from smviz.workbench.grid import read_all

_component = st.components.v2.component(
    "smviz_crops",
    html=read_all(["crops.html"]),
    css=read_all(["grid.css", "crops.css"]),
    js=read_all(["grid.js", "crops.js"]),
)


def crop_grid(
    *,
    key: str,
    label: str,
    count: int,
    version: str,
    turn: int,
    tiles: Mapping[int, Mapping[str, Any]],
    opened: Mapping[str, Any],
    empty: str,
    height: int,
) -> None:
    """Show the grid.

    Args:
        key: names it on the page, like any widget's key.
        label: what it is, for those who do not see it.
        count: how many crops there are.
        version: names the list of crops; with another one, what was sent before is forgotten.
        turn: of the question that is answered, see `grid.Asked`.
        tiles: what is known of some crops, by place in the list: `url` or `error`, and `kind`, `name`, `colour`,
            `score`, `image`, `box` and `other`, boxes being left, top, width, height in hundredths of the crop's side.
        opened: what is open below, as `grid.as_sent` gives it.
        empty: what to say where there is no crop.
        height: the most pixels that it takes.
    """
    _component(
        key=key,
        data={
            "label": label,
            "count": count,
            "version": version,
            "answer": {"turn": turn, "tiles": list(tiles.items())},
            "open": dict(opened),
            "empty": empty,
            "height": height,
            "colours": {**MARKS, "other": "#FFFFFF"},
        },
        default={"wanted": None, "open": None},
        on_wanted_change=lambda: None,
        on_open_change=lambda: None,
    )
