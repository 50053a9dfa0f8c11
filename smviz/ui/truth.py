"""The section of the data set: what it was read from, what is amiss in it, and what the endpoint's classes mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import streamlit as st

from smviz.annotations import FORMATS, Origin, origin, parse_ground_truth
from smviz.datasets import DataSetCheck, check
from smviz.errors import BadResponse
from smviz.evaluation import read_by
from smviz.records import GroundTruth
from smviz.store import Run
from smviz.ui import session
from smviz.ui.dataset import class_map_table, findings, summary
from smviz.ui.derived import Derived
from smviz.ui.frame import plain
from smviz.ui.resources import store

_LOOKED_AT = 100  # replies in which class names are looked for


@dataclass(frozen=True, eq=False)
class _Labels:
    truth: GroundTruth
    origin: Origin
    class_names: tuple[str, ...]
    found: DataSetCheck


def data_set(derived: Derived, run: Run) -> None:
    """What the run was judged by; the class map can be changed, and the numbers follow."""
    labels = derived.once("labels", lambda: _labels(run))
    st.subheader("Ground truth", anchor=False)
    told = labels.origin
    if told.source or told.format:
        form = FORMATS[told.format].doc if told.format in FORMATS else told.format
        parts = [plain(part) for part in (told.source, form) if part]
        st.caption(f"Read from {' · '.join(parts)}")
    summary(labels.truth)
    st.subheader("Check", anchor=False)
    findings(labels.found)
    st.subheader("What the endpoint's classes mean", anchor=False)
    _class_map(labels, run)


def _class_map(labels: _Labels, run: Run) -> None:
    kept = dict(run.class_map)
    if session.read_only():
        _map_in_words(kept)
        return
    class_map = class_map_table(labels.truth, labels.class_names, kept, f"of run {run.id}")
    if class_map == kept:
        return
    st.caption(":material/edit: Changed, and not applied yet: no reply is asked for again, the numbers follow at once.")
    if st.button("Apply to the numbers", type="primary", icon=":material/check:"):
        store().set_class_map(run.id, class_map)
        st.rerun()


def _map_in_words(kept: Mapping[str, str | None]) -> None:
    """What was decided about the endpoint's classes, where nothing can be changed."""
    told = [f"{plain(name)} → {'left out' if to is None else plain(to)}" for name, to in kept.items() if name != to]
    st.markdown(", ".join(told) if told else "Each means the class of the same name.")


def _labels(run: Run) -> _Labels:
    data = store().annotations(run.id) or b""
    truth = parse_ground_truth(data, "The run's ground truth")
    names = _class_names(run)
    found = check(store().image_names(run.id), truth, names, dict(run.class_map))
    return _Labels(truth, origin(data), names, found)


def _class_names(run: Run) -> tuple[str, ...]:
    """Those of the preset, and those that the first replies have."""
    names = dict.fromkeys(run.preset.class_names)
    read = read_by(run.preset)
    for outcome in islice(store().iter_outcomes(run.id), _LOOKED_AT):
        if outcome.reply is not None:
            try:
                names |= dict.fromkeys(read(outcome).names())
            except BadResponse:  # told by the evaluation's notes
                continue
    return tuple(names)
