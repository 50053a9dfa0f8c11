"""Crops: the boxes of an evaluation one by one, as a gallery that may have hundreds of thousands of them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from smviz import images
from smviz.colours import class_colours
from smviz.errors import BadSetting, SmvizError
from smviz.matching import Flags, Floats, Integers, Matches
from smviz.records import frozen_array
from smviz.store import Run
from smviz.ui.derived import Derived
from smviz.ui.frame import show_error
from smviz.ui.one_image import file_names, one_image
from smviz.ui.resources import image_url, run_image
from smviz.ui.threshold_bar import Chosen
from smviz.workbench.crops import crop_grid
from smviz.workbench.grid import as_sent, asked, opened, stepper

TP, FP, FN, OTHER = range(4)
KINDS = ("tp", "fp", "fn", "other")
SIZE = 192  # pixels of a crop
CONTEXT = 1.6  # side of a crop, in longer sides of its box
SMALLEST = 24.0  # pixels of the image that a crop shows at least
AT_ONCE = 0.3  # seconds of cutting before what is there is shown
HEIGHT = 560  # pixels of the gallery
MOST_PIXELS = 16_000_000  # of an image that is kept decoded


@dataclass(frozen=True, eq=False)
class Crops:
    """Columns of M crops, in the order in which they are shown.

    A true positive, a false positive and "other" show the detection where there is one, with the object that it took
    as a thin line; a missed object shows the object, with the detection as the thin line.

    Attributes:
        kind: uint8 [M], 0 true positive, 1 false positive, 2 missed object, 3 other.
        detection: int64 [M], position in the matches, or -1.
        truth: int64 [M], index into the ground truth, or -1; one of both is there.
    """

    kind: NDArray[np.uint8]
    detection: Integers
    truth: Integers

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", frozen_array(self.kind, np.uint8))
        object.__setattr__(self, "detection", frozen_array(self.detection, np.int64))
        object.__setattr__(self, "truth", frozen_array(self.truth, np.int64))
        if not len(self.kind) == len(self.detection) == len(self.truth):
            raise BadSetting(
                "The columns of the crops differ in length.", "Give each crop a kind, a detection and a truth."
            )

    def __len__(self) -> int:
        return len(self.kind)

    @classmethod
    def of(
        cls,
        matches: Matches,
        kind: int,
        threshold: float,
        iou: float = 0.5,
        area: str = "all",
        classes: Iterable[int] | None = None,
    ) -> Crops:
        """All true positives, false positives or missed objects at a threshold, by falling score.

        A missed object has the score of the detection below the threshold that would have found it; those that nothing
        would have found come last.

        Args:
            matches: of the evaluation.
            kind: `TP`, `FP` or `FN`.
            threshold: the confidence from which on a detection counts.
            iou, area: what counts as found.
            classes: class ids; None for all.

        Raises:
            BadSetting: when nothing was matched at the IoU or in the area range.
        """
        taken, chosen = matches.taken(iou, area), None if classes is None else list(classes)
        if kind == FN:
            return cls._missed(matches, taken, matches.true_positive(iou, area), threshold, area, chosen)
        outcome = matches.true_positive(iou, area) if kind == TP else matches.false_positive(iou, area)
        rows = np.flatnonzero(outcome & (matches.confidence >= threshold) & _of_classes(matches.class_id, chosen))
        rows = rows[np.argsort(-matches.confidence[rows], kind="stable")]
        return cls(np.full(len(rows), kind, np.uint8), rows, np.where(taken[rows] >= 0, taken[rows], -1))

    @classmethod
    def _missed(
        cls, matches: Matches, taken: Integers, found: Flags, threshold: float, area: str, classes: list[int] | None
    ) -> Crops:
        finder = np.full(len(matches.ground_truth), -1)
        finder[taken[found]] = np.flatnonzero(found)
        score: Floats = np.append(matches.confidence, -np.inf)[finder]
        missed = ~matches.ground_truth_ignored(area) & ~(score >= threshold)
        truth = np.flatnonzero(missed & _of_classes(matches.ground_truth.class_id, classes))
        truth = truth[np.argsort(-score[truth], kind="stable")]
        return cls(np.full(len(truth), FN, np.uint8), finder[truth], truth)


def show_crops(derived: Derived, run: Run, crops: Crops, chosen: Chosen, key: str) -> None:
    """A gallery of crops; a click or Enter opens the image below in the viewer, Escape comes back.

    Args:
        derived: the evaluation that the positions are of.
        run: that has the images.
        crops: what to show.
        chosen: what the viewer below stands for.
        key: of the gallery; another list of crops that should begin at its top needs another key.
    """
    _gallery(derived, run, crops, chosen, key)


@st.fragment
def _gallery(derived: Derived, run: Run, crops: Crops, chosen: Chosen, key: str) -> None:
    told, version = asked(key), _version(run, crops)
    memory = opened(key, told, version, lambda row: _pair(crops, row) if 0 <= row < len(crops) else None)
    pair: tuple[int, int] | None = memory.what
    at = None if pair is None else _index(crops, pair)
    crop_grid(
        key=key,
        label="Crops",
        count=len(crops),
        version=version,
        turn=told.turn,
        tiles=_tiles(derived, run, crops, told.ids if told.version == version else (), key),
        opened=as_sent(key, memory, at, "" if pair is None else _image_name(derived, pair)),
        empty="There is nothing to show.",
        height=HEIGHT,
    )
    if pair is not None and at is not None:
        labelled = pair[0] < 0 or (at >= 0 and crops.kind[at] == FN)
        _open(derived, run, chosen, pair, labelled, key)


def _open(derived: Derived, run: Run, chosen: Chosen, pair: tuple[int, int], labelled: bool, key: str) -> None:
    """The image of a crop in the viewer, with what the crop shows selected."""
    detection, truth = pair
    try:
        one_image(
            derived,
            run,
            _image_name(derived, pair),
            chosen,
            key=f"{key} viewer",
            detection=None if labelled else detection,
            truth=truth if labelled else None,
            on_step=stepper(key),
        )
    except SmvizError as error:  # the way back must stay
        show_error(error)


def _tiles(derived: Derived, run: Run, crops: Crops, wanted: Iterable[int], key: str) -> dict[int, dict[str, Any]]:
    """What is known of the wanted crops, those of one image after another, until the time is over."""
    end = time.monotonic() + AT_ONCE
    tiles: dict[int, dict[str, Any]] = {}
    for row in sorted((row for row in wanted if 0 <= row < len(crops)), key=lambda row: _image(derived, crops, row)):
        tiles[row] = _tile(derived, run, crops, row, key)
        if time.monotonic() > end:
            break
    return tiles


def _tile(derived: Derived, run: Run, crops: Crops, row: int, key: str) -> dict[str, Any]:
    matches, (detection, truth) = derived.matches, _pair(crops, row)
    image, names = _image(derived, crops, row), matches.ground_truth.class_names
    boxes = {
        "detection": matches.predictions.ltwh[matches.prediction[detection]] if detection >= 0 else None,
        "truth": matches.ground_truth.ltwh[truth] if truth >= 0 else None,
    }
    first, other = ("truth", "detection") if crops.kind[row] == FN or detection < 0 else ("detection", "truth")
    box = boxes[first]
    assert box is not None  # a crop has one of both
    class_id = (matches.ground_truth.class_id[truth] if first == "truth" else matches.class_id[detection]).item()
    side = max(float(box[2:].max()) * CONTEXT, SMALLEST)
    corner = box[:2] + box[2:] / 2 - side / 2
    told = {
        "kind": KINDS[crops.kind[row]],
        "name": names[class_id],
        "colour": derived.once("class colours", lambda: list(class_colours(names).values()))[class_id],
        "score": float(matches.confidence[detection]) if detection >= 0 else None,
        "image": matches.ground_truth.image_names[image],
        "box": _placed(box, corner, side),
        "other": None if (second := boxes[other]) is None else _placed(second, corner, side),
        "note": "found below the threshold" if crops.kind[row] == FN and detection >= 0 else "",
    }
    try:
        data = _cut(run.id, file_names(derived, run)[image], _frame(derived, run, image), (*corner.tolist(), side))
    except SmvizError as error:  # an image that cannot be read is told where its crop would be
        return {**told, "error": error.message}
    return {**told, "url": image_url(data, "image/jpeg", f"{key} {image} {detection} {truth}")}


def _placed(box: Floats, corner: Floats, side: float) -> list[float]:
    """Left, top, width, height in hundredths of the crop's side."""
    return [round(float(value), 2) for value in np.concatenate([box[:2] - corner, box[2:]]) / side * 100]


