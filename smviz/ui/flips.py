"""What changes when thresholds are shipped: objects found and lost, mistakes made and cleared, each as a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike

from smviz.intervals import Change, RateChanges, threshold_changes
from smviz.matching import Floats, Integers
from smviz.metrics import Counts
from smviz.names import folded
from smviz.operating import Changes, changes
from smviz.store import Run, SavedThresholds
from smviz.thresholds import Thresholds, values_of
from smviz.ui.crops import FN, FP, TP, Crops, show_crops
from smviz.ui.derived import Derived
from smviz.ui.frame import number
from smviz.ui.threshold_bar import Chosen
from smviz.workbench import Part

SAVED, ENTERED = "what is saved", "a threshold"
USUAL = 0.5  # what a threshold is where nobody has chosen one


@dataclass(frozen=True, eq=False)
class _Sort:
    """One sort of change: its number's label, what it means, and its pictures."""

    label: str
    help: str
    kind: int
    detections: Integers
    objects: Integers


def present_thresholds(derived: Derived, kept: SavedThresholds | None) -> tuple[str, float | Floats]:
    """Ask for the thresholds that are in use now: what is saved for the endpoint, or else one that is entered.

    Returns:
        What they are in words, and the threshold, or that of each class [K].
    """
    names = derived.matches.ground_truth.class_names
    saved = kept.thresholds if kept and _fits(kept.thresholds, names) else None
    st.subheader("What changes", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        against = ENTERED
        if saved:
            against = st.segmented_control(
                "Now in use", (SAVED, ENTERED), default=SAVED, required=True, key="now", bind="query-params"
            )
        if against == SAVED and saved:
            return "saved", np.array(list(values_of(saved, names).values()))
        value = st.number_input(
            "Threshold in use now",
            0.0,
            1.0,
            USUAL,
            0.05,
            format="%.3f",
            key="present",
            bind="query-params",
            width=170,
            help="What the chosen thresholds are compared with.",
        )
    return f"{value:.3f}", value


def _fits(thresholds: Thresholds, class_names: Iterable[str]) -> bool:
    """Whether they are for such classes at all: an imported run may have nothing to do with the endpoint."""
    known = set(map(folded, thresholds.classes))
    return not known or not known.isdisjoint(map(folded, class_names))


def what_changes(
    derived: Derived, run: Run, chosen: Chosen, before: tuple[str, ArrayLike], after: tuple[str, ArrayLike]
) -> None:
    """The change from one set of thresholds to another, each given by its name and its values."""
    (was, old), (becomes, new) = before, after
    part = chosen.part
    changed = changes(derived.matches, old, new, part.iou, part.area, part.classes)
    if part != Part(part.iou):
        st.caption(":material/filter_alt: Only the sizes and classes that are chosen in the bar are counted here.")
    if not len(changed):
        st.info("Nothing changes: the same detections are kept.", icon=":material/check:")
        return
    sorts = _sorts(changed)
    left, right = st.columns([1.1, 1], gap="medium")
    with left:
        rates = threshold_changes(derived.bootstrap, old, new, part.iou, part.area, part.classes)
        st.markdown(_table(changed.before, changed.after, rates, was, becomes))
    with right:
        _cards(sorts)
    _pictures(derived, run, chosen, sorts)


def _sorts(changed: Changes) -> tuple[_Sort, ...]:
    nothing = np.full_like(changed.false, -1), np.full_like(changed.cleared, -1)
    return (
        _Sort("Now found", "Objects found now, and missed before.", TP, changed.found, changed.found_objects),
        _Sort("Now false", "Mistakes made now, and not before.", FP, changed.false, nothing[0]),
        _Sort("No longer found", "Objects missed now, and found before.", FN, changed.lost, changed.lost_objects),
        _Sort("No longer false", "Mistakes made before, and not now.", FP, changed.cleared, nothing[1]),
    )


def _cards(sorts: tuple[_Sort, ...]) -> None:
    rows = st.columns(2, gap="small"), st.columns(2, gap="small")
    for column, one in zip((*rows[0], *rows[1]), sorts, strict=True):
        column.metric(one.label, f"{len(one.detections):,}", help=one.help, border=True)


def _table(before: Counts, after: Counts, rates: RateChanges, was: str, becomes: str) -> str:
    """Numbers before and after, as a table in Markdown."""
    lines = [f"| | Now, {was} | Then, {becomes} | Change |", "|---|---:|---:|---:|"]
    for label, name in (("True positives", "tp"), ("False positives", "fp"), ("Missed", "fn")):
        old, new = getattr(before, name), getattr(after, name)
        lines.append(f"| {label} | {old:,} | {new:,} | **{new - old:+,}** |")
    for label, name in (("Precision", "precision"), ("Recall", "recall"), ("F1", "f1")):
        old, new = getattr(before, name), getattr(after, name)
        lines.append(f"| {label} | {number(old)} | {number(new)} | {_difference(getattr(rates, name))} |")
    return "\n".join(lines)


def _difference(changed: Change) -> str:
    interval = changed.interval
    if math.isnan(interval.point):
        return "—"
    if math.isnan(interval.low):
        return f"**{interval.point:+.3f}**"
    return f"**{interval.point:+.3f}** ({interval.low:+.3f} to {interval.high:+.3f})"


def _pictures(derived: Derived, run: Run, chosen: Chosen, sorts: tuple[_Sort, ...]) -> None:
    """A gallery of one sort of change; only those that there are can be chosen, and the address keeps which."""
    there = {one.label: one for one in sorts if len(one.detections)}
    linked = st.query_params.get("changes", "")
    first = linked if linked in there else next(iter(there))
    key = f"changes, {first} of {', '.join(there)}"  # another one to begin with makes another widget
    label = st.segmented_control(
        "Pictures of", list(there), default=first, required=True, key=key, on_change=_keep_in_link, args=(key,)
    )
    shown = there[label]
    _line_above(derived, chosen, shown)
    kinds = np.full(len(shown.detections), shown.kind, np.uint8)
    crops = Crops(kinds, shown.detections, shown.objects)
    show_crops(derived, run, crops, chosen, f"changes {run.id} {label}")


def _keep_in_link(key: str) -> None:
    st.query_params["changes"] = st.session_state[key]


def _line_above(derived: Derived, chosen: Chosen, shown: _Sort) -> None:
    """Offers to move the line below the detections that are shown: an opened image cuts where it stands."""
    lowest = float(derived.matches.confidence[shown.detections].min())
    if shown.kind == FN or chosen.threshold <= lowest:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        told = f"The line stands at {chosen.threshold:.3f}, above some of these: an opened image does not show them."
        st.caption(f":material/info: {told}", width="content")
        if st.button(f"Move the line to {lowest:.3f}", type="tertiary", icon=":material/arrow_left_alt:", key="lower"):
            st.session_state["viewer threshold"] = lowest
            st.rerun()
