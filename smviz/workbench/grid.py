"""What the grids of pictures tell: which pictures they want, and which item a person has opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Asked:
    """What a grid has told when the page runs.

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


@dataclass(frozen=True)
class Opened:
    """What is open below a grid: `turn` as the browser counts them, and whatever names the item; None for nothing."""

    turn: int = 0
    what: Any = None


def opened(key: str, told: Asked, version: str, named: Callable[[int], Any], at_first: Any = None) -> Opened:
    """What is open now.

    Args:
        key: of the grid.
        told: by it.
        version: of what it shows; what was told of another one does not count.
        named: what names the item of an id, also when the grid shows something else; None where there is no such id.
        at_first: what is open before the grid has told anything.
    """
    slot = f"{key}:open"
    memory: Opened = st.session_state.setdefault(slot, Opened(0, at_first))
    if told.open_turn > memory.turn and (told.opened is None or told.open_version == version):
        memory = st.session_state[slot] = Opened(told.open_turn, None if told.opened is None else named(told.opened))
    return memory


def as_sent(key: str, memory: Opened, at: int | None, title: str) -> dict[str, Any]:
    """What is open, for the grid: `at` is the id there, -1 where it is not among what is shown, None for nothing."""
    return {"turn": memory.turn, "id": at, "title": title, "step": st.session_state.get(f"{key}:step", _NO_STEP)}


def stepper(key: str) -> Callable[[int], None]:
    """What asks the grid, which knows the order, for the previous or next item: called with -1 or 1."""

    def step(by: int) -> None:
        before = st.session_state.get(f"{key}:step", _NO_STEP)
        st.session_state[f"{key}:step"] = {"turn": before["turn"] + 1, "by": by}

    return step


def read_all(names: Iterable[str]) -> str:
    """Files of this folder, one after the other."""
    return "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)


_NO_STEP = {"turn": 0, "by": 0}
