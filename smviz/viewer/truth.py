"""What is known of one image besides its detections, as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smviz.errors import BadSetting
from smviz.records import frozen_array


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
    """What each detection of one image may be matched to; the viewer matches those that it shows, by themselves.

    It goes through the choices and lets a detection take the first object that is still free; so outcomes are those of
    COCO's matching of just the detections that thresholds and filters leave. True positive is a detection with an
    object that is not ignored; false positive one without.

    Attributes:
        choices: int64 [P, 2], index into the detections and into `ImageTruth`, in the order in which they are tried:
            by detection, then as it prefers.
        crowd: bool [G], objects that any number of detections may take; they must be ignored ones.
        uncounted: bool [N], detections that count neither way when they take nothing.
        most: so many detections of a class are matched; the others count neither way.

    Raises:
        BadSetting: when the detections do not come one after the other, or `most` is below 1.
    """

    choices: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    uncounted: NDArray[np.bool_]
    most: int = 100

    def __post_init__(self) -> None:
        choices = np.array(self.choices, np.int64).reshape(-1, 2)
        choices.setflags(write=False)
        object.__setattr__(self, "choices", choices)
        object.__setattr__(self, "crowd", frozen_array(self.crowd, np.bool_))
        object.__setattr__(self, "uncounted", frozen_array(self.uncounted, np.bool_))
        if (np.diff(self.choices[:, 0]) < 0).any():
            raise BadSetting("The choices are not in the order of the detections.", "Sort them by detection.")
        if self.most < 1:
            raise BadSetting(f"At most {self.most} detections were to be matched.", "Give 1 or more.")
