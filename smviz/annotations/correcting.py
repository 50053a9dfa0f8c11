"""Ground truth with some of its labels corrected, as columns and as the COCO file that it was read from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from smviz.annotations.coco import Kept, kept, recognise
from smviz.annotations.documents import Document
from smviz.annotations.instances import Annotation, Category, Image, by_id, distinct, plain, usable
from smviz.annotations.reading import parse_ground_truth
from smviz.annotations.writing import ground_truth_json
from smviz.errors import BadAnnotations
from smviz.records import GroundTruth, frozen_array

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Corrections:
    """What is to be changed in a ground truth; objects, images and classes are positions in it.

    Attributes:
        removed: int64 [R], the objects that go.
        renamed, class_id: int64 [C], the objects with another class, and which.
        moved, ltwh: int64 [M], the objects with another box; float64 [M, 4], left, top, width, height in pixels.
        added_image, added_class, added_ltwh: int64 [A], int64 [A], float64 [A, 4]: the objects that come.
    """

    removed: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    renamed: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    class_id: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    moved: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    ltwh: Floats = field(default_factory=lambda: np.zeros((0, 4)))
    added_image: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    added_class: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    added_ltwh: Floats = field(default_factory=lambda: np.zeros((0, 4)))

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            four = 4 if name.endswith("ltwh") else 0
            object.__setattr__(self, name, frozen_array(value, np.float64 if four else np.int64, four))

    def __len__(self) -> int:
        """How many objects are added, removed or changed."""
        changed = np.setdiff1d(np.union1d(self.renamed, self.moved), self.removed)
        return len(np.unique(self.removed)) + len(changed) + len(self.added_image)


def corrected(truth: GroundTruth, corrections: Corrections) -> GroundTruth:
    """The ground truth as it is after the corrections; objects that come are the last ones.

    A box that is moved, and an object that comes, has the area of its box and is no crowd.
    """
    class_id, ltwh, area = truth.class_id.copy(), truth.ltwh.copy(), truth.area.copy()
    class_id[corrections.renamed] = corrections.class_id
    ltwh[corrections.moved] = corrections.ltwh
    area[corrections.moved] = _area(corrections.ltwh)
    stays = np.ones(len(truth), np.bool_)
    stays[corrections.removed] = False
    nothing = np.zeros(len(corrections.added_image), np.bool_)
    return replace(
        truth,
        image=np.concatenate([truth.image[stays], corrections.added_image]),
        class_id=np.concatenate([class_id[stays], corrections.added_class]),
        ltwh=np.concatenate([ltwh[stays], corrections.added_ltwh]),
        area=np.concatenate([area[stays], _area(corrections.added_ltwh)]),
        crowd=np.concatenate([truth.crowd[stays], nothing]),
        ignore=np.concatenate([truth.ignore[stays], nothing]),
    )


def corrected_json(data: bytes, truth: GroundTruth, corrections: Corrections) -> bytes:
    """A file of ground truth with corrections in it, as COCO JSON that pycocotools reads.

    Of a COCO file everything stays as it is where nothing is corrected: ids, further fields, crowds, categories, images
    without an object. Annotations that smviz cannot use are left out, for no COCO tool could. What pycocotools needs is
    filled in where it is missing: an id that no other annotation has, the area of the box, iscrowd 0. An annotation
    with another box loses its segmentation, which outlines the old one. "info" tells what was done.

    Args:
        data: the file.
        truth: what was read from it, or that of some of its images.
        corrections: positions in `truth`.

    Raises:
        BadAnnotations: when the file cannot be read, or `truth` is not from it.
    """
    whole = parse_ground_truth(data, "The ground truth")
    every = _of_whole(whole, truth, corrections)
    document = Document("annotations.json", data)
    told = _told(every)
    if recognise(document) is None:
        mended = corrected(whole, every)
        return ground_truth_json(replace(mended, notes=(*mended.notes, told)))
    return _File(document).json(every, told)


def _of_whole(whole: GroundTruth, truth: GroundTruth, corrections: Corrections) -> Corrections:
    """The corrections of some images' ground truth as those of the whole file's."""
    place = {name: at for at, name in enumerate(whole.image_names)}
    images = np.array([place.get(name, -1) for name in truth.image_names], np.int64)
    objects = np.flatnonzero(np.isin(whole.image, images))
    if (images < 0).any() or len(objects) != len(truth) or whole.class_names != truth.class_names:
        raise BadAnnotations(
            "The corrections are those of another ground truth.", "Judge the run again, then correct its labels."
        )
    return replace(
        corrections,
        removed=objects[corrections.removed],
        renamed=objects[corrections.renamed],
        moved=objects[corrections.moved],
        added_image=images[corrections.added_image],
    )


class _File:
    """A COCO file as it stands: all entries with all their fields."""

    def __init__(self, document: Document) -> None:
        self.content = document.json(dict[str, Any])
        name = document.name
        images = usable(self.content["images"], Image, "image", name, [])
        categories = usable(self.content["categories"], Category, "category", name, [])
        self.images = sorted(distinct(list(images.values()), "image", name), key=by_id)
        self.categories = sorted(distinct(list(categories.values()), "category", name), key=by_id)
        entries = usable(self.content["annotations"], Annotation, "annotation", name, [])
        places = np.array(list(entries), np.int64)
        self.kept: Kept = kept(list(entries.values()), self.images, self.categories)
        self.places = places[self.kept.keep].tolist()

    def json(self, corrections: Corrections, told: str) -> bytes:
        """With the corrections, which are positions among what is used."""
        rows = self._rows()
        for row, class_id in zip(corrections.renamed.tolist(), corrections.class_id.tolist(), strict=True):
            rows[row]["category_id"] = plain(self.categories[class_id].id)
        for row, ltwh in zip(corrections.moved.tolist(), corrections.ltwh.tolist(), strict=True):
            rows[row] |= _box(ltwh)
            rows[row].pop("segmentation", None)
        removed = set(corrections.removed.tolist())
        left = [row for at, row in enumerate(rows) if at not in removed]
        left += self._added(corrections)
        _number(left, (row.get("id") for row in self.content["annotations"] if isinstance(row, dict)))
        return msgspec.json.encode({**self.content, "info": _info(self.content.get("info"), told), "annotations": left})

    def _rows(self) -> list[dict[str, Any]]:
        """What is used, each with what COCO's evaluation needs."""
        used = self.kept
        image, class_id, area = (column[used.keep].tolist() for column in (used.image, used.class_id, used.area))
        rows = []
        for at, place in enumerate(self.places):
            row = self.content["annotations"][place]
            needed = {
                "image_id": self.images[image[at]].id,
                "category_id": self.categories[class_id[at]].id,
                "iscrowd": row.get("iscrowd") or 0,
            }
            rows.append({**row, **needed, **({} if _same(row.get("area"), area[at]) else {"area": area[at]})})
        return rows

    def _added(self, corrections: Corrections) -> list[dict[str, Any]]:
        columns = (corrections.added_image, corrections.added_class, corrections.added_ltwh)
        return [
            {
                "image_id": self.images[image].id,
                "category_id": self.categories[class_id].id,
                **_box(ltwh),
                "iscrowd": 0,
            }
            for image, class_id, ltwh in zip(*(column.tolist() for column in columns), strict=True)
        ]


