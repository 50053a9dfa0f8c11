"""What a person has chosen at the viewer, and which detections that leaves. filters.js does the same in the browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smviz.boxes import Boxes, pairwise_iou
from smviz.records import Detections


@dataclass(frozen=True, slots=True)
class ViewerState:
    """What the person at the viewer has chosen.

    The filters stand in the order in which they apply: threshold, smallest side, NMS, the top k; then classes are
    hidden. So a hidden class still takes its part in NMS and among the top k: what is shown of the other classes does
    not change.

    Attributes:
        threshold: the confidence below which detections are cut; a detection is shown when its confidence is >= it,
            or when it has none (NaN).
        hidden: class ids that are switched off.
        selected: index into the detections, or None.
        selected_truth: index into the ground truth, or None.
        selected_other: index into the second set, or None; of the three at most one is not None.
        class_thresholds: by class name, in the place of `threshold`, which serves the classes that are not listed;
            None while one threshold serves all.
        min_side: pixels; boxes whose shorter side is less are cut.
        nms_iou: non-maximum suppression drops a box whose IoU with a more confident kept one is more; None is off.
        nms_across_classes: boxes of different classes suppress each other too.
        top_k: so many of the most confident are kept; None keeps all.
        other_threshold: in the place of all others for the second set; None while both sets have the same.
        step: -1 or 1 in the run that a person asked for the previous or next image in, else 0.
    """

    threshold: float
    hidden: frozenset[int] = frozenset()
    selected: int | None = None
    selected_truth: int | None = None
    selected_other: int | None = None
    class_thresholds: Mapping[str, float] | None = None
    min_side: float = 0.0
    nms_iou: float | None = None
    nms_across_classes: bool = False
    top_k: int | None = None
    other_threshold: float | None = None
    step: int = 0

    def keeps(self, detections: Detections) -> NDArray[np.bool_]:
        """Which detections are shown, bool [N]: exactly those that the viewer paints while outcomes are all on."""
        keep = ~(detections.confidence < self._cuts(detections))
        xyxy = shown_xyxy(detections)
        if self.min_side > 0:
            keep &= (xyxy[:, 2:] - xyxy[:, :2]).min(axis=1) >= self.min_side
        if self.nms_iou is not None:
            classes = np.zeros_like(detections.class_id) if self.nms_across_classes else detections.class_id
            keep = _suppressed(xyxy, classes, keep, self.nms_iou)
        if self.top_k is not None:
            keep &= np.cumsum(keep) <= self.top_k
        return keep & ~np.isin(detections.class_id, list(self.hidden))

    def kept(self, detections: Detections) -> Detections:
        """The detections that are shown."""
        keep = self.keeps(detections)
        return Detections(
            detections.xyxy[keep], detections.confidence[keep], detections.class_id[keep], detections.class_names
        )

    def _cuts(self, detections: Detections) -> NDArray[np.float64]:
        own = self.class_thresholds or {}
        by_class = np.array([own.get(name, self.threshold) for name in detections.class_names] or [self.threshold])
        return by_class[detections.class_id]


def shown_xyxy(detections: Detections) -> Boxes:
    """The boxes as the browser gets them and filters by them, float64 [N, 4], rounded to 0.01 pixels."""
    rounded: Boxes = np.round(detections.xyxy, 2)
    return rounded


def as_sent(state: ViewerState) -> dict[str, Any]:
    """The state as the browser takes it."""
    return {
        "threshold": state.threshold,
        "hidden": sorted(state.hidden),
        "class_thresholds": None if state.class_thresholds is None else dict(state.class_thresholds),
        "min_side": state.min_side,
        "nms_iou": state.nms_iou,
        "nms_across_classes": state.nms_across_classes,
        "top_k": state.top_k,
        "other_threshold": state.other_threshold,
    }


def as_told(state: ViewerState, view: Mapping[str, Any], same_image: bool) -> ViewerState:
    """The state after what the browser has told; what was selected counts only on the image that it was told for."""
    own = view["class_thresholds"]
    state = replace(
        state,
        threshold=float(view["threshold"]),
        hidden=frozenset(view["hidden"]),
        class_thresholds=None if own is None else {name: float(value) for name, value in own.items()},
        min_side=float(view["min_side"]),
        nms_iou=None if view["nms_iou"] is None else float(view["nms_iou"]),
        nms_across_classes=bool(view["nms_across_classes"]),
        top_k=None if view["top_k"] is None else int(view["top_k"]),
        other_threshold=None if view["other_threshold"] is None else float(view["other_threshold"]),
    )
    if not same_image:
        return state
    chosen = {"detection": None, "truth": None, "other": None, **(view["selected"] or {})}
    return replace(state, selected=chosen["detection"], selected_truth=chosen["truth"], selected_other=chosen["other"])


def _suppressed(
    xyxy: Boxes, classes: NDArray[np.int64], candidates: NDArray[np.bool_], iou: float
) -> NDArray[np.bool_]:
    """Greedy NMS over the candidates in their order, which is that of falling confidence, bool [N]."""
    keep = np.zeros_like(candidates)
    left = np.flatnonzero(candidates)
    while len(left):
        best, left = left[0], left[1:]
        keep[best] = True
        # Most boxes are far away: only those that touch are worth an IoU.
        near = left[
            (classes[left] == classes[best])
            & (xyxy[left, :2] < xyxy[best, 2:]).all(axis=1)
            & (xyxy[left, 2:] > xyxy[best, :2]).all(axis=1)
        ]
        dropped = near[pairwise_iou(xyxy[best][None], xyxy[near])[0] > iou]
        left = np.setdiff1d(left, dropped, assume_unique=True) if len(dropped) else left
    return keep
