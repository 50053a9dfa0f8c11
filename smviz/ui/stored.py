"""An image of a stored run, by a link: its stored reply is shown, and nothing is called."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import NoReturn

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from smviz.annotations import parse_ground_truth
from smviz.errors import BadImage, BadResponse, SmvizError, UnknownRun
from smviz.evaluation import JudgedImage, judge, judged_image, read_by
from smviz.local import SAMPLES
from smviz.records import Detections, GroundTruth, Outcome, Payload
from smviz.settings import is_loopback
from smviz.store import Run
from smviz.ui import history, runs, session
from smviz.ui.choice import Chosen
from smviz.ui.detect import Look, call_facts, head
from smviz.ui.frame import badge_label, page_link, plain, show_error
from smviz.ui.reply import raw_reply
from smviz.ui.resources import prepared, run_image, store
from smviz.viewer import ImageMatches, ImageTruth


def asked() -> bool:
    """Whether the address names a run."""
    return "run" in st.query_params


def step(by: int) -> None:
    """Go to the previous or next image of the run."""
    run = store().run(st.query_params["run"])
    names = store().image_names(run.id)
    at = names.index(st.query_params.get("image", names[0])) if st.query_params.get("image") in names else 0
    st.query_params["image"] = names[(at + by) % len(names)]


def stored_look(chosen: Chosen) -> tuple[Look, DeltaGenerator]:
    """The image that the address names, with its stored reply and ground truth; and a place for buttons.

    Stops the page, in words, where there is no such run, image or reply.
    """
    run, name = _run_and_image(chosen)
    facts, buttons = head(name, step)
    data = _image(run, name)
    if chosen.endpoint and data is not None:
        buttons.button(
            "Call again",
            icon=":material/refresh:",
            on_click=_call,
            args=(name, data),
            key="call this again",
            help=f"Leaves the run and sends this image to {plain(chosen.label)}",
        )
    outcome = _outcome(run, name)
    assert outcome.reply
    if data is None:
        raw_reply(outcome.reply, expanded=True)
        st.stop()
    payload = _as_sent(prepared(data, name), outcome, run)
    call_facts(facts, payload, outcome.reply, outcome.attempts, as_sent=run.shared != "small")
    try:
        found = read_by(run.preset)(outcome)
    except BadResponse as error:
        show_error(error)
        raw_reply(outcome.reply, expanded=True)
        st.stop()
    key = hashlib.sha256(f"{run.id} {name}".encode("utf-8", "replace")).hexdigest()
    look = Look(key, name, payload, outcome.reply, outcome.attempts, run.preset, found)
    if run.request.endpoint and run.shared != "small":  # the very bytes that were sent are needed for the same call
        embedded = is_loopback(run.connection.endpoint_url)
        look = replace(look, connection=run.connection, request=run.request, embedded=embedded)
    return _with_truth(look, run, outcome), buttons


def _run_and_image(chosen: Chosen) -> tuple[Run, str]:
    if session.read_only():
        return _one_of_the_shared(chosen)
    try:
        run = store().run(st.query_params["run"])
    except UnknownRun as error:
        show_error(error)
        st.button("Look at other images", icon=":material/photo_library:", on_click=_leave)
        st.stop()
    names = store().image_names(run.id)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge("Stored reply, nothing is called", icon=":material/inventory_2:", color="violet")
        st.badge(badge_label(run.name), icon=":material/history:", color="gray")
        page_link("Evaluate", "Open the run", chosen, {"run": run.id})
        st.button("Look at other images", icon=":material/photo_library:", on_click=_leave, type="tertiary")
    name = st.query_params.get("image")
    if name not in names:
        _choose(name, names)
    return run, str(name)


def _one_of_the_shared(chosen: Chosen) -> tuple[Run, str]:
    """The run and the image to look at, of those that there are; stops the page where there is none."""
    known = store().runs()
    if not known:
        runs.none_yet()
        st.stop()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        run = runs.run_picker(known)
        names = store().image_names(run.id)
        wanted = st.query_params.get("image", names[0])
        name = st.selectbox(
            "Image",
            names,
            index=names.index(wanted) if wanted in names else None,
            placeholder=f"Type a part of a name: {len(names):,} images",
            label_visibility="collapsed",
            key=f"image of {run.id}, {wanted}",  # stepping changes what the address asks for
        )
        page_link("Evaluate", "Open the run", chosen, {"run": run.id})
    if name is None:
        st.error(f"**The run has no image “{plain(wanted)}”.**  \nChoose one of its images.", icon=":material/error:")
        st.stop()
    if name != st.query_params.get("image"):
        st.query_params["image"] = name
    return run, name


def _choose(wrong: str | None, names: tuple[str, ...]) -> NoReturn:
    if wrong is None:
        st.info("The link names no image of the run.", icon=":material/image_search:")
    else:
        st.error(f"**The run has no image “{plain(wrong)}”.**  \nChoose one of its images.", icon=":material/error:")
    picked = st.selectbox("Image of the run", names, index=None, placeholder=f"{len(names)} images")
    if picked:
        st.query_params["image"] = picked
        st.rerun()
    st.stop()


def _image(run: Run, name: str) -> bytes | None:
    try:
        return run_image(run.id, name)
    except SmvizError as error:
        show_error(error)
        return None


def _outcome(run: Run, name: str) -> Outcome:
    outcome = store().outcome(run.id, name)
    if outcome is None:
        st.info(
            "This image has not been called for in the run"
            + ("." if session.read_only() else " yet. Go on with the run on the Evaluate page."),
            icon=":material/hourglass_empty:",
        )
        st.stop()
    if outcome.failure:
        failure, times = outcome.failure, f"{outcome.attempts} calls were made"
        st.error(
            f"**This image failed in the run: {plain(failure.message)}**  \n{plain(failure.advice)}  \n{times}.",
            icon=":material/error:",
        )
        st.stop()
    return outcome


def _as_sent(payload: Payload, outcome: Outcome, run: Run) -> Payload:
    """The image, in the frame that was sent in the run."""
    was, now = (outcome.width, outcome.height), (payload.width, payload.height)
    if was != now:
        error = BadImage(
            f"The image file has changed: {was[0]} × {was[1]} pixels in the run, {now[0]} × {now[1]} now.",
            "The stored reply is below; its boxes are those of the file as it was.",
        )
        show_error(error)
        if outcome.reply:
            raw_reply(outcome.reply, expanded=True)
        st.stop()
    if run.shared == "small":
        st.caption(":material/photo_size_select_small: Shared as a small picture, shown in the frame that was sent.")
    elif payload.sha256 != outcome.sha256 and outcome.sha256:
        st.warning("The image file has changed since the run; the boxes are those of the file as it was.")
    return payload


@st.cache_resource(max_entries=2, scope="session", show_spinner="Reading the ground truth …")
def _truth_of(run_id: str) -> GroundTruth | None:
    annotations = store().annotations(run_id)
    return parse_ground_truth(annotations, "The run's ground truth") if annotations else None


def _with_truth(look: Look, run: Run, outcome: Outcome) -> Look:
    """The image with its labelled boxes and what each detection took, in pixels of the image that was sent."""
    try:
        truth = _truth_of(run.id)
        judged = _judged(truth, run, outcome) if truth else None
    except SmvizError as error:
        st.caption(f":material/info: The ground truth is left out: {plain(str(error))}")
        return look
    if judged is None:
        return look
    left_out = len(look.detections) - len(judged.detections)
    if left_out:
        st.caption(
            f":material/info: {left_out} detections of classes that the ground truth does not have are left out."
        )
    return replace(
        look,
        detections=judged.detections,
        truth=ImageTruth(judged.truth_xyxy, judged.truth_class_id, judged.truth_ignored),
        matches=ImageMatches(judged.choices, judged.truth_crowd, judged.uncounted, judged.most),
    )


def _judged(truth: GroundTruth, run: Run, outcome: Outcome) -> JudgedImage | None:
    evaluation = judge(truth, [outcome], read_by(run.preset), class_map=dict(run.class_map))
    images = evaluation.matches.ground_truth
    if not images.image_names:
        return None
    judged = judged_image(evaluation, 0)
    width, height = (int(side) for side in images.image_sizes[0])
    sent = (outcome.width, outcome.height)
    if min(width, height) <= 0 or sent in {(width, height), (height, width)}:
        return judged
    scale = np.tile(np.array(sent) / (width, height), 2)
    found = judged.detections
    moved = Detections(found.xyxy * scale, found.confidence, found.class_id, found.class_names)
    return replace(judged, detections=moved, truth_xyxy=judged.truth_xyxy * scale)


def _leave() -> None:
    for name in ("run", "image", "threshold"):
        st.query_params.pop(name, None)


def _call(name: str, data: bytes) -> None:
    _leave()
    st.session_state.setdefault("sample opened", SAMPLES.images[0].name)  # a sample scene shall not come before it
    history.open_image(history.add(name, data))
    st.session_state["call again"] = True
