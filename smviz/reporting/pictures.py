"""The worst images of an evaluation, each with its boxes: whole, as crops of the mistakes, or blurred for good.

The pixels are a JPEG without any metadata of the original; boxes lie on them as lines, which stay sharp.
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from smviz.errors import SmvizError
from smviz.evaluation import Evaluation, ImageRow, JudgedImage, judged_image
from smviz.images import crop, decoded
from smviz.matching import Floats
from smviz.names import base_name
from smviz.records import Outcome
from smviz.reporting.canvas import picture
from smviz.reporting.markup import tag, text
from smviz.reporting.numbers import At
from smviz.reporting.subject import Shown

Read = Callable[[str], bytes]
Sides = tuple[float, float, float, float]  # left, top, right, bottom

LONGEST = 1100  # pixels of an image that is shown whole
LETTER = 15  # of these, the height of a label
CROP = 200  # pixels of a crop's sides
MOST_CROPS = 8  # of an image
BLUR_LONGEST = 24  # pixels that are left of a blurred image, at most
BLUR_SHARE = 16  # and at least so many of the original for each of them, along each side
KINDS = {"tp": "true positive", "fp": "false positive", "fn": "missed"}


@dataclass(frozen=True, slots=True)
class WorstImage:
    """An image with many mistakes.

    Attributes:
        row: its counts.
        figures: SVGs of it.
        trouble: why there is none, in words; "" where there are, or none are wanted.
    """

    row: ImageRow
    figures: tuple[str, ...]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Box:
    """A box to be drawn; its sides are shares of the image."""

    kind: str
    name: str
    sides: Sides

    @property
    def told(self) -> str:
        return f"{self.name}, {KINDS[self.kind]}"

    def within(self, width: int, height: int) -> Sides:
        """Its sides in a frame of that size."""
        left, top, right, bottom = self.sides
        return left * width, top * height, right * width, bottom * height


def worst_rows(evaluation: Evaluation, at: At, most: int) -> list[ImageRow]:
    """The images with the most mistakes at a threshold, the worst first; none without a mistake."""
    rows = [row for row in evaluation.image_table(at.confidence, at.iou) if row.fp + row.fn]
    return sorted(rows, key=lambda row: (-(row.fp + row.fn), row.name))[:most]


def worst_images(
    evaluation: Evaluation, at: At, rows: Sequence[ImageRow], shown: Shown, read: Read
) -> Iterator[WorstImage]:
    """Each of the rows with its pictures; one that cannot be read says why.

    Args:
        evaluation: whose images these are.
        at: the threshold that tells what is a mistake.
        rows: of `worst_rows`.
        shown: how.
        read: the bytes of an image file, by the name that the ground truth has for it.
    """
    for row in rows:
        if shown == "none":
            yield WorstImage(row, ())
            continue
        try:
            image = decoded(read(row.name), row.name)
        except SmvizError as error:
            yield WorstImage(row, (), error.message)
            continue
        width, height = evaluation.matches.ground_truth.image_sizes[row.image].tolist()
        boxes = _boxes(judged_image(evaluation, row.image, at.iou), at, width or image.width, height or image.height)
        yield WorstImage(row, _figures(image, boxes, shown, row.name))


def names_sent(outcomes: Sequence[Outcome]) -> Callable[[str], str]:
    """What a run calls an image of the ground truth: the same, or what has the same base name where one has."""
    exact = {one.image for one in outcomes}
    bases = Counter(base_name(one.image) for one in outcomes)
    by_base = {base_name(one.image): one.image for one in outcomes if bases[base_name(one.image)] == 1}
    return lambda name: name if name in exact else by_base.get(base_name(name), name)


def blurred(image: Image.Image) -> Image.Image:
    """The image with next to nothing in it: averaged to a few pixels, enlarged, and blurred to hide their borders.

    The average is taken first, so no detail is there that sharpening could bring back.
    """
    longest = max(image.size)
    left = max(1, min(BLUR_LONGEST, longest // BLUR_SHARE))
    tiny = image.resize(_scaled(image.size, left), Image.Resampling.BOX)
    large = tiny.resize(_scaled(image.size, min(longest, 480)), Image.Resampling.BICUBIC)
    return large.filter(ImageFilter.GaussianBlur(max(large.size) / left / 2))


def _figures(image: Image.Image, boxes: Sequence[_Box], shown: Shown, name: str) -> tuple[str, ...]:
    if shown == "crops":
        return tuple(_crop(image, box) for box in _of_both(boxes))
    if shown == "blurred":
        image = blurred(image)
    elif max(image.size) > LONGEST:
        image = image.resize(_scaled(image.size, LONGEST), Image.Resampling.LANCZOS, reducing_gap=2.0)
    width, height = _scaled(image.size, LONGEST)  # lines and letters have the same size whatever is left of the pixels
    counts = Counter(box.kind for box in boxes)
    about = ", ".join(f"{counts[kind]} {words}" for kind, words in KINDS.items())
    shapes = [_pixels(_jpeg(image), width, height), *_outlines(boxes, width, height), *_labels(boxes, width, height)]
    return (picture(name, about, width, height, shapes, "picture"),)


def _of_both(boxes: Sequence[_Box]) -> list[_Box]:
    """The first false positives and the first misses, half of each where there are enough."""
    false, missed = ([box for box in boxes if box.kind == kind] for kind in ("fp", "fn"))
    half = MOST_CROPS // 2
    few = max(half, MOST_CROPS - len(missed))
    return [*false[:few], *missed[: MOST_CROPS - min(len(false), few)]]


def _boxes(judged: JudgedImage, at: At, width: int, height: int) -> list[_Box]:
    """What counts at the threshold: surest false positives first, then the largest misses, then what is right."""
    found, size = judged.detections, np.array([width, height, width, height])
    kept = ~(found.confidence < at.confidence) & ~judged.ignored
    right = kept & (judged.taken >= 0)
    missed = ~judged.truth_ignored
    missed[judged.taken[right]] = False
    names = found.names()
    rows = [
        _Box(kind, f"{names[i]} {found.confidence[i]:.2f}", _sides(found.xyxy[i] / size))
        for kind, flags in (("fp", kept & ~right), ("tp", right))
        for i in np.flatnonzero(flags).tolist()
    ]
    truth = judged.truth_xyxy
    spread = (truth[:, 2] - truth[:, 0]) * (truth[:, 3] - truth[:, 1])
    largest = [i for i in np.argsort(-spread, kind="stable").tolist() if missed[i]]
    misses = [_Box("fn", found.class_names[judged.truth_class_id[i]], _sides(truth[i] / size)) for i in largest]
    return [*(row for row in rows if row.kind == "fp"), *misses, *(row for row in rows if row.kind == "tp")]


def _sides(shares: Floats) -> Sides:
    left, top, right, bottom = np.clip(shares, -1.0, 2.0).tolist()
    return left, top, max(left, right), max(top, bottom)


def _crop(image: Image.Image, box: _Box) -> str:
    """A square around a box, with as much beside it as shows where it is."""
    left, top, right, bottom = box.sides
    width, height = image.size
    side = max((right - left) * width, (bottom - top) * height, 16.0) * 1.7
    across, down = side / width / 2, side / height / 2
    middle, level = (left + right) / 2, (top + bottom) / 2
    region = (middle - across, level - down, middle + across, level + down)
    pixels = crop(_without_info(image), region, CROP)
    within = _Box(
        box.kind,
        box.name,
        (
            (left - region[0]) / (2 * across),
            (top - region[1]) / (2 * down),
            (right - region[0]) / (2 * across),
            (bottom - region[1]) / (2 * down),
        ),
    )
    shapes = [_pixels(pixels, CROP, CROP), *_outlines([within], CROP, CROP)]
    label = tag("figcaption", tag("span", text(KINDS[box.kind]), class_=f"kind {box.kind}"), " ", text(box.name))
    return tag("figure", picture(box.told, "A crop of the image.", CROP, CROP, shapes, "picture"), label, class_="crop")


def _outlines(boxes: Sequence[_Box], width: int, height: int) -> Iterator[str]:
    """Lines around boxes, mistakes on top."""
    for box in reversed(boxes):
        left, top, right, bottom = box.within(width, height)
        place = {"x": f"{left:.1f}", "y": f"{top:.1f}", "width": f"{right - left:.1f}", "height": f"{bottom - top:.1f}"}
        yield tag("rect", class_="halo", **place)
        yield tag("rect", tag("title", text(box.told)), class_=f"box {box.kind}", **place)


def _labels(boxes: Sequence[_Box], width: int, height: int) -> Iterator[str]:
    """The names of mistakes, the first ones first; one that would cover another is left out: pointing tells it."""
    taken: list[Sides] = []
    for box in boxes:
        left, top, _, _ = box.within(width, height)
        wide, foot = LETTER * 0.62 * len(box.name), max(top - 4, LETTER)
        left = min(max(left, 2.0), width - wide)
        spot = (left, foot - LETTER, left + wide, foot + 2)
        if box.kind != "tp" and not any(_meet(spot, other) for other in taken):
            taken.append(spot)
            yield tag("text", text(box.name), x=f"{left:.1f}", y=f"{foot:.1f}", font_size=LETTER, class_="label")


def _meet(one: Sides, other: Sides) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _pixels(jpeg: bytes, width: int, height: int) -> str:
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    return tag("image", href=source, width=width, height=height, preserveAspectRatio="none")


def _jpeg(image: Image.Image, quality: int = 82) -> bytes:
    buffer = io.BytesIO()
    _without_info(image).save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def _without_info(image: Image.Image) -> Image.Image:
    """The same pixels without what their file said beside them."""
    bare = image.copy()
    bare.info = {}
    return bare


def _scaled(size: tuple[int, int], longest: int) -> tuple[int, int]:
    scale = longest / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
