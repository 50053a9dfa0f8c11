"""Open Images CSV (https://storage.googleapis.com/openimages/web/download_v7.html): one line for each box.

Columns are found by the header; the usual order is XMin, XMax, YMin, YMax, as shares of the image's sides. A box with
IsGroupOf = 1 is around several objects and becomes a crowd. Labels are machine ids ("/m/0bt9lr"), which a file of class
descriptions beside it names. The classes are a hierarchy, which is not followed: a box counts as the class it is
labelled with and no other. Classes are those that have a box, in the order of their ids.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from smviz.annotations.assembly import Assembly
from smviz.annotations.documents import Document
from smviz.annotations.fields import Unusable, between, clean, number, text
from smviz.annotations.files import Files
from smviz.annotations.format import Format
from smviz.records import GroundTruth

_NEEDED = ("ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax")
_MACHINE_ID = re.compile(r"/[a-z]/[\w-]+")
_FARTHEST = 2.0

_HIERARCHY = "Classes of Open Images are a hierarchy; each box counts only as the class that it is labelled with."


def recognise(document: Document) -> str | None:
    """The first line names the columns of Open Images' boxes."""
    header = document.head[0].split(",") if document.head else []
    known = set(_NEEDED) <= {cell.strip() for cell in header}
    return "its first line names ImageID, LabelName, XMin, XMax, YMin and YMax" if known else None


def read(files: Files) -> GroundTruth:
    """The ground truth in Open Images files; images whose size nobody knows are left out."""
    assembly = Assembly(files)
    names: dict[str, str] = {}
    boxes: list[Document] = []
    for document in files.documents():
        if recognise(document):
            boxes.append(document)
        elif document.suffix in {".csv", ".txt"}:
            names |= _descriptions(document)
    for document in boxes:
        _boxes(document, assembly, names)
    return assembly.ground_truth(_HIERARCHY)


def _boxes(document: Document, assembly: Assembly, names: dict[str, str]) -> None:
    images: dict[str, int | None] = {}
    rows = _rows(document)
    with assembly.leaving_out(document.name):
        header = [cell.strip() for cell in next(rows, (0, []))[1]]
        for count, cells in rows:
            with assembly.leaving_out(document.name, f"line {count}"):
                row = dict(zip(header, cells, strict=False))
                identity = text(row.get("ImageID"), "ImageID")
                if identity not in images:
                    images[identity] = None
                    images[identity] = _image(identity, document, assembly)
                image = images[identity]
                if image is not None:
                    _object(image, row, assembly, names)


def _rows(document: Document) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(document.text, newline=""))
    try:
        yield from ((reader.line_num, cells) for cells in reader if cells)
    except csv.Error as error:
        raise Unusable(f"it is no valid CSV from line {reader.line_num} on: {error}") from error


def _descriptions(document: Document) -> dict[str, str]:
    try:
        rows = [cells for _, cells in _rows(document)]
    except Unusable:
        return {}
    return {cells[0]: clean(cells[1]) for cells in rows if len(cells) >= 2 and cells[1] and _MACHINE_ID.match(cells[0])}


def _image(identity: str, document: Document, assembly: Assembly) -> int | None:
    name, pixels = assembly.files.images.name_and_size(identity, document.name)
    if not all(pixels):
        why = "the size of its image is not known; the images are needed beside the boxes"
        assembly.leave_out(document.name, f"image {identity}", why)
        return None
    return assembly.image(name, identity, pixels, document.folder)


def _object(image: int, row: dict[str, str], assembly: Assembly, names: dict[str, str]) -> None:
    label = text(row.get("LabelName"), "LabelName")
    left, right, top, bottom = (number(row.get(edge), edge) for edge in ("XMin", "XMax", "YMin", "YMax"))
    if max(map(abs, (left, right, top, bottom))) > _FARTHEST:
        raise Unusable("the numbers are not shares of the image from 0 to 1")
    if right < left or bottom < top:
        raise Unusable("the box has no width or no height")
    width, height = assembly.pixels(image)
    box = between((left * width, right * width), (top * height, bottom * height))
    category = assembly.category(label, names.get(label, label))
    assembly.box(image, category, box, crowd=(row.get("IsGroupOf") or "").strip() == "1")


OPEN_IMAGES = Format(
    "openimages",
    "Open Images CSV, with class descriptions beside it; the images are needed for their sizes.",
    "CSV with ImageID, LabelName, XMin, XMax, YMin and YMax",
    True,
    recognise,
    read,
)
