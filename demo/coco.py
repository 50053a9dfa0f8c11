"""Scenes as a COCO data set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from demo.recipe import MIN_OBJECT_WIDTH, SCENE_SIZE
from demo.scenes import CLASSES

CATEGORIES = [{"id": i, "name": name, "supercategory": "vehicle"} for i, name in enumerate(CLASSES, 1)]
LICENSES = [{"id": 1, "name": "MIT", "url": "https://opensource.org/license/mit"}]
RULE = (
    f"Objects narrower than {MIN_OBJECT_WIDTH} px at {SCENE_SIZE[0]} px wide are regions to ignore, as are vehicles "
    "that are mostly hidden or cut off: iscrowd=1, once for every category. Oncoming vehicles are not labelled."
)


def large_enough(record: dict[str, Any], min_width: int = MIN_OBJECT_WIDTH) -> list[dict[str, Any]]:
    """The labelled objects of a `Scene.record` that are wide enough to count."""
    return [item for item in record["objects"] if item["bbox"][2] >= min_width]


def dataset(
    records: Iterable[tuple[str, dict[str, Any]]], description: str, min_width: int = MIN_OBJECT_WIDTH
) -> dict[str, Any]:
    """A COCO data set of (file name, `Scene.record`); every picture has SCENE_SIZE. Ids count from 1."""
    width, height = SCENE_SIZE
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (file_name, record) in enumerate(records, 1):
        entry = {"id": image_id, "file_name": file_name, "width": width, "height": height, "license": 1}
        images.append(entry | record["attributes"])
        for annotation in _annotations(record, min_width):
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, **annotation})
    return {
        "info": {"description": f"{description} {RULE}", "version": "1.0", "year": 2026, "contributor": "smviz"},
        "licenses": LICENSES,
        "images": images,
        "annotations": annotations,
        "categories": CATEGORIES,
    }


def _annotations(record: dict[str, Any], min_width: int) -> list[dict[str, Any]]:
    """Objects first, then each ignored region once for every category."""
    counted = large_enough(record, min_width)
    small = [item["bbox"] for item in record["objects"] if item not in counted]
    objects = [
        _annotation(CLASSES.index(item["class"]) + 1, item["bbox"], 0)
        | {key: item[key] for key in ("subtype", "visible", "truncated", "distance")}
        for item in counted
    ]
    regions = [_annotation(category["id"], box, 1) for box in [*record["ignored"], *small] for category in CATEGORIES]
    return objects + regions


def _annotation(category_id: int, box: list[int], crowd: int) -> dict[str, Any]:
    return {"category_id": category_id, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd}
