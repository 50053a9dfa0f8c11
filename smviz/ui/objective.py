"""What a threshold is chosen for, as fields: the kind of objective, and its numbers."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from smviz.operating import Objective
from smviz.operating.objectives import Kind
from smviz.store import Run
from smviz.ui.derived import Derived
from smviz.ui.threshold_bar import Chosen
from smviz.workbench import Part

KINDS: dict[Kind, str] = {
    "f": "Best F-beta",
    "recall": "Recall at least …",
    "precision": "Precision at least …",
    "fp": "False positives per image at most …",
    "cost": "Least cost of errors",
}


@dataclass(frozen=True)
class _Field:
    """A number of an objective: its label, where it starts, its range, its step, and what it means."""

    label: str
    start: float
    low: float
    high: float
    step: float
    help: str


_SHARE = (0.0, 1.0, 0.01)
_COST = (1e-6, 1e6, 1.0)
_FIELDS: dict[Kind, tuple[_Field, ...]] = {
    "f": (_Field("Beta", 1.0, 0.001, 1e3, 0.5, "Recall weighs beta times as much as precision: 1 is F1, 2 is F2."),),
    "recall": (_Field("Recall", 0.9, *_SHARE, "The highest threshold that still finds this share of the objects."),),
    "precision": (_Field("Precision", 0.95, *_SHARE, "The lowest threshold of whose detections this share is right."),),
    "fp": (_Field("FP per image", 0.1, 0.0, 1e6, 0.05, "The lowest threshold that lets no more of them through."),),
    "cost": (
        _Field("A false positive costs", 1.0, *_COST, "In any unit: only the ratio of the two costs matters."),
        _Field("A miss costs", 5.0, *_COST, "In the same unit."),
    ),
}


def objective_fields(derived: Derived, run: Run, chosen: Chosen) -> None:
    """Show the objective as fields; a change of them is handed to the bar, whose threshold moves to the new best."""
    objective = chosen.objective
    slot = f"objective fields of {run.id}"
    revision, told = st.session_state.get(slot, (0, None))
    if told != objective:  # the bar or a link gave another one: fields that start there
        revision += 1
        st.session_state[slot] = (revision, objective)
    key = f"{slot} {revision}"
    st.selectbox(
        "Choose the threshold for",
        KINDS,
        index=list(KINDS).index(objective.kind),
        format_func=KINDS.__getitem__,
        key=f"{key} kind",
        on_change=_kind_changed,
        args=(derived, run, chosen.part, key),
        width=290,
    )
    for place, (field, value) in enumerate(zip(_FIELDS[objective.kind], objective.values, strict=True)):
        st.number_input(
            field.label,
            field.low,
            field.high,
            value,
            field.step,
            format="%g",
            key=f"{key} {objective.kind} {place}",
            on_change=_value_changed,
            args=(derived, run, chosen.part, key, objective.kind),
            help=field.help,
            width=150,
        )


def _kind_changed(derived: Derived, run: Run, part: Part, key: str) -> None:
    kind: Kind = st.session_state[f"{key} kind"]
    _set(derived, run, part, Objective(kind, tuple(field.start for field in _FIELDS[kind])))


def _value_changed(derived: Derived, run: Run, part: Part, key: str, kind: Kind) -> None:
    values = (st.session_state[f"{key} {kind} {place}"] for place in range(len(_FIELDS[kind])))
    _set(derived, run, part, Objective(kind, tuple(values)))


def _set(derived: Derived, run: Run, part: Part, objective: Objective) -> None:
    """As if it had been chosen in the bar, and the bar's button pressed."""
    slot = f"objective fields of {run.id}"
    st.session_state[slot] = (st.session_state[slot][0], objective)
    st.session_state[f"objective of {run.id}"] = str(objective)
    st.query_params["objective"] = str(objective)
    best = derived.best(part, objective)
    if not best.reason:
        st.session_state["viewer threshold"] = best.confidence
