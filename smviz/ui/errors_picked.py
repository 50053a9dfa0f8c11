"""Which part of which chart of the section of errors is opened: the address bar keeps it, and its crops are shown."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

from smviz.diagnosis import FALSE, FOUND, MISSED, Evidence
from smviz.store import Run
from smviz.ui.crops import Crops, show_crops
from smviz.ui.derived import Derived
from smviz.ui.frame import plain
from smviz.ui.threshold_bar import Chosen

Result = TypeVar("Result")

PARAMETER = "errors"
KINDS = {"missed": MISSED, "false": FALSE, "found": FOUND}
TITLES = {"missed": "Missed", "false": "False", "found": "Found"}


@dataclass(frozen=True, eq=False)
class Opened:
    """What a person has opened.

    Attributes:
        chart: whose part it is.
        words: name the part in the address bar, after the chart.
        heading: what is shown, in words for a person.
        evidence: the cases that it counts.
        kind: one of `KINDS`, where only cases of one kind are to be shown and a person may change which.
    """

    chart: str
    words: tuple[str, ...]
    heading: str
    evidence: Evidence
    kind: str | None = None


def latest(derived: Derived, name: str, key: Hashable, compute: Callable[[], Result]) -> Result:
    """What was computed last under a name, computed anew when the key or the evaluation is another one.

    For what follows the threshold: keeping it for every threshold would fill the memory.
    """
    slot = f"latest {name}"
    kept: tuple[Derived, Hashable, Result] | None = st.session_state.get(slot)
    if kept is None or kept[0] is not derived or kept[1] != key:
        kept = st.session_state[slot] = (derived, key, compute())
    return kept[2]


def picked(chart: str) -> tuple[str, ...]:
    """The words after the chart's name in the address bar; none where it names another chart."""
    first, *rest = st.query_params.get(PARAMETER, "").split(":")
    return tuple(_decoded(word) for word in rest) if first == chart else ()


def pick(chart: str, *words: str) -> None:
    """Open a part of a chart; what is open already is closed."""
    text = ":".join((chart, *map(_coded, words)))
    before = st.query_params.get(PARAMETER, "")
    if text == before:
        close()
        return
    st.query_params[PARAMETER] = text
    other = before.partition(":")[0]
    if other != chart:
        _forget_mark(other)


def close() -> None:
    """Show nothing any more."""
    _forget_mark(st.query_params.pop(PARAMETER, "").partition(":")[0])


def clickable(
    figure: Any, chart: str, alt: str, words_of: Callable[[Mapping[str, Any]], tuple[str, ...] | None]
) -> None:
    """A Plotly chart whose points open what is behind them.

    Args:
        figure: the chart.
        chart: its name.
        alt: what it shows, for those who do not see it.
        words_of: the words of a point, which is told by `curve_number` and `point_index`; None where it opens nothing.
    """
    key = f"{chart} chart {_marks(chart)}"

    def selected() -> None:
        points = st.session_state[key].selection.points
        words = words_of(points[0]) if points else None
        if words is not None and words != picked(chart):
            pick(chart, *words)
        elif not points and picked(chart):
            close()

    st.plotly_chart(figure, key=key, on_select=selected, selection_mode="points", alt=alt, config=_CONFIG)


def choose(chart: str, label: str, options: Mapping[tuple[str, ...], str]) -> None:
    """The same parts as a row of buttons, for the keyboard and for links: words of a part, and what it is called."""
    key, open_part = f"{chart} parts", picked(chart)

    def selected() -> None:
        words = st.session_state[key]
        if words is None:
            close()
        elif words != picked(chart):
            pick(chart, *words)

    # A chart or a link may have opened another part since: what the address bar says counts.
    st.session_state[key] = next((words for words in options if open_part[: len(words)] == words), None)
    st.pills(
        label,
        list(options),
        format_func=options.__getitem__,
        key=key,
        on_change=selected,
        label_visibility="collapsed",
        wrap=True,
    )


def show(derived: Derived, run: Run, chosen: Chosen, opened: Opened) -> None:
    """The crops of what is opened, under a heading that says what and how many they are."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            evidence = opened.evidence if opened.kind is None else opened.evidence.only(KINDS[opened.kind])
            count = f"{len(evidence):,} {'case' if len(evidence) == 1 else 'cases'}"
            st.markdown(f"**{plain(opened.heading)}** · {count}")
            if opened.kind is not None:
                _kinds(opened)
            st.button("Close", icon=":material/close:", type="tertiary", on_click=close, key="close errors")
        crops = Crops(evidence.kind, evidence.detection, evidence.truth)
        show_crops(derived, run, crops, chosen, key=f"crops of {run.id} {opened.chart} {opened.words} {opened.kind}")


def _kinds(opened: Opened) -> None:
    """Missed, false or found."""
    key = "errors kind"
    words = opened.words

    def selected() -> None:
        pick(opened.chart, *words, st.session_state[key])

    counts = {kind: len(opened.evidence.only(number)) for kind, number in KINDS.items()}
    options = [kind for kind in KINDS if counts[kind] or kind == opened.kind]
    st.session_state[key] = opened.kind
    st.segmented_control(
        "Which",
        options,
        format_func=lambda kind: f"{TITLES[kind]} {counts[kind]:,}",
        required=True,
        key=key,
        on_change=selected,
        label_visibility="collapsed",
    )


_CONFIG = {"displayModeBar": False}


def _marks(chart: str) -> int:
    """How often the chart's mark was taken away: a chart without it is another widget."""
    count: int = st.session_state.get(f"{chart} marks", 0)
    return count


def _forget_mark(chart: str) -> None:
    if chart:
        st.session_state[f"{chart} marks"] = _marks(chart) + 1


def _coded(word: str) -> str:
    return word.replace("%", "%25").replace(":", "%3A")


def _decoded(word: str) -> str:
    return word.replace("%3A", ":").replace("%25", "%")
