"""The overview of an evaluation: COCO's twelve numbers with intervals, how the run went, live curves and classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from smviz import exports
from smviz.intervals import Interval, is_weak
from smviz.metrics import MEANINGS
from smviz.protocols import why_tools_differ
from smviz.records import Outcome
from smviz.store import Run
from smviz.ui.derived import Derived
from smviz.ui.frame import number, plain
from smviz.ui.headline import how_it_went, settings_line
from smviz.ui.tables import table_csv, table_parquet
from smviz.ui.threshold_bar import Chosen, in_words
from smviz.workbench import Part
from smviz.workbench.classes import class_columns, class_table, shown_by
from smviz.workbench.curves import coloured_classes, precision_recall, threshold_curve

PR_COLUMNS = ("confidence", "recall", "precision")
_SMALL = """<style>
.st-key-coco [data-testid="stMetric"] { padding: .45rem .6rem .5rem; }
.st-key-coco [data-testid="stMetricValue"] { font-size: 1.15rem; }
.st-key-coco [data-testid="stMetricDelta"] { font-size: .72rem; padding-inline: 0; background: none; }
</style>"""
AT_ONCE = 0.4  # seconds that a page waits for its intervals before it is shown without


def overview(derived: Derived, run: Run, outcomes: Sequence[Outcome], chosen: Chosen) -> None:
    """The section that comes first."""
    coco_numbers(derived, run, outcomes)
    limits(derived)
    curves(derived, chosen)
    classes(derived, chosen)
    why(derived)


def coco_numbers(derived: Derived, run: Run, outcomes: Sequence[Outcome]) -> None:
    """The twelve numbers with their intervals, how the run went, and the settings that made it all."""
    work = derived.intervals
    found = work.result(AT_ONCE)
    if found is None:
        _coming(derived, run, outcomes)
    else:
        _cards(derived, run, outcomes, found)
    settings_line(derived, run)


@st.fragment(run_every=0.5)
def _coming(derived: Derived, run: Run, outcomes: Sequence[Outcome]) -> None:
    """The numbers at once, the intervals when they are there."""
    work = derived.intervals
    if work.result() is not None:
        st.rerun()
    _cards(derived, run, outcomes, {})
    st.progress(work.share, f"Resampling the images for the intervals … {work.share:.0%}")


def _cards(derived: Derived, run: Run, outcomes: Sequence[Outcome], intervals: dict[str, Interval]) -> None:
    names = list(MEANINGS)
    row = st.columns(6, gap="small")
    _numbers(derived, row, names[:2], intervals)
    how_it_went(row[2:], run, outcomes)
    st.html(_SMALL)
    with st.container(key="coco"):
        _numbers(derived, st.columns(10, gap="xsmall"), names[2:], intervals)


def _numbers(
    derived: Derived, columns: Sequence[DeltaGenerator], names: Sequence[str], intervals: dict[str, Interval]
) -> None:
    for column, name in zip(columns, names, strict=False):
        interval = intervals.get(name)
        between = "…" if interval is None else _between(interval)
        method = "" if interval is None else f"  \n{_told(interval)}"
        value = number(derived.evaluation.numbers[name])
        column.metric(name, value, between, "off", help=MEANINGS[name] + method, delta_arrow="off", border=True)


def _between(interval: Interval) -> str:
    return "no interval" if np.isnan(interval.low) else f"{interval.low:.3f} – {interval.high:.3f}"


def _told(interval: Interval) -> str:
    return (
        "No interval: there is nothing to tell it from."
        if np.isnan(interval.low)
        else f"{interval.level:.0%} interval by {interval.method}."
    )


def limits(derived: Derived) -> None:
    """What the endpoint or the protocol leaves out, and what was noted on the way; nothing where there is nothing."""
    for cutoff in derived.cutoffs:
        st.markdown(f":orange[:material/content_cut:] {plain(cutoff.sentence)}", help=plain(cutoff.advice))
    notes = derived.evaluation.notes
    if len(notes) > 2:
        with st.expander(f"{len(notes)} notes on the data", icon=":material/info:"):
            for note in notes:
                st.markdown(f"- {plain(note)}")
        return
    for note in notes:
        st.caption(f":material/info: {plain(note)}")


def curves(derived: Derived, chosen: Chosen) -> None:
    """Precision against recall per class, and precision, recall and F1 against confidence; both follow the bar."""
    live = derived.live(chosen.threshold, chosen.part)
    left, right = st.columns(2, gap="large")
    with left:
        _titled("Precision and recall", "precision_recall.csv", lambda: _precision_recall_csv(derived, chosen.part))
        precision_recall(live, key="pr curve")
    with right:
        _titled(
            "Precision, recall and F1 against confidence", "thresholds_curve.csv", lambda: _sweep_csv(derived, chosen)
        )
        threshold_curve(
            live, key="threshold curve", best=chosen.best_known, best_label=in_words(chosen.objective, short=True)
        )


def _sweep_csv(derived: Derived, chosen: Chosen) -> bytes:
    """The counts of the chosen classes together at every distinct score."""
    swept = chosen.part.sweep(derived.matches)
    columns = (swept.confidence, swept.tp, swept.fp, swept.fn, swept.precision, swept.recall, swept.f1)
    header = ("confidence", "tp", "fp", "fn", "precision", "recall", "f1")
    return exports.table_csv(header, zip(*(column.tolist() for column in columns), strict=True))


def _precision_recall_csv(derived: Derived, part: Part) -> bytes:
    """The lines that have a colour, a row for every distinct score."""
    names = derived.matches.ground_truth.class_names
    named = coloured_classes(derived.matches, part)
    sweeps = part.sweeps(derived.matches)
    rows = (
        (names[k], *row)
        for k in named
        for row in zip(*(getattr(sweeps[k], rate).tolist() for rate in PR_COLUMNS), strict=True)
    )
    return exports.table_csv(("class", *PR_COLUMNS), rows)


def classes(derived: Derived, chosen: Chosen) -> None:
    """A row per class, as table, CSV and Parquet; it follows the bar."""
    precisions = derived.average_precisions(chosen.area)
    slot = "class table"
    told = st.session_state.get(slot)
    shown = shown_by(told.sort if told else None)

    def table() -> pd.DataFrame:
        return pd.DataFrame(class_columns(derived.matches, chosen.threshold, chosen.part, precisions, shown))

    _titled("Classes", "classes.csv", lambda: table_csv(table()), lambda: table_parquet(table()))
    class_table(derived.live(chosen.threshold, chosen.part), precisions, key=slot)
    names, objects = derived.matches.ground_truth.class_names, derived.matches.positives(chosen.area)
    weak = [name for name, count in zip(names, objects.tolist(), strict=True) if count and is_weak(count)]
    if weak:
        st.caption(
            f":material/warning: Weak, with fewer than 30 objects: {plain(', '.join(weak[:6]))}"
            f"{f' and {len(weak) - 6} more' if len(weak) > 6 else ''}. Their own thresholds are mostly noise: lean on "
            "the one of all classes together."
        )


def _titled(title: str, csv_name: str, csv: Callable[[], bytes], parquet: Callable[[], bytes] | None = None) -> None:
    """A heading with what downloads the data below it, made when it is asked for."""
    files = [("CSV", csv_name, "text/csv", csv)]
    if parquet:
        files.append(("Parquet", f"{csv_name.removesuffix('.csv')}.parquet", "application/vnd.apache.parquet", parquet))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.subheader(title, anchor=False, width="stretch")
        for label, name, kind, made in files:
            st.download_button(
                label, made, name, kind, icon=":material/download:", on_click="ignore", key=f"download {name}"
            )


def why(derived: Derived) -> None:
    """What other definitions of AP give on the same detections; computed when it is opened."""
    part = st.expander(
        "Why other tools tell another number", icon=":material/compare:", on_change="rerun", key="why tools differ"
    )
    if not part.open:
        return
    with part:
        with st.spinner("Evaluating by the other definitions …"):
            differences = derived.once("differ", lambda: why_tools_differ(derived.matches))
        table = {
            "Definition": [one.name for one in differences],
            "AP at IoU 0.50": [one.value for one in differences],
            "Difference": [one.value - differences[0].value for one in differences],
            "What it does, and who": [one.sentence for one in differences],
        }
        st.dataframe(
            pd.DataFrame(table),
            hide_index=True,
            row_height=58,
            column_config={
                "AP at IoU 0.50": st.column_config.NumberColumn(format="%.4f", width="small"),
                "Difference": st.column_config.NumberColumn(format="%+.4f", width="small"),
                "What it does, and who": st.column_config.TextColumn(width="large"),
            },
        )
