"""The numbers of two runs side by side: accuracy, latency and cost, each difference with its interval, and classes."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from smviz.comparing import signed, verdict
from smviz.intervals import Change
from smviz.matching import Floats
from smviz.pricing import cost_per_1000
from smviz.store import Run
from smviz.ui.compare_classes import CHANCE, class_chart, classes
from smviz.ui.compare_cuts import Cuts
from smviz.ui.compare_state import Changes, Compared
from smviz.ui.frame import number, plain
from smviz.ui.planning import usd
from smviz.ui.running import connection_now, usd_per_hour

AT_ONCE = 0.4  # seconds that the page waits for its intervals before it is shown without
NUMBERS = {
    "AP": "IoU 0.50 to 0.95, mean of the classes",
    "AP50": "at IoU 0.50",
    "AP75": "at IoU 0.75",
}
RATES = {"Precision": "precision", "Recall": "recall", "F1": "f1"}


def head(compared: Compared, cuts: Cuts) -> None:
    """Who is better, and where the two agree; over all images that both have."""
    left, *metrics = st.columns([4.2, 1, 1, 1, 1.3], vertical_alignment="center", gap="small")
    with left:
        if compared.comparison.labelled:
            _headline(compared)
        else:
            st.markdown("#### Where the two runs agree")
    agreement = compared.agreement(*cuts.key)
    told = f"of equal class that overlap by an IoU of at least {cuts.iou:.2f}, one to one, in all images"
    for column, name, count, about in (
        (metrics[0], "Agree", agreement.both, f"Pairs of detections {told}"),
        (metrics[1], "Only A", agreement.only_a, "Detections of A without a partner in B"),
        (metrics[2], "Only B", agreement.only_b, "Detections of B without a partner in A"),
    ):
        column.metric(name, f"{int(count.sum()):,}", help=about)
    gaps = compared.seconds[1] - compared.seconds[0]
    median = "—" if not len(gaps) else f"{_signed(float(np.median(gaps)) * 1000, 0)} ms"
    metrics[3].metric(
        "Median Δ latency", median, help=f"B − A, image by image, over the {len(gaps):,} images that both called for"
    )


def waiting(compared: Compared, cuts: Cuts) -> None:
    """Wait for the intervals, not for long; then say how far they are, and run the page again when they are there."""
    rates = compared.rates(*cuts.key).result(AT_ONCE) if compared.comparison.labelled else True
    with st.container(key="intervals coming"):  # always there, so that what is below keeps its place
        if compared.changes.result(AT_ONCE) is None or rates is None:
            _coming(compared, cuts)


def numbers(compared: Compared, cuts: Cuts) -> None:
    """The section: one table of accuracy, latency and cost, and the classes."""
    changes = compared.changes.result()
    rates = compared.rates(*cuts.key).result() if compared.comparison.labelled else None
    left, right = st.columns([1.5, 1], gap="medium")
    with left:
        _table(compared, cuts, changes, _by_rate(rates))
    if changes is not None and changes.classes:
        with right:
            class_chart(compared, changes)
    _settings(compared, cuts)
    if compared.comparison.labelled:
        classes(compared, changes)


@st.fragment(run_every=0.5)
def _coming(compared: Compared, cuts: Cuts) -> None:
    if compared.changes.result() is not None and (
        not compared.comparison.labelled or compared.rates(*cuts.key).result() is not None
    ):
        st.rerun()
    share = compared.changes.share
    st.progress(share, f"Resampling the images of both runs for the intervals … {share:.0%}")


def _headline(compared: Compared) -> None:
    changes = compared.changes.result()
    a, b = (side.numbers["AP"] for side in (compared.comparison.a, compared.comparison.b))
    told = f"AP {number(a)} for A and {number(b)} for B"
    if changes is None:
        st.markdown(f"#### {told}")
        st.caption("Whether that is more than chance is being computed …")
        return
    change = changes.numbers["AP"]
    words = {
        "better": ":orange-badge[B] is better than A",
        "worse": ":blue-badge[A] is better than B",
        "no difference": "No difference in AP beyond chance",
        "undefined": "AP tells no difference",
    }
    st.markdown(f"#### {words[verdict(change)]}")
    st.caption(f"{told}; B − A = {_signed(change.interval.point)}, 95 % interval {_between(change)}.")


def _table(compared: Compared, cuts: Cuts, changes: Changes | None, rates: dict[str, Change]) -> None:
    rows = [*_accuracy(compared, cuts, changes, rates), *_speed(compared, changes), _cost(compared)]
    lines = ["| | A | B | B − A | 95 % interval | |", "|:---|---:|---:|---:|:---:|:---|", *rows]
    st.markdown(f"**A** {plain(compared.a.name)}  \n**B** {plain(compared.b.name)}")
    st.markdown("\n".join(lines))


def _accuracy(compared: Compared, cuts: Cuts, changes: Changes | None, rates: dict[str, Change]) -> list[str]:
    if not compared.comparison.labelled:
        return []
    a, b = compared.comparison.a, compared.comparison.b
    rows = [
        _row(
            f"**{name}** :small[:gray[{about}]]",
            number(a.numbers[name]),
            number(b.numbers[name]),
            None if changes is None else changes.numbers[name],
        )
        for name, about in NUMBERS.items()
    ]
    counts = [side.sweep(None, cuts.iou).at(cut) for side, cut in ((a, cuts.a), (b, cuts.b))]
    about = f"from {cuts.a:.3f} and {cuts.b:.3f} on" if cuts.a != cuts.b else f"from {cuts.a:.3f} on"
    for name, field in RATES.items():
        told_a, told_b = (number(float(getattr(count, field))) for count in counts)
        rows.append(_row(f"**{name}** :small[:gray[{about}]]", told_a, told_b, rates.get(field)))
    return rows


def _by_rate(rates: object) -> dict[str, Change]:
    return {} if rates is None else vars(rates)


def _speed(compared: Compared, changes: Changes | None) -> list[str]:
    seconds = compared.seconds
    if not seconds.shape[1]:
        return [_row("**Latency** :small[:gray[no image was called for by both]]", "—", "—", None, pending=False)]
    quantiles: Floats = np.quantile(seconds, (0.5, 0.95, 0.99), axis=1)
    return [
        _row(
            f"**Latency {name}** :small[:gray[ms]]",
            f"{a * 1000:,.0f}",
            f"{b * 1000:,.0f}",
            None if changes is None else changes.latency[place],
            scale=1000,
            digits=0,
            lower_is_better=True,
        )
        for place, (name, (a, b)) in enumerate(zip(("p50", "p95", "p99"), quantiles.tolist(), strict=True))
    ]


def _cost(compared: Compared) -> str:
    """What 1,000 images cost at the mean latency, one call after another."""
    means = compared.seconds.mean(axis=1).tolist() if compared.seconds.shape[1] else [math.nan, math.nan]
    a, b = compared.once("costs", lambda: tuple(map(_cost_of, (compared.a, compared.b), means)))  # asks AWS
    gap = "—" if math.isnan(b - a) else "0" if a == b else plain(usd(b - a, 4).replace("-", "−"))
    told = [("—" if math.isnan(value) else "0" if value == 0 else plain(usd(value, 4))) for value in (a, b)]
    about = ":small[:gray[one call after another]]"
    return f"| **Cost per 1,000 images** {about} | {told[0]} | {told[1]} | {gap} | | |"


def _cost_of(run: Run, mean: float) -> float:
    if run.imported:
        return math.nan
    price = usd_per_hour(connection_now(run), run.request.endpoint)
    if price == 0:
        return 0.0
    return cost_per_1000(price, 1, mean)


def _row(
    name: str,
    a: str,
    b: str,
    change: Change | None,
    *,
    scale: float = 1,
    digits: int = 3,
    lower_is_better: bool = False,
    pending: bool = True,
) -> str:
    if change is None:
        wait = "…" if pending else "—"
        return f"| {name} | {a} | {b} | {wait} | {wait} | |"
    told = _signed(change.interval.point * scale, digits)
    return f"| {name} | {a} | {b} | {told} | {_between(change, scale, digits)} | {_badge(change, lower_is_better)} |"


def _badge(change: Change, lower_is_better: bool) -> str:
    return {
        "better": ":orange-badge[B better]",
        "worse": ":blue-badge[A better]",
        "no difference": f":gray[{CHANCE}]",
        "undefined": ":gray[nothing to tell it from]",
    }[verdict(change, lower_is_better)]


def _signed(value: float, digits: int = 3) -> str:
    return signed(value, digits).replace("-", "−")


def _between(change: Change, scale: float = 1, digits: int = 3) -> str:
    low, high = change.interval.low * scale, change.interval.high * scale
    return (
        "—"
        if math.isnan(low)
        else f"{_signed(low, digits)}\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}{_signed(high, digits)}"
    )


def _settings(compared: Compared, cuts: Cuts) -> None:
    images = len(compared.comparison.images)
    if not compared.comparison.labelled:
        st.caption(f"{images:,} images. Two detections agree at an IoU of {cuts.iou:.2f} or more.")
        return
    chosen = " The thresholds are the best on these very images, for both alike." if "Best" in cuts.mode else ""
    st.caption(
        f"COCO's protocol on {images:,} images with {int(compared.comparison.a.matches.positives().sum()):,} objects; "
        f"precision, recall and F1 at IoU {cuts.iou:.2f}.{chosen} Intervals by resampling the images, both runs alike "
        "(paired bootstrap). Each line is a test of its own: by chance alone one in twenty would differ."
    )
