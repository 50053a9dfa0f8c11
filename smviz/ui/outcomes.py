"""How a run went: failures by their cause, latency, who answered, and what it cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from smviz.exporting import failures_csv
from smviz.pricing import cost_per_1000
from smviz.records import Failure, Outcome
from smviz.runner.progress import quantiles
from smviz.sagemaker import log_url
from smviz.settings import is_loopback
from smviz.store import Run
from smviz.ui import session
from smviz.ui.frame import plain
from smviz.ui.planning import usd
from smviz.ui.resources import store, works
from smviz.ui.running import connection_now, usd_per_hour, work_on

NAMED = 8  # images that a cause names
GROUPS_SHOWN = 6
SIDE_BY_SIDE = 2
BINS = 40  # at most; few replies make fewer
ACCENT = "#0f9d8f"


@dataclass(frozen=True)
class Cause:
    """What went wrong alike for several images.

    Attributes:
        kind, message, advice: those of the failures; the message has "…" where an image's name stood.
        images: their names.
        log: the ARN of the log stream that has most of them; None where none is known.
    """

    kind: str
    message: str
    advice: str
    images: tuple[str, ...]
    log: str | None = None


def without_bodies(run: Run) -> tuple[Outcome, ...]:
    """What became of the images of a run, without the replies' bytes, which may be large.

    Raises:
        StoreError: when the workspace cannot be read.
    """
    work = works().get(run.id)
    return _without_bodies(run.id, run.answered, run.failed, work.batch.progress.elapsed if work else 0.0)


@st.cache_resource(scope="session", max_entries=4, show_spinner="Reading the run …")
def _without_bodies(run_id: str, answered: int, failed: int, worked: float) -> tuple[Outcome, ...]:
    """All arguments name what is kept: a run grows, and failed images may fail for another reason."""
    return tuple(
        replace(outcome, reply=replace(outcome.reply, body=b"")) if outcome.reply else outcome
        for outcome in store().iter_outcomes(run_id)
    )


def causes(outcomes: Iterable[Outcome]) -> list[Cause]:
    """The failures grouped by what went wrong, the most frequent first."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    logs: dict[tuple[str, str, str], Counter[str]] = {}
    for outcome in outcomes:
        if outcome.failure:
            alike = _alike(outcome.image, outcome.failure)
            groups.setdefault(alike, []).append(outcome.image)
            logs.setdefault(alike, Counter()).update([outcome.failure.log] if outcome.failure.log else [])
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    most = {alike: found.most_common(1)[0][0] for alike, found in logs.items() if found}
    return [Cause(*alike, tuple(images), most.get(alike)) for alike, images in ordered]


def _alike(image: str, failure: Failure) -> tuple[str, str, str]:
    return failure.kind, failure.message.replace(image, "…"), failure.advice


def failures(run: Run, outcomes: Sequence[Outcome]) -> None:
    """The images that have no reply, by cause, each with what to do and the way to try again.

    Raises:
        EndpointError: when nothing can be tried, for want of credentials.
    """
    found = causes(outcomes)
    if not found:
        return
    count = sum(len(cause.images) for cause in found)
    images = "1 image" if count == 1 else f"{count:,} images"
    with st.expander(f"{images} failed, left out of the numbers", icon=":material/error:", expanded=True):
        _causes(run, found[:GROUPS_SHOWN])
        if len(found) > GROUPS_SHOWN:
            st.caption(f"And {len(found) - GROUPS_SHOWN} more causes: the CSV has them all.")
        with st.container(horizontal=True, gap="small"):
            if len(found) > 1 and _callable(run):
                _again(run, [name for cause in found for name in cause.images], f"Try all {count:,} again", "all")
            workspace = store()
            st.download_button(
                "CSV",
                lambda: failures_csv(workspace, run),
                "failures.csv",
                "text/csv",
                icon=":material/download:",
                on_click="ignore",
                key="download failures",
            )


