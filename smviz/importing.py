"""A run made from what others made: COCO results, the outputs of a Batch Transform job, or saved replies.

Whatever was imported says so (`Run.imported`), and is read, judged and exported as a run that was made here.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from os.path import commonprefix
from pathlib import PurePosixPath
from typing import Literal

import msgspec
import numpy as np

from smviz.annotations import parse_ground_truth, parse_results
from smviz.errors import BadImage, BadResponse, BadSetting, BadSource, ModelError, SmvizError
from smviz.images import size_of
from smviz.names import base_name
from smviz.records import Failure, GroundTruth, ImageRef, Outcome, Reply
from smviz.responses import parse, propose
from smviz.settings import Preset
from smviz.sources import Source
from smviz.store import Remote, Run, Store, read_image

Kind = Literal["coco-results", "batch-transform", "replies"]

COCO_PRESET = Preset("records", options=(("boxes", "ltwh"),))
"""How the replies are read that stand for COCO results."""

_TITLES: dict[Kind, str] = {
    "coco-results": "COCO results",
    "batch-transform": "Batch Transform outputs",
    "replies": "saved replies",
}
_TRIED = 20  # images whose replies a format is looked for in
_NAMED = 5  # names that a note tells
_PICTURES = {".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}  # may lie beside their replies


def import_run(
    store: Store,
    source: Source,
    kind: Kind,
    name: str,
    images: Iterable[ImageRef] = (),
    ground_truth: bytes | None = None,
    preset: Preset | None = None,
    remote: Remote | None = None,
) -> Run:
    """Make a run from what others made. Streamed, and all of it or nothing is stored.

    Args:
        store: where to.
        source: "coco-results": one JSON file. "batch-transform": the job's outputs, `<key relative to the prefix>.out`
            for each image. "replies": a file for each image, called as the image with a suffix more (a.jpg.json), or
            as its stem with a suffix (a.json). Where folders differ, the file's own name decides if there is one such.
        kind: which of these it is.
        name: the run's name, unique in the workspace.
        images: the files that were sent, by their names under the prefix or by whole keys; may be none.
        ground_truth: the bytes of a COCO file. COCO results need one; of others it tells which images were to be
            answered, and their sizes, where `images` does not.
        preset: how the replies are read; None has it proposed from the first of them. COCO results have their own.
        remote: reads images that are not on this machine.

    Returns:
        The run, in the order of `images`, or of the ground truth, or of the outputs. An image without a reply, or
        whose size is told nowhere, has a failed outcome. What was left out is in the run's note.

    Raises:
        BadSource: when the source cannot be read, or holds nothing of its kind.
        BadAnnotations: when the ground truth or the COCO results cannot be read.
        BadSetting: when the name is empty or taken, COCO results come without ground truth, or no response format
            fits the replies.
    """
    truth = None if ground_truth is None else parse_ground_truth(ground_truth)
    replies = _coco(source, truth) if kind == "coco-results" else _saved(source, kind)
    # Ground truth without objects is falsy, yet it names images.
    known = replies.names if truth is None else truth.image_names
    asked = tuple(images) or tuple(map(ImageRef, known))
    names = [image.name for image in asked]
    place = _joined(names, replies.names, replies.ways)
    sizes = _Sizes(
        truth, {} if truth is None else _joined(names, truth.image_names), remote, of_truth=kind == "coco-results"
    )
    outcome = partial(_outcome, replies=replies, place=place, sizes=sizes)
    return store.keep_run(
        name,
        COCO_PRESET if kind == "coco-results" else preset or _proposed(map(outcome, asked[:_TRIED])),
        rows=((image, outcome(image)) for image in asked),
        imported=f"{_TITLES[kind]} {source.label}",
        annotations=ground_truth,
        note="\n".join((*replies.notes, *_unused(replies, set(place.values())))),
    )


@dataclass(frozen=True)
class _Replies:
    """The replies of a source.

    Attributes:
        names: what each is called, and the image with it.
        body: the bytes of the reply of that index; raises `BadSource`.
        absent: why an image has none.
        ways: how names of images and replies are compared, the strictest way first.
        content_type: of every reply; "" where it is not told.
        notes: what was left out while reading.
    """

    names: Sequence[str]
    body: Callable[[int], bytes]
    absent: Callable[[str], SmvizError]
    ways: Sequence[_Way]
    content_type: str = ""
    notes: tuple[str, ...] = ()


def _coco(source: Source, truth: GroundTruth | None) -> _Replies:
    """COCO results: every image of the ground truth has a reply, be it an empty one."""
    files = list(source)
    if truth is None:
        raise BadSetting(
            "COCO results name images and classes by ids, which only their ground truth explains.",
            "Give the ground truth that the results were made for.",
        )
    if len(files) != 1:
        raise BadSource(f"{source.label} holds {len(files)} files, not one of COCO results.", "Give that one file.")
    found = parse_results(files[0].read(), truth, files[0].name)
    order = np.argsort(found.image, kind="stable")
    starts = np.searchsorted(found.image[order], np.arange(len(truth.image_names) + 1))

    def body(image: int) -> bytes:
        rows = order[starts[image] : starts[image + 1]]
        columns = (found.class_id[rows].tolist(), found.ltwh[rows].tolist(), found.confidence[rows].tolist())
        return msgspec.json.encode(
            [
                {"class_name": truth.class_names[class_id], "bbox": ltwh, "score": score}
                for class_id, ltwh, score in zip(*columns, strict=True)
            ]
        )

    return _Replies(truth.image_names, body, _not_in_truth, _NAMES, "application/json", found.notes)


def _saved(source: Source, kind: Kind) -> _Replies:
    """A file for each image."""
    if kind == "batch-transform":
        files = [file for file in source if file.name.endswith(".out")]
        ways, absent = _NAMES, _no_output
        what, advice = "no .out file", "Give the folder of the job's outputs, copied from its S3OutputPath."
    else:
        files = [file for file in source if PurePosixPath(file.name).suffix.lower() not in _PICTURES]
        ways, absent = _STEMS, _no_reply
        what, advice = "no reply", "Give a folder with a file for each image, such as a.jpg.json."
    if not files:
        raise BadSource(f"{source.label} holds {what}.", advice)
    names = [_stem(file.name) for file in files]
    return _Replies(names, lambda place: files[place].read(), absent, ways)


def _not_in_truth(image: str) -> SmvizError:
    return BadSource(f"“{image}” is not in the ground truth.", "Give the ground truth that the results were made for.")


def _no_reply(image: str) -> SmvizError:
    return BadSource(
        f"There is no reply that is surely that of “{image}”.", "Call it as the image, with a suffix more: a.jpg.json."
    )


def _no_output(image: str) -> SmvizError:
    return ModelError(
        f"The Batch Transform job wrote no output for “{image}”: its call failed, or the job ended before.",
        "Look into the job's log in CloudWatch, /aws/sagemaker/TransformJobs, and transform the image again.",
        status=0,
    )


def _unused(replies: _Replies, used: set[int]) -> list[str]:
    names = [name for place, name in enumerate(replies.names) if place not in used]
    if not names:
        return []
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"{len(names)} replies are for none of the images and were left out: {', '.join(names[:_NAMED])}{more}."]


def _outcome(image: ImageRef, replies: _Replies, place: dict[str, int], sizes: _Sizes) -> Outcome:
    try:
        if image.name not in place:
            raise replies.absent(image.name)
        frame = sizes.of(image)
        reply = Reply(replies.body(place[image.name]), replies.content_type, math.nan, None)
    except SmvizError as error:
        return Outcome(image.name, "", 0, 0, attempts=0, failure=Failure(error.kind, error.message, error.advice))
    return Outcome(image.name, *frame, attempts=0, reply=reply)


def _proposed(outcomes: Iterable[Outcome]) -> Preset:
    """The format of the first reply that has a box, or else of the first that has a format."""
    fits: list[Preset] = []
    why = "none of the first images has a reply and a size."
    for outcome in outcomes:
        if outcome.reply is None:
            continue
        frame = (outcome.reply.body, outcome.width, outcome.height)
        try:
            fits.append(propose(*frame).best)
            if len(parse(*frame, fits[-1])):
                return fits[-1]
        except BadResponse as error:
            why = error.message
    if not fits:
        raise BadSetting(f"How the replies are to be read cannot be told: {why}", "Choose their format.")
    return fits[0]


@dataclass(frozen=True)
class _Sizes:
    """The frame that boxes refer to: that of the file that was sent, or the ground truth's for its COCO results.

    Attributes:
        truth: tells sizes, or None.
        place: the index of each image in the ground truth, by name.
        remote: reads images that are not on this machine.
        of_truth: whether the ground truth goes before the file.
    """

    truth: GroundTruth | None
    place: dict[str, int]
    remote: Remote | None
    of_truth: bool

    def of(self, image: ImageRef) -> tuple[str, int, int]:
        """The file's hex digest ("" when it was not read), width and height.

        Raises:
            BadImage: when the size is told nowhere.
        """
        told = self._told(image.name)
        if told and self.of_truth:
            return "", *told
        try:
            data = read_image(image, self.remote)
            return hashlib.sha256(data).hexdigest(), *size_of(data, image.name)
        except SmvizError as error:
            if told:
                return "", *told
            raise BadImage(
                f"The size of “{image.name}” is not known. {error.message}",
                "Import again with the images, or with ground truth that tells their width and height.",
            ) from error

    def _told(self, name: str) -> tuple[int, int] | None:
        if self.truth is None or name not in self.place:
            return None
        width, height = self.truth.image_sizes[self.place[name]].tolist()
        return (width, height) if width > 0 and height > 0 else None


def _stem(name: str) -> str:
    folder, slash, base = name.rpartition("/")
    return folder + slash + (base.rpartition(".")[0] or base)


_Way = tuple[Callable[[str], str], Callable[[str], str]]  # what of an image's name is what of a reply's name
_NAMES: tuple[_Way, ...] = ((str, str), (base_name, base_name))
_STEMS: tuple[_Way, ...] = (
    *((str, str), (_stem, str)),
    *((base_name, base_name), (lambda name: base_name(_stem(name)), base_name)),
)


def _joined(images: Sequence[str], names: Sequence[str], ways: Sequence[_Way] = _NAMES) -> dict[str, int]:
    """For each image the index of its name; only where exactly one image and one name agree, the strictest way first.

    So a name is never given away that a later image has a better claim to. Names of images may be whole keys, of which
    the folder that all have in common is left away.
    """
    found: dict[str, int] = {}
    free = dict.fromkeys(range(len(names)))
    folder = _common_folder(images)
    for (of_image, of_name), above in product(ways, ("", folder)):
        keys = {image: of_image(image.removeprefix(above)) for image in images if image not in found}
        claims = Counter(keys.values())
        offers = Counter(of_name(names[place]) for place in free)
        places = {of_name(names[place]): place for place in free}
        for image, key in keys.items():
            if claims[key] == 1 and offers[key] == 1:
                found[image] = places[key]
                del free[places[key]]
    return found


def _common_folder(names: Sequence[str]) -> str:
    """The folder that all are in, as a key's prefix in S3: with a slash at its end, or empty."""
    prefix = commonprefix(names)  # noqa: RUF071 - cut at a slash below; commonpath takes no leading "./" or "//"
    return prefix[: prefix.rfind("/") + 1]
