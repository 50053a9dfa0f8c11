"""The component of the queue of labels in doubt: a list, what is decided about each, keys for both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from smviz.workbench.component import component

_component = component("queue")


@dataclass(frozen=True)
class Told:
    """What a person has done at the queue.

    Attributes:
        selected: the key of the row that is looked at; None before the first one was.
        decided: key and decision, None to take it back, of what was decided since it was last asked, in order.
    """

    selected: str | None
    decided: tuple[tuple[str, str | None], ...]


def told(key: str) -> Told:
    """What the queue of this key has told, before it is drawn again; each decision is told once."""
    state: Mapping[str, Any] = (st.session_state.get(key) or {}).get("told") or {}
    if not state:
        return Told(None, ())
    mount, log = state["mount"], state["log"]
    known, count = st.session_state.get(f"{key}:applied", (mount, 0))
    st.session_state[f"{key}:applied"] = (mount, len(log))
    new = log[count if known == mount else 0 :]
    return Told(state["selected"], tuple((doubt, decision) for doubt, decision in new))


def queue(
    rows: Sequence[Mapping[str, Any]],
    decisions: Mapping[str, str],
    *,
    key: str,
    selected: str | None,
    total: int,
    outside: int,
    empty: str,
    read_only: bool = False,
) -> None:
    """Show the queue.

    Args:
        rows: the doubts that are listed, with `key`, `reason`, `image`, `sentence`, `score`, and what it means to
            `keep` and to `reject` the label.
        decisions: "keep" or "reject" for each key that is decided.
        key: names it on the page, like any widget's key.
        selected: the row to begin with, by its key; the first one where it is not listed.
        total: how many doubts there are, the ones that are not listed too.
        outside: how many of those that are not listed are decided.
        empty: what to say where no row is listed.
        read_only: whether nothing can be decided.
    """
    mount, count = st.session_state.get(f"{key}:applied", ("", 0))
    listed = hashlib.blake2b("\n".join(row["key"] for row in rows).encode(), digest_size=8).hexdigest()
    _component(
        key=key,
        data={
            "rows": [dict(row) for row in rows],
            "listed": listed,
            "decisions": {row["key"]: decisions[row["key"]] for row in rows if row["key"] in decisions},
            "applied": {"mount": mount, "count": count},
            "selected": selected,
            "total": total,
            "outside": outside,
            "empty": empty,
            "read_only": read_only,
        },
        default={"told": None},
        on_told_change=lambda: None,
    )
