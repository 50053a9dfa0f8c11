"""What a run found, read once and kept as columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from smviz.errors import BadResponse
from smviz.matching import Columns, Floats, Integers
from smviz.records import Detections, Outcome

_NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), ())


@dataclass(frozen=True, eq=False)
class Reading(Columns):
    """What a run found, read once: D detections of n images, columnar.

    Attributes:
        outcomes: [n], those that have a reply, in the run's order, without the replies' bytes.
        class_names: of all replies, in the order in which they first occur.
        ends: int64 [n + 1], where the detections of each image end; the first is 0.
        xyxy: float64 [D, 4], in pixels of the frame that was sent.
        confidence: float64 [D]; class_id: int64 [D].
        unreadable: the images whose reply could not be read.
    """

    outcomes: tuple[Outcome, ...]
    class_names: tuple[str, ...]
    ends: Integers
    xyxy: Floats
    confidence: Floats
    class_id: Integers
    unreadable: frozenset[str]

    @cached_property
    def _place(self) -> dict[str, int]:
        return {outcome.image: place for place, outcome in enumerate(self.outcomes)}

    def detections(self, image: str) -> Detections:
        """Those of one image.

        Raises:
            BadResponse: when its reply could not be read.
        """
        if image in self.unreadable:
            raise BadResponse(f"The reply to {image} could not be read.", "Check how the replies of the run are read.")
        place = self._place[image]
        rows = slice(int(self.ends[place]), int(self.ends[place + 1]))
        return Detections(self.xyxy[rows], self.confidence[rows], self.class_id[rows], self.class_names)


def read_run(outcomes: Iterable[Outcome], parse: Callable[[Outcome], Detections]) -> Reading:
    """Read the replies of a run; `parse` raises `BadResponse` where one cannot be read."""
    kept: list[Outcome] = []
    found: list[Detections] = []
    ids: list[Integers] = []
    place: dict[str, int] = {}
    unreadable = set()
    for outcome in outcomes:
        if outcome.reply is None:
            continue
        try:
            detections = parse(outcome)
        except BadResponse:
            unreadable.add(outcome.image)
            detections = _NOTHING
        kept.append(replace(outcome, reply=replace(outcome.reply, body=b"")))
        found.append(detections)
        known = [place.setdefault(name, len(place)) for name in detections.class_names]
        ids.append(np.array(known, np.int64)[detections.class_id])
    return Reading(
        outcomes=tuple(kept),
        class_names=tuple(place),
        ends=np.cumsum([0, *map(len, found)]),
        xyxy=np.concatenate([np.zeros((0, 4)), *(detections.xyxy for detections in found)]),
        confidence=np.concatenate([np.zeros(0), *(detections.confidence for detections in found)]),
        class_id=np.concatenate([np.zeros(0, np.int64), *ids]),
        unreadable=frozenset(unreadable),
    )
