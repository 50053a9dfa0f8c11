"""COCO's JSON as objects: decoded all at once when every entry is as it should be, entry by entry when one is not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from smviz.annotations.documents import Document
from smviz.annotations.fields import LARGEST_SIDE, Unusable, clean
from smviz.errors import BadAnnotations
from smviz.records import Skipped

Id = int | float | str
Entry = TypeVar("Entry", bound=msgspec.Struct)

ADVICE = 'Give a COCO file: a JSON object with "images", "annotations" and "categories".'


class Image(msgspec.Struct, gc=False):
    """An entry of "images"."""

    id: Id
    file_name: str | None = None
    width: int | float | None = None
    height: int | float | None = None


class Category(msgspec.Struct, gc=False):
    """An entry of "categories"."""

    id: Id
    name: str | None = None


class Annotation(msgspec.Struct, gc=False):
    """An entry of "annotations"."""

    image_id: Id
    category_id: Id
    id: Id | None = None
    bbox: list[float | None] | None = None
    area: float | None = None
    iscrowd: int | float | bool | None = None
    difficult: int | float | bool | None = None


class _All(msgspec.Struct):
    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category] | None = None
    info: Any = None


class _Loose(msgspec.Struct):
    images: list[Any]
    annotations: list[Any]
    categories: list[Any] | None = None
    info: Any = None


class Instances(msgspec.Struct):
    """The entries of a file that can be used, and the others by name; `categories` is None where the key is missing.

    `info` is whatever the file has under that name.
    """

    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category] | None
    skipped: tuple[Skipped, ...] = ()
    info: Any = None


def instances_of(document: Document) -> Instances:
    """The entries of a COCO file.

    Raises:
        Unusable: when it is no JSON, or no object with the lists "images" and "annotations".
    """
    try:
        file = document.json(_All)
        if all(_is_id(entry.id) for entry in (*file.images, *(file.categories or ()))):
            return Instances(file.images, file.annotations, file.categories, info=file.info)
    except Unusable:
        pass
    loose = document.json(_Loose)
    skipped: list[Skipped] = []
    images = usable(loose.images, Image, "image", document.name, skipped)
    annotations = usable(loose.annotations, Annotation, "annotation", document.name, skipped)
    categories = usable(loose.categories or [], Category, "category", document.name, skipped)
    listed = None if loose.categories is None else list(categories.values())
    return Instances(list(images.values()), list(annotations.values()), listed, tuple(skipped), loose.info)


def usable(entries: list[Any], kind: type[Entry], what: str, file: str, skipped: list[Skipped]) -> dict[int, Entry]:
    """The entries that can be converted, by their place; the others are added to `skipped`, by id or else by place."""
    result = {}
    for count, entry in enumerate(entries):
        try:
            found = msgspec.convert(entry, kind)
            if not _is_id(getattr(found, "id", None)):
                raise OverflowError("Its id is no finite number")
            result[count] = found
        except (msgspec.ValidationError, OverflowError) as error:
            identity = entry.get("id") if isinstance(entry, dict) else None
            known = isinstance(identity, int | str) and not isinstance(identity, bool)
            where = f"{what} {clean(str(identity))[:50]}" if known else f"{what} number {count} (from 0)"
            skipped.append(Skipped(file, where, clean(str(error).replace(" - at `$.", " at `"))))
    return result


def _is_id(identity: Id | None) -> bool:
    return not isinstance(identity, float) or math.isfinite(identity)


def distinct(entries: list[Entry], what: str, name: str) -> list[Entry]:
    """The entries without those that say the same as an earlier one.

    Raises:
        BadAnnotations: when there are none, or two share an id and differ.
    """
    if not entries:
        raise BadAnnotations(f"{name} lists no {what} at all.", ADVICE)
    first: dict[Id, Entry] = {}
    for entry in entries:
        identity = entry.id  # type: ignore[attr-defined]
        if first.setdefault(identity, entry) != entry:
            raise BadAnnotations(
                f"{name} lists two different entries with the {what} id {identity!r}.", f"Make {what} ids unique."
            )
    return list(first.values())


def by_id(entry: Image | Category) -> tuple[bool, Id]:
    """What to sort by: numbers first."""
    return isinstance(entry.id, str), entry.id


def plain(identity: Id) -> int | str:
    """An id of 3.0, as tables export it, is 3."""
    if isinstance(identity, str):
        return clean(identity)
    return int(identity) if isinstance(identity, float) and identity.is_integer() else identity  # type: ignore[return-value]


def index(identities: Iterable[Id]) -> dict[Id, int]:
    """Where each id is. 7 and "7" mean the same, unless the file lists both."""
    places: dict[Id, int] = {identity: place for place, identity in enumerate(identities)}
    for identity, place in list(places.items()):
        places.setdefault(str(identity), place)
        if isinstance(identity, str) and len(identity) < 19 and identity.isdecimal() and str(int(identity)) == identity:
            places.setdefault(int(identity), place)
    return places


def positions(places: dict[Id, int], identities: Iterable[Id]) -> NDArray[np.int64]:
    """The place of each id; -1 where it is unknown."""
    return np.fromiter(map(places.get, identities, repeat(-1)), np.int64)


def boxes(annotations: Sequence[Annotation]) -> NDArray[np.float64]:
    """The four numbers of each annotation, float64 [N, 4]; NaN where there are not four."""
    try:  # as it should be: four numbers each
        return np.array([a.bbox for a in annotations], np.float64).reshape(len(annotations), 4)
    except (TypeError, ValueError):
        return np.array([_box(a.bbox) for a in annotations], np.float64).reshape(-1, 4)


def _box(values: list[float | None] | None) -> Sequence[float]:
    if values is None or len(values) != 4:
        return (np.nan,) * 4
    return [np.nan if value is None else value for value in values]


def pixels(images: Sequence[Image]) -> NDArray[np.int64]:
    """Width and height of each image, int64 [I, 2]; 0 where they are not told, or cannot be those of an image."""
    told = ((image.width or 0, image.height or 0) for image in images)
    # A whole number may be too large for a float, so it is compared first.
    possible = [sides if all(1 <= side <= LARGEST_SIDE for side in sides) else (0, 0) for sides in told]
    return np.array(possible, np.float64).reshape(-1, 2).astype(np.int64)