def _causes(run: Run, shown: Sequence[Cause]) -> None:
    """The groups, two side by side, each pair of the same height."""
    for first in range(0, len(shown), SIDE_BY_SIDE):
        columns = st.columns(min(len(shown), SIDE_BY_SIDE), gap="small")
        for number, cause in enumerate(shown[first : first + SIDE_BY_SIDE], first):
            with columns[number - first], st.container(border=True, gap="xsmall", height="stretch"):
                _cause(run, cause, number)


def _cause(run: Run, cause: Cause, number: int) -> None:
    st.markdown(f":red-badge[{len(cause.images):,} × {plain(cause.kind)}] **{plain(cause.message)}**")
    log = log_url(cause.log) or (_log_group(run) if cause.kind == "ModelError" else None)
    st.markdown(plain(cause.advice) + (f" [The container's log in CloudWatch]({log})" if log else ""))
    more = f" and {len(cause.images) - NAMED:,} more" if len(cause.images) > NAMED else ""
    st.caption(plain(", ".join(cause.images[:NAMED])) + more)
    if _callable(run):
        alike = "Try this one again" if len(cause.images) == 1 else f"Try these {len(cause.images):,} again"
        _again(run, cause.images, alike, str(number))


def _callable(run: Run) -> bool:
    return not run.imported and not session.read_only()


def _again(run: Run, images: Iterable[str], label: str, key: str) -> None:
    if st.button(label, icon=":material/refresh:", key=f"again {key} {run.id}"):
        work_on(run, only=frozenset(images))
        st.rerun()


def _log_group(run: Run) -> str | None:
    """Where a browser shows what all the endpoint's containers wrote, for a failure that does not tell which of them.

    None for an endpoint on this machine, and for whoever only looks: the account is another's.
    """
    region = run.connection.region
    if is_loopback(run.connection.endpoint_url) or session.read_only():
        return None
    partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rpartition("-")[0].rpartition("-")[0], "aws")
    # The account is the one that is signed in at the console; its number is not in the address.
    return log_url(f"arn:{partition}:logs:{region}::log-group:/aws/sagemaker/Endpoints/{run.request.endpoint}")


def calls(run: Run, outcomes: Sequence[Outcome]) -> None:
    """Latency and where it went, the variants that answered, and the cost."""
    called = [outcome for outcome in outcomes if outcome.reply and not outcome.reused]
    latency = np.array([outcome.reply.latency for outcome in called if outcome.reply])
    known = latency[np.isfinite(latency)]
    if not len(known):
        _no_latency(run, outcomes)
        return
    p50, p95, p99 = quantiles(known.tolist())
    title = f"Calls: latency p50 {_ms(p50)}, p95 {_ms(p95)}, p99 {_ms(p99)}"
    with st.expander(title, icon=":material/timer:"):
        left, right = st.columns([1, 1.4], gap="large")
        with left:
            for column, (name, value) in zip(
                st.columns(3, gap="small"), {"p50": p50, "p95": p95, "p99": p99}.items(), strict=True
            ):
                column.metric(f"Latency {name}", _ms(value), border=True)
            _split(called, p50)
            _answered_by(outcomes)
            _left_out(outcomes)
            _costs(run, float(known.mean()))
        with right:
            st.plotly_chart(_histogram(known), key="latency histogram", config={"displayModeBar": False})


def _no_latency(run: Run, outcomes: Sequence[Outcome]) -> None:
    if run.imported:
        st.caption(":material/timer: Nothing was called here, so there is no latency to tell.")
    elif any(outcome.reply for outcome in outcomes):
        st.caption(":material/timer: Every reply was known from an earlier run: no call was made, and none was timed.")


