"""The file of chosen thresholds, and how it is applied in production. Nothing but the standard library is imported.

    from pathlib import Path
    from smviz import thresholds

    chosen = thresholds.loads(Path("thresholds.json").read_text(encoding="utf-8"))
    kept = thresholds.apply(detections, chosen)

The file is JSON: {"smviz_thresholds": 1, "global": {"threshold": 0.41, ...}, "classes": {"car": {...}}, ...}. The
number after "smviz_thresholds" is the format's version; it changes only when older readers would get the file wrong.
What a reader does not know it passes over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from smviz import __version__
from smviz.errors import BadSetting
from smviz.names import folded

VERSION = 1

_ADVICE = "Give a file that `smviz thresholds -o` wrote, or correct what is named."

Detection = TypeVar("Detection", bound=Mapping[str, Any])


@dataclass(frozen=True, slots=True)
class Threshold:
    """A confidence; detections that reach it (>=) are kept.

    Attributes:
        value: the threshold to apply.
        low, high: the interval that another data set of this size would choose it from; None where it is not known.
        objects: how many objects it was chosen on.
        weak: there were too few objects to choose by, so `value` is the global threshold.
    """

    value: float
    low: float | None = None
    high: float | None = None
    objects: int = 0
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The threshold of each class and the global one, with where they come from.

    Attributes:
        overall: for classes that are not among `classes`; "global" in the file.
        classes: by class name; a class for which no threshold serves the objective is not among them.
        objective: what they were chosen for, as `smviz.operating.parse_objective` reads it; "" where a person chose by
            hand, and where it is not known.
        iou: from which overlap on a detection counts as right.
        level: the share of data sets that the intervals are meant to cover, e.g. 0.95; None without intervals.
        fingerprint: of the ground truth, as `smviz.operating.fingerprint` makes it.
        images, objects: how many the ground truth has.
        endpoint, config, variant: whose detections they are; "" where it is not known.
        run_id, run_name: of the stored run; "" where there is none.
        created: ISO 8601, UTC.
        smviz_version: of the smviz that chose.
    """

    overall: Threshold
    classes: Mapping[str, Threshold] = field(default_factory=dict)
    objective: str = ""
    iou: float = 0.5
    level: float | None = None
    fingerprint: str = ""
    images: int = 0
    objects: int = 0
    endpoint: str = ""
    config: str = ""
    variant: str = ""
    run_id: str = ""
    run_name: str = ""
    created: str = ""
    smviz_version: str = __version__


def dumps(thresholds: Thresholds) -> str:
    """The file's text; classes stand by name, so that two files can be compared line by line.

    Raises:
        BadSetting: when a number is NaN or infinite, for no threshold can be applied then.
    """
    document = {
        "smviz_thresholds": VERSION,
        "objective": thresholds.objective,
        "iou": thresholds.iou,
        "level": thresholds.level,
        "global": _entry(thresholds.overall),
        "classes": {name: _entry(thresholds.classes[name]) for name in sorted(thresholds.classes)},
        "data_set": {
            "fingerprint": thresholds.fingerprint,
            "images": thresholds.images,
            "objects": thresholds.objects,
        },
        "endpoint": {"name": thresholds.endpoint, "config": thresholds.config, "variant": thresholds.variant},
        "run": {"id": thresholds.run_id, "name": thresholds.run_name},
        "created": thresholds.created,
        "smviz_version": thresholds.smviz_version,
    }
    try:
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError as error:
        raise BadSetting(
            "A threshold that is not a number cannot be written.", "Choose an objective that every class can meet."
        ) from error
    # A lone surrogate, which UTF-8 does not have, is written as JSON's own escape.
    return text.encode("utf-8", "backslashreplace").decode()


def loads(text: str) -> Thresholds:
    """Read the file's text; keys that are not known are passed over.

    Raises:
        BadSetting: when it is no such file, is of a newer version, or holds what cannot be applied, naming it.
    """
    document = _document(text)
    data_set, endpoint, run = (_part(document, name) for name in ("data_set", "endpoint", "run"))
    classes = _part(document, "classes")
    return Thresholds(
        overall=_threshold(document.get("global"), "the global threshold"),
        classes={name: _threshold(entry, f"the threshold of “{name}”") for name, entry in classes.items()},
        objective=_text(document, "objective"),
        iou=_number(document.get("iou", 0.5), "the IoU"),
        level=_optional(document.get("level"), "the level"),
        fingerprint=_text(data_set, "fingerprint"),
        images=_count(data_set, "images"),
        objects=_count(data_set, "objects"),
        endpoint=_text(endpoint, "name"),
        config=_text(endpoint, "config"),
        variant=_text(endpoint, "variant"),
        run_id=_text(run, "id"),
        run_name=_text(run, "name"),
        created=_text(document, "created"),
        smviz_version=_text(document, "smviz_version"),
    )


