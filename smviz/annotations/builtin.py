"""The JSON of SageMaker's built-in object detection algorithm: a file for each image, left, top, width and height.

The converter in AWS's own example makes such files from COCO with two faults. It numbers the classes of the annotations
anew from 0, but writes the categories with their old ids, one for each annotation. And it cuts coordinates to whole
pixels. The first is told by annotations whose class no category has, and then each annotation takes the name of the
category at its own place; the second cannot be mended. Classes are in the order of their ids.
"""

from __future__ import annotations

from typing import Any

import msgspec

from smviz.annotations.assembly import Assembly
from smviz.annotations.documents import Document
from smviz.annotations.fields import (
    Corners,
    Unusable,
    image_name,
    ltwh,
    mapping,
    number,
    sequence,
    size,
    text,
    whole,
)
from smviz.annotations.files import Files
from smviz.annotations.format import Format
from smviz.records import GroundTruth


class _File(msgspec.Struct):
    file: Any = None
    image_size: Any = None
    annotations: Any = None
    categories: Any = None


def recognise(document: Document) -> str | None:
    """It is JSON with "file", "image_size" and "annotations"."""
    known = {"file", "image_size", "annotations"} <= document.keys.keys()
    return 'it is JSON with "file", "image_size" and "annotations"' if known else None


def read(files: Files) -> GroundTruth:
    """The ground truth in the built-in algorithm's files."""
    assembly = Assembly(files)
    converted = 0
    for document in files.documents():
        if document.may_be_json or document.suffix == ".json":
            with assembly.leaving_out(document.name):
                converted += _image(document, assembly)
    told = f"{converted} files name classes by their old ids, as AWS's converter from COCO does; names go by place."
    return assembly.ground_truth(*[told] * bool(converted))


def box_of(entry: dict[str, object]) -> Corners:
    """The box of an annotation as Ground Truth and the built-in algorithm write it.

    Raises:
        Unusable: when it is none.
    """
    left, top, width, height = (number(entry.get(name), name) for name in ("left", "top", "width", "height"))
    return ltwh(left, top, width, height)


def size_of(given: object) -> tuple[int, int]:
    """Width and height of an image_size, which is a list of one; (0, 0) where they are not told."""
    first = given[0] if isinstance(given, list) and given else given
    return size(first.get("width"), first.get("height")) if isinstance(first, dict) else (0, 0)


def _image(document: Document, assembly: Assembly) -> bool:
    """Reads one file, and tells whether it shows the converter's fault."""
    file = document.json(_File)
    annotations = sequence(file.annotations, "annotations")
    name = image_name(file.file, "file")
    image = assembly.image(name, pixels=size_of(file.image_size), folder=document.folder)
    categories = file.categories if isinstance(file.categories, list) else []
    named = [_category(entry) for entry in categories]
    names = {identity: name for identity, name in named if identity is not None}
    ids = [_class_id(entry) for entry in annotations]
    by_place = len(named) == len(annotations) and any(i is not None and i not in names for i in ids)
    if not by_place:
        for identity, called in names.items():
            assembly.category(identity, called)
    for count, entry in enumerate(annotations):
        with assembly.leaving_out(document.name, f"annotation {count + 1}"):
            class_id = whole(mapping(entry, "the annotation").get("class_id"), "class_id")
            if class_id < 0:
                raise Unusable("class_id is negative")
            called = named[count][1] if by_place else names.get(class_id)
            box = box_of(mapping(entry, "the annotation"))
            assembly.box(image, assembly.category(class_id, called), box)
    return by_place


def _category(entry: object) -> tuple[int | None, str | None]:
    try:
        given = mapping(entry, "the category")
        return whole(given.get("class_id"), "class_id"), text(given.get("name"), "the name")
    except Unusable:
        return None, None


def _class_id(entry: object) -> int | None:
    try:
        return whole(mapping(entry, "the annotation").get("class_id"), "class_id")
    except Unusable:
        return None


BUILTIN = Format(
    "builtin",
    "SageMaker's built-in object detection: a JSON file for each image.",
    'JSON with "file", "image_size" and "annotations"',
    False,
    recognise,
    read,
)
