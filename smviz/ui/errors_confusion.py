"""What is confused with what: the matrix, and all pairs of classes as a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from smviz import diagnosis
from smviz.diagnosis import ConfusionMatrix
from smviz.ui.derived import Derived
from smviz.ui.errors_picked import Opened, latest, pick, picked
from smviz.ui.frame import plain
from smviz.ui.tables import table_height
from smviz.ui.threshold_bar import Chosen
from smviz.workbench.matrix import matrix as matrix_grid

CHART = "cell"
MOST_CLASSES = 12  # whose cells are wide enough for a number
MOST_PAIRS = 500


def confusion(derived: Derived, chosen: Chosen) -> Opened | None:
    """The matrix; returns the cell that is open."""
    st.subheader("Confusion", anchor=False)
    matrix = _matrix(derived, chosen)
    names = derived.matches.ground_truth.class_names
    words = _Words(names)
    shown = _shown(matrix, names, chosen)
    places = [*shown, len(names)]  # background is the last
    cell = words.cell(picked(CHART))
    marked = (places.index(cell[0]), places.index(cell[1])) if cell and set(cell) <= set(places) else None
    matrix_grid(
        [words.shown[place] for place in places],
        matrix.counts[np.ix_(places, places)],
        matrix.by_truth()[np.ix_(places, places)],
        key="confusion",
        picked=marked,
        on_pick=lambda row, column: pick(CHART, words.word(places[row]), words.word(places[column])),
    )
    _caption(chosen, len(shown) < len(names))
    if len(shown) < len(names):
        _pairs(matrix, words)
    return None if cell is None else _opened(matrix, words, cell)


def _matrix(derived: Derived, chosen: Chosen) -> ConfusionMatrix:
    whole = latest(
        derived,
        "confusion",
        (chosen.threshold, chosen.iou, chosen.area),
        lambda: diagnosis.confusion_matrix(derived.matches, chosen.threshold, chosen.iou, derived.near, chosen.area),
    )
    return whole.only(chosen.classes)


def _shown(matrix: ConfusionMatrix, names: Sequence[str], chosen: Chosen) -> list[int]:
    """The classes in the matrix: all where they are few, else those that a person chose, or the most confused ones."""
    concerned = matrix.concerned() if chosen.classes is not None else np.arange(len(names))
    if len(concerned) <= MOST_CLASSES:
        return [int(k) for k in concerned]
    own = st.multiselect(
        "Classes in the matrix",
        [int(k) for k in concerned],
        format_func=lambda k: names[k],
        max_selections=MOST_CLASSES,
        placeholder=f"The {MOST_CLASSES} most confused of {len(concerned):,}; choose others here",
        key="confusion classes",
        label_visibility="collapsed",
    )
    return sorted(own) or [int(k) for k in matrix.most_confused(MOST_CLASSES)]


def _caption(chosen: Chosen, part: bool) -> None:
    more = " Only what concerns the chosen classes is counted." if chosen.classes is not None else ""
    more += f" Objects and detections of size **{plain(chosen.area)}**." if chosen.area != "all" else ""
    more += " All pairs are in the table." if part else ""
    st.caption(
        f":material/touch_app: Click a cell to see its pictures. Confidence ≥ {chosen.threshold:.3f}, IoU ≥ "
        f"{chosen.iou:.2f}; the colour is the share of the row. Pairs of the same class are made first.{more}"
    )


def _pairs(matrix: ConfusionMatrix, words: _Words) -> None:
    """All confused pairs, the most frequent first; a row opens its cell."""
    errors = matrix.counts.copy()
    np.fill_diagonal(errors, 0)
    order = np.argsort(-errors, axis=None, kind="stable")
    order = order[errors.ravel()[order] > 0]
    rows, columns = np.unravel_index(order[:MOST_PAIRS], errors.shape)
    shares = matrix.by_truth()[rows, columns]
    table = {
        "Labelled": [words.shown[row] for row in rows],
        "Found as": [words.shown[column] for column in columns],
        "Times": errors[rows, columns],
        "Of the row": np.where(rows == len(errors) - 1, np.nan, shares * 100),
    }
    key = "confused pairs"

    def selected() -> None:
        chosen: list[int] = st.session_state[key]["selection"]["rows"]
        if chosen:
            cell = (words.word(int(rows[chosen[0]])), words.word(int(columns[chosen[0]])))
            if picked(CHART) != cell:
                pick(CHART, *cell)

    st.dataframe(
        pd.DataFrame(table),
        hide_index=True,
        height=table_height(len(rows), 240),
        on_select=selected,
        selection_mode="single-row",
        key=key,
        column_config={"Of the row": st.column_config.NumberColumn(format="%.1f %%")},
        alt="Confused pairs of classes, the most frequent first; select a row to see its pictures",
    )
    if len(order) > MOST_PAIRS:
        st.caption(f"The {MOST_PAIRS} most frequent of {len(order):,} pairs.")


def _opened(matrix: ConfusionMatrix, words: _Words, cell: tuple[int, int]) -> Opened:
    row, column = cell
    last = len(matrix.counts) - 1
    if row == last:
        heading = f"{words.shown[column]} found where nothing is labelled"
    elif column == last:
        heading = f"{words.shown[row]} missed"
    elif row == column:
        heading = f"{words.shown[row]} found as {words.shown[row]}"
    else:
        heading = f"Labelled {words.shown[row]}, found as {words.shown[column]}"
    return Opened(CHART, (words.word(row), words.word(column)), heading, matrix.evidence(row, column))


class _Words:
    """What rows and columns are called on the screen, and in the address bar, where no two are called the same."""

    def __init__(self, names: Sequence[str]) -> None:
        self.shown = [*names, "background"]
        seen: set[str] = set()
        self._words: list[str] = []
        for place, name in enumerate(self.shown):
            while name in seen:
                name += f"#{place}"
            seen.add(name)
            self._words.append(name)

    def word(self, place: int) -> str:
        return self._words[place]

    def cell(self, words: tuple[str, ...]) -> tuple[int, int] | None:
        """Row and column; None where there is no such cell."""
        if len(words) != 2 or not set(words) <= set(self._words):
            return None
        row, column = (self._words.index(word) for word in words)
        return None if row == column == len(self._words) - 1 else (row, column)
