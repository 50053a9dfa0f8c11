"""Ground truth written as COCO JSON, in which smviz keeps every format."""

from __future__ import annotations

import msgspec

from smviz.annotations.origin import Origin, info_of
from smviz.records import GroundTruth


def ground_truth_json(ground_truth: GroundTruth, format: str = "", source: str = "") -> bytes:
    """COCO ground truth as JSON; `parse_ground_truth` reads the same columns, notes and skipped records from it.

    Annotation ids start at 1. An object to ignore has "difficult": 1, a key of smviz's own: COCO's evaluation knows
    crowds only. What COCO has no place for is in "info", as `smviz.annotations.origin` tells.

    Args:
        ground_truth: what to write.
        format: the name in `FORMATS` of the format that it was read from.
        source: what it was read from, in words.
    """
    sizes = ground_truth.image_sizes.tolist()
    images = zip(ground_truth.image_ids, ground_truth.image_names, sizes, strict=True)
    categories = zip(ground_truth.category_ids, ground_truth.class_names, strict=True)
    names = ("image", "class_id", "ltwh", "area", "crowd", "ignore")
    rows = zip(*(getattr(ground_truth, name).tolist() for name in names), strict=True)
    return msgspec.json.encode(
        {
            **info_of(Origin(format, source, ground_truth.notes, ground_truth.skipped)),
            "images": [{"id": i, "file_name": name, "width": w, "height": h} for i, name, (w, h) in images],
            "annotations": [
                {
                    "id": number,
                    "image_id": ground_truth.image_ids[image],
                    "category_id": ground_truth.category_ids[class_id],
                    "bbox": ltwh,
                    "area": area,
                    "iscrowd": int(crowd),
                    **({"difficult": 1} if ignore else {}),
                }
                for number, (image, class_id, ltwh, area, crowd, ignore) in enumerate(rows, start=1)
            ],
            "categories": [{"id": i, "name": name} for i, name in categories],
        }
    )
