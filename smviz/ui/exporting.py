"""What can be taken away from the Detect page: exactly what is shown, as pictures and as data; and the call itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

import streamlit as st

from smviz import drawing, exports, snippets
from smviz.colours import class_colours
from smviz.exports import image as files
from smviz.records import Detections
from smviz.ui.detect import Look
from smviz.viewer import ViewerState

TOOLS: dict[str, tuple[Callable[[snippets.Call], str], str]] = {
    "AWS CLI": (snippets.aws_cli, "bash"),
    "boto3": (snippets.boto3_lines, "python"),
    "curl": (snippets.curl, "bash"),
}


def export_menu(look: Look, detections: Detections, state: ViewerState, what: str = "") -> None:
    """A popover with every export; `what` tells what the detections are where they are not just the reply's."""
    with st.popover("Export", icon=":material/download:", key="export"):
        kept = state.kept(detections)
        st.caption(f"{what}{len(kept)} of {len(detections)} detections, as the viewer shows them: {_in_words(state)}.")
        _downloads(look, kept, state)
        if look.connection and look.request:
            _call(look)


def _downloads(look: Look, kept: Detections, state: ViewerState) -> None:
    name, payload, stem = look.name, look.payload, PurePath(look.name).stem
    colours = class_colours(kept.class_names)
    given: tuple[tuple[str, Callable[[], bytes], str, str, str, str], ...] = (
        (
            "PNG",
            lambda: drawing.annotate(payload, kept, colours),
            "png",
            "image/png",
            "image",
            "The picture with its boxes, at full resolution",
        ),
        (
            "SVG",
            lambda: drawing.annotate_svg(payload, kept, colours),
            "svg",
            "image/svg+xml",
            "polyline",
            "The picture inside, boxes as lines and labels as text: sharp at any size",
        ),
        (
            "JSON",
            lambda: files.filtered_json(name, payload, kept, state.threshold, _filters(state, kept)),
            "json",
            "application/json",
            "data_object",
            "Boxes in pixels, numbers in full precision",
        ),
        (
            "CSV",
            lambda: exports.detections_csv(name, kept),
            "csv",
            "text/csv",
            "table",
            "A row for each detection",
        ),
        (
            "COCO",
            lambda: files.detections_coco(name, payload, kept),
            "coco.json",
            "application/json",
            "dataset",
            "A data set of this image, to begin labelling from; every annotation carries its score",
        ),
        (
            "YOLO",
            lambda: files.detections_yolo(name, payload, kept),
            "yolo.zip",
            "application/zip",
            "folder_zip",
            "A label file, boxes as shares of the image and clipped to it, and classes.txt",
        ),
    )
    for row in (given[:3], given[3:]):
        for column, (label, make, suffix, kind, icon, words) in zip(st.columns(3, gap="small"), row, strict=True):
            column.download_button(
                label,
                make,
                f"{stem}.detections.{suffix}",
                kind,
                icon=f":material/{icon}:",
                on_click="ignore",
                help=words,
                width="stretch",
                key=f"export {label}",
            )


def _call(look: Look) -> None:
    """The lines that make the same call, and the very bytes that they send."""
    payload, connection, request = look.payload, look.connection, look.request
    assert connection
    assert request
    suffix = ".jpg" if payload.content_type == "image/jpeg" else ".png"
    file = f"{PurePath(look.name).stem}.sent{suffix}" if payload.notes else PurePath(look.name).name
    st.markdown("**The same call elsewhere**")
    tool = st.segmented_control(
        "Tool", list(TOOLS), default="AWS CLI", required=True, key="call with", label_visibility="collapsed"
    )
    lines, language = TOOLS[tool]
    st.code(lines(snippets.Call(connection, request, payload.content_type, file, look.embedded)), language)
    st.download_button(
        "The image as it was sent",
        payload.body,
        file,
        payload.content_type,
        icon=":material/photo:",
        on_click="ignore",
        help=f"{plain_file(file)}, which the lines read from the current folder",
        key="export sent",
    )


def plain_file(name: str) -> str:
    """A file name as code in Markdown."""
    return f"`{name.replace('`', '')}`"


def _in_words(state: ViewerState) -> str:
    if state.class_thresholds is None:
        words = [f"confidence from {state.threshold:.2f}"]
    else:
        words = ["a confidence for each class"]
    words += [f"sides from {state.min_side:g} px"] if state.min_side > 0 else []
    words += [f"NMS at IoU {state.nms_iou:.2f}"] if state.nms_iou is not None else []
    words += [f"the top {state.top_k}"] if state.top_k is not None else []
    words += [f"{len(state.hidden)} classes off"] if state.hidden else []
    return ", ".join(words)


def _filters(state: ViewerState, kept: Detections) -> dict[str, object]:
    """The filters of the viewer that are on, beside the threshold."""
    names = kept.class_names
    given = {
        "class_thresholds": dict(state.class_thresholds) if state.class_thresholds is not None else None,
        "min_side": state.min_side or None,
        "nms_iou": state.nms_iou,
        "nms_across_classes": state.nms_across_classes or None,
        "top_k": state.top_k,
        "hidden_classes": [names[i] for i in sorted(state.hidden) if i < len(names)] or None,
    }
    return {name: value for name, value in given.items() if value is not None}
