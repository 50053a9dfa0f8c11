"""The viewer: a picture with its boxes, a confidence slider and the list of detections, in one component.

Everything that follows the slider is drawn in the browser; Python hears of the threshold when the slider is let go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from smviz.colours import MARKS, class_colours
from smviz.errors import BadSetting
from smviz.records import Detections, frozen_array

_FOLDER = Path(__file__).parent
_SCRIPTS = ("model.js", "paint.js", "list.js", "slider.js", "stage.js", "viewer.js")  # one module, in this order

_component = st.components.v2.component(
    "smviz_viewer",
    html=(_FOLDER / "viewer.html").read_text(encoding="utf-8"),
    css=(_FOLDER / "viewer.css").read_text(encoding="utf-8"),
    js="\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in _SCRIPTS),
)


@dataclass(frozen=True, eq=False)
class ImageTruth:
    """The labelled boxes of one image, columnar.

    Attributes:
        xyxy: float64 [G, 4], left, top, right, bottom in pixels of the image shown.
        class_id: int64 [G], index into the class names of the detections shown with them.
        ignored: bool [G], objects that nobody has to find (COCO: crowd, or outside the area range).

    Raises:
        BadSetting: when the columns have different lengths.
    """

    xyxy: NDArray[np.float64]
    class_id: NDArray[np.int64]
    ignored: NDArray[np.bool_]

    def __post_init__(self) -> None:
        object.__setattr__(self, "xyxy", frozen_array(self.xyxy, np.float64, 4))
        object.__setattr__(self, "class_id", frozen_array(self.class_id, np.int64))
        object.__setattr__(self, "ignored", frozen_array(self.ignored, np.bool_))
        if not len(self.xyxy) == len(self.class_id) == len(self.ignored):
            raise BadSetting(
                f"Columns of the ground truth differ in number "
                f"({len(self.xyxy)}, {len(self.class_id)}, {len(self.ignored)}).",
                "Give one class and one ignored flag per box.",
            )

    def __len__(self) -> int:
        return len(self.class_id)


@dataclass(frozen=True, eq=False)
class ImageMatches:
    """What each detection of one image was matched to, at confidence 0.

    Matching is greedy by descending confidence, so these columns hold at every threshold: a detection that is cut
    changes no other, and its object becomes a missed one. True positive is a detection with an object that is not
    ignored; false positive one without.

    Attributes:
        truth: int64 [N], index into `ImageTruth`, or -1 where nothing was matched.
        ignored: bool [N], detections that count neither way.

    Raises:
        BadSetting: when the columns have different lengths.
    """

    truth: NDArray[np.int64]
    ignored: NDArray[np.bool_]

    def __post_init__(self) -> None:
        object.__setattr__(self, "truth", frozen_array(self.truth, np.int64))
        object.__setattr__(self, "ignored", frozen_array(self.ignored, np.bool_))
        if len(self.truth) != len(self.ignored):
            raise BadSetting(
                f"Columns of the matches differ in number ({len(self.truth)}, {len(self.ignored)}).",
                "Give one matched object, or -1, and one ignored flag per detection.",
            )

    def __len__(self) -> int:
        return len(self.truth)


@dataclass(frozen=True, slots=True)
class ViewerState:
    """What the person at the viewer has chosen.

    Attributes:
        threshold: the confidence below which detections are cut; a detection is shown when its confidence is >= it,
            or when it has none (NaN).
        hidden: class ids that are switched off.
        selected: index into the detections, or None.
        selected_truth: index into the ground truth, or None; never set together with `selected`.
    """

    threshold: float
    hidden: frozenset[int] = frozenset()
    selected: int | None = None
    selected_truth: int | None = None


@dataclass(frozen=True, slots=True)
class _Memory:
    """One viewer between two runs of the page. `revision` grows when Python, not the person, changes a value."""

    image_key: str
    given_threshold: float
    given_selected: int | None
    revision: int
    state: ViewerState


def viewer(
    image_url: str,
    detections: Detections,
    *,
    width: int,
    height: int,
    key: str,
    image_key: str,
    threshold: float = 0.5,
    best_threshold: float | None = None,
    ground_truth: ImageTruth | None = None,
    matches: ImageMatches | None = None,
    selected: int | None = None,
    stage_height: int = 600,
) -> ViewerState:
    """Show an image with its detections; threshold, classes, zoom and selection answer without a rerun.

    What a person sets wins over `threshold` and `selected` until Python gives another value than in the run before.
    Threshold and hidden classes are kept from image to image; zoom and selection as long as `image_key` stays.

    Args:
        image_url: where the browser gets the image; a path on this server or a data URI.
        detections: the boxes, in pixels of a frame of `width` x `height`.
        width, height: the image's size in pixels.
        key: names this viewer on the page, like any widget's key.
        image_key: names the image; another one resets zoom and selection.
        threshold: where the slider stands at first, 0 to 1.
        best_threshold: marked on the slider, with its value; a click on it sets the threshold.
        ground_truth: labelled boxes to draw as well.
        matches: colours boxes by true positive, false positive and missed; needs `ground_truth`.
        selected: index of the detection to highlight.
        stage_height: the most that the picture may take, in CSS pixels; it takes less when it is wide.

    Raises:
        BadSetting: when a threshold is not within 0 and 1, or columns do not belong together.
    """
    _check(detections, width, height, threshold, best_threshold, ground_truth, matches, selected)
    memory = _remember(f"{key}:viewer", image_key, threshold, selected)
    data = {
        "image": {"url": image_url, "key": image_key, "width": width, "height": height},
        "stage_height": stage_height,
        "threshold": memory.state.threshold,
        "best_threshold": best_threshold,
        "hidden": sorted(memory.state.hidden),
        "selected": memory.state.selected,
        "revision": memory.revision,
        "classes": _classes(detections, ground_truth),
        "detections": _detection_columns(detections, matches),
        "truth": None if ground_truth is None else _truth_columns(ground_truth),
        "colours": {**MARKS, "ignored": "#A3A8AE", "truth": "#FFFFFF"},
    }
    result = _component(key=key, data=data, default={"view": None}, on_view_change=lambda: None)
    state = _reported(result.view, memory, len(detections))
    st.session_state[f"{key}:viewer"] = replace(memory, state=state)
    return state


def _remember(slot: str, image_key: str, threshold: float, selected: int | None) -> _Memory:
    """The memory for this run: what the last run knew, overruled by whatever Python has changed since."""
    before: _Memory | None = st.session_state.get(slot)
    if before is None:
        return _Memory(image_key, threshold, selected, 0, ViewerState(threshold, selected=selected))
    state, revision = before.state, before.revision
    if image_key != before.image_key:
        state = replace(state, selected=selected, selected_truth=None)
    elif selected != before.given_selected and selected != state.selected:
        state, revision = replace(state, selected=selected, selected_truth=None), revision + 1
    if threshold not in (before.given_threshold, state.threshold):
        state, revision = replace(state, threshold=threshold), revision + 1
    return _Memory(image_key, threshold, selected, revision, state)


def _reported(view: Mapping[str, Any] | None, memory: _Memory, detections: int) -> ViewerState:
    """What the browser last told, where that is not older than what Python gave."""
    if view is None or view["revision"] != memory.revision:
        return memory.state
    state = replace(memory.state, threshold=float(view["threshold"]), hidden=frozenset(view["hidden"]))
    if view["image"] != memory.image_key:
        return state
    item = view["selected"]
    if item is None:
        return replace(state, selected=None, selected_truth=None)
    if item < detections:
        return replace(state, selected=item, selected_truth=None)
    return replace(state, selected=None, selected_truth=item - detections)


def _detection_columns(detections: Detections, matches: ImageMatches | None) -> dict[str, Any]:
    # Scores travel unrounded: the browser must cut exactly where `confidence >= threshold` cuts.
    return {
        "xyxy": np.round(detections.xyxy, 2).ravel().tolist(),
        "score": [None if score != score else score for score in detections.confidence.tolist()],
        "class_id": detections.class_id.tolist(),
        "matched": None if matches is None else matches.truth.tolist(),
        "ignored": None if matches is None else matches.ignored.tolist(),
    }


def _truth_columns(truth: ImageTruth) -> dict[str, Any]:
    return {
        "xyxy": np.round(truth.xyxy, 2).ravel().tolist(),
        "class_id": truth.class_id.tolist(),
        "ignored": truth.ignored.tolist(),
    }


def _classes(detections: Detections, truth: ImageTruth | None) -> list[dict[str, Any]]:
    ids = set(detections.class_id.tolist()) | (set() if truth is None else set(truth.class_id.tolist()))
    names, colours = detections.class_names, class_colours(detections.class_names)
    return [{"id": i, "name": names[i], "colour": colours[names[i]]} for i in sorted(ids)]


def _check(
    detections: Detections,
    width: int,
    height: int,
    threshold: float,
    best_threshold: float | None,
    truth: ImageTruth | None,
    matches: ImageMatches | None,
    selected: int | None,
) -> None:
    for value in (threshold, best_threshold):
        if value is not None and not 0 <= value <= 1:
            raise BadSetting(f"A threshold of {value} was given.", "Give a confidence from 0 to 1.")
    if width < 1 or height < 1:
        raise BadSetting(f"An image of {width} x {height} pixels was given.", "Give the size of the image shown.")
    if not np.isfinite(detections.xyxy).all():
        raise BadSetting("A box has a coordinate that is no number.", "Leave such boxes out before showing them.")
    if selected is not None and not 0 <= selected < len(detections):
        raise BadSetting(f"There is no detection {selected}.", f"Give an index below {len(detections)}, or None.")
    if (
        truth is not None
        and len(truth)
        and not 0 <= truth.class_id.min() <= truth.class_id.max() < len(detections.class_names)
    ):
        raise BadSetting("The ground truth has a class without a name.", "Give the detections the class names of both.")
    if matches is not None and truth is None:
        raise BadSetting("Matches were given without ground truth.", "Give the ground truth they refer to.")
    if matches is not None and truth is not None:
        if len(matches) != len(detections):
            raise BadSetting(
                f"There are {len(matches)} matches for {len(detections)} detections.", "Give one per detection."
            )
        if len(matches) and not -1 <= matches.truth.min() <= matches.truth.max() < len(truth):
            raise BadSetting("A match points to no labelled box.", "Give indices into the ground truth, or -1.")
