"""COCO ground truth ("instances"), read into columns, and JumpStart's likeness of it.

The format is described at https://cocodataset.org/#format-data. Images and classes are numbered in the order of their
ids, as COCO's own evaluation orders them. SageMaker JumpStart's annotations.json has the same lists, but its boxes are
the corners left, top, right and bottom, and class names may be missing. Which of the two a file is, only its numbers
tell: see `box_order`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smviz.annotations.assembly import counted, no_image
from smviz.annotations.documents import Document
from smviz.annotations.fields import Unusable, clean, listed
from smviz.annotations.files import Files
from smviz.annotations.format import Format
from smviz.annotations.instances import (
    ADVICE,
    Annotation,
    Category,
    Image,
    Instances,
    boxes,
    by_id,
    distinct,
    index,
    instances_of,
    pixels,
    plain,
    positions,
)
from smviz.annotations.origin import origin_in
from smviz.errors import BadAnnotations
from smviz.records import GroundTruth, Skipped

_TRIED = 2_000  # boxes that telling the order looks at, spread over the file
_TOLERANCE = 1.0  # pixels by which labels lie outside of their image


def box_order(instances: Instances) -> tuple[int, int, int]:
    """How many boxes were looked at, and how many of them fit as left, top, width, height, and how many as corners.

    The first fit when left + width and top + height stay within the image, the second when right and bottom do and lie
    beyond left and top. Where the size of the image is not told, only the signs count.
    """
    step = max(len(instances.annotations) // _TRIED, 1)
    tried = instances.annotations[::step]
    image = positions(index(image.id for image in instances.images), (a.image_id for a in tried))
    box = boxes(tried)
    known = (image >= 0) & np.isfinite(box).all(axis=1)
    box, sizes = box[known], pixels(instances.images)[image[known]]
    edge = np.where(sizes > 0, sizes + _TOLERANCE, np.inf)
    start, end = box[:, :2], box[:, 2:]
    as_ltwh = ((end > 0) & (start + end <= edge)).all(axis=1)
    as_corners = ((end > start) & (end <= edge)).all(axis=1)
    return len(box), int(as_ltwh.sum()), int(as_corners.sum())


def recognise(document: Document) -> str | None:
    """The three lists, and boxes that fit as left, top, width and height."""
    instances = _look(document)
    if instances is None or instances.categories is None:
        return None
    tried, as_ltwh, as_corners = document.once(_order)
    if as_corners > as_ltwh:
        return None
    return (
        'it has "images", "annotations" and "categories", and '
        f"{as_ltwh} of {tried} boxes stay within their image as left, top, width, height"
    )


def recognise_jumpstart(document: Document) -> str | None:
    """The lists, and boxes that fit as corners."""
    instances = _look(document)
    if instances is None:
        return None
    tried, as_ltwh, as_corners = document.once(_order)
    if not tried or as_corners < tried or (instances.categories and not as_corners):
        return None
    rest = "" if instances.categories is not None else '; it has no "categories"'
    return (
        f"all of {tried} boxes are corners (right and bottom beyond left and top, within the image), and "
        f"{tried - as_ltwh} would leave their image as left, top, width, height{rest}"
    )


def read(files: Files) -> GroundTruth:
    """The ground truth in the one COCO file of a source."""
    document = only_document(files)
    return columns(_instances(document), document.name, files.unreadable)


def read_jumpstart(files: Files) -> GroundTruth:
    """The ground truth in the one annotations.json of a source."""
    document = only_document(files)
    instances = _instances(document)
    if not instances.categories:
        ids = {annotation.category_id for annotation in instances.annotations}
        instances.categories = [Category(identity) for identity in ids]
    for annotation in instances.annotations:
        if annotation.bbox and len(annotation.bbox) == 4 and None not in annotation.bbox:
            left, top, right, bottom = annotation.bbox
            annotation.bbox = [left, top, right - left, bottom - top]  # type: ignore[operator]
    return columns(instances, document.name, files.unreadable)


def columns(instances: Instances, name: str, unreadable: Sequence[Skipped] = ()) -> GroundTruth:
    """The columns of a file's entries; `name` is what messages call it.

    An annotation whose image, category or box cannot be used is left out, counted in `notes` and named in `skipped`,
    after what the file itself tells of an earlier reading. An
    `area` that is missing, negative or no number is width x height. Segmentations and unknown keys are not looked at.

    Raises:
        BadAnnotations: when it lists no image or no category, or when two different images or categories share an id,
            or two images a file name.
    """
    annotations = instances.annotations
    if not instances.images and instances.skipped:
        raise no_image(name, instances.skipped)
    images = sorted(distinct(instances.images, "image", name), key=by_id)
    categories = sorted(distinct(instances.categories or [], "category", name), key=by_id)
    used = kept(annotations, images, categories)
    image, class_id, usable, keep = used.image, used.class_id, used.usable, used.keep
    class_names = tuple(clean(c.name) if c.name else f"category {plain(c.id)}" for c in categories)
    same_name, again = _repeats(class_names), len(instances.images) - len(images)
    skipped = (*unreadable, *instances.skipped)
    before = origin_in(instances.info)
    told = (
        *notes(
            (image < 0, "annotations on images that the file does not list were left out."),
            (class_id < 0, "annotations of categories that the file does not list were left out."),
            (~usable, "annotations without a usable box (four numbers, width and height > 0) were left out."),
            (used.mended & keep, "annotations have no usable area; width x height of the box is used."),
            (_repeats(a.id for a in annotations), "annotations repeat an id; each counts as an object."),
            (same_name, "categories repeat a name; they stay apart, and a name means the most frequent."),
            (again, "images are listed again, with the same entry; each counts once."),
        ),
        *counted(skipped),
    )
    return GroundTruth(
        image_names=_file_names(images, name),
        image_ids=tuple(plain(image.id) for image in images),
        image_sizes=pixels(images),
        class_names=class_names,
        category_ids=tuple(plain(category.id) for category in categories),
        image=image[keep],
        class_id=class_id[keep],
        ltwh=used.ltwh[keep],
        area=used.area[keep],
        crowd=np.array([bool(a.iscrowd) for a in annotations], np.bool_)[keep],
        ignore=np.array([bool(a.difficult) for a in annotations], np.bool_)[keep],
        notes=tuple(dict.fromkeys((*before.notes, *told))),
        skipped=(*before.skipped, *skipped, *_left_out(annotations, name, image, class_id, usable)),
    )


@dataclass(frozen=True, eq=False)
class Kept:
    """What each of N annotations means.

    Attributes:
        image, class_id: int64 [N], places among the images and categories; -1 where they are not listed.
        ltwh: float64 [N, 4], pixels.
        area: float64 [N], square pixels: width x height where the file tells none that can be used.
        mended: bool [N], where it does not.
        usable: bool [N], whether the box has an extent.
    """

    image: NDArray[np.int64]
    class_id: NDArray[np.int64]
    ltwh: NDArray[np.float64]
    area: NDArray[np.float64]
    mended: NDArray[np.bool_]
    usable: NDArray[np.bool_]

    @property
    def keep(self) -> NDArray[np.bool_]:
        """Which annotations become objects, bool [N]."""
        whole: NDArray[np.bool_] = (self.image >= 0) & (self.class_id >= 0) & self.usable
        return whole


def kept(annotations: Sequence[Annotation], images: Sequence[Image], categories: Sequence[Category]) -> Kept:
    """Join annotations with their images and categories."""
    ltwh = boxes(annotations)
    area = np.array([np.nan if a.area is None else a.area for a in annotations], np.float64)
    mended = ~(np.isfinite(area) & (area >= 0))
    with np.errstate(over="ignore", invalid="ignore"):
        area = np.where(mended, ltwh[:, 2] * ltwh[:, 3], area)
        usable = (ltwh[:, 2] > 0) & (ltwh[:, 3] > 0) & np.isfinite(ltwh.sum(axis=1)) & np.isfinite(area)
    return Kept(
        image=positions(index(image.id for image in images), (a.image_id for a in annotations)),
        class_id=positions(index(category.id for category in categories), (a.category_id for a in annotations)),
        ltwh=ltwh,
        area=area,
        mended=mended,
        usable=usable,
    )


def notes(*counts: tuple[NDArray[np.bool_] | int, str]) -> tuple[str, ...]:
    """A note for each thing that happened at least once, with its number."""
    return tuple(f"{count} {text}" for which, text in counts if (count := int(np.sum(which))))


def _left_out(
    annotations: Sequence[Annotation],
    name: str,
    image: NDArray[np.int64],
    class_id: NDArray[np.int64],
    usable: NDArray[np.bool_],
) -> list[Skipped]:
    """Each annotation that is not used, by its id or else its place."""
    result = []
    for at in np.flatnonzero((image < 0) | (class_id < 0) | ~usable).tolist():
        entry = annotations[at]
        where = f"annotation number {at} (from 0)" if entry.id is None else f"annotation {plain(entry.id)}"
        if image[at] < 0:
            why = "its image is not listed"
        elif class_id[at] < 0:
            why = "its category is not listed"
        else:
            why = "its box is not four numbers with width and height above 0"
        result.append(Skipped(name, where, why))
    return result


def _look(document: Document) -> Instances | None:
    """The entries when this may be a file with COCO's lists, else None."""
    if not document.may_be_json or (b'"annotations"' not in document.data and b"\0" not in document.data[:8]):
        return None
    try:
        return document.once(instances_of)
    except Unusable:
        return None


