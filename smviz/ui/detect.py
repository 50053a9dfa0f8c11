"""The parts of the Detect page: one image with its call, its boxes, and what can be taken away."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from smviz.errors import BadResponse
from smviz.records import Detections, Payload, Reply
from smviz.settings import Connection, Preset, Request
from smviz.thresholds import Thresholds, values_of
from smviz.ui import answers, calling, history, opening
from smviz.ui.choice import Chosen, preset_of, request_of
from smviz.ui.frame import badge_label, plain, show_error
from smviz.ui.reply import raw_reply
from smviz.ui.resources import EMBEDDED, LONGEST_SHOWN, image_url, picture_url
from smviz.viewer import ImageMatches, ImageTruth, ViewerState, viewer

SHOWN_FROM = 0.3  # confidence, until a link or a person says otherwise
LONGEST_NAME = 48  # characters


@dataclass(frozen=True, eq=False)
class Look:
    """An image with its answer.

    Attributes:
        key: names it in the viewer: another image resets zoom and selection.
        answer: what identifies the call among the session's answers; "" for that of a stored run.
        connection, request: how it was called; None where that is not known.
        truth, matches: where the image is labelled.
    """

    key: str
    name: str
    payload: Payload
    reply: Reply
    attempts: int
    preset: Preset
    detections: Detections
    answer: str = ""
    connection: Connection | None = None
    request: Request | None = None
    embedded: bool = False
    truth: ImageTruth | None = None
    matches: ImageMatches | None = None


def head(name: str, on_step: Callable[[int], None]) -> tuple[DeltaGenerator, DeltaGenerator]:
    """The title line: the image's name, a place for facts, Previous and Next, and a place for further buttons."""
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small", key="detect head"
    ):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
            short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 16]}…{name[-15:]}"
            st.markdown(f"#### {plain(short)}", width="content", help=plain(name) if short != name else None)
            facts = st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content")
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content"):
            st.button("Previous", icon=":material/chevron_left:", on_click=on_step, args=(-1,), key="previous image")
            st.button("Next", icon=":material/chevron_right:", on_click=on_step, args=(1,), key="next image")
            buttons = st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content")
    return facts, buttons


def current_look(chosen: Chosen) -> tuple[Look, DeltaGenerator]:
    """The session's current image, called for if it was not yet, and the place for buttons in its title line.

    Raises:
        NothingToShow: when there is none, or it cannot be shown, which is said.
        EndpointError: when the endpoint cannot be described.
    """
    item = history.current()
    if item is None:
        st.info("Choose an image; it is sent to the endpoint once.", icon=":material/add_photo_alternate:")
        raise history.NothingToShow
    facts, buttons = head(item.name, opening.step)
    item = history.looked_at(item, history.held())
    if item.payload is None:
        if item.error:
            show_error(item.error)
        raise history.NothingToShow
    payload = calling.fitted(item.payload, chosen)
    asked = st.session_state.pop("call again", False)
    answer = answers.answer_to(chosen, payload, again=asked)
    if answer.reply is None:
        _failed(answer)
    call_facts(facts, payload, answer.reply, answer.attempts)
    again = "Sends this image once more, and shows the new answer"
    buttons.button("Call again", icon=":material/refresh:", on_click=_ask_again, key="call this again", help=again)
    request, preset = request_of(chosen), preset_of(chosen)
    key = answers.answer_key(chosen, request, payload.sha256)
    try:
        detections = answers.read(answer.reply, payload, preset)
    except BadResponse as error:
        show_error(error)
        raw_reply(answer.reply, expanded=True)
        raise history.NothingToShow from error
    embedded = chosen.region == EMBEDDED
    how = (chosen.connection, request, embedded)
    look = Look(payload.sha256, item.name, payload, answer.reply, answer.attempts, preset, detections, key, *how)
    return look, buttons


