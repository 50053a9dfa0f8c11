"""The annotation formats by name, which of them a source is in, and its ground truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from smviz.annotations.builtin import BUILTIN
from smviz.annotations.coco import COCO, JUMPSTART
from smviz.annotations.cvat import CVAT
from smviz.annotations.documents import Document
from smviz.annotations.fields import Unusable, listed
from smviz.annotations.files import Files, ImageSize
from smviz.annotations.format import Format
from smviz.annotations.kitti import KITTI
from smviz.annotations.labelme import LABELME
from smviz.annotations.manifest import GROUND_TRUTH
from smviz.annotations.openimages import OPEN_IMAGES
from smviz.annotations.voc import VOC
from smviz.annotations.yolo import YOLO
from smviz.errors import BadAnnotations
from smviz.records import GroundTruth
from smviz.sources import Source, from_bytes, open_source

FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        known.name: known
        for known in (COCO, VOC, YOLO, GROUND_TRUTH, BUILTIN, JUMPSTART, KITTI, OPEN_IMAGES, LABELME, CVAT)
    }
)
"""Every format by its name."""

_ADVICE = (
    'Give a COCO file (a JSON object with "images", "annotations" and "categories"), or one of these with all its '
    f"files: {', '.join(name for name in FORMATS if name != 'coco')}."
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """The format that a source seems to be in.

    Attributes:
        format: its name in `FORMATS`.
        reason: what in the content says so, in words for a person.
        rivals: other formats that the content allows, as (name, reason).
    """

    format: str
    reason: str
    rivals: tuple[tuple[str, str], ...] = ()


def propose(source: Source) -> Proposal:
    """The format of a source by its content; names and suffixes of files do not count, except those of images.

    A format that keeps the whole set in one file goes before those with a file for each image, and of these the one
    that more files are in goes first. A few files of each suffix are looked at.

    Raises:
        BadAnnotations: when no format is recognised.
        BadSource: when the source cannot be listed.
    """
    return _propose(Files(source))


def read_ground_truth(path: Path, format: str | None = None) -> GroundTruth:
    """The ground truth in a file, a folder or a zip.

    Args:
        path: where it is.
        format: a name in `FORMATS`; None to go by the content, as `propose` does.

    Raises:
        BadAnnotations: as `ground_truth_of`.
        BadSource: when the path cannot be read.
    """
    with open_source(path) as source:
        return ground_truth_of(source, format)


def parse_ground_truth(data: bytes, name: str = "annotations", format: str | None = None) -> GroundTruth:
    """The ground truth in the bytes of a file or a zip; `name` is what messages call it.

    Raises:
        BadAnnotations: as `ground_truth_of`.
        BadSource: when it is a zip that cannot be read.
    """
    return ground_truth_of(from_bytes([(name, data)]), format)


def ground_truth_of(source: Source, format: str | None = None, image_size: ImageSize | None = None) -> GroundTruth:
    """The ground truth in the files of a source.

    Records that cannot be used are left out, counted in `notes` and named in `skipped`.

    Args:
        source: annotation files, and possibly the images.
        format: a name in `FORMATS`; None to go by the content, as `propose` does.
        image_size: is asked for the width and height in pixels of images whose size no file tells and that are not in
            the source, by file name; it answers None for those that it does not know.

    Raises:
        BadAnnotations: when there is no such format, none is recognised, or no image can be used.
        BadSource: when the source cannot be listed.
    """
    files = Files(source, image_size)
    name = _propose(files).format if format is None else format
    if name not in FORMATS:
        raise BadAnnotations(f"There is no annotation format {name!r}.", f"Choose one of {', '.join(FORMATS)}.")
    return _sized(FORMATS[name].read(files), files)


def _propose(files: Files) -> Proposal:
    documents = files.some()
    reasons: dict[str, str] = {}
    times: Counter[str] = Counter()
    for document in documents:
        for known in FORMATS.values():
            reason = known.recognise(document)
            if reason is not None:
                reasons.setdefault(known.name, f"{document.name}: {reason}")
                times[known.name] += 1
    if not reasons:
        raise _unknown(files)
    first, *rest = sorted(reasons, key=lambda name: -1e9 if FORMATS[name].one_file else -times[name])
    return Proposal(first, f"{reasons[first]}.", tuple((name, f"{reasons[name]}.") for name in rest))


def _unknown(files: Files) -> BadAnnotations:
    """What to raise when no format is recognised, with what is wrong where a file was meant to be JSON or XML."""
    documents = files.some()
    faults = [f"{document.name}: {fault}" for document in documents if (fault := _fault(document))]
    names = listed(document.name for document in documents) or "no file but images"
    why = f" ({listed(faults, 3)})" if faults else ""
    found = "" if names == files.label else f", which holds {names},"
    return BadAnnotations(f"{files.label}{found} is in no annotation format that is known{why}.", _ADVICE)


def _fault(document: Document) -> str:
    """Why a file that begins as JSON or XML is none; "" when it is good, or begins as something else."""
    first = document.data.lstrip()[:1]
    try:
        if first == b"<":
            document.xml()
        elif document.may_be_json or first == b"[":
            decoded: object = document.json(object)
            if isinstance(decoded, list):
                return "it does not have the expected content, but is a JSON list, as detections (COCO results) are"
    except Unusable as error:
        return str(error)
    return ""


def _sized(ground_truth: GroundTruth, files: Files) -> GroundTruth:
    """With the sizes of images that the format does not tell, where the images or the caller know them."""
    untold = np.flatnonzero((ground_truth.image_sizes == 0).any(axis=1)).tolist()
    if not untold:
        return ground_truth
    sizes = ground_truth.image_sizes.copy()
    for at in untold:
        sizes[at] = files.images.size(ground_truth.image_names[at])
    return replace(ground_truth, image_sizes=sizes)
