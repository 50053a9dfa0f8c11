"""What Python counts of the part of an evaluation that the bar has chosen: the same numbers as columns.js."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from smviz.errors import BadSetting
from smviz.matching import Flags, Floats, Integers, Matches
from smviz.metrics import PerClass
from smviz.operating import Sweep
from smviz.settings import MatchSettings

_SAME_IOU = 1e-9


@dataclass(frozen=True)
class Part:
    """An IoU, an area range and some classes of an evaluation.

    Attributes:
        iou: from which overlap on a detection is right.
        area: the name of the range of sizes that objects and detections are counted in.
        classes: ascending class ids; None for all.
    """

    iou: float = 0.5
    area: str = "all"
    classes: tuple[int, ...] | None = None

    def as_sent(self, settings: MatchSettings) -> dict[str, Any]:
        """As columns.js has it: the IoU and the area range by their places.

        Raises:
            BadSetting: when the settings do not have them.
        """
        areas = [name for name, _, _ in settings.areas]
        near = [t for t, iou in enumerate(settings.ious) if abs(iou - self.iou) < _SAME_IOU]
        if not near or self.area not in areas:
            raise BadSetting(
                f"Nothing was matched at IoU {self.iou:g} for the sizes {self.area!r}.",
                f"Choose an IoU of {', '.join(f'{iou:g}' for iou in settings.ious)} and one of {', '.join(areas)}.",
            )
        classes = None if self.classes is None else list(self.classes)
        return {"iou": near[0], "area": areas.index(self.area), "classes": classes}

    def sweep(self, matches: Matches) -> Sweep:
        """The counts of the chosen classes together at every distinct score, as `operating.sweep`.

        Raises:
            BadSetting: when nothing was matched at the IoU or in the area range.
        """
        return self._swept(matches, *self._outcomes(matches))

    def sweeps(self, matches: Matches) -> tuple[Sweep, ...]:
        """The same of every class [K] on its own, whichever are chosen. Raises as `sweep`."""
        outcomes = self._outcomes(matches)
        classes = range(len(matches.ground_truth.class_names))
        return tuple(Part(self.iou, self.area, (k,))._swept(matches, *outcomes) for k in classes)

    def per_class(self, matches: Matches, confidence: float) -> PerClass:
        """The counts of every class [K] at a threshold, as `metrics.per_class`. Raises as `sweep`."""
        kept = matches.confidence >= confidence
        objects = matches.positives(self.area)
        tp, fp, detections = (
            np.bincount(matches.class_id[flags & kept], minlength=len(objects))
            for flags in (*self._outcomes(matches), kept)
        )
        return PerClass(tp=tp, fp=fp, fn=objects - tp, objects=objects, detections=detections)

    def _outcomes(self, matches: Matches) -> tuple[Flags, Flags]:
        return matches.true_positive(self.iou, self.area), matches.false_positive(self.iou, self.area)

    def _swept(self, matches: Matches, true: Flags, false: Flags) -> Sweep:
        rows = self._ranked(matches)
        confidence: Floats = matches.confidence[rows]
        last = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True)[: len(rows)])  # of each distinct score
        objects = matches.positives(self.area)
        positives = int(objects.sum() if self.classes is None else objects[list(self.classes)].sum())
        tp = np.cumsum(true[rows], dtype=np.int64)[last]
        fp = np.cumsum(false[rows], dtype=np.int64)[last]
        return Sweep(tp=tp, fp=fp, fn=positives - tp, confidence=confidence[last], positives=positives)

    def _ranked(self, matches: Matches) -> Integers:
        """The positions of the chosen classes' detections by falling confidence."""
        if self.classes is None or len(self.classes) == 1:
            return matches.ranked(None if self.classes is None else self.classes[0])
        rows = matches.ranked()
        return rows[np.isin(matches.class_id[rows], self.classes)]