def _failed(answer: answers.Answer) -> NoReturn:
    if answer.error:
        show_error(answer.error)
    times = "Called once" if answer.attempts == 1 else f"Called {answer.attempts} times"
    tried = times if answer.attempts else "Not called"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("Try again", icon=":material/refresh:", on_click=_ask_again, key="try again")
        st.caption(f"{tried}. It is not called again until you ask; the other images stay as they are.")
    raise history.NothingToShow


def _ask_again() -> None:
    st.session_state["call again"] = True


def call_facts(place: DeltaGenerator, payload: Payload, reply: Reply, attempts: int, as_sent: bool = True) -> None:
    """The call in badges: size, bytes, latency, the variant that answered; and what was done to the file.

    Not told of a picture that has the frame, and not the bytes, of what was sent: how many bytes those were.
    """
    place.badge(f"{payload.width} × {payload.height} px", icon=":material/aspect_ratio:", color="gray")
    done = plain("; ".join(payload.notes)) if payload.notes else "as the file is"
    if as_sent:
        size = f"{len(payload.body) / 1024:,.0f} kB sent"
        place.badge(size, icon=":material/upload:", color="gray", help=f"Sent {done}.")
    if not math.isnan(reply.latency):
        took = "From sending to the last byte of the reply."
        if reply.model is not None:
            took += f" The model itself says {reply.model * 1000:,.0f} ms."
        place.badge(f"{reply.latency * 1000:,.0f} ms", icon=":material/bolt:", color="green", help=took)
    if reply.variant:
        place.badge(f"answered by {badge_label(reply.variant)}", icon=":material/alt_route:", color="gray")
    if attempts > 1:
        place.badge(f"{attempts} attempts", icon=":material/replay:", color="orange")
    if payload.notes and as_sent:
        st.caption(f"Before sending: {plain('; '.join(payload.notes))}.")


def shown(
    look: Look,
    detections: Detections,
    on_step: Callable[[int], None],
    other: Detections | None = None,
    names: tuple[str, str] = ("A", "B"),
    picture: bytes | None = None,
    in_force: Thresholds | None = None,
) -> ViewerState:
    """The viewer with an image and its detections; the threshold is kept in the address bar.

    Args:
        look: the image.
        detections: what to show on it.
        on_step: as the viewer's.
        other: as the viewer's.
        names: as the viewer's.
        picture: a JPEG in place of the image that was sent, of the same proportions.
        in_force: saved thresholds, which the viewer begins with and marks.
    """
    start = in_force.overall.value if in_force else SHOWN_FROM
    payload = look.payload
    url = image_url(picture, "image/jpeg", "detect image") if picture else picture_url(payload, "detect image")
    large = max(payload.width, payload.height) > LONGEST_SHOWN and not picture
    state = viewer(
        url,
        detections,
        width=payload.width,
        height=payload.height,
        key="detect viewer",
        image_key=look.key,
        threshold=_linked_threshold(start),
        best_threshold=start if in_force else None,
        class_thresholds=_of_classes(in_force, detections),
        ground_truth=look.truth,
        matches=None if other is not None else look.matches,
        other=other,
        names=names,
        full_url=image_url(payload.body, payload.content_type, "detect full image") if large else None,
        on_step=on_step,
        stage_height=560,
    )
    st.session_state[opening.STATE] = state
    if float(st.query_params.get("threshold", start)) != state.threshold:
        st.query_params["threshold"] = repr(state.threshold)
    return state


def _of_classes(in_force: Thresholds | None, detections: Detections) -> dict[str, float] | None:
    """The saved threshold of each class; None where one serves all."""
    return values_of(in_force, detections.class_names) if in_force and in_force.classes else None


def _linked_threshold(otherwise: float) -> float:
    """The threshold in the address; a bad one is told and taken out."""
    text = st.query_params.get("threshold")
    if text is None:
        return otherwise
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if 0 <= value <= 1:
        return value
    st.toast(
        f"The link's threshold “{plain(text[:20])}” is no number from 0 to 1; {otherwise:g} is shown.",
        icon=":material/warning:",
    )
    del st.query_params["threshold"]
    return otherwise
