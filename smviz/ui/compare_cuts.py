"""At which thresholds two runs are compared: the best of each, one for both, or one each; and from which IoU on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from smviz.ui.compare_state import Compared

Mode = Literal["Best F1 of each", "One for both", "One each"]
MODES: tuple[Mode, ...] = ("Best F1 of each", "One for both", "One each")
SECTIONS = ("Numbers", "Images")
START = 0.5  # where nothing tells a better one


@dataclass(frozen=True)
class Cuts:
    """What counts as a detection of A and of B.

    Attributes:
        a, b: the confidence from which on a detection counts.
        iou: from which overlap on it is right, and two detections agree.
        mode: how the thresholds came about.
        best_a, best_b: those with the best F1; None where there is none.
    """

    a: float
    b: float
    iou: float
    mode: Mode
    best_a: float | None
    best_b: float | None

    @property
    def key(self) -> tuple[float, float, float]:
        """What everything that depends on them is kept under."""
        return self.a, self.b, self.iou


def cuts_bar(compared: Compared) -> tuple[Cuts, str]:
    """Choose the section of the page, thresholds and IoU; the address bar keeps them."""
    labelled = compared.comparison.labelled
    first, *bar = st.columns([1.7, 2.6, 1.9, 1.9, 1], vertical_alignment="bottom", gap="medium")
    with first:
        section = _section()
    iou = bar[3].selectbox(
        "IoU", compared.comparison.a.matches.settings.ious, format_func="{:.2f}".format, key="iou", bind="query-params"
    )
    best = (compared.best("a", iou), compared.best("b", iou))
    modes = MODES if labelled and None not in best else MODES[1:]
    mode = _mode(modes)
    starts = (START, START) if None in best else best
    picked = bar[0].segmented_control(
        "Thresholds",
        modes,
        default=mode,
        required=True,
        key=f"threshold mode {mode} {len(modes)}",
        help="Each run at the threshold with its own best F1 shows what it can do; one for both shows what changes "
        "when one takes the other's place unchanged.",
    )
    if picked != mode:
        a, b = _asked(mode, starts)
        _keep(picked, a, b)
        st.rerun()
    a, b = _asked(mode, starts)
    if mode == "One for both":
        a = b = _slider("Confidence threshold", "both", a, bar[1])
    elif mode == "One each":
        a, b = _slider("Threshold of A", "a", a, bar[1]), _slider("Threshold of B", "b", b, bar[2])
    else:
        bar[1].metric("Threshold of A", f"{a:.3f}")
        bar[2].metric("Threshold of B", f"{b:.3f}")
    _keep(mode, a, b)
    return Cuts(a, b, iou, mode, *best), section


def _section() -> str:
    """Which part of the page is shown."""
    linked = "Images" if st.query_params.get("image") else SECTIONS[0]
    return str(
        st.segmented_control("Show", SECTIONS, default=linked, required=True, key="section", bind="query-params")
    )


def move(a: float, b: float | None) -> None:
    """Set the thresholds from elsewhere on the page; without `b` there is one for both."""
    _keep("One for both" if b is None else "One each", a, a if b is None else b)


def _mode(modes: tuple[Mode, ...]) -> Mode:
    if "threshold" in st.query_params:
        return "One for both"
    if "threshold_a" in st.query_params or "threshold_b" in st.query_params:
        return "One each"
    return modes[0]


def _asked(mode: Mode, starts: tuple[float | None, ...]) -> tuple[float, float]:
    start_a, start_b = (START if start is None else start for start in starts)
    if mode == "One for both":
        one = _linked("threshold", start_a)
        return one, one
    if mode == "One each":
        return _linked("threshold_a", start_a), _linked("threshold_b", start_b)
    return start_a, start_b


def _keep(mode: Mode, a: float, b: float) -> None:
    wanted = {
        "Best F1 of each": {},
        "One for both": {"threshold": repr(a)},
        "One each": {"threshold_a": repr(a), "threshold_b": repr(b)},
    }[mode]
    for name in ("threshold", "threshold_a", "threshold_b"):
        if name not in wanted:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != wanted[name]:
            st.query_params[name] = wanted[name]


def _slider(label: str, side: str, value: float, place: DeltaGenerator) -> float:
    """A slider that starts anew where something else moved the threshold.

    A value that is set by way of the session's state would be lost when the run of the script that set it is cut short.
    """
    slot = f"threshold slider {side}"
    count, last = st.session_state.get(slot, (0, None))
    if last != value or f"{slot} {count}" not in st.session_state:
        count += 1
    moved = place.slider(label, 0.0, 1.0, value, step=0.001, format="%.3f", key=f"{slot} {count}")
    st.session_state[slot] = (count, moved)
    return float(moved)


def _linked(name: str, otherwise: float) -> float:
    """A confidence from the address bar, where it is one."""
    try:
        value = float(st.query_params.get(name, ""))
    except ValueError:
        return otherwise
    return value if 0 <= value <= 1 else otherwise
