"""How a live component is made of its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).parent
_SHARED = ("columns.js", "channel.js", "live.js", "marks.js")


def component(name: str, *scripts: str) -> Callable[..., Any]:
    """The component of NAME.html and NAME.css, whose script is one module: what all share, `scripts` and NAME.js."""
    return st.components.v2.component(
        f"smviz_{name}",
        html=_read(f"{name}.html"),
        css="\n".join(map(_read, ("workbench.css", f"{name}.css"))),
        js="\n".join(map(_read, (*_SHARED, *scripts, f"{name}.js"))),
    )


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
