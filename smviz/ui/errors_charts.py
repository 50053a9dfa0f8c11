"""The charts of the section of errors that Plotly draws: what errors cost, calibration, and where it is weak."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from smviz import charts, diagnosis
from smviz.diagnosis import Breakdown, Reliability
from smviz.ui.derived import Derived
from smviz.ui.errors_picked import KINDS, Opened, choose, clickable, close, latest, picked
from smviz.ui.frame import number, plain
from smviz.ui.threshold_bar import Chosen

TIDE, BIN, PART = "tide", "bin", "part"
MEANS = {
    "Cls": "right place, wrong class",
    "Loc": "right class, badly placed",
    "Both": "wrong class and badly placed",
    "Dupe": "an object found once more",
    "Bkg": "nothing is labelled there",
    "Miss": "an object that nothing found",
}
BREAKDOWNS: dict[str, tuple[str, Callable[..., Breakdown]]] = {
    "size": ("Size (COCO's)", diagnosis.by_size),
    "area": ("Area", diagnosis.by_area),
    "shape": ("Shape", diagnosis.by_aspect),
    "crowding": ("Objects in the image", diagnosis.by_crowding),
    "neighbour": ("Nearest neighbour", diagnosis.by_neighbour),
}
_OF_CURVE = ("missed", "false", "missed")  # what the bars of recall, precision and AP open
_CLICK = ":material/touch_app: Click a bar, or its name below, to see its pictures."


def costs(derived: Derived, chosen: Chosen) -> Opened | None:
    """TIDE's errors; returns the kind that is open."""
    st.subheader("What errors cost", anchor=False)
    whole = derived.once(("tide", chosen.iou), lambda: diagnosis.tide(derived.matches, chosen.iou, near=derived.near))
    tide = whole.only(chosen.classes)
    names = [error.name for error in tide.errors]
    clickable(
        charts.tide_figure(tide),
        TIDE,
        "What each kind of error costs in AP",
        lambda point: (names[point["point_index"]],) if point["point_index"] < len(names) else None,
    )
    choose(TIDE, "Kind of error", {(error.name,): f"{error.name} {len(error):,}" for error in tide.errors})
    means = " · ".join(f"**{name}** {MEANS[name]}" for name in diagnosis.ERRORS)
    sizes = " Objects of every size count." if chosen.area != "all" else ""
    st.caption(
        f"{_CLICK} TIDE at IoU {tide.positive:g}, over all confidences{_of(chosen)}: the AP of {number(tide.ap)} that "
        f"fixing each kind alone would add; it does not add up.{sizes} {means}."
    )
    words = picked(TIDE)
    if len(words) != 1 or words[0] not in names:
        return None
    error = tide[words[0]]
    return Opened(TIDE, words, f"{error.name}: {MEANS[error.name]}, at any confidence", error.evidence())


def calibration(derived: Derived, chosen: Chosen) -> Opened | None:
    """The reliability diagram; returns the bin that is open."""
    st.subheader("Does confidence mean precision?", anchor=False)
    targets = derived.once(
        ("precision targets", chosen.iou, chosen.area),
        lambda: diagnosis.precision_targets(derived.matches, chosen.iou, chosen.area),
    ).only(chosen.classes)
    diagram = diagnosis.reliability(targets)
    if math.isnan(diagram.error):
        st.info("There is no detection to tell from.", icon=":material/analytics:")
        return None
    full: list[int] = np.flatnonzero(diagram.count).tolist()
    bins: dict[tuple[str, ...], str] = {(_edge(diagram, place),): _range(diagram, place) for place in full}
    clickable(
        charts.reliability_figure(diagram),
        BIN,
        "Precision by confidence",
        lambda point: (_edge(diagram, full[point["point_index"]]), "false") if point["curve_number"] < 2 else None,
    )
    choose(BIN, "Bin of confidence", bins)
    errors = derived.once("class errors", lambda: _class_errors(derived))
    placed = errors if chosen.classes is None else errors[list(chosen.classes)]
    kept = diagnosis.reliability(targets, confidence=chosen.threshold).error
    st.caption(
        f"{_CLICK} **D-ECE {number(diagram.error)}** over all detections{_of(chosen)}, {number(kept)} from the "
        f"threshold on: how far mean confidence and precision at IoU {chosen.iou:.2f} lie apart, in 10 bins. "
        f"**LaECE0 {number(_mean(placed))}**: how far confidence and the IoU that is reached lie apart, mean over "
        "classes, in 25 bins, objects of every size. 0 is best."
    )
    words = picked(BIN)
    if not words or words[:1] not in bins:
        return None
    place = next(place for place in full if _edge(diagram, place) == words[0])
    heading = f"Confidence {_range(diagram, place)}: precision {number(diagram.target[place])}"
    evidence = targets.evidence(diagram, place)
    return Opened(BIN, words[:1], heading, evidence, _kind(words[1:], "false", evidence))


