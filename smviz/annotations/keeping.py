"""How ground truth is kept with a run: always as COCO JSON, and a COCO file with all that is in it."""

from __future__ import annotations

from typing import Any

import msgspec

from smviz.annotations.coco import only_document
from smviz.annotations.files import Files
from smviz.annotations.origin import Origin, info_of
from smviz.annotations.reading import ground_truth_of, propose
from smviz.annotations.writing import ground_truth_json
from smviz.records import GroundTruth
from smviz.sources import Source

_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)  # raw values were not looked into before


def kept_json(source: Source) -> bytes:
    """The ground truth of a source, in the format that its content proposes, as `canonical_json` keeps it.

    Raises:
        BadAnnotations: as `ground_truth_of` and `canonical_json`.
        BadSource: when the source cannot be listed.
    """
    form = propose(source).format
    return canonical_json(source, ground_truth_of(source, form), form)


def canonical_json(source: Source, ground_truth: GroundTruth, format: str, title: str = "") -> bytes:
    """The bytes to keep; `parse_ground_truth` reads the same columns from them.

    A COCO file keeps its ids, further fields and whatever smviz does not look at, so that corrected labels can be
    handed back as they came. Sizes of images that it does not tell are added, and "info" says where it is from. Other
    formats become COCO, as `ground_truth_json` writes it.

    Args:
        source: what was read; still open.
        ground_truth: what was read from it.
        format: the name in `FORMATS` of the format that it was read as.
        title: what it is called, in words for a person.

    Raises:
        BadAnnotations: when there are several files of that format.
        BadSource: when the source cannot be listed.
    """
    if format == "coco":
        # Raw values are copied, not decoded: a large file has far more in it than what is looked at.
        content = dict(only_document(Files(source)).keys)
        if content and _tell(content, format, title) and _size(content, ground_truth):
            return msgspec.json.encode(content)
    return ground_truth_json(ground_truth, format, title)


def _tell(content: dict[str, Any], format: str, title: str) -> bool:
    """Add where it is from; False where the file has an "info" that nothing can be added to."""
    try:
        info = msgspec.json.decode(content.get("info", msgspec.Raw(b"{}"))) or {}
    except _BROKEN:
        return False
    if not isinstance(info, dict) or "smviz" in info:
        return False
    content["info"] = {**info, **info_of(Origin(format, title))["info"]}
    return True


def _size(content: dict[str, Any], ground_truth: GroundTruth) -> bool:
    """Add the sizes that the file does not tell; False where its images are not as they should be."""
    try:
        images = msgspec.json.decode(content["images"], type=list[dict[str, Any]])
    except (*_BROKEN, KeyError):
        return False
    known: dict[object, list[int]] = dict(zip(ground_truth.image_ids, ground_truth.image_sizes.tolist(), strict=True))
    for image in images:
        identity = image.get("id", "")
        width, height = known.get(identity, (0, 0)) if isinstance(identity, int | float | str) else (0, 0)
        if width and height and (image.get("width"), image.get("height")) != (width, height):
            image |= {"width": width, "height": height}
    content["images"] = images
    return True
