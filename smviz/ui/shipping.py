"""The section of thresholds: which one to ship, how sure it is, and the file for production."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Literal

import pandas as pd
import streamlit as st

from smviz import charts
from smviz.choosing import Choice, ChosenThreshold, thresholds_of, variants_of
from smviz.intervals import Spread
from smviz.records import Outcome
from smviz.store import Run
from smviz.thresholds import dumps
from smviz.ui.derived import Background, Derived
from smviz.ui.frame import number, plain
from smviz.ui.tables import THREE, table_height, titled_table
from smviz.ui.threshold_bar import Chosen, in_words

MANY_WEAK = 0.5  # of the classes with objects
RATES: dict[str, Literal["precision", "recall", "f1"]] = {"Precision": "precision", "Recall": "recall", "F1": "f1"}


def thresholds(derived: Derived, run: Run, outcomes: Sequence[Outcome], chosen: Chosen) -> None:
    """The operating point with its interval and flat region, held out; of each class as well; and thresholds.json."""
    if chosen.best.reason:
        st.info(f"No threshold: {plain(chosen.best.reason)}", icon=":material/target:")
        return
    work = derived.choice(chosen.objective, chosen.iou)
    choice = work.result(0.6)
    if choice is None:
        _coming(work)
        return
    _pooled(choice, chosen)
    _curve(derived, choice, chosen)
    _per_class(choice)
    _downloads(choice, run, outcomes)


@st.fragment(run_every=0.5)
def _coming(work: Background[Choice]) -> None:
    if work.result() is not None:
        st.rerun()
    st.progress(work.share, f"Choosing on resampled images … {work.share:.0%}")


def _pooled(choice: Choice, chosen: Chosen) -> None:
    row = choice.pooled
    columns = st.columns(5, gap="small")
    columns[0].metric(
        f"Threshold, {in_words(choice.objective, short=True)}",
        number(row.interval.point),
        _between(row),
        "off",
        help=f"{row.interval.level:.0%} interval by {row.interval.method}: where another set of images of this size "
        "would have put it.",
        delta_arrow="off",
        border=True,
    )
    columns[1].metric(
        "Flat region",
        _range(*row.flat),
        "little changes within",
        "off",
        help="Between these thresholds the objective's value stays within 0.01 of the best (1 % of the cost): any of "
        "them is as good.",
        delta_arrow="off",
        border=True,
    )
    for column, (name, rate) in zip(columns[2:], RATES.items(), strict=True):
        spread = row.held_out.judged(rate) if row.held_out else Spread(math.nan, math.nan, math.nan)
        column.metric(
            name,
            number(row.rates[rate]),
            f"held out {number(spread.median)}",
            "off",
            help="Chosen and judged on the same images; below, chosen on one half of the images and judged on the "
            f"other, 20 times in both directions: median, and nine of ten within {_range(spread.low, spread.high)}.",
            delta_arrow="off",
            border=True,
        )
    st.caption(
        f"{plain(in_words(choice.objective))}, all classes together, at IoU ≥ {choice.iou:.2f}. The slider "
        f"stands at {chosen.threshold:.3f}."
    )


def _curve(derived: Derived, choice: Choice, chosen: Chosen) -> None:
    sweep = derived.evaluation.sweep(None, choice.iou)
    title = in_words(choice.objective, short=True)
    figure = charts.threshold_figure(sweep, chosen.threshold, choice.pooled.interval.point, title, choice.pooled.flat)
    st.plotly_chart(figure, key="flat region")


def _per_class(choice: Choice) -> None:
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
            "Threshold": [row.interval.point for row in rows],
            "95 % interval": [_between(row) for row in rows],
            "Flat region": [_range(*row.flat) for row in rows],
            "Precision": [row.rates["precision"] for row in rows],
            "Recall": [row.rates["recall"] for row in rows],
            "F1": [row.rates["f1"] for row in rows],
            "Held-out F1": [row.held_out.judged("f1").median if row.held_out else math.nan for row in rows],
            "Remark": [_remark(row) for row in rows],
        }
    )
    titled_table("Thresholds per class", table, "thresholds.csv")
    three = dict.fromkeys(("Threshold", "Precision", "Recall", "F1", "Held-out F1"), THREE)
    st.dataframe(table, hide_index=True, column_config=three, height=table_height(len(rows)))


def _downloads(choice: Choice, run: Run, outcomes: Sequence[Outcome]) -> None:
    variants = variants_of(outcomes)
    overall = Choice(choice.matches, choice.objective, choice.iou, choice.pooled, ())
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for label, whole, key in (
            ("thresholds.json, per class", choice, "per class"),
            ("thresholds.json, one for all", overall, "one for all"),
        ):
            st.download_button(
                label,
                partial(_file, whole, run, variants),
                "thresholds.json",
                "application/json",
                icon=":material/download:",
                on_click="ignore",
                key=f"thresholds {key}",
            )
        st.caption(
            "For production: `smviz.thresholds.loads` and `apply`; the command `smviz thresholds` writes the same."
        )


def _file(choice: Choice, run: Run, variants: Sequence[str]) -> str:
    return dumps(thresholds_of(choice, run, variants))


def _remark(row: ChosenThreshold) -> str:
    if row.reason:
        return row.reason
    return "weak: takes the threshold of all classes" if row.weak else ""


def _between(row: ChosenThreshold) -> str:
    return _range(row.interval.low, row.interval.high)


def _range(low: float, high: float) -> str:
    return "—" if math.isnan(low) else f"{low:.3f} – {high:.3f}"
