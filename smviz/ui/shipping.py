"""The section of thresholds: which ones to ship, how sure they are, what they change, and keeping them for Detect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from smviz.choosing import Choice, ChosenThreshold, thresholds_of, variants_of
from smviz.matching import Floats
from smviz.records import Outcome
from smviz.store import Run
from smviz.thresholds import Threshold, Thresholds, values_of
from smviz.ui.derived import Background, Derived
from smviz.ui.flips import present_thresholds, what_changes
from smviz.ui.frame import plain
from smviz.ui.keeping import keeping
from smviz.ui.proposal import EACH, LINE, Proposal, between, cards, proposed, span
from smviz.ui.saved import answering_of, kept_for
from smviz.ui.tables import table_height, titled_table
from smviz.ui.threshold_bar import Chosen, in_words
from smviz.workbench import Part
from smviz.workbench.curves import threshold_curve

MANY_WEAK = 0.5  # of the classes with objects


def thresholds(derived: Derived, run: Run, outcomes: Sequence[Outcome], chosen: Chosen) -> None:
    """Choose what to ship, see what it changes, and keep it for Detect.

    Raises:
        StoreError: when the workspace cannot be read or written.
    """
    if not len(derived.matches):
        st.info("There is no detection to put a threshold to.", icon=":material/target:")
        return
    proposal = proposed(derived, run, chosen)
    if proposal.best.reason and proposal.scope != LINE:
        st.warning(
            f"**No threshold: {plain(proposal.best.reason)}**  \nChoose another objective, or ship it {LINE.lower()}.",
            icon=":material/target:",
        )
        return
    work = derived.choice(chosen.objective, chosen.iou)
    choice = work.result(0.6)
    cards(derived, proposal, choice, chosen)
    if choice is None:
        _coming(work, "Intervals on resampled images, and the check on held-out ones")
    what = answering_of(run)
    kept = kept_for(what)
    names = derived.matches.ground_truth.class_names
    saved = values_of(kept.thresholds, names) if kept else {}
    same = kept is not None and np.array_equal(list(saved.values()), proposal.of_each(names))
    keeping(what, kept, (lambda: _file(proposal, choice, run, outcomes)) if choice else None, same)
    _curve(derived, choice, chosen)
    before = present_thresholds(derived, kept)
    what_changes(derived, run, chosen, before, (proposal.words, proposal.values))
    if choice:
        _per_class(choice, before[1])


@st.fragment(run_every=0.5)
def _coming(work: Background[Any], what: str) -> None:
    if work.ended:
        st.rerun()
    st.progress(work.share, f"{what} … {work.share:.0%}")


def _file(proposal: Proposal, choice: Choice, run: Run, outcomes: Sequence[Outcome]) -> Thresholds:
    """What is proposed, with where it comes from."""
    if proposal.scope == EACH:
        return thresholds_of(choice, run, variants_of(outcomes))
    one = thresholds_of(replace(choice, classes=()), run, variants_of(outcomes))
    if proposal.scope == LINE:
        by_hand = Threshold(float(proposal.values), objects=choice.pooled.objects)
        return replace(one, overall=by_hand, objective="", level=None)
    return one


def _curve(derived: Derived, choice: Choice | None, chosen: Chosen) -> None:
    """Precision, recall and F1 against confidence within their bands, with the line to drag."""
    whole = chosen.part == Part(chosen.iou)
    work = derived.bands(chosen.part)
    drawn = work.result(0.3)
    threshold_curve(
        derived.live(chosen.threshold, chosen.part),
        key=f"threshold curve of {derived.word}",
        best=chosen.best_known,
        best_label=in_words(chosen.objective, short=True),
        bands=drawn,
        flat=choice.pooled.flat if choice and whole else None,
        height=340,
    )
    if drawn is None:
        _coming(work, "Bands on resampled images")
        return
    if np.isnan(drawn.f1.low).all():
        method = "No bands: there is nothing to tell intervals from."
    else:
        scores = "1 score" if len(drawn.confidence) == 1 else f"{len(drawn.confidence)} scores"
        method = f"Bands: {drawn.level:.0%} intervals at each threshold, {drawn.method}, at {scores}."
    st.caption(f"{method}{' Shaded: the flat region.' if whole else ''} Drag the line to set the threshold by hand.")


def _per_class(choice: Choice, present: float | Floats) -> None:
    rows = choice.classes
    with_objects = [row for row in rows if row.objects]
    if len(choice.weak) > MANY_WEAK * len(with_objects):
        st.warning(
            f"**{len(choice.weak)} of {len(with_objects)} classes have fewer than 30 objects**, too few for a "
            "threshold of their own.  \nShip the one of all classes together, or label more of them.",
            icon=":material/warning:",
        )
    table = pd.DataFrame(
        {
            "Class": [row.name for row in rows],
            "Objects": [row.objects for row in rows],
            "Now": np.broadcast_to(present, len(rows)),
            "Threshold": [row.interval.point for row in rows],
            "95 % interval": [between(row.interval) for row in rows],
            "Flat region": [span(*row.flat) for row in rows],
            "Precision": [row.rates["precision"] for row in rows],
            "Recall": [row.rates["recall"] for row in rows],
            "F1": [row.rates["f1"] for row in rows],
            "Held-out F1": [row.held_out.judged("f1").median if row.held_out else math.nan for row in rows],
            "Remark": [_remark(row) for row in rows],
        }
    )
    titled_table("Thresholds per class", table, "thresholds.csv")
    three = ["Now", "Threshold", "Precision", "Recall", "F1", "Held-out F1"]
    shown = table.style.format("{:.3f}", subset=pd.Index(three), na_rep="—")
    st.dataframe(shown, hide_index=True, height=table_height(len(rows)))


def _remark(row: ChosenThreshold) -> str:
    if row.reason:
        return row.reason
    return "weak: takes the threshold of all classes" if row.weak else ""
