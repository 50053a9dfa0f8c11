"""The parts of the Detect page."""

from __future__ import annotations

from pathlib import PurePath

import streamlit as st

from smviz import drawing, exports
from smviz.colours import class_colours
from smviz.local import SAMPLES
from smviz.records import Detections, Payload, Reply
from smviz.ui.frame import plain
from smviz.ui.resources import picture_url
from smviz.viewer import ViewerState, viewer

SOURCES = ("Sample scenes", "Upload", "Camera")


def image_picker() -> tuple[bytes, str] | None:
    """The image to look at, as bytes and a name: a sample, an uploaded file or a picture; None until there is one."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        source = st.segmented_control(
            "Image",
            SOURCES,
            default=SOURCES[0],
            required=True,
            key="source",
            bind="query-params",
            label_visibility="collapsed",
        )
        if source == SOURCES[0]:
            return _sample()
    if source == SOURCES[1]:
        given = st.file_uploader("An image: JPEG, PNG, WebP, AVIF, TIFF, BMP or GIF", key="upload")
    else:
        given = st.camera_input("A picture from this computer's camera", key="camera")
    return (given.getvalue(), given.name) if given else None


def shown(payload: Payload, name: str, detections: Detections, threshold: float) -> ViewerState:
    """The viewer with an image and its detections."""
    return viewer(
        picture_url(payload, "detect image"),
        detections,
        width=payload.width,
        height=payload.height,
        key="detect viewer",
        image_key=payload.sha256,
        threshold=threshold,
        stage_height=600,
    )


def call_facts(payload: Payload, reply: Reply, name: str) -> None:
    """One line about the call: image, its size, latency, the variant that answered; and what was done to the file."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(plain(name), icon=":material/image:", color="gray")
        st.badge(f"{payload.width} × {payload.height} px", icon=":material/aspect_ratio:", color="gray")
        st.badge(f"{len(payload.body) / 1024:,.0f} kB sent", icon=":material/upload:", color="gray")
        st.badge(f"{reply.latency * 1000:,.0f} ms", icon=":material/bolt:", color="green")
        if reply.variant:
            st.badge(f"answered by {plain(reply.variant)}", icon=":material/alt_route:", color="gray")
    if payload.notes:
        st.caption(f"Before sending: {plain('; '.join(payload.notes))}.")


def downloads(payload: Payload, name: str, detections: Detections, state: ViewerState) -> None:
    """What the viewer shows now, as a picture and as data: same threshold, same classes; and one more call."""
    kept = detections.at_least(state.threshold).without(state.hidden)
    stem = PurePath(name).stem
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.download_button(
            "PNG",
            lambda: drawing.annotate(payload, kept, class_colours(kept.class_names)),
            f"{stem}.detections.png",
            "image/png",
            icon=":material/image:",
            on_click="ignore",
            help="The image at full resolution with the boxes shown now",
        )
        st.download_button(
            "JSON",
            lambda: exports.detections_json(name, payload, kept, state.threshold),
            f"{stem}.detections.json",
            "application/json",
            icon=":material/data_object:",
            on_click="ignore",
        )
        st.download_button(
            "CSV",
            lambda: exports.detections_csv(name, kept),
            f"{stem}.detections.csv",
            "text/csv",
            icon=":material/table:",
            on_click="ignore",
        )
        st.caption(
            f"{len(kept)} of {len(detections)} detections: confidence {state.threshold:.2f} or more, classes on."
        )


def _sample() -> tuple[bytes, str]:
    names = [path.name for path in SAMPLES.images]

    def step(by: int) -> None:
        st.session_state["sample"] = names[(names.index(st.session_state["sample"]) + by) % len(names)]

    name = st.selectbox(
        "Sample scene", names, key="sample", bind="query-params", label_visibility="collapsed", width=220
    )
    st.button("Previous", icon=":material/chevron_left:", on_click=step, args=(-1,))
    st.button("Next", icon=":material/chevron_right:", on_click=step, args=(1,))
    return (SAMPLES.folder / "images" / name).read_bytes(), name
