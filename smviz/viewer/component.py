"""The component itself: its arguments, what the browser is sent, and which side's change counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from smviz.colours import MARKS, class_colours
from smviz.errors import BadSetting
from smviz.records import Detections
from smviz.viewer.pair import Pair
from smviz.viewer.state import ViewerState, as_sent, as_told, shown_xyxy
from smviz.viewer.truth import ImageMatches, ImageTruth

_FOLDER = Path(__file__).parent
_SCRIPTS = (  # one module, in this order
    "geometry.js",
    "filters.js",
    "model.js",
    "labels.js",
    "paint.js",
    "slider.js",
    "stage.js",
    "list.js",
    "card.js",
    "chips.js",
    "controls.js",
    "sync.js",
    "keys.js",
    "panes.js",
    "board.js",
    "viewer.js",
)
# Of a second set: grey is what both found.
_AGREEMENT = {"agree": "#B4BAC2", "only_a": MARKS["fn"], "only_b": "#E69F00"}

_component = st.components.v2.component(
    "smviz_viewer",
    html=(_FOLDER / "viewer.html").read_text(encoding="utf-8"),
    css=(_FOLDER / "viewer.css").read_text(encoding="utf-8"),
    js="\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in _SCRIPTS),
)


@dataclass(frozen=True, slots=True)
class _Given:
    """What Python asked for: a change of it from one run to the next overrules the person."""

    image_key: str
    threshold: float
    class_thresholds: Mapping[str, float] | None
    selected: int | None
    selected_truth: int | None = None
    other_threshold: float | None = None


@dataclass(frozen=True, slots=True)
class _Memory:
    """One viewer between two runs of the page. `revision` grows when Python, not the person, changes a value."""

    given: _Given
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
    class_thresholds: Mapping[str, float] | None = None,
    ground_truth: ImageTruth | None = None,
    matches: ImageMatches | None = None,
    other: Detections | None = None,
    names: tuple[str, str] = ("A", "B"),
    pair: Pair | None = None,
    selected: int | None = None,
    selected_truth: int | None = None,
    full_url: str | None = None,
    sync: str | None = None,
    on_step: Callable[[int], None] | None = None,
    stage_height: int = 600,
) -> ViewerState:
    """Show an image with its detections; threshold, classes, filters, zoom and selection answer without a rerun.

    What a person sets wins over `threshold`, `class_thresholds` and what is selected until Python gives another value
    than in the run before. Thresholds, filters and hidden classes are kept from image to image; zoom and selection as
    long as `image_key` stays. `ViewerState.kept` gives the detections that are shown.

    Args:
        image_url: where the browser gets the image; a path on this server or a data URI. It may have fewer pixels
            than `width` x `height` and is then stretched to them.
        detections: the boxes, in pixels of a frame of `width` x `height`.
        width, height: the image's size in pixels.
        key: names this viewer on the page, like any widget's key.
        image_key: names the image; another one resets zoom and selection.
        threshold: where the slider stands at first, 0 to 1.
        best_threshold: marked on the slider, with its value; a click on it sets the threshold.
        class_thresholds: by class name; marked on the slider too, and in force until the person chooses one threshold
            for all. Without it there are thresholds per class as soon as the person asks for them.
        ground_truth: labelled boxes to draw as well.
        matches: colours boxes by true positive, false positive and missed, as matched among the detections that are
            shown; needs `ground_truth`.
        other: a second set of the same image with the same class names. Boxes of equal class that overlap by an IoU of
            at least 0.5 agree, one to one; the others are found by one set only. Not together with `matches`.
        names: what the two sets are called.
        pair: how they are laid beside each other; on one picture, told apart by colour, without it.
        selected: index of the detection to highlight.
        selected_truth: index into `ground_truth` of the box to highlight instead; not together with `selected`.
        full_url: the same image with all its pixels; fetched once the zoom asks for more than `image_url` has.
        sync: viewers of the page with the same word here share zoom, place, threshold, classes and filters.
        on_step: called with -1 or 1, before the page runs again, when the person asks for the previous or next image;
            without it the viewer has no keys for that.
        stage_height: the most that the picture may take, in CSS pixels, in a window that is not tall; it takes less
            when it is wide.

    Raises:
        BadSetting: when a threshold is not within 0 and 1, or columns do not belong together.
    """
    _check_thresholds(threshold, best_threshold, class_thresholds)
    _check_boxes(detections, width, height)
    _check_truth(detections, ground_truth, matches)
    _check_selected(detections, ground_truth, selected, selected_truth)
    _check_other(detections, other, matches, pair)
    own = None if class_thresholds is None else dict(class_thresholds)
    given = _Given(image_key, threshold, own, selected, selected_truth, pair.threshold if pair else None)
    memory = _remember(f"{key}:viewer", given)
    data = {
        "image": {"url": image_url, "full": full_url, "key": image_key, "width": width, "height": height},
        "stage_height": stage_height,
        "state": as_sent(memory.state),
        "selected": _selection(memory.state),
        "revision": memory.revision,
        "best_threshold": best_threshold,
        "given_class_thresholds": own,
        "classes": _classes(detections, ground_truth, other),
        "detections": _detection_columns(detections),
        "matches": None if matches is None else _match_columns(matches),
        "truth": None if ground_truth is None else _truth_columns(ground_truth),
        "other": None if other is None else _detection_columns(other),
        "names": names,
        "pair": pair.sent() if pair else None,
        "sync": sync,
        "steps": on_step is not None,
        "colours": {**MARKS, **_AGREEMENT, "ignored": "#A3A8AE", "truth": "#F5A3D0" if pair else "#FFFFFF"},
    }

    def step() -> None:
        asked = st.session_state[key].step
        if on_step is not None and asked in (-1, 1):
            on_step(asked)

    result = _component(key=key, data=data, default={"view": None}, on_view_change=lambda: None, on_step_change=step)
    state = _within(_reported(result.view, memory), detections, ground_truth, other)
    st.session_state[f"{key}:viewer"] = replace(memory, state=state)
    return replace(state, step=result.step or 0)


def _remember(slot: str, given: _Given) -> _Memory:
    """The memory for this run: what the last run knew, overruled by whatever Python has changed since."""
    before: _Memory | None = st.session_state.get(slot)
    if before is None:
        state = ViewerState(
            given.threshold, class_thresholds=given.class_thresholds, other_threshold=given.other_threshold
        )
        return _Memory(given, 0, _select(state, given.selected, given.selected_truth))
    state, was = before.state, before.given
    asked = (given.selected, given.selected_truth)
    known = ((was.selected, was.selected_truth), (state.selected, state.selected_truth))
    if given.image_key != was.image_key or asked not in known:
        state = _select(state, *asked)
    if given.threshold not in (was.threshold, state.threshold):
        state = replace(state, threshold=given.threshold)
    if given.class_thresholds not in (was.class_thresholds, state.class_thresholds):
        state = replace(state, class_thresholds=given.class_thresholds)
    if given.other_threshold not in (was.other_threshold, state.other_threshold):
        state = replace(state, other_threshold=given.other_threshold)
    changed = state is not before.state and given.image_key == was.image_key
    changed |= as_sent(state) != as_sent(before.state)
    return _Memory(given, before.revision + changed, state)


def _select(state: ViewerState, selected: int | None, truth: int | None = None) -> ViewerState:
    return replace(state, selected=selected, selected_truth=truth, selected_other=None)


def _reported(view: Mapping[str, Any] | None, memory: _Memory) -> ViewerState:
    """What the browser last told, where that is not older than what Python gave."""
    if view is None or view["revision"] != memory.revision:
        return memory.state
    return as_told(memory.state, view, view["image"] == memory.given.image_key)


def _within(
    state: ViewerState, detections: Detections, truth: ImageTruth | None, other: Detections | None
) -> ViewerState:
    """The state without a selection that these columns do not reach: they may have changed since it was made."""
    reached = (
        (state.selected, detections),
        (state.selected_truth, truth),
        (state.selected_other, other),
    )
    if all(index is None or (columns is not None and index < len(columns)) for index, columns in reached):
        return state
    return _select(state, None)


def _selection(state: ViewerState) -> dict[str, int] | None:
    chosen = {"detection": state.selected, "truth": state.selected_truth, "other": state.selected_other}
    return next(({kind: index} for kind, index in chosen.items() if index is not None), None)


def _detection_columns(detections: Detections) -> dict[str, Any]:
    # Scores travel unrounded: the browser must cut exactly where `confidence >= threshold` cuts.
    return {
        "xyxy": shown_xyxy(detections).ravel().tolist(),
        "score": [None if score != score else score for score in detections.confidence.tolist()],
        "class_id": detections.class_id.tolist(),
    }


def _match_columns(matches: ImageMatches) -> dict[str, Any]:
    return {
        "choices": matches.choices.ravel().tolist(),
        "crowd": matches.crowd.tolist(),
        "uncounted": matches.uncounted.tolist(),
        "most": matches.most,
    }


def _truth_columns(truth: ImageTruth) -> dict[str, Any]:
    return {
        "xyxy": np.round(truth.xyxy, 2).ravel().tolist(),
        "class_id": truth.class_id.tolist(),
        "ignored": truth.ignored.tolist(),
    }


def _classes(detections: Detections, truth: ImageTruth | None, other: Detections | None) -> list[dict[str, Any]]:
    columns = [part.class_id.tolist() for part in (detections, truth, other) if part is not None]
    names, colours = detections.class_names, class_colours(detections.class_names)
    return [{"id": i, "name": names[i], "colour": colours[names[i]]} for i in sorted(set().union(*columns))]


def _check_thresholds(threshold: float, best: float | None, own: Mapping[str, float] | None) -> None:
    for value in (threshold, best, *(own or {}).values()):
        if value is not None and not 0 <= value <= 1:
            raise BadSetting(f"A threshold of {value} was given.", "Give a confidence from 0 to 1.")


def _check_boxes(detections: Detections, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise BadSetting(f"An image of {width} x {height} pixels was given.", "Give the size of the image shown.")
    if not np.isfinite(detections.xyxy).all():
        raise BadSetting("A box has a coordinate that is no number.", "Leave such boxes out before showing them.")


def _check_selected(
    detections: Detections, truth: ImageTruth | None, selected: int | None, labelled: int | None
) -> None:
    if selected is not None and labelled is not None:
        raise BadSetting("A detection and a labelled box were selected.", "Select one of them.")
    if selected is not None and not 0 <= selected < len(detections):
        raise BadSetting(f"There is no detection {selected}.", f"Give an index below {len(detections)}, or None.")
    labels = 0 if truth is None else len(truth)
    if labelled is not None and not 0 <= labelled < labels:
        raise BadSetting(f"There is no labelled box {labelled}.", f"Give an index below {labels}, or None.")


def _check_truth(detections: Detections, truth: ImageTruth | None, matches: ImageMatches | None) -> None:
    if (
        truth is not None
        and len(truth)
        and not 0 <= truth.class_id.min() <= truth.class_id.max() < len(detections.class_names)
    ):
        raise BadSetting("The ground truth has a class without a name.", "Give the detections the class names of both.")
    if matches is None:
        return
    if truth is None:
        raise BadSetting("Matches were given without ground truth.", "Give the ground truth they refer to.")
    if (len(matches.uncounted), len(matches.crowd)) != (len(detections), len(truth)):
        raise BadSetting(
            f"The matches are of {len(matches.uncounted)} detections and {len(matches.crowd)} labelled boxes, "
            f"and there are {len(detections)} and {len(truth)}.",
            "Give the matches of this image.",
        )
    if len(matches.choices) and not (
        matches.choices.min() >= 0 and (matches.choices.max(axis=0) < (len(detections), len(truth))).all()
    ):
        raise BadSetting("A choice points to no detection or no labelled box.", "Give indices into both.")


def _check_other(
    detections: Detections, other: Detections | None, matches: ImageMatches | None, pair: Pair | None
) -> None:
    if other is None and pair is not None:
        raise BadSetting("A pair was given without a second set.", "Give the second set, or no pair.")
    if other is None:
        return
    if matches is not None:
        raise BadSetting(
            "A second set and matches were given.", "Give one of them: a box's colour tells one thing at a time."
        )
    if other.class_names != detections.class_names:
        raise BadSetting("The two sets have different class names.", "Give both the same names in the same order.")
    if not np.isfinite(other.xyxy).all():
        raise BadSetting("A box has a coordinate that is no number.", "Leave such boxes out before showing them.")
