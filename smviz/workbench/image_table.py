"""The rows of the table of images as Python counts them: what files hold is what the screen shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from smviz.matching import Flags, Floats, Integers, Matches
from smviz.metrics import PerImage
from smviz.workbench.part import Part

TITLES = {
    "name": "Image",
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
    "tp": "TP",
    "fp": "FP",
    "fn": "FN",
    "objects": "Objects",
    "latency": "Latency (ms)",
}


def per_image(matches: Matches, threshold: float, part: Part) -> PerImage:
    """The counts of each image [I] in a part of an evaluation, as columns.js has them.

    Raises:
        BadSetting: when nothing was matched at the IoU or in the area range.
    """
    truth, images = matches.ground_truth, len(matches.ground_truth.image_names)
    kept = (matches.confidence >= threshold) & _of_classes(matches.class_id, part)
    tp, fp = (
        np.bincount(matches.image[flags & kept], minlength=images)
        for flags in (matches.true_positive(part.iou, part.area), matches.false_positive(part.iou, part.area))
    )
    there = ~matches.ground_truth_ignored(part.area) & _of_classes(truth.class_id, part)
    return PerImage(tp=tp, fp=fp, fn=np.bincount(truth.image[there], minlength=images) - tp)


def image_table(
    matches: Matches,
    threshold: float,
    part: Part,
    *,
    names: Sequence[str],
    latency: Sequence[float],
    rows: Integers,
    columns: Sequence[str],
) -> dict[str, list[str] | Integers | Floats]:
    """Columns of the table by their titles, for the images that are shown, in their order.

    Args:
        matches: of the evaluation.
        threshold: the confidence from which on a detection counts.
        part: what is counted.
        names: of the images, those of the ground truth first, then those without a reply, which have no numbers.
        latency: milliseconds of each image of the ground truth, NaN where it is not known.
        rows: int64 [R], places among the names.
        columns: keys of `TITLES`; others, which are pictures, are left out.

    Raises:
        BadSetting: when nothing was matched at the IoU or in the area range.
    """
    counts = per_image(matches, threshold, part)
    numbers = {
        **{name: getattr(counts, name) for name in ("f1", "precision", "recall", "tp", "fp", "fn")},
        "objects": counts.tp + counts.fn,
        "latency": np.array(latency, np.float64),
    }
    table: dict[str, list[str] | Integers | Floats] = {}
    for name in columns:
        if name == "name":
            table[TITLES[name]] = [names[row] for row in rows.tolist()]
        elif name in numbers:
            table[TITLES[name]] = _looked_up(numbers[name], rows)
    return table


def _looked_up(column: Integers | Floats, rows: Integers) -> Integers | Floats:
    """Whole numbers stay so where no row lies beyond the column; what does is NaN."""
    if (rows < len(column)).all():
        return column[rows]
    return np.append(column.astype(np.float64), np.nan)[np.minimum(rows, len(column))]


def _of_classes(class_id: Integers, part: Part) -> Flags:
    return np.ones(len(class_id), np.bool_) if part.classes is None else np.isin(class_id, part.classes)
