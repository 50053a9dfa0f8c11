"""Detections drawn over the image that was sent, at its full resolution: as pixels, or as lines and text."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from smviz.boxes import Boxes
from smviz.colours import text_on
from smviz.records import Detections, Payload
from smviz.tiling import Tile

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
    layout = _Layout.of(*image.size)
    shapes = list(_shapes(detections, colours, layout))
    for shape in reversed(shapes):
        pen.rectangle(shape.box, outline=shape.colour, width=layout.line)
    for shape in shapes:
        if shape.label:
            pen.rectangle(shape.label, fill=shape.colour)
            spot = (shape.label[0] + layout.pad - shape.inset, shape.label[1] + layout.pad - layout.rise)
            pen.text(spot, shape.text, fill=text_on(shape.colour), font=layout.font)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1, icc_profile=profile)
    return buffer.getvalue()


def annotate_svg(payload: Payload, detections: Detections, colours: Mapping[str, str]) -> bytes:
    """The same as `annotate` as an SVG: the image's own bytes inside, boxes as lines, labels as text.

    It stays sharp however far it is enlarged, its text can be selected and edited, and it loads nothing from
    elsewhere. Class names are text in it and never markup.
    """
    layout = _Layout.of(payload.width, payload.height)
    shapes = list(_shapes(detections, colours, layout))
    size = f'width="{payload.width}" height="{payload.height}"'
    picture = f"data:{payload.content_type};base64,{base64.b64encode(payload.body).decode()}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {payload.width} {payload.height}">',
        f'<image {size} href="{picture}"/>',
        f'<g fill="none" stroke-width="{layout.line}">',
        *(_outline(shape, layout.line) for shape in reversed(shapes)),
        "</g>",
        f'<g font-family="Arial, Helvetica, sans-serif" font-size="{layout.font_size}">',
        *(_text(shape, layout) for shape in shapes if shape.label),
        "</g>",
        "</svg>",
    ]
    return ("\n".join(parts) + "\n").encode("utf-8", "replace")


def with_grid(picture: bytes, width: int, tiles: Sequence[Tile]) -> bytes:
    """A JPEG of a picture with the borders of tiles drawn in, and what two tiles have in common a little lighter.

    Args:
        picture: the encoded image, at any scale.
        width: pixels of the frame that the tiles are in.
        tiles: to draw.
    """
    with Image.open(io.BytesIO(picture)) as source:
        image = source.convert("RGB")
    scale = image.width / width
    times = np.zeros((image.height, image.width), np.uint8)
    corners = [
        tuple(round(side * scale) for side in (tile.left, tile.top, tile.left + tile.width, tile.top + tile.height))
        for tile in tiles
    ]
    for left, top, right, bottom in corners:
        times[top:bottom, left:right] += 1
    image.paste((255, 255, 255), mask=Image.fromarray(np.where(times > 1, 46, 0).astype(np.uint8)))
    pen = ImageDraw.Draw(image)
    line = max(1, round(max(image.size) / 900))
    for wider, colour in ((2 * line, "#000000"), (0, "#FFFFFF")):  # light on dark, to be seen on any picture
        for left, top, right, bottom in corners:
            for ends in (((left, top), (right, top)), ((left, bottom), (right, bottom))):
                pen.line(ends, colour, line + wider)
            for ends in (((left, top), (left, bottom)), ((right, top), (right, bottom))):
                pen.line(ends, colour, line + wider)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class _Layout:
    """How large lines and letters are, in pixels of an image of `frame`: width, height."""

    frame: tuple[int, int]
    line: int
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont
    font_size: int
    rise: int
    height: int
    pad: int

    @classmethod
    def of(cls, width: int, height: int) -> _Layout:
        longest = max(width, height)
        size = max(12, round(longest / 60))
        font = ImageFont.load_default(size)
        _, y0, _, y1 = font.getbbox("Ág")  # the same height whatever the letters
        pad = max(2, round((y1 - y0) / 5))
        line = max(2, round(longest / 400))
        return cls((width, height), line, font, size, round(y0), round(y1 - y0) + 2 * pad, pad)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A detection as it is drawn.

    Attributes:
        box: its first and last pixel column and row.
        label: the same of its label, or None where that would cover another one.
        inset: where the text's ink begins, right of where it is set.
    """

    box: PixelBox
    text: str
    colour: str
    label: PixelBox | None
    inset: int


def _shapes(detections: Detections, colours: Mapping[str, str], layout: _Layout) -> Iterator[_Shape]:
    """The most confident first. A label that would cover one of those is left out: theirs is worth more."""
    names, taken = detections.names(), list[PixelBox]()
    for i, box in _pixels(detections.xyxy, *layout.frame):
        confidence = detections.confidence[i]
        label = names[i] if np.isnan(confidence) else f"{names[i]} {confidence:.2f}"
        text = " ".join(label.splitlines())
        x0, _, x1, _ = layout.font.getbbox(text)
        spot = _spot(box, round(x1 - x0) + 2 * layout.pad, layout, taken)
        if spot:
            taken.append(spot)
        yield _Shape(box, text, colours.get(names[i], UNKNOWN), spot, round(x0))


def _outline(shape: _Shape, line: int) -> str:
    left, top, right, bottom = shape.box
    # SVG draws a line on both sides of its path, Pillow inside the box.
    width, height = max(0, right + 1 - left - line), max(0, bottom + 1 - top - line)
    place = f'x="{left + line / 2:g}" y="{top + line / 2:g}" width="{width}" height="{height}"'
    return f"<rect {place} stroke={quoteattr(shape.colour)}><title>{_xml(shape.text)}</title></rect>"


def _text(shape: _Shape, layout: _Layout) -> str:
    assert shape.label
    left, top, right, _ = shape.label
    filled = f'<rect x="{left}" y="{top}" width="{right + 1 - left}" height="{layout.height}"'
    baseline = top + layout.pad - layout.rise + round(layout.font.getbbox("A")[3])
    # The label fits its text whichever font a viewer has.
    fitted = f'textLength="{right + 1 - left - 2 * layout.pad}" lengthAdjust="spacingAndGlyphs"'
    place = f'x="{left + layout.pad}" y="{baseline}" fill="{text_on(shape.colour)}"'
    return f"{filled} fill={quoteattr(shape.colour)}/><text {place} {fitted}>{_xml(shape.text)}</text>"


def _xml(text: str) -> str:
    """Text for XML 1.0, which has no way to write most control characters."""
    return escape(re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text))


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


def _spot(box: PixelBox, width: int, layout: _Layout, taken: Sequence[PixelBox]) -> PixelBox | None:
    """Where a label stands at the box's left: above it, below it or inside, wherever it covers none of `taken`."""
    height, frame = layout.height, layout.frame
    left = max(0, min(box[0], frame[0] - width))
    above, below, inside = box[1] - height, box[3] + 1, max(0, min(box[1], frame[1] - height))
    for top in (above, inside) if above < 0 else (above, below, inside):
        spot = (left, top, left + width - 1, top + height - 1)
        if top >= 0 and top + height <= max(frame[1], height) and not any(_overlap(spot, other) for other in taken):
            return spot
    return None


def _overlap(a: PixelBox, b: PixelBox) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