def _split(called: Sequence[Outcome], median: float) -> None:
    """Where the time of an image goes: on this machine, on the way and in the model."""
    models = [outcome.reply.model for outcome in called if outcome.reply and outcome.reply.model is not None]
    parts = {"on this machine: read, decode, wait for its turn": float(np.median([o.client for o in called]))}
    if models:
        model = float(np.median(models))
        parts |= {"in the network and SageMaker": max(0.0, median - model), "in the model": model}
    else:
        parts["in the network, SageMaker and the model"] = median
    rows = "\n".join(f"| {name} | {_ms(seconds)} |" for name, seconds in parts.items())
    st.markdown(f"| Half of the images took less than … | |\n|---|---:|\n{rows}")


def _answered_by(outcomes: Sequence[Outcome]) -> None:
    counts = Counter(outcome.reply.variant for outcome in outcomes if outcome.reply and outcome.reply.variant)
    if counts:
        told = ", ".join(f"**{plain(name)}** {count:,}" for name, count in counts.most_common())
        st.markdown(f"Answered by variant: {told}")
    if len(counts) > 1:
        st.warning("Several models answered: the numbers below are of their mixture.", icon=":material/warning:")


def _left_out(outcomes: Sequence[Outcome]) -> None:
    reused = sum(outcome.reused for outcome in outcomes)
    if reused:
        st.caption(f"{reused:,} replies were known from earlier calls; they are left out here.")


def _costs(run: Run, mean: float) -> None:
    """What 1,000 images cost, at the latency and at the rate that were measured."""
    price = usd_per_hour(connection_now(run), run.request.endpoint)
    if price == 0:
        st.caption("The endpoint runs on this machine and costs nothing.")
        return
    if math.isnan(price):
        st.caption("Cost per 1,000 images: unknown, for there is no price per hour for this endpoint here.")
        return
    told = [f"{plain(usd(cost_per_1000(price, 1, mean), 4))} one call after another"]
    work = works().get(run.id)
    end = work.batch.progress if work else None
    if end and end.elapsed and end.done > end.reused:
        rate = (end.done - end.reused) / end.elapsed
        told.append(f"{plain(usd(price / rate / 3.6, 4))} at the {rate:.1f} images/s of the last run")
    st.markdown(f"Cost per 1,000 images: {', '.join(told)}")
    st.caption(
        f"At {plain(usd(price, 3))} an hour. Idle time is billed too, and mostly dominates: "
        f"{plain(usd(24 * price))} a day until the endpoint is deleted."
    )


def _histogram(latency: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    """Milliseconds in equal bins; the slowest hundredth goes into the last one."""
    shown = np.minimum(latency, np.quantile(latency, 0.99) * 1.05) * 1000
    counts, edges = np.histogram(shown, bins=min(BINS, max(8, round(2 * math.sqrt(len(shown))))))
    axis = {"showgrid": True, "gridcolor": "rgba(128,128,128,0.2)", "zeroline": False}
    return {
        "data": [
            {
                "type": "bar",
                "x": ((edges[:-1] + edges[1:]) / 2).tolist(),
                "y": counts.tolist(),
                "marker": {"color": ACCENT},
                "hovertemplate": "%{y} replies at about %{x:.0f} ms<extra></extra>",
            }
        ],
        "layout": {
            "height": 300,
            "margin": {"l": 50, "r": 10, "t": 10, "b": 45},
            "bargap": 0.05,
            "xaxis": {**axis, "title": {"text": "Latency, ms"}},
            "yaxis": {**axis, "title": {"text": "Replies"}, **({"dtick": 1} if counts.max() < 6 else {})},
        },
    }


def _ms(seconds: float) -> str:
    return (
        "—" if math.isnan(seconds) else f"{seconds * 1000:,.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"
    )


def not_judged(run: Run) -> None:
    """Why there are no numbers of a run."""
    if run.answered:
        st.info(
            "This run has no ground truth: it can be timed and exported, but not judged.", icon=":material/label_off:"
        )
    else:
        st.info("No image of this run has a reply yet, so there is nothing to judge.", icon=":material/info:")