def _number(rows: list[dict[str, Any]], given: Iterable[object]) -> None:
    """Give an id to each row that has none, or one that cannot serve; ids of what went are not given again."""
    numbers = [number for number in given if isinstance(number, int) and not isinstance(number, bool)]
    following = max(numbers, default=0) + 1
    taken: set[int] = set()
    for row in rows:
        known = row.get("id")
        if not isinstance(known, int) or isinstance(known, bool) or known in taken:
            row["id"], following = following, following + 1
        taken.add(row["id"])


def _box(ltwh: list[float]) -> dict[str, Any]:
    return {"bbox": ltwh, "area": ltwh[2] * ltwh[3]}


def _area(ltwh: Floats) -> Floats:
    area: Floats = ltwh[:, 2] * ltwh[:, 3]
    return area


def _same(told: object, area: float) -> bool:
    return isinstance(told, int | float) and float(told) == area


def _told(corrections: Corrections) -> str:
    changed = np.setdiff1d(np.union1d(corrections.renamed, corrections.moved), corrections.removed)
    counts = (len(corrections.added_image), len(changed), len(np.unique(corrections.removed)))
    added, other, removed = (f"{count:,}" for count in counts)
    return f"Corrected after a review: {added} objects were added, {other} changed and {removed} removed."


def _info(info: object, told: str) -> object:
    """The file's "info" with one more note of smviz's; what is no object is not touched."""
    if info is not None and not isinstance(info, dict):
        return info
    ours = (info or {}).get("smviz")
    ours = ours if isinstance(ours, dict) else {}
    before = ours.get("notes")
    return {**(info or {}), "smviz": {**ours, "notes": [*(before if isinstance(before, list) else []), told]}}
