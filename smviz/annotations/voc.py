"""Pascal VOC XML: a file for each image, boxes of 1-based pixels with both ends inside.

The definition is that of the VOC development kit (http://host.robots.ox.ac.uk/pascal/VOC/): "difficult" objects need
not be found. Classes are in the order of their names.
"""

from __future__ import annotations

from dataclasses import dataclass

from smviz.annotations.assembly import Assembly
from smviz.annotations.documents import Document
from smviz.annotations.fields import Corners, Unusable, between, image_name, number, size, text
from smviz.annotations.files import Files
from smviz.annotations.format import Format
from smviz.annotations.xml import Element
from smviz.records import GroundTruth


@dataclass(frozen=True, slots=True)
class _Object:
    file: str
    where: str
    image: int
    name: str
    corners: Corners
    difficult: bool


def recognise(document: Document) -> str | None:
    """The outermost element is <annotation>."""
    return "it is XML with the outermost element <annotation>" if document.root == "annotation" else None


def read(files: Files) -> GroundTruth:
    """The ground truth in VOC files.

    Some tools write pixels that count from 0. They are told by their boxes at the edge: where more begin at 0 than at
    1, the whole set is read as counted from 0, with the right and lower ends outside, and a note says so.
    """
    assembly = Assembly(files)
    objects: list[_Object] = []
    for document in files.documents():
        if document.root or document.suffix == ".xml":
            with assembly.leaving_out(document.name):
                objects += _image(document, assembly)
    starts = [edge for found in objects for edge in found.corners[:2] if 0 <= edge < 2]
    base = 0 if 2 * sum(edge < 1 for edge in starts) > len(starts) else 1
    for found in objects:
        left, top, right, bottom = found.corners
        with assembly.leaving_out(found.file, found.where):
            ltwh = between((_from_zero(left, base), right), (_from_zero(top, base), bottom))
            assembly.box(found.image, assembly.category(None, found.name), ltwh, ignore=found.difficult)
    told = []
    if zeros := sum(min(found.corners[:2]) < 1 for found in objects):
        all_or_some = (
            "though the others count from 1 as in VOC; they are kept there."
            if base
            else "so all are read as counted from 0, and not from 1 as in VOC."
        )
        told.append(f"{zeros} boxes begin at pixel 0 or before, {all_or_some}")
    return assembly.ground_truth(*told)


def _from_zero(edge: float, base: int) -> float:
    """A left or upper edge as counted from 0; what lies before the first pixel already is not moved further out."""
    return edge - base if edge >= base else min(edge, 0.0)


def _image(document: Document, assembly: Assembly) -> list[_Object]:
    root = document.xml()
    if root.tag != "annotation":
        raise Unusable("its outermost element is not <annotation>")
    objects, named = root.all("object"), root.value("filename")
    if not named and not objects and not root.first("size"):
        raise Unusable("it has no file name, no size and no object")
    pixels = size(root.value("size", "width"), root.value("size", "height"))
    name = image_name(named, "the file name") if named else ""
    if not name:
        name, found = assembly.files.images.name_and_size(document.stem, document.name)
        pixels = pixels if all(pixels) else found
    image = assembly.image(name, pixels=pixels, folder=document.folder)
    result = []
    for count, element in enumerate(objects, start=1):
        where = f"object {count}"
        with assembly.leaving_out(document.name, where):
            result.append(_object(element, document.name, where, image))
    return result


def _object(element: Element, file: str, where: str, image: int) -> _Object:
    box = element.first("bndbox")
    if box is None:
        raise Unusable("it has no bndbox")
    left, top, right, bottom = (number(box.value(edge), edge) for edge in ("xmin", "ymin", "xmax", "ymax"))
    if right < left or bottom < top:
        raise Unusable("the box has no width or no height")
    difficult = (element.value("difficult") or "0").strip().lower() not in {"0", "false", "no", "unspecified"}
    name = text(element.value("name"), "the name")
    return _Object(file, where, image, name, (left, top, right, bottom), difficult)


VOC = Format("voc", "Pascal VOC: an XML file for each image.", "XML, <annotation>", False, recognise, read)
