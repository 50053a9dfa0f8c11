"""CVAT XML 1.1, for images and for video (https://docs.cvat.ai/docs/other/xml_format/).

A track's frame is the image "frame_000007.png", as CVAT's own export names it; a box with outside="1" says that the
object has left the picture and is no object. A rotated rectangle, a polygon, an ellipse and a mask become the box
around them. Classes are in the order of their names.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from smviz.annotations.assembly import Assembly
from smviz.annotations.documents import Document
from smviz.annotations.fields import Corners, Unusable, between, image_name, ltwh, number, size, text, whole
from smviz.annotations.files import Files
from smviz.annotations.format import Format
from smviz.annotations.xml import Element
from smviz.records import GroundTruth

_MOST_FRAMES = 1_000_000
_NO_SHAPES = {"attribute", "tag"}


def recognise(document: Document) -> str | None:
    """The outermost element is <annotations>."""
    return "it is XML with the outermost element <annotations>" if document.root == "annotations" else None


def read(files: Files) -> GroundTruth:
    """The ground truth in CVAT files."""
    assembly = Assembly(files)
    for document in files.documents():
        if document.root or document.suffix == ".xml":
            with assembly.leaving_out(document.name):
                _document(document, assembly)
    return assembly.ground_truth()


def _document(document: Document, assembly: Assembly) -> None:
    root = document.xml()
    if root.tag != "annotations":
        raise Unusable("its outermost element is not <annotations>")
    for label in (label for source in _described(root) for label in source.all("label")):
        if name := label.value("name"):
            assembly.category(None, name)
    for count, element in enumerate(root.all("image"), start=1):
        with assembly.leaving_out(document.name, f"image {element.attributes.get('id', count)}"):
            _image(element, document, assembly)
    if root.first("track") or not root.first("image"):
        _video(root, document, assembly)


def _described(root: Element) -> Iterator[Element]:
    """The lists of labels in <meta>: of a task, a project or a job."""
    for kind in ("task", "project", "job"):
        for described in (meta.first(kind) for meta in root.all("meta")):
            yield from described.all("labels") if described else ()


def _image(element: Element, document: Document, assembly: Assembly) -> None:
    given = element.attributes
    name = image_name(given.get("name"), "the name")
    identity = int(given["id"]) if given.get("id", "").isdecimal() and len(given["id"]) < 19 else None
    image = assembly.image(name, identity, size(given.get("width"), given.get("height")), document.folder)
    for count, shape in enumerate(element.children, start=1):
        if shape.tag not in _NO_SHAPES:
            with assembly.leaving_out(document.name, f"image {given.get('id', name)}, shape {count}"):
                _shape(image, shape, shape.attributes.get("label"), assembly)


def _video(root: Element, document: Document, assembly: Assembly) -> None:
    """Every frame that the task has, and those with a box in any case."""
    task = next((found for kind in ("task", "job") if (found := (root.first("meta") or root).first(kind))), root)
    pixels = size(task.value("original_size", "width"), task.value("original_size", "height"))
    frames: dict[int, int] = {}

    def image_of(frame: int) -> int:
        if frame not in frames:
            name, _ = assembly.files.images.name_and_size(f"frame_{frame:06d}", document.name, ".png")
            frames[frame] = assembly.image(name, frame, pixels, document.folder)
        return frames[frame]

    for frame in _frames(task):
        image_of(frame)
    for count, track in enumerate(root.all("track"), start=1):
        for shape in track.children:
            where = f"track {track.attributes.get('id', count)}, frame {shape.attributes.get('frame', '?')}"
            with assembly.leaving_out(document.name, where):
                if shape.attributes.get("outside") != "1" and shape.tag not in _NO_SHAPES:
                    frame = whole(shape.attributes.get("frame"), "the frame")
                    if not 0 <= frame < _MOST_FRAMES:
                        raise Unusable("the frame is negative or far too large")
                    _shape(image_of(frame), shape, track.attributes.get("label"), assembly)


def _frames(task: Element) -> range:
    """The frames of a task; none where it does not tell."""
    try:
        first, last = (whole(task.value(edge), edge) for edge in ("start_frame", "stop_frame"))
    except Unusable:
        try:
            first, last = 0, whole(task.value("size"), "the size") - 1
        except Unusable:
            return range(0)
    step = (task.value("frame_filter") or "").replace(" ", "").removeprefix("step=")
    stride = int(step) if step.isdecimal() and int(step[:9]) > 0 else 1
    return range(first, last + 1, stride) if 0 <= first <= last < _MOST_FRAMES else range(0)


def _shape(image: int, shape: Element, label: str | None, assembly: Assembly) -> None:
    category = text(label, "the label")
    if shape.tag not in _SHAPES:
        raise Unusable(f"a {shape.tag} has no box")
    box = _SHAPES[shape.tag](shape)
    if shape.tag != "box":
        assembly.note("shapes are polygons, ellipses or masks; the box around them is used.")
    elif _angle(shape):
        assembly.note("boxes are rotated; the upright box around the rotated rectangle is used.")
    assembly.box(image, assembly.category(None, category), box)


def _angle(shape: Element) -> float:
    return number(shape.attributes.get("rotation", "0"), "rotation")


def _box(shape: Element) -> Corners:
    left, top, right, bottom = (number(shape.attributes.get(edge), edge) for edge in ("xtl", "ytl", "xbr", "ybr"))
    upright = ltwh(left, top, right - left, bottom - top)
    degrees = _angle(shape)
    if degrees % 360 == 0:
        return upright
    turn, (_, _, width, height) = math.radians(degrees), upright
    across = abs(width * math.cos(turn)) + abs(height * math.sin(turn))
    down = abs(width * math.sin(turn)) + abs(height * math.cos(turn))
    return ltwh((left + right - across) / 2, (top + bottom - down) / 2, across, down)


def _polygon(shape: Element) -> Corners:
    pairs = [pair.split(",") for pair in (shape.attributes.get("points") or "").split(";")]
    if any(len(pair) != 2 for pair in pairs):
        raise Unusable("the points are not pairs of numbers")
    return between([number(x, "the points") for x, _ in pairs], [number(y, "the points") for _, y in pairs])


def _ellipse(shape: Element) -> Corners:
    x, y, across, down = (number(shape.attributes.get(name), name) for name in ("cx", "cy", "rx", "ry"))
    turn = math.radians(_angle(shape))
    half_width = math.hypot(across * math.cos(turn), down * math.sin(turn))
    half_height = math.hypot(across * math.sin(turn), down * math.cos(turn))
    return ltwh(x - half_width, y - half_height, 2 * half_width, 2 * half_height)


def _mask(shape: Element) -> Corners:
    left, top, width, height = (number(shape.attributes.get(name), name) for name in ("left", "top", "width", "height"))
    return ltwh(left, top, width, height)


_SHAPES = {"box": _box, "polygon": _polygon, "ellipse": _ellipse, "mask": _mask}

CVAT = Format("cvat", "CVAT XML 1.1, for images or for video.", "XML, <annotations>", True, recognise, read)
