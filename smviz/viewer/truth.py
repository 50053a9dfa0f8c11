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
