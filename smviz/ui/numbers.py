"""The overview of an evaluation: COCO's twelve numbers, what a threshold gives, curves and classes, with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from smviz import charts
from smviz.colours import class_colours
from smviz.intervals import Interval, is_weak
from smviz.metrics import precision_recall
from smviz.protocols import why_tools_differ
from smviz.ui.derived import Derived
from smviz.ui.frame import number, plain
from smviz.ui.tables import BAR, THREE, titled_table
from smviz.ui.threshold_bar import Chosen, in_words

NUMBERS = {
    "AP": "Average precision, mean over IoU 0.50 to 0.95 and classes",
    "AP50": "AP at IoU 0.50",
    "AP75": "AP at IoU 0.75",
    "APs": "AP of small objects, up to 32² pixels",
    "APm": "AP of medium objects, 32² to 96² pixels",
    "APl": "AP of large objects, from 96² pixels",
    "AR1": "Average recall with 1 detection per image and class",
    "AR10": "Average recall with 10 detections per image and class",
    "AR100": "Average recall with 100 detections per image and class",
    "ARs": "AR of small objects",
    "ARm": "AR of medium objects",
    "ARl": "AR of large objects",
}
MOST_LINES = 12  # of a chart
AT_ONCE = 0.4  # seconds that a page waits for its intervals before it is shown without


def overview(derived: Derived, chosen: Chosen) -> None:
    """The section that comes first."""
    coco_numbers(derived)
    limits(derived)
    curves(derived, chosen)
    class_table(derived, chosen)
    why(derived)


def coco_numbers(derived: Derived) -> None:
    """The twelve numbers with their intervals, and the settings that made them."""
    work = derived.intervals
    found = work.result(AT_ONCE)
    if found is None:
        _coming(derived)
    else:
        _twelve(derived, found[0])
    settings, truth = derived.matches.settings, derived.matches.ground_truth
    st.caption(
        f"COCO's protocol: IoU {settings.ious[0]:.2f} to {settings.ious[-1]:.2f} in steps of 0.05, at most "
        f"{settings.max_detections[-1]} detections per image and class, crowd regions ignored, confidence from 0. "
        f"{len(truth.image_names):,} images, {int(derived.matches.positives().sum()):,} objects, "
        f"{len(derived.matches.predictions):,} detections."
    )


@st.fragment(run_every=0.5)
def _coming(derived: Derived) -> None:
    """The numbers at once, the intervals when they are there."""
    work = derived.intervals
    if work.result() is not None:
        st.rerun()
    _twelve(derived, {})
    st.progress(work.share, f"Resampling the images for the intervals … {work.share:.0%}")


def _twelve(derived: Derived, intervals: dict[str, Interval]) -> None:
    names = list(NUMBERS)
    for row in (names[:6], names[6:]):
        for column, name in zip(st.columns(6, gap="small"), row, strict=True):
            interval = intervals.get(name)
            _metric(column, name, derived.evaluation.numbers[name], interval, NUMBERS[name])


def _metric(
    column: st.delta_generator.DeltaGenerator, name: str, value: float, interval: Interval | None, about: str
) -> None:
    between = "…" if interval is None else _between(interval)
    method = f"  \n{_told(interval)}" if interval is not None and about != _told(interval) else ""
    column.metric(name, number(value), between, "off", help=about + method, delta_arrow="off", border=True)


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
    """Precision against recall per class, and precision, recall and F1 against confidence."""
    names = derived.matches.ground_truth.class_names
    shown = _most_frequent(derived)
    lines = derived.once(("lines", chosen.iou), lambda: [_line(derived, k, chosen.iou) for k in shown])
    points = {
        row.name: (row.recall, row.precision) for row in derived.evaluation.class_table(chosen.threshold, chosen.iou)
    }
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Precision and recall", anchor=False)
        st.plotly_chart(charts.precision_recall_figure(lines, class_colours(names), points), key="pr curve")
        some = f" The {MOST_LINES} most frequent of {len(names)} classes." if len(shown) < len(names) else ""
        st.caption(f"At IoU {chosen.iou:.2f}; the dots are where each class stands at the threshold.{some}")
    with right:
        st.subheader("Precision, recall and F1 against confidence", anchor=False)
        best = chosen.best.confidence
        sweep = derived.evaluation.sweep(None, chosen.iou)
        figure = charts.threshold_figure(sweep, chosen.threshold, best, in_words(chosen.objective, short=True))
        st.plotly_chart(figure, key="threshold curve")
        st.caption(f"All classes together, at IoU {chosen.iou:.2f}; every distinct score is a point.")


def class_table(derived: Derived, chosen: Chosen) -> None:
    """A row per class, as table and CSV."""
    rows = derived.evaluation.class_table(chosen.threshold, chosen.iou)
    found = derived.intervals.result()
    intervals = [] if found is None else [_between(interval) for interval in found[1]]
    table = pd.DataFrame(
        {
            "Class": [row.name for row in rows],
            "Objects": [row.objects for row in rows],
            "AP": [row.ap for row in rows],
            "AP interval": intervals or ["…"] * len(rows),
            "AP50": [row.ap50 for row in rows],
            "TP": [row.tp for row in rows],
            "FP": [row.fp for row in rows],
            "FN": [row.fn for row in rows],
            "Precision": [row.precision for row in rows],
            "Recall": [row.recall for row in rows],
            "F1": [row.f1 for row in rows],
            "Best threshold": [row.best_threshold for row in rows],
            "": ["weak" if is_weak(row.objects) else "" for row in rows],
        }
    )
    titled_table("Classes", table.rename(columns={"": "Weak"}), "classes.csv")
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "AP": BAR,
            "AP interval": st.column_config.TextColumn("AP, 95 %", help="The 95 % interval of the AP"),
            "AP50": BAR,
            "Precision": THREE,
            "Recall": THREE,
            "F1": THREE,
            "Best threshold": st.column_config.NumberColumn(
                format="%.3f", help="The confidence with this class's highest F1 at the chosen IoU"
            ),
            "": st.column_config.TextColumn(
                help="Fewer than 30 objects: too few for a threshold of its own; lean on that of all classes together"
            ),
        },
    )
    weak = [row.name for row in rows if row.objects and is_weak(row.objects)]
    if weak:
        st.caption(
            f":material/warning: Weak, with fewer than 30 objects: {plain(', '.join(weak[:6]))}"
            f"{f' and {len(weak) - 6} more' if len(weak) > 6 else ''}. Their own thresholds are mostly noise: lean on "
            "the one of all classes together."
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


def _most_frequent(derived: Derived) -> list[int]:
    """The classes that a chart shows, in their order."""
    objects = derived.matches.positives()
    return sorted(np.argsort(-objects, kind="stable")[:MOST_LINES].tolist())


def _line(derived: Derived, class_id: int, iou: float) -> charts.Curve:
    curve = precision_recall(derived.matches, class_id, iou)
    name = derived.matches.ground_truth.class_names[class_id]
    return charts.Curve(name, curve.recall, curve.precision, curve.confidence)
