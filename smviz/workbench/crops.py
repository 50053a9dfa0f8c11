"""The component of crops: a virtual scroll of square pictures of single boxes, and what the browser tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from smviz.colours import MARKS

_FOLDER = Path(__file__).parent

_component = st.components.v2.component(
    "smviz_crops",
    html=(_FOLDER / "crops.html").read_text(encoding="utf-8"),
    css="\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in ("grid.css", "crops.css")),
    js="\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in ("grid.js", "crops.js")),
)


@dataclass(frozen=True)
class Asked:
    """What a grid of pictures has told when the page runs.

    Attributes:
        turn: grows with every question for pictures; the answer repeats it.
        version: what the ids belong to.
        ids: of the items whose pictures are wanted.
        open_turn: grows with every item that is opened or closed.
        open_version: what the opened id belongs to.
        opened: the id of the item that was opened last; None where it was closed.
    """

    turn: int = 0
    version: str = ""
    ids: tuple[int, ...] = ()
    open_turn: int = 0
    open_version: str = ""
    opened: int | None = None


def asked(key: str) -> Asked:
    """What the grid of this key has told, before it is drawn again."""
    state: Mapping[str, Any] = st.session_state.get(key) or {}
    wanted, opened = state.get("wanted") or {}, state.get("open") or {}
    return Asked(
        turn=wanted.get("turn", 0),
        version=wanted.get("version", ""),
        ids=tuple(wanted.get("ids", ())),
        open_turn=opened.get("turn", 0),
        open_version=opened.get("version", ""),
        opened=opened.get("id"),
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
        turn: of the question that is answered, see `Asked`.
        tiles: what is known of some crops, by place in the list: `url` or `error`, and `kind`, `name`, `colour`,
            `score`, `image`, `box` and `other`, boxes being left, top, width, height in hundredths of the crop's side.
        opened: `turn` and `id` of the item that is open, its `title`, and a `step` to another one.
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
