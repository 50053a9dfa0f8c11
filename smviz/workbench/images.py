"""The component of images: a table or a gallery of them that follows the bar, and what the browser tells of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from smviz.colours import MARKS
from smviz.workbench.grid import read_all

VIEWS = ("table", "gallery", "crops")
PRESETS = ("all", "fp", "fn", "perfect", "failed")
SORTS = ("mistakes", "name", "f1", "precision", "recall", "tp", "fp", "fn", "objects", "latency")
COLUMNS = ("picture", "name", "f1", "precision", "recall", "tp", "fp", "fn", "objects", "latency", "scores")
MOST_TYPED = 500  # characters of a filter

_component = st.components.v2.component(
    "smviz_images",
    html=read_all(["images.html"]),
    css=read_all(["workbench.css", "grid.css", "filter.css", "images.css"]),
    js=read_all(
        f"{name}.js"
        for name in (
            *("columns", "channel", "live", "marks", "grid"),
            *("query", "filter", "image_rows", "image_parts", "images"),
        )
    ),
)


@dataclass(frozen=True)
class Choice:
    """Which images are shown, how, and in what order.

    Attributes:
        view: "table", "gallery" or "crops".
        preset: one of `PRESETS`.
        filter: an expression, as query.js reads it.
        sort: one of `SORTS`.
        descending: the highest first.
        columns: of the table, in the order of `COLUMNS`.
    """

    view: str = "table"
    preset: str = "all"
    filter: str = ""
    sort: str = "mistakes"
    descending: bool = True
    columns: tuple[str, ...] = COLUMNS

    def link(self) -> dict[str, str]:
        """Query parameters for the address bar; what is as at first has none."""
        known = {
            "view": self.view,
            "show": self.preset,
            "filter": self.filter,
            "sort": f"{'-' * self.descending}{self.sort}",
            "columns": ",".join(self.columns),
        }
        first = {"view": "table", "show": "all", "filter": "", "sort": "-mistakes", "columns": ",".join(COLUMNS)}
        return {name: value for name, value in known.items() if value != first[name]}


LINKED = ("view", "show", "filter", "sort", "columns")


def from_link(query: Mapping[str, str]) -> Choice:
    """The choice that the address bar asks for, as far as there is such a thing."""
    choice = Choice(filter=query.get("filter", "")[:MOST_TYPED])
    if query.get("view") in VIEWS:
        choice = replace(choice, view=query["view"])
    if query.get("show") in PRESETS:
        choice = replace(choice, preset=query["show"])
    if query.get("sort", "").removeprefix("-") in SORTS:
        choice = replace(choice, sort=query["sort"].removeprefix("-"), descending=query["sort"].startswith("-"))
    if "columns" in query:
        asked = {"name", *query["columns"].split(",")}
        choice = replace(choice, columns=tuple(name for name in COLUMNS if name in asked))
    return choice


def told_choice(key: str) -> Choice | None:
    """What the grid of this key has told a person chose; None before that."""
    told = (st.session_state.get(key) or {}).get("choice")
    if not told:
        return None
    return Choice(
        told["view"],
        told["preset"],
        told["filter"],
        told["sort"]["by"],
        bool(told["sort"]["descending"]),
        tuple(told["columns"]),
    )


def image_grid(
    live: Mapping[str, Any],
    *,
    key: str,
    about: str,
    version: str,
    failed: int,
    turn: int,
    tiles: Mapping[int, Mapping[str, str]],
    opened: Mapping[str, Any],
    choice: Choice,
    file: Mapping[str, Any] | None,
    on_export: Callable[[], None],
    height: int,
) -> None:
    """Show the grid.

    Args:
        live: what the data of every live component holds.
        key: names it on the page, like any widget's key.
        about: where the browser gets JSON with the `names` of the images, their `latency` in milliseconds or null, and
            the `failures`: name and what went wrong of images without a reply.
        version: names what the ids of pictures belong to.
        failed: how many failures there are.
        turn: of the question that is answered, see `grid.Asked`.
        tiles: of some images, by id: `url` or `error`.
        opened: what is open below, as `grid.as_sent` gives it.
        choice: what the grid begins with.
        file: `turn`, `url` and `name` of a file that was asked for.
        on_export: called when a person asks for a file; the question is in the session's state, `export` of `key`.
        height: the most pixels that the grid takes.
    """
    chosen = {
        "view": choice.view,
        "preset": choice.preset,
        "filter": choice.filter,
        "sort": {"by": choice.sort, "descending": choice.descending},
        "columns": list(choice.columns),
    }
    data = {
        **live,
        "about": about,
        "version": version,
        "failed": failed,
        "classes": live["layout"]["classes"],
        "answer": {"turn": turn, "tiles": list(tiles.items())},
        "open": dict(opened),
        "choice": chosen,
        "file": file,
        "height": height,
        "colours": dict(MARKS),
    }
    _component(
        key=key,
        data=data,
        default={"wanted": None, "open": None, "choice": None},
        on_wanted_change=lambda: None,
        on_open_change=lambda: None,
        on_choice_change=lambda: None,
        on_export_change=on_export,
    )
