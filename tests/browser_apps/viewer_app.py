"""The page of the browser tests: one viewer, and what Python knows of it, as JSON.

Query parameters: `scene` (sample, marked, grid, odd, html, scoreless, broken, empty), `n` (boxes of the grid).
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


def picture(width: int, height: int) -> str:
    """A plain grey PNG as a data URI."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (120, 120, 120)).save(buffer, "PNG")
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


# Four boxes of 100 x 100, far apart, then one nested in the first.
CORNERS = np.array([[50, 50], [250, 50], [50, 250], [250, 250], [80, 80]], float)
SIZES = np.array([100, 100, 100, 100, 40], float)[:, None]
NAMES = ("car", "person", "<b>bus</b><img src=x onerror=alert(1)>")

scene = st.query_params.get("scene", "sample")
width, height = {"odd": (401, 301), "grid": (1920, 1080)}.get(scene, (400, 400))
url = "data:image/png;base64,bm9waWN0dXJl" if scene == "broken" else picture(width, height)
truth = matches = best = None
if scene == "grid":
    boxes = grid(int(st.query_params.get("n", "300")), width, height)
elif scene == "odd":
    boxes = Detections(np.array([[37.25, 41.5, 137.75, 163.25]]), np.array([0.9]), np.array([0]), NAMES)
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
    matches = ImageMatches(np.array([0, -1, 3, 1, -1]), np.array([False, False, True, False, False]))
    best = 0.423

with st.container(horizontal=True):
    if st.button("Python sets 0.90"):
        st.session_state.given = 0.9
    if st.button("Python selects 1"):
        st.session_state.chosen = 1
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
    ground_truth=truth,
    matches=matches,
    selected=st.session_state.get("chosen"),
)
told = {
    "threshold": state.threshold,
    "hidden": sorted(state.hidden),
    "selected": state.selected,
    "selected_truth": state.selected_truth,
    "runs": st.session_state.get("runs", 0),
    "image": st.session_state.get("image", 0),
    "reaching": int((boxes.confidence >= state.threshold).sum()),
}
st.code(json.dumps(told))
