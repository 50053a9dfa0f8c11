"""How the chosen endpoint is called: what each kind of endpoint must be told, and images that are too large."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from smviz import images
from smviz.errors import PayloadTooLarge
from smviz.records import Endpoint, Payload
from smviz.sagemaker import size_verdict
from smviz.settings import Request
from smviz.ui import session
from smviz.ui.choice import Chosen, request_of
from smviz.ui.frame import plain
from smviz.ui.resources import store

ACCEPTS = (
    "application/json",
    "application/json;annotation=1",
    "application/json;verbose",
    "application/jsonlines",
    "text/csv",
    "*/*",
)
OWN_TYPE = "the image's own"
CONTENT_TYPES = (OWN_TYPE, "application/x-image", "application/octet-stream", "image/jpeg", "image/png")


def call_settings(endpoint: Endpoint, chosen: Chosen) -> None:
    """What goes with every call, kept for this endpoint; only what its kind knows is asked.

    Raises:
        StoreError: when the workspace cannot be written.
        EndpointError: when the endpoint cannot be described.
    """
    now = request_of(chosen)
    with st.expander("How it is called", icon=":material/call_made:", expanded=bool(_missing(endpoint, now))):
        kept = _targets(endpoint, now)
        accept = st.selectbox(
            "Accept",
            _with(ACCEPTS, now.accept),
            index=_with(ACCEPTS, now.accept).index(now.accept),
            accept_new_options=True,
            help="The content type asked for.",
        )
        own = now.content_type or OWN_TYPE
        types = _with(CONTENT_TYPES, own)
        content_type = st.selectbox(
            "ContentType", types, index=types.index(own), accept_new_options=True, help="What the image is said to be."
        )
        attributes = st.text_input(
            "CustomAttributes", now.custom_attributes or "", max_chars=1024, help="Handed to the container as it is."
        )
        kept = replace(
            kept,
            accept=accept or "application/json",
            content_type=None if content_type in {None, OWN_TYPE} else content_type,
            custom_attributes=attributes or None,
        )
    if kept != now:
        store().save_request(chosen.key, replace(kept, variant=None))
    if missing := _missing(endpoint, kept):
        st.warning(f"Before it can be called: {missing}.", icon=":material/warning:")


def fitted(payload: Payload, chosen: Chosen) -> Payload:
    """The payload as it may be sent: what is too large is offered smaller, and never made so silently.

    Raises:
        PayloadTooLarge: while an image that does not fit has not been made small enough.
        EndpointError: when the endpoint cannot be described.
    """
    request = request_of(chosen)
    verdict = size_verdict(request.hosting, len(payload.body), inline=request.s3_input is None)
    if not verdict.warning:
        return payload
    st.warning(plain(verdict.warning), icon=":material/photo_size_select_large:")
    side, quality, wanted = st.columns([1, 1, 2], vertical_alignment="bottom")
    longest = side.number_input("Longest side, pixels", 64, max(payload.width, payload.height, 64), 1920, 64)
    strength = quality.number_input("JPEG quality", 30, 95, 85)
    smaller = images.smaller(payload, int(longest), int(strength))
    text = f"Send it as {smaller.width} × {smaller.height} pixels, {len(smaller.body) / 2**20:.2f} MB"
    if wanted.toggle(text, help="Boxes are then drawn on the smaller image, which is what the detector sees."):
        if size_verdict(request.hosting, len(smaller.body), inline=request.s3_input is None).ok:
            return smaller
        raise PayloadTooLarge("That is still too large.", "Choose fewer pixels or a lower quality.")
    if not verdict.ok:
        raise PayloadTooLarge("It has not been sent.", "Switch on above to send it smaller, or choose another image.")
    return payload


def _targets(endpoint: Endpoint, now: Request) -> Request:
    """What the endpoint's kind must be told to answer at all."""
    kept = now
    if endpoint.components:
        index = endpoint.components.index(now.component) if now.component in endpoint.components else None
        picked = st.selectbox("Inference component", endpoint.components, index=index)
        kept = replace(kept, component=picked)
    if endpoint.containers:
        index = endpoint.containers.index(now.container) if now.container in endpoint.containers else None
        kept = replace(kept, container=st.selectbox("Container", endpoint.containers, index=index))
    if "multi-model" in endpoint.traits:
        model = st.text_input("Model to load", now.target_model or "", placeholder="model.tar.gz", max_chars=1024)
        kept = replace(kept, target_model=model.strip() or None)
    if endpoint.hosting == "asynchronous":
        place = st.text_input(
            "S3 place for the images",
            now.s3_input or "",
            placeholder="s3://bucket/prefix",
            disabled=not session.may_use_s3(),
            help="Images are put there and read by the endpoint. Without it only 128 kB can be sent."
            + (" Nothing in S3 is open to you on this server." if not session.may_use_s3() else ""),
        )
        kept = replace(kept, s3_input=place.strip() or None)
    return kept


def _missing(endpoint: Endpoint, request: Request) -> str:
    """What a call would be refused without, in words; "" when nothing is."""
    if endpoint.components and request.component not in endpoint.components:
        return "choose the inference component that shall answer"
    if endpoint.containers and request.container not in endpoint.containers:
        return "choose the container that shall answer"
    if "multi-model" in endpoint.traits and not request.target_model:
        return "name the model that shall be loaded"
    return ""


def _with(known: tuple[str, ...], value: str) -> list[str]:
    return list(known) if value in known else [*known, value]
