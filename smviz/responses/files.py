"""Label files of SageMaker Ground Truth: no endpoint answers like this, but a saved file can be looked at."""

from __future__ import annotations

from smviz.errors import BadResponse
from smviz.responses.decode import CHECK_FORMAT, describe, first_image, member, objects, texts
from smviz.responses.reading import Reading
from smviz.responses.records import corners, field, frame_of, names, pluck
from smviz.responses.registry import Settings, reads


@reads(
    "ground-truth-manifest",
    "Ground Truth manifest line (a file)",
    "it is a line of a Ground Truth manifest",
)
def ground_truth_manifest(reply: object, settings: Settings) -> Reading:
    """`{"<label>": {"image_size", "annotations"}, "<label>-metadata": {"class-map"}}`: people's boxes, so no score."""
    jobs = [key for key in reply if f"{key}-metadata" in reply] if isinstance(reply, dict) else []
    if not jobs:
        raise BadResponse(f"There is no label with its metadata; found {describe(reply)}.", CHECK_FORMAT)
    # An adjustment job appends its label after the one that it adjusts.
    label, metadata = member(reply, jobs[-1]), member(reply, f"{jobs[-1]}-metadata")
    rows = objects(member(label, "annotations"), "'annotations'")
    ids = field(rows, "class_id")
    class_map = member(metadata, "class-map")
    classes = texts([member(class_map, f"{class_id:g}") for class_id in ids], "The class map")
    ltwh = corners(rows, "", "left top width height")
    frame = frame_of(member(label, "image_size"))
    return Reading(ltwh, None, ids, classes, orders=("ltwh",), frame=frame)


@reads(
    "ground-truth-video",
    "Ground Truth video labels (a file)",
    "it has the key 'detection-annotations'",
)
def ground_truth_video(reply: object, settings: Settings) -> Reading:
    """`{"detection-annotations": [{"frame", "annotations": [{"class-id", "left", ...}]}]}` of one frame, no score."""
    frames = objects(member(reply, "detection-annotations"), "'detection-annotations'")
    rows = objects(first_image(pluck(frames, "annotations"), "'detection-annotations'"), "'annotations'")
    ltwh = corners(rows, "", "left top width height")
    return Reading(ltwh, None, names=names(rows, "class-id"), orders=("ltwh",))