@st.cache_data(max_entries=4000, scope="session", show_spinner=False)
def _cut(run_id: str, name: str, frame: tuple[int, int], square: tuple[float, float, float]) -> bytes:
    """The JPEG of a square, given by left, top and side in pixels of a frame of width and height."""
    (width, height), (left, top, side) = frame, square
    shrink = max((step for step in (8, 4, 2) if step * SIZE <= side), default=1)
    pixels = _decoded(run_id, name, shrink)
    region = (left / width, top / height, (left + side) / width, (top + side) / height)
    return images.crop(pixels, region, SIZE)


@st.cache_resource(max_entries=6, scope="session", show_spinner=False)
def _decoded(run_id: str, name: str, shrink: int) -> Image.Image:
    """An image's pixels, for all its crops; a very large one is kept smaller."""
    pixels = images.decoded(run_image(run_id, name), name, shrink)
    most = 1
    while pixels.width * pixels.height > MOST_PIXELS * most * most:
        most *= 2
    return pixels.reduce(most) if most > 1 else pixels


def _frame(derived: Derived, run: Run, image: int) -> tuple[int, int]:
    """The frame that the boxes of an image are in; where the ground truth does not tell, that of the file."""
    width, height = (int(side) for side in derived.matches.ground_truth.image_sizes[image])
    if width > 0 and height > 0:
        return width, height
    return _size(run.id, file_names(derived, run)[image])


