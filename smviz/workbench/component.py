"""How a live component is made of its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).parent
_SHARED = ("columns.js", "channel.js", "live.js", "marks.js")


def component(name: str, *parts: str) -> Callable[..., Any]:
    """The component of NAME.html, NAME.css and NAME.js, with what all share and with further scripts and styles.

    The scripts become one module, in this order: what all share, `parts`, NAME.js.
    """
    return st.components.v2.component(
        f"smviz_{name}",
        html=_read(f"{name}.html"),
        css="\n".join(map(_read, ("workbench.css", *_of(parts, ".css"), f"{name}.css"))),
        js="\n".join(map(_read, (*_SHARED, *_of(parts, ".js"), f"{name}.js"))),
    )


def _of(parts: tuple[str, ...], suffix: str) -> list[str]:
    return [part for part in parts if part.endswith(suffix)]


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
