"""How a run went, beside its numbers: failures, latency, cost, and the settings that made it all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from smviz.pricing import cost_per_1000
from smviz.records import Outcome
from smviz.runner.progress import quantiles
from smviz.store import Run
from smviz.ui.derived import Derived
from smviz.ui.frame import plain
from smviz.ui.planning import usd
from smviz.ui.running import connection_now, usd_per_hour


def how_it_went(columns: Sequence[DeltaGenerator], run: Run, outcomes: Sequence[Outcome]) -> None:
    """Four cards: failed images, latency p50 and p95, cost per 1,000 images."""
    failed, p50, p95, cost = columns
    share = f"of {run.total:,}" if run.failed + run.answered == run.total else f"of {run.total:,}, not all called yet"
    _card(
        failed, "Failed images", f"{run.failed:,}", share, "Images without a reply; they are left out of the numbers."
    )
    latencies = [outcome.reply.latency for outcome in outcomes if outcome.reply and not outcome.reused]
    known = [latency for latency in latencies if math.isfinite(latency)]
    if not known:
        why = "no call was timed"
        about = "Every reply was known from an earlier run, or was imported."
        for column, name in ((p50, "Latency p50"), (p95, "Latency p95"), (cost, "Cost per 1,000")):
            _card(column, name, "—", why, about)
        return
    half, most, _ = quantiles(known)
    _card(p50, "Latency p50", _ms(half), f"{len(known):,} calls", "Half of the calls took less, as measured here.")
    _card(p95, "Latency p95", _ms(most), f"{len(known):,} calls", "95 % of the calls took less, as measured here.")
    _cost(cost, run, sum(known) / len(known))


def settings_line(derived: Derived, run: Run) -> None:
    """What made the numbers: the protocol, the data, the endpoint, and how its replies are read."""
    settings, truth = derived.matches.settings, derived.matches.ground_truth
    request = run.request
    options = "".join(f", {name} {value}" for name, value in run.preset.options)
    variant = f" · {request.variant}" if request.variant else ""
    whose = f" of {plain(request.endpoint + variant)}" if request.endpoint else ""
    st.caption(
        f"COCO's protocol: IoU {settings.ious[0]:.2f} to {settings.ious[-1]:.2f} in steps of 0.05, at most "
        f"{settings.max_detections[-1]} detections per image and class, crowd regions ignored, confidence from 0. "
        f"{len(truth.image_names):,} images, {int(derived.matches.positives().sum()):,} objects, "
        f"{len(derived.matches.predictions):,} detections{whose}, read as {plain(run.preset.format + options)}."
    )


def _cost(column: DeltaGenerator, run: Run, mean: float) -> None:
    price = usd_per_hour(connection_now(run), run.request.endpoint)
    about = "One call after another at the mean latency; idle time is billed too. More under Calls above."
    if price == 0:
        _card(column, "Cost per 1,000", "0 USD", "on this machine", "The endpoint runs on this machine.")
    elif math.isnan(price):
        _card(column, "Cost per 1,000", "—", "price not known here", about)
    else:
        _card(column, "Cost per 1,000", usd(cost_per_1000(price, 1, mean), 3), f"at {usd(price, 3)} an hour", about)


def _card(column: DeltaGenerator, name: str, value: str, beside: str, about: str) -> None:
    column.metric(name, value, beside, "off", help=about, delta_arrow="off", border=True)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"
