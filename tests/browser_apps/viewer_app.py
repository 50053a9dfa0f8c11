"""The page of the browser tests: one viewer, and what Python knows of it, as JSON.

Query parameters: `scene` (sample, marked, rivals, crowd, compare, grid, odd, turned, huge, scoreless, broken, empty),
`n` (how many boxes the grid has), `own` (thresholds per class are given), `sync` (a second viewer follows the first),
`steps` (previous and next image).
"""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import streamlit as st
from PIL import Image

from smviz.records import Detections
from smviz.viewer import ImageMatches, ImageTruth, viewer

st.set_page_config(layout="wide")


def picture(width: int, height: int, colour: tuple[int, int, int] = (120, 120, 120)) -> str:
    """A plain PNG as a data URI, grey unless told otherwise."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def grid(count: int, width: int, height: int) -> Detections:
    """Boxes spread over the frame by a fixed seed."""
    random = np.random.default_rng(7)
    size = random.uniform(12, 90, (count, 2))
    corner = random.uniform(0, 1, (count, 2)) * ([width, height] - size)
    names = ("car", "van", "truck", "bus", "motorbike", "bicycle", "person", "trailer")
    return Detections(
        np.hstack([corner, corner + size]), random.uniform(0, 1, count), random.integers(0, 8, count), names
    )


def turned(width: int, height: int) -> str:
    """A JPEG stored on its side, which its EXIF orientation 6 turns to `width` x `height`."""
    image, exif = Image.new("RGB", (height, width), (120, 120, 120)), Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


# Four boxes of 100 x 100, far apart, then one nested in the first.
CORNERS = np.array([[50, 50], [250, 50], [50, 250], [250, 250], [80, 80]], float)
SIZES = np.array([100, 100, 100, 100, 40], float)[:, None]
NAMES = ("car", "person", "<b>bus</b><img src=x onerror=alert(1)>")

scene = st.query_params.get("scene", "sample")
width, height = {"odd": (401, 301), "grid": (1920, 1080), "turned": (301, 203), "huge": (4000, 3000)}.get(
    scene, (400, 400)
)
url = "data:image/png;base64,bm9waWN0dXJl" if scene == "broken" else picture(width, height)
truth = matches = best = other = full = None
own = {"car": 0.6, "person": 0.82} if "own" in st.query_params else None
if scene == "grid":
    boxes = grid(int(st.query_params.get("n", "300")), width, height)
elif scene == "odd":
    boxes = Detections(np.array([[37.25, 41.5, 137.75, 163.25]]), np.array([0.9]), np.array([0]), NAMES)
elif scene == "turned":
    url = turned(width, height)
    boxes = Detections(np.array([[20.5, 30, 90, 180]]), np.array([0.9]), np.array([0]), NAMES)
elif scene == "huge":
    url, full = picture(1200, 900), picture(width, height, (60, 120, 60))
    boxes = Detections(np.array([[1000.0, 1000, 1200, 1100]]), np.array([0.9]), np.array([0]), NAMES)
elif scene == "crowd":
    # Three on one car of 100 x 100, each shifted by 10; a small person; a person in the place of the car.
    corners = np.array([[50, 50], [60, 50], [70, 50], [300, 300], [50, 55]], float)
    sides = np.array([100, 100, 100, 12, 100], float)[:, None]
    scores = np.array([0.95, 0.9, 0.85, 0.8, 0.7])
    boxes = Detections(np.hstack([corners, corners + sides]), scores, np.array([0, 0, 0, 1, 1]), NAMES)
elif scene == "scoreless":
    boxes = Detections(np.hstack([CORNERS, CORNERS + SIZES]), np.full(5, np.nan), np.zeros(5, int), NAMES)
elif scene == "empty":
    boxes = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), NAMES)
else:
    scores = np.array([0.95, 0.85, 0.5, 0.3, 0.8])
    boxes = Detections(np.hstack([CORNERS, CORNERS + SIZES]), scores, np.array([0, 1, 0, 2, 1]), NAMES)
if scene == "marked":
    # By score: 0.95 right, 0.85 wrong, 0.80 ignored, 0.50 right, 0.30 wrong. The third object is never found.
    objects = np.array([[50, 50, 150, 150], [52, 252, 152, 352], [250, 150, 350, 200], [80, 80, 120, 120]], float)
    truth = ImageTruth(objects, np.array([0, 0, 1, 1]), np.array([False, False, False, True]))
    matches = ImageMatches([[0, 0], [2, 3], [3, 1]], [False] * 4, [False] * 5)
    best = 0.423
if scene == "rivals":
    # One car, found twice: the more confident box is only 9 pixels wide, and takes the object while it is shown.
    found = np.array([[100, 100, 109, 200], [100, 100, 112, 200], [300, 300, 340, 340]], float)
    boxes = Detections(found, np.array([0.9, 0.8, 0.7]), np.array([0, 0, 1]), NAMES)
    truth = ImageTruth([[100, 100, 110, 200]], [0], [False])
    matches = ImageMatches([[0, 0], [1, 0]], [False], [False] * 3)
if scene == "compare":
    # The first is found by both; the second as another class; the last is found by the second set alone.
    found = np.array([[55, 50, 155, 150], [250, 50, 350, 150], [180, 350, 240, 390]], float)
    other = Detections(found, np.array([0.6, 0.9, 0.7]), np.array([0, 0, 1]), NAMES)


def step(by: int) -> None:
    """Another image, as the person asked at the viewer."""
    st.session_state.image = st.session_state.get("image", 0) + by


with st.container(horizontal=True):
    if st.button("Python sets 0.90"):
        st.session_state.given = 0.9
    if st.button("Python selects 1"):
        st.session_state.chosen = 1
    if st.button("Python sets classes"):
        st.session_state.own = {"car": 0.9}
    if st.button("Only one"):
        boxes = Detections(boxes.xyxy[:1], boxes.confidence[:1], boxes.class_id[:1], boxes.class_names)
    if st.button("Run again"):
        st.session_state.runs = st.session_state.get("runs", 0) + 1
    if st.button("Next image"):
        st.session_state.image = st.session_state.get("image", 0) + 1

state = viewer(
    url,
    boxes,
    width=width,
    height=height,
    key="viewer",
    image_key=f"{scene}-{st.session_state.get('image', 0)}",
    threshold=st.session_state.get("given", 0.4),
    best_threshold=best,
    class_thresholds=st.session_state.get("own", own),
    ground_truth=truth,
    matches=matches,
    other=other,
    names=("prod", "candidate"),
    selected=st.session_state.get("chosen"),
    full_url=full,
    sync="both" if "sync" in st.query_params else None,
    on_step=step if "steps" in st.query_params else None,
)
told = {
    "threshold": state.threshold,
    "hidden": sorted(state.hidden),
    "selected": state.selected,
    "selected_truth": state.selected_truth,
    "selected_other": state.selected_other,
    "class_thresholds": state.class_thresholds,
    "min_side": state.min_side,
    "nms_iou": state.nms_iou,
    "nms_across_classes": state.nms_across_classes,
    "top_k": state.top_k,
    "step": state.step,
    "runs": st.session_state.get("runs", 0),
    "image": st.session_state.get("image", 0),
    "reaching": int((boxes.confidence >= state.threshold).sum()),
    "kept": int(state.keeps(boxes).sum()),
    "checksum": int(np.flatnonzero(state.keeps(boxes)).sum()),
}
st.code(json.dumps(told))
if "sync" in st.query_params:
    second = viewer(url, boxes, width=width, height=height, key="second", image_key=scene, threshold=0.4, sync="both")
    st.caption(json.dumps({"threshold": second.threshold, "hidden": sorted(second.hidden)}))
