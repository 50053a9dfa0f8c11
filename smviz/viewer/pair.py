"""How two sets of detections of one image are laid beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from smviz.errors import BadSetting

View = Literal["Side by side", "Swipe", "Difference"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sets of one image, the detections A and the second set B.

    Attributes:
        view: each on a picture of its own, moved together; both on one picture that a handle parts; or both on one
            picture, told apart by colour.
        captions: what stands in the corner of A's picture and of B's.
        threshold: of B, where it is not that of A.
        best: marked on the slider while it moves B's threshold.
        iou: the overlap from which boxes of equal class agree.

    Raises:
        BadSetting: when a threshold is not within 0 and 1, or the IoU not above 0 and up to 1.
    """

    view: View = "Difference"
    captions: tuple[str, str] = ("A", "B")
    threshold: float | None = None
    best: float | None = None
    iou: float = 0.5

    def __post_init__(self) -> None:
        for value in (self.threshold, self.best):
            if value is not None and not 0 <= value <= 1:
                raise BadSetting(f"A threshold of {value} was given.", "Give a confidence from 0 to 1.")
        if not 0 < self.iou <= 1:
            raise BadSetting(f"An IoU of {self.iou} was given.", "Give one above 0 and up to 1.")

    def sent(self) -> dict[str, Any]:
        """What the browser is told beside B's threshold, which is a part of the state."""
        return {"view": self.view, "captions": self.captions, "best": self.best, "iou": self.iou}
