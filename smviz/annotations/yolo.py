"""YOLO labels: a text file for each image, a line for each object, all as shares of the image's width and height.

A line is "class x-centre y-centre width height". With more numbers it is a polygon, or the four corners of an oriented
box; each becomes the box around its points. Names are in a data.yaml ("names", a list or by class id) or in a file with
one name a line. An image of the source without a label file has no objects. Classes are in the order of their ids.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import yaml  # type: ignore[import-untyped]

from smviz.annotations.assembly import Assembly
from smviz.annotations.documents import Document
from smviz.annotations.fields import Corners, Unusable, between, clean, ltwh, number, whole
from smviz.annotations.files import Files
from smviz.annotations.format import Format
from smviz.records import GroundTruth

_NAMES = {"classes.txt", "predefined_classes.txt", "obj.names", "coco.names", "_darknet.labels"}
_FARTHEST = 2.0  # a share beyond this is a pixel; labels of objects that are cut off lie a little outside 0 to 1
_LARGEST_YAML = 1 << 18  # bytes, which take some 3 s; the longest list of names known has 1,200 of them

Names = dict[int, str]


def recognise(document: Document) -> str | None:
    """Each line is a class id and at least four numbers from 0 to 1."""
    if document.is_binary:
        return None
    rows = [line.split() for line in document.head[:20]]
    return "each line is a class id and numbers from 0 to 1" if rows and all(map(_is_row, rows)) else None


def read(files: Files) -> GroundTruth:
    """The ground truth in YOLO files; images whose size nobody knows are left out."""
    assembly = Assembly(files)
    names: Names = {}
    keypoints = False
    labels: list[Document] = []
    for document in files.documents():
        if document.suffix in {".yaml", ".yml"}:
            with assembly.leaving_out(document.name):
                described = _described(document)
                names = _named(described) or names
                keypoints = keypoints or "kpt_shape" in described
        elif PurePosixPath(document.name).name.lower() in _NAMES and not recognise(document):
            lines = enumerate(document.text.splitlines())
            names = names or {at: clean(line.strip()) for at, line in lines if line.strip()}
        elif document.suffix == ".txt" or recognise(document):
            labels.append(document)
    for identity, name in names.items():
        assembly.category(identity, name)
    labelled = set()
    for document in labels:
        file = files.images.of_stem(document.stem, document.name)
        labelled.add(file.name if file else "")
        with assembly.leaving_out(document.name):
            _image(document, assembly, names, keypoints)
    told = _background(files, labelled, assembly) if assembly.images else []
    return assembly.ground_truth(*told)


def _described(document: Document) -> dict[str, object]:
    """The entries of a YAML file, all values as text: a class named "no" or "1e3" is not a value of another kind."""
    if len(document.data) > _LARGEST_YAML:
        raise Unusable("it is too large for a list of names")
    try:
        described = yaml.load(document.text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Unusable("it is no valid YAML") from error
    return described if isinstance(described, dict) else {}


def _named(described: dict[str, object]) -> Names:
    names = described.get("names")
    pairs = names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else ()
    return {whole(key, "a class id of the names"): clean(name) for key, name in pairs if isinstance(name, str)}


def _image(document: Document, assembly: Assembly, names: Names, keypoints: bool) -> None:
    lines = [(count, line.split()) for count, line in enumerate(document.text.splitlines(), start=1)]
    rows = [(count, cells) for count, cells in lines if cells]
    if document.is_binary or (rows and not any(_is_row(cells) for _, cells in rows)):
        raise Unusable("it has no line of a class id and numbers from 0 to 1")
    name, pixels = assembly.files.images.name_and_size(document.stem, document.name)
    if not all(pixels):
        raise Unusable("the size of its image is not known; the images are needed beside the labels")
    image = assembly.image(name, document.stem, pixels, document.folder)
    for count, cells in rows:
        with assembly.leaving_out(document.name, f"line {count}"):
            class_id, box = _object(cells, pixels, assembly, keypoints)
            assembly.box(image, assembly.category(class_id, names.get(class_id)), box)


def _object(cells: list[str], pixels: tuple[int, int], assembly: Assembly, keypoints: bool) -> tuple[int, Corners]:
    class_id = whole(cells[0], "the class id")
    shares = [number(cell, "the box") for cell in cells[1:]]
    if class_id < 0:
        raise Unusable("the class id is negative")
    if any(abs(share) > _FARTHEST for share in shares[: 4 if keypoints else None]):
        raise Unusable("the numbers are not shares of the image from 0 to 1")
    width, height = pixels
    if len(shares) in (4, 5) or (keypoints and len(shares) > 5):
        if len(shares) == 5:
            assembly.note("lines carry a sixth number, as the confidence of results; it is not used.")
        x, y, w, h = shares[:4]
        box = ltwh((x - w / 2) * width, (y - h / 2) * height, w * width, h * height)
    elif len(shares) >= 6 and len(shares) % 2 == 0:
        box = between([x * width for x in shares[0::2]], [y * height for y in shares[1::2]])
        assembly.note("lines are polygons or oriented boxes; the box around their points is used.")
    else:
        raise Unusable(f"it has {len(cells)} columns, which is neither a box nor a polygon")
    return class_id, box


def _background(files: Files, labelled: set[str], assembly: Assembly) -> list[str]:
    count = 0
    for file in files.images.files:
        if file.name not in labelled:
            path = PurePosixPath(file.name)
            with assembly.leaving_out(file.name):
                pixels = files.images.size(file.name)
                if not all(pixels):
                    raise Unusable("it is no image that can be read")
                folder = "" if str(path.parent) == "." else str(path.parent)
                assembly.image(path.name, path.stem, pixels, folder)
                count += 1
    return [f"{count} images have no label file; they count as images without objects."] if count else []


def _is_row(cells: list[str]) -> bool:
    try:
        class_id, shares = number(cells[0], ""), [number(cell, "") for cell in cells[1:]]
    except Unusable:
        return False
    return class_id.is_integer() and len(shares) >= 4 and all(abs(share) <= _FARTHEST for share in shares[:4])


YOLO = Format(
    "yolo",
    "YOLO: a text file for each image; names in data.yaml or classes.txt; the images are needed for their sizes.",
    "text, lines of a class id and numbers from 0 to 1",
    False,
    recognise,
    read,
)
