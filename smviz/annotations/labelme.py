"""LabelMe JSON: a file for each image, shapes with their points in any order.

A rectangle is the box around its points, and so is a polygon; a circle, given by its centre and a point on it, becomes
the square around it. Points and lines have no box. Classes are in the order of their names.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from smviz.annotations.assembly import Assembly
from smviz.annotations.documents import Document
from smviz.annotations.fields import (
    Corners,
    Unusable,
    between,
    image_name,
    ltwh,
    mapping,
    points,
    sequence,
    size,
    text,
)
from smviz.annotations.files import Files
from smviz.annotations.format import Format
from smviz.records import GroundTruth

_BOXES = {"rectangle", "polygon", "mask", "oriented_rectangle"}


class _File(msgspec.Struct, rename="camel"):
    """What is used of a file; imageData, the whole picture as text, is passed over without being decoded."""

    shapes: Any = None
    image_path: Any = None
    image_width: Any = None
    image_height: Any = None


def recognise(document: Document) -> str | None:
    """It is JSON with "shapes" and "imagePath"."""
    known = {"shapes", "imagePath"} <= document.keys.keys()
    return 'it is JSON with "shapes" and "imagePath"' if known else None


def read(files: Files) -> GroundTruth:
    """The ground truth in LabelMe files."""
    assembly = Assembly(files)
    for document in files.documents():
        if document.may_be_json or document.suffix == ".json":
            with assembly.leaving_out(document.name):
                _image(document, assembly)
    return assembly.ground_truth()


def _image(document: Document, assembly: Assembly) -> None:
    file = document.json(_File)
    shapes = sequence(file.shapes, "shapes")
    name = image_name(file.image_path, "imagePath")
    image = assembly.image(name, pixels=size(file.image_width, file.image_height), folder=document.folder)
    for count, entry in enumerate(shapes, start=1):
        with assembly.leaving_out(document.name, f"shape {count}"):
            shape = mapping(entry, "the shape")
            label = text(shape.get("label"), "the label")
            box = _box(str(shape.get("shape_type") or "polygon"), shape.get("points"))
            assembly.box(image, assembly.category(None, label), box)
            if shape.get("shape_type") != "rectangle":
                assembly.note("shapes are no rectangles; the box around them is used.")


def _box(kind: str, given: object) -> Corners:
    if kind == "circle":
        x, y = points(given)
        if len(x) != 2:
            raise Unusable("a circle has not two points")
        radius = math.dist((x[0], y[0]), (x[1], y[1]))
        return ltwh(x[0] - radius, y[0] - radius, 2 * radius, 2 * radius)
    if kind not in _BOXES:
        raise Unusable(f"a shape of the type {kind[:30]!r} has no box")
    return between(*points(given))


LABELME = Format(
    "labelme",
    "LabelMe: a JSON file for each image.",
    'JSON with "shapes" and "imagePath"',
    False,
    recognise,
    read,
)
