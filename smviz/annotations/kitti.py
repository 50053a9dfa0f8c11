"""KITTI labels: a text file for each image, a line for each object, boxes as left, top, right, bottom from pixel 0.

The definition is that of the KITTI object development kit: a detection that lies by more than half in a "DontCare"
region is not counted, whatever its class. That is what COCO's evaluation does with a crowd, so that each such region
becomes a crowd of every class of the set. The kit's levels of difficulty are not applied. Classes are in the order of
their names.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from smviz.annotations.assembly import Assembly
from smviz.annotations.documents import Document
from smviz.annotations.fields import Corners, Unusable, between, number
from smviz.annotations.files import Files
from smviz.annotations.format import Format
from smviz.records import GroundTruth

_COLUMNS = 15
_NOT_LABELLED = "dontcare"

Row = tuple[int, str, Corners]


def recognise(document: Document) -> str | None:
    """Each line is a class name and 14 numbers, or 15 with a score."""
    rows = [line.split() for line in document.head[:5]]
    return "each line is a class name and 14 numbers" if rows and all(map(_is_row, rows)) else None


def read(files: Files) -> GroundTruth:
    """The ground truth in KITTI files; an empty one is an image without objects."""
    assembly = Assembly(files)
    objects: list[Row] = []
    regions: list[tuple[int, Corners]] = []
    for document in files.documents():
        if document.suffix != ".txt" and not recognise(document):
            continue
        with assembly.leaving_out(document.name):
            for row in _image(document, assembly):
                if row[1].lower() == _NOT_LABELLED:
                    regions.append((row[0], row[2]))
                else:
                    objects.append(row)
    spelling, told = _spelling(Counter(name for _, name, _ in objects))
    for image, name, ltwh in objects:
        assembly.box(image, assembly.category(None, spelling[name]), ltwh)
    for image, ltwh in regions:
        for name in sorted(set(spelling.values())):
            assembly.box(image, assembly.category(None, name), ltwh, crowd=True)
    if regions:
        told.append(f"{len(regions)} DontCare regions are crowds of every class: what lies in them is not counted.")
    return assembly.ground_truth(*told)


def _image(document: Document, assembly: Assembly) -> list[Row]:
    lines = [(count, line.split()) for count, line in enumerate(document.text.splitlines(), start=1)]
    rows = [(count, cells) for count, cells in lines if cells]
    if document.is_binary or (rows and not any(_is_row(cells) for _, cells in rows)):
        raise Unusable("it has no line of a class name and 14 numbers")
    name, pixels = assembly.files.images.name_and_size(document.stem, document.name, ".png")
    image = assembly.image(name, document.stem, pixels, document.folder)
    result: list[Row] = []
    for count, cells in rows:
        with assembly.leaving_out(document.name, f"line {count}"):
            if len(cells) not in (_COLUMNS, _COLUMNS + 1):
                raise Unusable("it has neither 15 columns nor 16")
            left, top, right, bottom = (number(cell, "the box") for cell in cells[4:8])
            if right < left or bottom < top:
                raise Unusable("the box has no width or no height")
            result.append((image, cells[0], between((left, right), (top, bottom))))
            if len(cells) > _COLUMNS:
                assembly.note("lines carry a score, as results do; it is not used.")
    return result


def _is_row(cells: list[str]) -> bool:
    try:
        numbers = [number(cell, "") for cell in cells[1:]]
    except Unusable:
        return False
    return len(numbers) in (_COLUMNS - 1, _COLUMNS) and not cells[0].replace(".", "").isdecimal()


def _spelling(names: Counter[str]) -> tuple[dict[str, str], list[str]]:
    """How each name is spelled: of names that differ in case only, as the most frequent one."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        alike[name.lower()].append(name)
    chosen = {name: max(group, key=lambda name: names[name]) for group in alike.values() for name in group}
    mended = sorted({chosen[group[0]] for group in alike.values() if len(group) > 1})
    told = [f"Class names that differ in case only are one class: {', '.join(mended)}."] if mended else []
    return chosen, told


KITTI = Format(
    "kitti",
    "KITTI: a text file for each image, 15 columns.",
    "text, lines of a class name and 14 numbers",
    False,
    recognise,
    read,
)