def weaknesses(derived: Derived, chosen: Chosen) -> Opened | None:
    """A breakdown; returns the part that is open."""
    st.subheader("Where it is weak", anchor=False)
    words = picked(PART)
    linked = words[0] if words and words[0] in BREAKDOWNS else next(iter(BREAKDOWNS))
    by = st.segmented_control(
        "By",
        list(BREAKDOWNS),
        default=linked,
        required=True,
        format_func=lambda by: BREAKDOWNS[by][0],
        key="breakdown",
        on_change=lambda: close() if picked(PART) else None,
        label_visibility="collapsed",
    )
    title, breakdown = BREAKDOWNS[by][0], _breakdown(derived, chosen, by)
    if not breakdown.objects.sum():
        st.info("There is no object to be found.", icon=":material/analytics:")
        return None
    names = [breakdown.names[place] for place in np.flatnonzero(breakdown.objects)]
    clickable(
        charts.breakdown_figure(breakdown, title),
        PART,
        f"Recall, precision and AP by {title}",
        lambda point: (by, names[point["point_index"]], _OF_CURVE[point["curve_number"]]),
    )
    choose(PART, "Part", {(by, name): plain(name) for name in names})
    sizes = " Objects of every size count." if by == "size" and chosen.area != "all" else ""
    st.caption(
        f"{_CLICK} Recall and precision at confidence ≥ {chosen.threshold:.3f}, AP over all, at IoU {chosen.iou:.2f}"
        f"{_of(chosen)}; parts without an object are left out.{sizes}"
    )
    if words[:1] != (by,) or len(words) < 2 or words[1] not in names:
        return None
    evidence = breakdown.evidence[breakdown.names.index(words[1])]
    return Opened(PART, words[:2], f"{title}: {words[1]}", evidence, _kind(words[2:], "missed", evidence))


def _breakdown(derived: Derived, chosen: Chosen, by: str) -> Breakdown:
    more: dict[str, Any] = {"near": derived.near} if by == "neighbour" else {}
    if by != "size":
        more["area"] = chosen.area
    key = (by, chosen.threshold, chosen.iou, chosen.area, chosen.classes)
    make = BREAKDOWNS[by][1]
    return latest(
        derived,
        "breakdown",
        key,
        lambda: make(derived.matches, chosen.threshold, chosen.iou, classes=chosen.classes, **more),
    )


def _kind(words: tuple[str, ...], otherwise: str, evidence: diagnosis.Evidence) -> str:
    """The kind of cases that the address bar names; else the usual one, or one that there is."""
    if words and words[0] in KINDS:
        return words[0]
    there = [kind for kind in (otherwise, *KINDS) if len(evidence.only(KINDS[kind]))]
    return there[0] if there else otherwise


def _of(chosen: Chosen) -> str:
    """Which classes and sizes are counted, after a comma."""
    if chosen.classes is None:
        return ""
    count = len(chosen.classes)
    return f", {count} chosen {'class' if count == 1 else 'classes'}"


def _class_errors(derived: Derived) -> np.ndarray[Any, np.dtype[np.float64]]:
    return diagnosis.class_errors(diagnosis.localisation_targets(derived.matches))


def _mean(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else math.nan


def _edge(diagram: Reliability, place: int) -> str:
    return f"{diagram.edges[place]:g}"


def _range(diagram: Reliability, place: int) -> str:
    return f"{diagram.edges[place]:g} to {diagram.edges[place + 1]:g}"