def _order(document: Document) -> tuple[int, int, int]:
    return box_order(document.once(instances_of))


def _instances(document: Document) -> Instances:
    try:
        return document.once(instances_of)
    except Unusable as error:
        raise BadAnnotations(f"{document.name} is not read: {error}.", ADVICE) from error


def only_document(files: Files) -> Document:
    """The one document of the format; where none looks like it, the only one there is.

    Raises:
        BadAnnotations: when there are several, or none.
    """
    alike = [document for document in files.documents() if _look(document)] or list(files.documents())
    if len(alike) == 1:
        return alike[0]
    if not alike:
        raise no_image(files.label, files.unreadable)
    names = listed(document.name for document in alike)
    raise BadAnnotations(f"{files.label} holds {len(alike)} files that may be meant: {names}.", "Give one of them.")


def _file_names(images: Sequence[Image], name: str) -> tuple[str, ...]:
    names = tuple(clean((image.file_name or str(plain(image.id))).replace("\\", "/")) for image in images)
    repeated = [file_name for file_name, times in Counter(names).items() if times > 1]
    if repeated:
        raise BadAnnotations(
            f"{name} lists {len(repeated)} file names more than once, such as {repeated[0]!r}.",
            "Give each image one entry and its own file name, with the folder where names repeat.",
        )
    return names


def _repeats(values: Iterable[object]) -> int:
    given = [value for value in values if value is not None]
    return len(given) - len(set(given))


COCO = Format(
    "coco",
    'COCO JSON: "images", "annotations" and "categories" in one file.',
    'JSON with "images", "annotations" and "categories"; boxes are left, top, width, height',
    True,
    recognise,
    read,
)
JUMPSTART = Format(
    "jumpstart",
    "SageMaker JumpStart's annotations.json: like COCO, but boxes are left, top, right, bottom.",
    'JSON with "images" and "annotations"; boxes are left, top, right, bottom',
    True,
    recognise_jumpstart,
    read_jumpstart,
)