def apply(detections: Iterable[Detection], thresholds: Thresholds) -> list[Detection]:
    """The detections of one image that reach the threshold of their class, the same objects in the same order.

    Each is a dict with "class_name" and "confidence", as `smviz parse --json` and `smviz detect --json` write them
    under "detections"; other keys do not matter. A class is found by its name as it stands, or else whatever its case
    and the blanks around it; one that is not in the file has the global threshold. A detection whose confidence is None
    or NaN is kept: no threshold judges it.

    Raises:
        BadSetting: when an item has no class name, or its confidence is no number.
    """
    value_of = _finder(thresholds)
    kept = []
    for place, detection in enumerate(detections):
        name, confidence = _judged(detection, place)
        if confidence is None or not confidence < value_of(name):
            kept.append(detection)
    return kept


def values_of(thresholds: Thresholds, class_names: Iterable[str]) -> dict[str, float]:
    """The threshold that `apply` puts to each of these classes, by name."""
    value_of = _finder(thresholds)
    return {name: value_of(name) for name in class_names}


def _finder(thresholds: Thresholds) -> Callable[[str], float]:
    values = {folded(name): threshold.value for name, threshold in thresholds.classes.items()}
    values |= {name: threshold.value for name, threshold in thresholds.classes.items()}
    return lambda name: values.get(name, values.get(folded(name), thresholds.overall.value))


def _judged(detection: Mapping[str, Any], place: int) -> tuple[str, float | None]:
    advice = 'Give dicts with "class_name" and "confidence", as `smviz parse --json` writes them.'
    try:
        name, confidence = detection["class_name"], detection["confidence"]
    except (KeyError, TypeError, IndexError) as error:
        raise BadSetting(f"Detection {place} has no class name or no confidence.", advice) from error
    number = isinstance(confidence, int | float) and not isinstance(confidence, bool)
    if not isinstance(name, str) or not (confidence is None or number):
        raise BadSetting(f"Detection {place} has {name!r} with confidence {confidence!r}.", advice)
    return name, confidence


def _entry(threshold: Threshold) -> dict[str, Any]:
    return {
        "threshold": threshold.value,
        "low": threshold.low,
        "high": threshold.high,
        "objects": threshold.objects,
        "weak": threshold.weak,
    }


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise BadSetting(f"This is no file of thresholds: it is not JSON ({error}).", _ADVICE) from error
    if not isinstance(document, dict) or "smviz_thresholds" not in document:
        raise BadSetting("This is no file of thresholds: it has no “smviz_thresholds”.", _ADVICE)
    version = document["smviz_thresholds"]
    if type(version) is not int or version < 1:
        _refuse("The version", version)
    if version > VERSION:
        raise BadSetting(
            f"This file of thresholds has version {version}, and this smviz knows {VERSION}.",
            "Update smviz, or write the file again with this one.",
        )
    return document


def _threshold(entry: object, what: str) -> Threshold:
    if not isinstance(entry, dict):
        _refuse(what, entry)
    weak = entry.get("weak", False)
    if not isinstance(weak, bool):
        _refuse(f"“weak” of {what}", weak)
    return Threshold(
        value=_number(entry.get("threshold"), what),
        low=_optional(entry.get("low"), f"“low” of {what}"),
        high=_optional(entry.get("high"), f"“high” of {what}"),
        objects=_count(entry, "objects"),
        weak=weak,
    )


def _part(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = document.get(name, {})
    if not isinstance(part, dict):
        _refuse(f"“{name}”", part)
    return part


def _text(part: Mapping[str, Any], name: str) -> str:
    value = part.get(name, "")
    if not isinstance(value, str):
        _refuse(f"“{name}”", value)
    return value


def _count(part: Mapping[str, Any], name: str) -> int:
    value = part.get(name, 0)
    if type(value) is not int or value < 0:
        _refuse(f"“{name}”", value)
    return value


def _optional(value: object, what: str) -> float | None:
    return None if value is None else _number(value, what)


def _number(value: object, what: str) -> float:
    # A whole number may be too large for a float, so it is compared first; NaN compares with nothing.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e300:
        _refuse(what, value)
    return float(value)


def _refuse(what: str, value: object) -> NoReturn:
    shown = "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else json.dumps(value)
    shown = shown if len(shown) <= 40 else f"{shown[:40]}…"
    raise BadSetting(f"{what[:1].upper()}{what[1:]} cannot be {shown}.", _ADVICE)
