"""The component of a confusion matrix: cells are buttons, arrow keys move among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from smviz.colours import MARKS
from smviz.workbench.component import component

_component = component("matrix")


def matrix(
    names: Sequence[str],
    counts: NDArray[np.int64],
    shares: NDArray[np.float64],
    *,
    key: str,
    picked: tuple[int, int] | None,
    on_pick: Callable[[int, int], None],
) -> None:
    """Show the matrix.

    Args:
        names: of the N rows and columns; the last is background.
        counts: int64 [N, N], rows are what is labelled, columns what was found.
        shares: float64 [N, N], which part of its row a cell is; NaN where the row is empty.
        key: names it on the page, like any widget's key.
        picked: row and column of the cell to be marked.
        on_pick: called with row and column, before the page runs again, when a person picks a cell that counts
            something.
    """

    def told() -> None:
        cell = st.session_state[key].picked
        if cell is not None and min(cell) >= 0 and max(cell) < len(names) and counts[cell[0], cell[1]]:
            on_pick(int(cell[0]), int(cell[1]))

    _component(
        key=key,
        data={
            "names": list(names),
            "counts": counts.tolist(),
            "shares": [[None if share != share else share for share in row] for row in shares.tolist()],
            "picked": picked,
            "colours": MARKS,
        },
        on_picked_change=told,
    )
