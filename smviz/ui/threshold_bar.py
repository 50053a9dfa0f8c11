"""The bar above the sections: the threshold and the IoU that everything stands for, and what is best for what."""

from __future__ import annotations

import math
from dataclasses import dataclass

import streamlit as st

from smviz.errors import BadSetting
from smviz.operating import F1, Objective, OperatingPoint, operating_point, parse_objective
from smviz.store import Run
from smviz.ui.derived import Derived
from smviz.ui.frame import number, show_error

OBJECTIVES = ("f1", "f0.5", "f2", "recall>=0.9", "precision>=0.95", "fp<=0.1", "cost(fp=1,fn=5)")


@dataclass(frozen=True)
class Chosen:
    """What the sections below stand for.

    Attributes:
        threshold: the confidence from which on a detection counts.
        iou: from which overlap on it is right.
        objective: what a threshold is best for.
        best: the threshold that is.
    """

    threshold: float
    iou: float
    objective: Objective
    best: OperatingPoint

    @property
    def best_known(self) -> float | None:
        """The best threshold; None where there is none."""
        return None if math.isnan(self.best.confidence) else self.best.confidence


def threshold_bar(derived: Derived, run: Run) -> Chosen:
    """Choose threshold, objective and IoU; the threshold is the objective's best until it is moved."""
    slider, button, aim, overlap = st.columns([5, 1.8, 1.8, 1], vertical_alignment="bottom", gap="medium")
    ious = derived.matches.settings.ious
    iou = overlap.selectbox("IoU", ious, format_func="{:.2f}".format, key="iou")
    with aim:
        objective = _objective(run)
    images = len(derived.matches.ground_truth.image_names)
    best = operating_point(derived.evaluation.sweep(None, iou), objective, images)
    unknown = bool(best.reason)
    start = _Start(run, 0.5 if unknown else best.confidence)
    if button.button(
        f"{in_words(objective, short=True)}: {number(best.confidence)}",
        icon=":material/target:",
        disabled=unknown,
        help=best.reason
        or "The confidence that serves the objective best over all classes together; every distinct score was tried.",
        width="stretch",
    ):
        start.move(best.confidence)
    threshold = slider.slider(
        "Confidence threshold", 0.0, 1.0, start.value, step=0.001, format="%.3f", key=start.widget_key
    )
    if st.query_params.get("threshold") != f"{threshold:.6g}":
        st.query_params["threshold"] = f"{threshold:.6g}"
    return Chosen(threshold, iou, objective, best)


class _Start:
    """Where the slider starts. Moving it makes a new slider.

    A value that is set by way of the session's state would be lost when the run of the script that set it is cut short
    by another one: the browser then never hears of it.
    """

    def __init__(self, run: Run, otherwise: float) -> None:
        self._key = f"threshold of {run.id}"
        pending = st.session_state.pop("viewer threshold", None)
        if pending is not None:
            self.move(pending)
        elif self._key not in st.session_state or self.widget_key not in st.session_state:
            self.move(_from_link("threshold", otherwise))

    @property
    def widget_key(self) -> str:
        """Of the slider."""
        return f"{self._key} {st.session_state[self._key][0]}"

    @property
    def value(self) -> float:
        """Where it starts."""
        value: float = st.session_state[self._key][1]
        return value

    def move(self, value: float) -> None:
        """Start anew from there."""
        number_of_sliders, _ = st.session_state.get(self._key, (0, value))
        st.session_state[self._key] = (number_of_sliders + 1, value)


def in_words(objective: Objective, short: bool = False) -> str:
    """An objective for a person; `short` for a button."""
    value = f"{objective.values[0]:g}"
    if objective.kind == "f":
        return f"Best F{value}"
    if objective.kind in {"recall", "precision"}:
        return f"{objective.kind.capitalize()} ≥ {value}"
    if objective.kind == "fp":
        return f"≤ {value} FP/image" if short else f"At most {value} false positives per image"
    missed = f"{objective.values[1]:g}"
    return "Least cost" if short else f"Least cost: a false positive {value}, a miss {missed}"


def _objective(run: Run) -> Objective:
    """Chosen from the usual ones, or typed; the address bar keeps it."""
    linked = st.query_params.get("objective", "f1")
    known = list(dict.fromkeys((*OBJECTIVES, *([linked] if _readable(linked) else []))))
    text = st.selectbox(
        "Objective",
        known,
        index=known.index(linked) if linked in known else 0,
        format_func=_label,
        accept_new_options=True,
        key=f"objective of {run.id}",
        help="What a threshold is best for. Choose one, or type your own numbers: f1.5, recall>=0.85, precision>=0.99, "
        "fp<=0.05 (false positives per image), cost(fp=1,fn=20).",
    )
    try:
        objective = parse_objective(text or "f1")
    except BadSetting as error:
        show_error(error)
        return F1
    if str(objective) != "f1":
        st.query_params["objective"] = str(objective)
    else:
        st.query_params.pop("objective", None)
    return objective


def _label(text: str) -> str:
    return in_words(parse_objective(text)) if _readable(text) else text


def _readable(text: str) -> bool:
    try:
        parse_objective(text)
    except BadSetting:
        return False
    return True


def _from_link(name: str, otherwise: float) -> float:
    """A confidence from the address bar, where it is one."""
    try:
        value = float(st.query_params.get(name, ""))
    except ValueError:
        return otherwise
    return value if 0 <= value <= 1 else otherwise