@st.cache_data(max_entries=4000, scope="session", show_spinner=False)
def _size(run_id: str, name: str) -> tuple[int, int]:
    return images.size_of(run_image(run_id, name), name)


def _pair(crops: Crops, row: int) -> tuple[int, int]:
    return int(crops.detection[row]), int(crops.truth[row])


def _index(crops: Crops, pair: tuple[int, int]) -> int:
    """Where a pair stands in the list; -1 where it is no longer in it."""
    rows = np.flatnonzero((crops.detection == pair[0]) & (crops.truth == pair[1]))
    return int(rows[0]) if len(rows) else -1


def _image(derived: Derived, crops: Crops, row: int) -> int:
    return _image_of(derived, _pair(crops, row))


def _image_of(derived: Derived, pair: tuple[int, int]) -> int:
    detection, truth = pair
    return int(derived.matches.image[detection] if detection >= 0 else derived.matches.ground_truth.image[truth])


def _image_name(derived: Derived, pair: tuple[int, int]) -> str:
    return derived.matches.ground_truth.image_names[_image_of(derived, pair)]


def _version(run: Run, crops: Crops) -> str:
    """Names the list: positions mean the same in two lists of one name."""
    digest = hashlib.blake2b(run.id.encode(), digest_size=8)
    for column in (crops.kind, crops.detection, crops.truth):
        digest.update(column.tobytes())
    return digest.hexdigest()


def _of_classes(class_id: Integers, classes: list[int] | None) -> Flags:
    return np.ones(len(class_id), np.bool_) if classes is None else np.isin(class_id, classes)
