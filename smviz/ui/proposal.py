"""The thresholds that would be shipped: one for all classes, one for each, or where the line stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from smviz.choosing import Choice, at_once
from smviz.intervals import Interval, Spread
from smviz.intervals.holding_out import Rate
from smviz.matching import Floats
from smviz.metrics import Counts
from smviz.operating import OperatingPoint, changes
from smviz.store import Run
from smviz.ui.derived import Derived
from smviz.ui.frame import number, plain
from smviz.ui.objective import objective_fields
from smviz.ui.threshold_bar import Chosen, in_words
from smviz.workbench import Part

ONE, EACH, LINE = SCOPES = ("One for all classes", "One per class", "Where the line stands")
RATES: tuple[Rate, ...] = ("precision", "recall", "f1")

_HELP = (
    "One threshold that serves the objective best over all classes together; one for each class, where a class with "
    "fewer than 30 objects takes that of all together; or the line in the chart, which can be dragged."
)
_SOON = "…"


@dataclass(frozen=True, eq=False)
class Proposal:
    """The thresholds that would be shipped.

    Attributes:
        scope: one of `SCOPES`.
        values: the threshold, or that of each class [K].
        best: the operating point of all classes together; `ONE` is its threshold.
        counts: what the thresholds give, over all classes and sizes.
    """

    scope: str
    values: float | Floats
    best: OperatingPoint
    counts: Counts

    @property
    def words(self) -> str:
        """The thresholds in short."""
        return f"{self.values:.3f}" if isinstance(self.values, float) else "one per class"

    def of_each(self, class_names: Sequence[str]) -> Floats:
        """The threshold of each class [K]."""
        return np.broadcast_to(np.asarray(self.values, np.float64), len(class_names))


@dataclass(frozen=True)
class _Card:
    """A number with what stands below it, and what both mean."""

    label: str
    value: str
    below: str
    help: str


def proposed(derived: Derived, run: Run, chosen: Chosen) -> Proposal:
    """Ask for the objective and its numbers, and whether one threshold shall serve all classes."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="objective fields"):
        objective_fields(derived, run, chosen)
        scope = st.segmented_control(
            "Ship", SCOPES, default=ONE, required=True, key="ship", bind="query-params", help=_HELP
        )
    best, each = derived.once(
        ("at once", chosen.objective, chosen.iou), lambda: at_once(derived.matches, chosen.objective, chosen.iou)
    )
    thresholds: dict[str, float | Floats] = {ONE: best.confidence, EACH: each, LINE: chosen.threshold}
    values = thresholds[scope]
    return Proposal(scope, values, best, changes(derived.matches, values, values, chosen.iou).after)


def cards(derived: Derived, proposal: Proposal, choice: Choice | None, chosen: Chosen) -> None:
    """The thresholds and what they give, with how sure that is; `choice` is None until the intervals are there."""
    if proposal.scope == EACH:
        shown = _of_each(derived, proposal)
    elif proposal.scope == LINE:
        shown = _of_line(derived, proposal, chosen)
    else:
        shown = _of_one(proposal, choice)
    for column, card in zip(st.columns(len(shown), gap="small"), shown, strict=True):
        column.metric(card.label, card.value, card.below, "off", help=card.help, delta_arrow="off", border=True)
    words = "Set by hand" if proposal.scope == LINE else plain(in_words(chosen.objective))
    st.caption(f"{words}; {proposal.scope.lower()}. All classes and sizes count here, at IoU ≥ {chosen.iou:.2f}.")


def between(interval: Interval) -> str:
    """From where to where an interval reaches."""
    return span(interval.low, interval.high)


def span(low: float, high: float) -> str:
    """From where to where; an em dash where that is undefined."""
    return "—" if math.isnan(low) else f"{low:.3f} – {high:.3f}"


def _of_one(proposal: Proposal, choice: Choice | None) -> list[_Card]:
    row = choice.pooled if choice else None
    told = f"{row.interval.level:.0%} interval by {row.interval.method}: where" if row else "Where"
    shown = [
        _Card(
            "Threshold",
            number(proposal.best.confidence),
            between(row.interval) if row else _SOON,
            f"{told} another set of images of this size would have put it.",
        ),
        _Card(
            "Flat region",
            span(*row.flat) if row else _SOON,
            "little changes within",
            "Between these thresholds the objective's value stays within 0.01 of the best (1 % of the cost): any of "
            "them is as good.",
        ),
    ]
    for name in RATES:
        spread = row.held_out.judged(name) if row and row.held_out else Spread(math.nan, math.nan, math.nan)
        shown.append(
            _Card(
                name.capitalize(),
                number(getattr(proposal.counts, name)),
                f"held out {number(spread.median)}" if row else _SOON,
                "Chosen and judged on the same images; below, chosen on one half of the images and judged on the "
                f"other, 20 times in both directions: median, and nine of ten within {span(spread.low, spread.high)}.",
            )
        )
    return shown


def _of_each(derived: Derived, proposal: Proposal) -> list[_Card]:
    values = np.asarray(proposal.values)[derived.matches.positives() > 0]
    own = int((values != proposal.best.confidence).sum())
    low, high = (float(values.min()), float(values.max())) if len(values) else (math.nan, math.nan)
    shown = [
        _Card(
            "Thresholds",
            span(low, high),
            f"{own} of {len(values)} classes have their own",
            "From the lowest to the highest; the table below has each with its interval. Weak classes take that of "
            "all classes together.",
        )
    ]
    for name in RATES:
        value = getattr(proposal.counts, name)
        shown.append(
            _Card(
                name.capitalize(),
                number(value),
                f"{value - getattr(proposal.best, name):+.3f} against one for all",
                "Of all classes together, chosen and judged on the same images: more thresholds fit the images at "
                "hand better, also by chance. The table below has each class's held-out F1.",
            )
        )
    return shown


def _of_line(derived: Derived, proposal: Proposal, chosen: Chosen) -> list[_Card]:
    rates = derived.rates(chosen.threshold, Part(chosen.iou)).result(0.6)
    best = number(proposal.best.confidence)
    shown = [
        _Card("Threshold", number(chosen.threshold), f"{plain(in_words(chosen.objective, short=True))}: {best}", "")
    ]
    for name in RATES:
        interval = getattr(rates, name) if rates else None
        shown.append(
            _Card(
                name.capitalize(),
                number(getattr(proposal.counts, name)),
                between(interval) if interval else _SOON,
                f"{interval.level:.0%} interval, {interval.method}." if interval else "",
            )
        )
    return shown
