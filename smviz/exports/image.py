"""The detections of one image as files that labelling tools and training pipelines read."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np

from smviz.boxes import area, xyxy_to_ltwh
from smviz.exports.tables import detections_json
from smviz.records import Detections, Payload


def filtered_json(
    image: str, payload: Payload, detections: Detections, threshold: float, filters: Mapping[str, object]
) -> bytes:
    """As `detections_json`, with the further filters that left these detections, by name, under "filters"."""
    document = json.loads(detections_json(image, payload, detections, threshold))
    rows = document.pop("detections")
    document |= {"filters": dict(filters), "detections": rows}
    return (json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n").encode("utf-8", "replace")


def detections_coco(image: str, payload: Payload, detections: Detections) -> bytes:
    """A COCO data set of one image, see https://cocodataset.org/#format-data, whose annotations carry their `score`.

    Labelling tools open it to begin from, and the list under "annotations" is COCO results. All the classes are
    listed, numbered from 1 in their order. A box that is no number is left out, and so is an undefined score.
    """
    names = detections.class_names
    annotations: list[dict[str, object]] = []
    columns = (xyxy_to_ltwh(detections.xyxy).tolist(), area(detections.xyxy).tolist())
    rows = zip(*columns, detections.class_id.tolist(), detections.confidence.tolist(), strict=True)
    for ltwh, size, class_id, score in rows:
        if np.isfinite(ltwh).all():
            row = {"id": len(annotations) + 1, "image_id": 1, "category_id": class_id + 1, "bbox": ltwh, "area": size}
            annotations.append({**row, "iscrowd": 0, **({"score": score} if score == score else {})})
    document = {
        "images": [{"id": 1, "file_name": image, "width": payload.width, "height": payload.height}],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(names)],
        "annotations": annotations,
    }
    return (json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n").encode("utf-8", "replace")


def detections_yolo(image: str, payload: Payload, detections: Detections) -> bytes:
    """A zip of YOLO labels: "<image>.txt" with a line for each detection, and classes.txt with a class name a line.

    A line is "class x-centre y-centre width height confidence", all but the class as shares from 0 to 1; a confidence
    that is undefined is left out. Boxes are clipped to the image, as the format wants it, and those that have no
    area in it are left out.
    """
    frame = np.array([payload.width, payload.height] * 2, dtype=np.float64)
    xyxy = np.clip(detections.xyxy / frame, 0, 1)
    lines = []
    for box, class_id, score in zip(xyxy, detections.class_id.tolist(), detections.confidence.tolist(), strict=True):
        size = box[2:] - box[:2]
        if (size > 0).all():  # a NaN is not
            cells = [*(box[:2] + size / 2).tolist(), *size.tolist(), *([score] if score == score else [])]
            lines.append(" ".join([str(class_id), *(f"{cell:.8f}" for cell in cells)]))
    stem = PurePosixPath(image.replace("\\", "/")).stem or "image"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{stem}.txt"), "".join(f"{line}\n" for line in lines))
        names = (" ".join(name.splitlines()) for name in detections.class_names)
        archive.writestr(
            zipfile.ZipInfo("classes.txt"), "".join(f"{name}\n" for name in names).encode("utf-8", "replace")
        )
    return buffer.getvalue()
