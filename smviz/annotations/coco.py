"""COCO JSON: ground truth ("instances") and detections ("results"), read into columns and written back.

The format is described at https://cocodataset.org/#format-data and https://cocodataset.org/#format-results.
Images and classes are numbered in the order of their ids, as COCO's own evaluation orders them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from smviz.errors import BadAnnotations
from smviz.records import GroundTruth, Predictions

Id = int | float | str
Kind = TypeVar("Kind")

_BOM = b"\xef\xbb\xbf"
_NO_BOX = (np.nan,) * 4
_GROUND_TRUTH_ADVICE = 'Give a COCO file: a JSON object with "images", "annotations" and "categories".'
_RESULTS_ADVICE = (
    "Give COCO results: a JSON list of objects with image_id, category_id, bbox [left, top, width, height] and score."
)


class _Image(msgspec.Struct, gc=False):
    id: Id
    file_name: str | None = None
    width: int | float | None = None
    height: int | float | None = None


class _Category(msgspec.Struct, gc=False):
    id: Id
    name: str | None = None


class _Annotation(msgspec.Struct, gc=False):
    image_id: Id
    category_id: Id
    id: Id | None = None
    bbox: list[float | None] | None = None
    area: float | None = None
    iscrowd: int | float | bool | None = None


class _Instances(msgspec.Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


class _Result(msgspec.Struct, gc=False):
    image_id: Id
    category_id: Id
    bbox: tuple[float, float, float, float]
    score: float


def read_ground_truth(path: Path) -> GroundTruth:
    """The ground truth in a COCO file.

    Raises:
        BadAnnotations: when the file cannot be opened, or as `parse_ground_truth`.
    """
    return parse_ground_truth(_read(path), path.name)


def parse_ground_truth(data: bytes, name: str = "annotations") -> GroundTruth:
    """The ground truth in the bytes of a COCO file; `name` is what messages call it.

    An annotation whose image, category or box cannot be used is left out and counted in `notes`. An `area` that is
    missing, negative or no number is width x height. Segmentations and unknown keys are not looked at.

    Raises:
        BadAnnotations: when it is no COCO ground truth, lists no image or no category, or when two images or
            categories share an id, or two images a file name.
    """
    file = _decode(data, _Instances, name, _GROUND_TRUTH_ADVICE)
    images = sorted(file.images, key=lambda image: _by_id(image.id))
    categories = sorted(file.categories, key=lambda category: _by_id(category.id))
    image = _positions(_index([image.id for image in images], "image", name), (a.image_id for a in file.annotations))
    class_id = _positions(
        _index([category.id for category in categories], "category", name), (a.category_id for a in file.annotations)
    )
    ltwh = np.array([_box(a.bbox) for a in file.annotations], np.float64).reshape(-1, 4)
    area = np.array([np.nan if a.area is None else a.area for a in file.annotations], np.float64)
    mended = ~(np.isfinite(area) & (area >= 0))
    area = np.where(mended, ltwh[:, 2] * ltwh[:, 3], area)
    usable = (ltwh[:, 2] > 0) & (ltwh[:, 3] > 0) & np.isfinite(ltwh.sum(axis=1))
    keep = (image >= 0) & (class_id >= 0) & usable
    class_names = tuple(category.name or f"category {_plain(category.id)}" for category in categories)
    return GroundTruth(
        image_names=_file_names(images, name),
        image_ids=tuple(_plain(image.id) for image in images),
        image_sizes=np.array([(image.width or 0, image.height or 0) for image in images], np.float64).astype(np.int64),
        class_names=class_names,
        category_ids=tuple(_plain(category.id) for category in categories),
        image=image[keep],
        class_id=class_id[keep],
        ltwh=ltwh[keep],
        area=area[keep],
        crowd=np.array([bool(a.iscrowd) for a in file.annotations], np.bool_)[keep],
        notes=_notes(
            (image < 0, "annotations on images that the file does not list were left out."),
            (class_id < 0, "annotations of categories that the file does not list were left out."),
            (~usable, "annotations without a usable box (four numbers, width and height > 0) were left out."),
            (mended & keep, "annotations have no usable area; width x height of the box is used."),
            (_repeats(a.id for a in file.annotations), "annotations repeat an id; each counts as an object."),
            (_repeats(class_names), "categories repeat a name; they stay apart, and a name means the most frequent."),
        ),
    )


def read_results(path: Path, ground_truth: GroundTruth) -> Predictions:
    """The detections in a COCO results file, joined with the ground truth by id.

    Raises:
        BadAnnotations: when the file cannot be opened, or as `parse_results`.
    """
    return parse_results(_read(path), ground_truth, path.name)


def parse_results(data: bytes, ground_truth: GroundTruth, name: str = "results") -> Predictions:
    """The detections in the bytes of a COCO results file; `name` is what messages call it.

    Detections on unknown images or categories are left out and counted in `notes`. A box without width or height is
    kept, as COCO's evaluation keeps it: it matches nothing.

    Raises:
        BadAnnotations: when it is no list of results, or a box or score is not a finite number.
    """
    image, class_id, ltwh, confidence = _result_columns(data, ground_truth, name)
    broken = ~(np.isfinite(ltwh).all(axis=1) & np.isfinite(confidence))
    if broken.any():
        at = int(np.argmax(broken))
        raise BadAnnotations(
            f"{name}: the box or score of result {at} (counted from 0) is not a finite number.",
            f"Leave out or mend such results; the file has {int(broken.sum())}.",
        )
    flat = (ltwh[:, 2:] <= 0).any(axis=1)
    keep = (image >= 0) & (class_id >= 0)
    return Predictions(
        image=image[keep],
        class_id=class_id[keep],
        ltwh=ltwh[keep],
        confidence=confidence[keep],
        notes=_notes(
            (image < 0, "detections on images that the ground truth does not list were left out."),
            (class_id < 0, "detections of categories that the ground truth does not list were left out."),
            (flat & keep, "detections have no width or no height; they match nothing."),
        ),
    )


def ground_truth_json(ground_truth: GroundTruth) -> bytes:
    """COCO ground truth as JSON; `parse_ground_truth` reads the same columns from it. Annotation ids start at 1."""
    sizes = ground_truth.image_sizes.tolist()
    images = zip(ground_truth.image_ids, ground_truth.image_names, sizes, strict=True)
    categories = zip(ground_truth.category_ids, ground_truth.class_names, strict=True)
    columns = (ground_truth.image, ground_truth.class_id, ground_truth.ltwh, ground_truth.area, ground_truth.crowd)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return msgspec.json.encode(
        {
            "images": [{"id": i, "file_name": name, "width": w, "height": h} for i, name, (w, h) in images],
            "annotations": [
                {
                    "id": number,
                    "image_id": ground_truth.image_ids[image],
                    "category_id": ground_truth.category_ids[class_id],
                    "bbox": ltwh,
                    "area": area,
                    "iscrowd": int(crowd),
                }
                for number, (image, class_id, ltwh, area, crowd) in enumerate(rows, start=1)
            ],
            "categories": [{"id": i, "name": name} for i, name in categories],
        }
    )


def results_json(predictions: Predictions, ground_truth: GroundTruth) -> bytes:
    """COCO results as JSON, with the ground truth's ids; `parse_results` reads the same columns from it."""
    columns = (predictions.image, predictions.class_id, predictions.ltwh, predictions.confidence)
    return msgspec.json.encode(
        [
            {
                "image_id": ground_truth.image_ids[image],
                "category_id": ground_truth.category_ids[class_id],
                "bbox": ltwh,
                "score": score,
            }
            for image, class_id, ltwh, score in zip(*(column.tolist() for column in columns), strict=True)
        ]
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadAnnotations(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path and that the file may be read."
        ) from error


def _decode(data: bytes, kind: type[Kind], name: str, advice: str) -> Kind:
    try:
        return _loads(data, kind)
    except msgspec.ValidationError as error:
        raise BadAnnotations(f"{name} does not have the expected content: {error}.", advice) from error
    except (ValueError, RecursionError) as error:
        raise BadAnnotations(f"{name} is no valid JSON: {error}.", advice) from error


def _loads(data: bytes, kind: type[Kind]) -> Kind:
    try:
        return msgspec.json.decode(data.removeprefix(_BOM), type=kind)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Python's own json writes NaN, and some shells write UTF-16; neither is JSON to a strict reader.
        return msgspec.convert(json.loads(data), kind)


def _result_columns(
    data: bytes, ground_truth: GroundTruth, name: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Image, class, ltwh and confidence; a function of its own, so that the decoded objects are freed at its end."""
    results = _decode(data, list[_Result], name, _RESULTS_ADVICE)
    count = len(results)
    return (
        _positions(_index(ground_truth.image_ids, "image", name), (r.image_id for r in results)),
        _positions(_index(ground_truth.category_ids, "category", name), (r.category_id for r in results)),
        np.fromiter(chain.from_iterable(r.bbox for r in results), np.float64, 4 * count).reshape(-1, 4),
        np.fromiter((r.score for r in results), np.float64, count),
    )


def _plain(identity: Id) -> int | str:
    return int(identity) if isinstance(identity, float) and identity.is_integer() else identity  # type: ignore[return-value]


def _by_id(identity: Id) -> tuple[bool, Id]:
    return isinstance(identity, str), identity


def _index(identities: Sequence[Id], what: str, name: str) -> dict[Id, int]:
    """Where each id is. 7 and "7" mean the same, unless the file lists both."""
    if not identities:
        raise BadAnnotations(f"{name} lists no {what} at all.", _GROUND_TRUTH_ADVICE)
    index: dict[Id, int] = {}
    for position, identity in enumerate(identities):
        if identity in index:
            raise BadAnnotations(
                f"{name} lists two entries with the {what} id {identity!r}.", f"Make {what} ids unique."
            )
        index[identity] = position
    for identity, position in list(index.items()):
        index.setdefault(str(identity), position)
        if isinstance(identity, str) and len(identity) < 19 and identity.isdecimal() and str(int(identity)) == identity:
            index.setdefault(int(identity), position)
    return index


def _positions(index: dict[Id, int], identities: Iterable[Id]) -> NDArray[np.int64]:
    return np.fromiter((index.get(identity, -1) for identity in identities), np.int64)


def _box(values: list[float | None] | None) -> Sequence[float]:
    if values is None or len(values) != 4:
        return _NO_BOX
    return [np.nan if value is None else value for value in values]


def _file_names(images: Sequence[_Image], name: str) -> tuple[str, ...]:
    names = tuple(image.file_name or str(_plain(image.id)) for image in images)
    repeated = [file_name for file_name, times in Counter(names).items() if times > 1]
    if repeated:
        raise BadAnnotations(
            f"{name} lists {len(repeated)} file names more than once, such as {repeated[0]!r}.",
            "Give each image one entry and its own file name, with the folder where names repeat.",
        )
    return names


def _repeats(values: Iterable[object]) -> int:
    return sum(times - 1 for value, times in Counter(values).items() if value is not None)


def _notes(*counted: tuple[NDArray[np.bool_] | int, str]) -> tuple[str, ...]:
    return tuple(f"{count} {text}" for which, text in counted if (count := int(np.sum(which))))
