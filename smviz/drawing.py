"""Detections drawn into the image that was sent, at its full resolution."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from smviz.boxes import Boxes
from smviz.colours import text_on
from smviz.records import Detections, Payload

PixelBox = tuple[int, int, int, int]

UNKNOWN = "#DDDDDD"  # the colour of a class that has none


def annotate(payload: Payload, detections: Detections, colours: Mapping[str, str]) -> bytes:
    """A PNG of the payload's image with a box and a label for every detection, the most confident on top.

    Lines and letters grow with the image. Boxes and labels are moved into the frame; a box with a coordinate that is
    no number is left out.

    Args:
        payload: the image, as it was sent.
        detections: what to draw, in pixels of that image.
        colours: class name to "#rrggbb", as `smviz.colours.class_colours` gives them.
    """
    with Image.open(io.BytesIO(payload.body)) as source:
        profile = source.info.get("icc_profile") if source.mode == "RGB" else None
        image = source.convert("RGB")
    pen = ImageDraw.Draw(image)
    longest = max(image.size)
    line = max(2, round(longest / 400))
    font = ImageFont.load_default(max(12, round(longest / 60)))
    names = detections.names()
    boxes = _pixels(detections.xyxy, *image.size)
    for i, box in reversed(boxes):
        pen.rectangle(box, outline=colours.get(names[i], UNKNOWN), width=line)
    taken: list[PixelBox] = []
    for i, box in boxes:
        confidence = detections.confidence[i]
        label = names[i] if np.isnan(confidence) else f"{names[i]} {confidence:.2f}"
        _label(pen, box, label, colours.get(names[i], UNKNOWN), font, image.size, taken)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1, icc_profile=profile)
    return buffer.getvalue()


def _pixels(xyxy: Boxes, width: int, height: int) -> list[tuple[int, PixelBox]]:
    """The index of every box without NaN, and its first and last pixel column and row inside the frame."""
    drawable = np.flatnonzero(~np.isnan(xyxy).any(axis=1))
    low, high = np.minimum(xyxy[:, :2], xyxy[:, 2:]), np.maximum(xyxy[:, :2], xyxy[:, 2:])
    corners = np.concatenate([low, np.maximum(high - 1, low)], axis=1)[drawable]  # a thin box is still one pixel
    inside = np.clip(np.rint(corners), 0, np.array([width, height, width, height]) - 1).astype(int)
    return [
        (int(i), (left, top, right, bottom))
        for i, (left, top, right, bottom) in zip(drawable, inside.tolist(), strict=True)
    ]


def _label(
    pen: ImageDraw.ImageDraw,
    box: PixelBox,
    label: str,
    colour: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    frame: tuple[int, int],
    taken: list[PixelBox],
) -> None:
    """A filled label at the box's left: above it, below it or inside, wherever it covers no label drawn before.

    Where it would always cover one it is left out, as the more confident detection's label is worth more.
    """
    line = " ".join(label.splitlines())
    x0, _, x1, _ = pen.textbbox((0, 0), line, font=font)
    _, y0, _, y1 = pen.textbbox((0, 0), "Ág", font=font)  # the same height whatever the letters
    pad = max(2, round((y1 - y0) / 5))
    width, height = round(x1 - x0) + 2 * pad, round(y1 - y0) + 2 * pad
    left = max(0, min(box[0], frame[0] - width))
    above, below, inside = box[1] - height, box[3] + 1, max(0, min(box[1], frame[1] - height))
    for top in (above, inside) if above < 0 else (above, below, inside):
        spot = (left, top, left + width - 1, top + height - 1)
        if top >= 0 and top + height <= max(frame[1], height) and not any(_overlap(spot, other) for other in taken):
            taken.append(spot)
            pen.rectangle(spot, fill=colour)
            pen.text((left + pad - x0, top + pad - y0), line, fill=text_on(colour), font=font)
            return


def _overlap(a: PixelBox, b: PixelBox) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
