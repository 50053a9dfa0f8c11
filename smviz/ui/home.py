"""The parts of the home page."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice

import streamlit as st

from smviz import drawing
from smviz.colours import class_colours
from smviz.errors import SmvizError
from smviz.evaluation import read_by
from smviz.local import SAMPLES
from smviz.store import Run
from smviz.ui import answers, session
from smviz.ui.choice import Chosen, preset_of, with_variant
from smviz.ui.frame import page_link, plain, status_badge
from smviz.ui.resources import EMBEDDED, described, prepared, run_image, store
from smviz.ui.runs import run_label

SHOWN_FROM = 0.35  # confidence
RUNS_SHOWN = 8
LOOKED_AT = 12  # images of a shared run, of which the one with the most boxes is shown
STEPS = (
    ("Endpoint", "Choose an endpoint", "Region, variant, class labels, and one test call"),
    ("Detect", "Look at one image", "Its boxes, a confidence slider that answers at once, every detection listed"),
    ("Evaluate", "Judge it on many images", "COCO's numbers, curves, the best threshold, every miss and mistake"),
    ("Compare", "Compare two runs", "Which is better, beyond chance, and the images that tell them apart"),
)
SHARED_STEPS = (
    ("Detect", "Look at one image", "Its boxes as the endpoint answered then, with a confidence slider"),
    ("Evaluate", "See how good it is", "COCO's numbers, curves, the best threshold, every miss and mistake"),
    ("Compare", "Compare two runs", "Which is better, beyond chance, and the images that tell them apart"),
)


def connected(chosen: Chosen) -> None:
    """What is connected now; nothing is, where there is only something to look at.

    Raises:
        EndpointError: when it cannot be described.
    """
    if session.read_only():
        return
    if chosen.endpoint is None:
        st.info("No endpoint is chosen yet.", icon=":material/dns:")
        return
    endpoint = described(chosen.connection, chosen.endpoint)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"Connected: **{plain(endpoint.name)}**")
            status_badge(endpoint.status)
            st.badge(chosen.place, icon=":material/location_on:", color="gray")
        if chosen.region == EMBEDDED:
            st.caption(
                "A server on the same machine as smviz that speaks SageMaker's wire protocol and runs a small real "
                "detector. No AWS account is needed, and nothing leaves that machine."
            )


def steps(chosen: Chosen) -> None:
    """Where to start."""
    for page, label, text in SHARED_STEPS if session.read_only() else STEPS:
        with st.container(border=True, gap="xxsmall"):
            page_link(page, label, chosen)
            st.caption(text)


def live_example(chosen: Chosen) -> None:
    """A sample scene as the embedded endpoint answers it now; an endpoint that costs money is not called unasked.

    Raises:
        EndpointError: when the call fails.
    """
    if chosen.region != EMBEDDED or chosen.endpoint is None or session.read_only():
        return
    endpoint = described(chosen.connection, chosen.endpoint)
    if not endpoint.answers:
        return
    chosen = with_variant(chosen, endpoint)  # as Detect calls it, where the answer is then known
    sample = SAMPLES.images[0]
    payload = prepared(sample.read_bytes(), sample.name)
    known = answers.known(chosen, payload)
    failed = known is not None and known.reply is None
    reply = answers.answer_to(chosen, payload, again=failed).required()
    found = answers.read(reply, payload, preset_of(chosen))
    kept = found.at_least(SHOWN_FROM)
    st.image(
        drawing.annotate(payload, kept, class_colours(kept.class_names)),
        output_format="JPEG",
        width="stretch",
        alt="A highway scene with the detections of the embedded endpoint",
    )
    st.caption(
        f"{sample.name}, just answered in {reply.latency * 1000:.0f} ms: {len(kept)} of {len(found)} detections have a "
        f"confidence of {SHOWN_FROM} or more."
    )


def shared_example(runs: tuple[Run, ...]) -> None:
    """An image of the newest run that is shared with pictures, with the boxes of its stored reply."""
    run = next((run for run in runs if run.answered and run.shared != "none"), None)
    if run is None or not session.read_only():
        return
    read, best = read_by(run.preset), None
    for outcome in islice(store().iter_outcomes(run.id), LOOKED_AT):
        with suppress(SmvizError):  # a reply or an image that cannot be read is told of where it is looked at
            kept = read(outcome).at_least(SHOWN_FROM) if outcome.reply else None
            if kept is not None and (best is None or len(kept) > len(best[1])):
                best = prepared(run_image(run.id, outcome.image), outcome.image), kept, outcome.image
    if best:
        payload, kept, name = best
        st.image(
            drawing.annotate(payload, kept, class_colours(kept.class_names)),
            output_format="JPEG",
            width="stretch",
            alt="An image of a shared run with the detections of its stored reply",
        )
        of = f"of run {run.name}, {len(kept)} detections with a confidence of {SHOWN_FROM} or more."
        st.caption(plain(f"{name} {of}"))


def latest_runs(runs: tuple[Run, ...], chosen: Chosen) -> None:
    """The newest stored runs, each with a link that opens it."""
    if runs:
        st.subheader("Shared runs" if session.read_only() else "Latest runs", anchor=False)
    for run in runs[:RUNS_SHOWN]:
        page_link("Evaluate", plain(run_label(run)), chosen, {"run": run.id})
