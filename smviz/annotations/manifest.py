"""SageMaker Ground Truth's output manifest: JSON lines, one for each image or for each sequence of video frames.

An attribute's name is the labelling job's own; it is found by its "-metadata". A line of an adjustment job has the old
attribute and the new one: the newest by creation-date that holds boxes is taken. Each line has a class map of its own.
A video's line refers to a SeqLabel.json, which is looked for among the files of the source. Images are named by what
their keys have after the folder that is common to all. Classes are in the order of their ids.

The formats are described at https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Any

from smviz.annotations.assembly import Assembly
from smviz.annotations.builtin import box_of, size_of
from smviz.annotations.documents import Document, decode_json
from smviz.annotations.fields import Unusable, image_name, mapping, sequence, text, whole
from smviz.annotations.files import Files
from smviz.annotations.format import Format
from smviz.records import GroundTruth

_FIRST = 1 << 20  # bytes in which a line that can be used must begin
_REF, _METADATA = "source-ref", "-metadata"
_SEQUENCE = "detection-annotations"
_LONGEST_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Label:
    """What one attribute of a line says: `value` is an object with boxes, or the text of a reference."""

    attribute: str
    value: dict[str, Any] | str
    names: dict[int, str]
    created: datetime


@dataclass(frozen=True, slots=True)
class _Line:
    file: str
    where: str
    ref: str
    label: _Label


def recognise(document: Document) -> str | None:
    """A line is JSON with "source-ref", or the file is a SeqLabel.json."""
    if _REF in document.keys:
        return f'it is JSON with "{_REF}"'
    if _SEQUENCE in document.keys:
        return f'it is JSON with "{_SEQUENCE}", as a SeqLabel.json'
    if b"\0" not in document.data[:4] and _REF.encode() not in document.data[:_FIRST]:
        return None
    if any(_REF in _decoded(line) for line in document.text.split("\n", 5)[:5] if _REF in line):
        return f'its lines are JSON with "{_REF}"'
    return None


def read(files: Files) -> GroundTruth:
    """The ground truth in Ground Truth's files."""
    assembly = Assembly(files)
    manifests: list[Document] = []
    sequences: list[Document] = []
    for document in files.documents():
        if _SEQUENCE in document.keys:
            sequences.append(document)
        elif recognise(document):
            manifests.append(document)
        elif document.suffix in {".json", ".jsonl", ".manifest"}:
            assembly.leave_out(document.name, "", f'it has no line with "{_REF}"')
    lines = [line for document in manifests for line in _lines(document, assembly)]
    parent = _common_parent([line.ref for line in lines if isinstance(line.label.value, dict)])
    for line in lines:
        with assembly.leaving_out(line.file, line.where):
            if isinstance(line.label.value, dict):
                _image(line, line.label.value, parent, assembly)
            else:
                document = _referenced(line.label.value, sequences)
                _sequence(document, PurePosixPath(line.ref).stem, line.label.names, assembly)
    if not lines:
        for document in sequences:
            with assembly.leaving_out(document.name):
                _sequence(document, document.folder, {}, assembly)
    return assembly.ground_truth()


def _lines(document: Document, assembly: Assembly) -> Iterator[_Line]:
    """The lines that can be used; a file that is one JSON object is one line, however it is broken."""
    texts = [document.text] if document.keys else document.text.split("\n")
    for count, line in enumerate(texts, start=1):
        where = f"line {count}"
        with assembly.leaving_out(document.name, where):
            if line.strip():
                record = decode_json(line.encode(errors="replace"), dict[str, Any])
                label = _newest(record, assembly)
                yield _Line(document.name, where, text(record.get(_REF), _REF), label)


def _newest(record: dict[str, Any], assembly: Assembly) -> _Label:
    """The newest label with boxes; the order of the line decides between those of one date."""
    labels: list[_Label] = []
    failures: list[str] = []
    for key, metadata in record.items():
        if key.endswith(_METADATA) and isinstance(metadata, dict):
            attribute = key.removesuffix(_METADATA)
            value: Any = record.get(attribute, record.get(f"{attribute}-ref"))
            if metadata.get("failure-reason"):
                failures.append(str(metadata["failure-reason"])[:200])
            elif (isinstance(value, dict) and "annotations" in value) or _is_video(value, metadata):
                labels.append(_Label(attribute, value, _class_map(metadata), _date(metadata.get("creation-date"))))
    if not labels:
        raise Unusable(f"its labelling failed: {failures[0]}" if failures else "it has no attribute with boxes")
    newest = max(reversed(labels), key=lambda label: label.created)
    if len(labels) > 1:
        others = ", ".join(label.attribute for label in labels if label is not newest)
        assembly.note(f"lines have several labels; {newest.attribute} is the newest and is taken, not {others}.")
    return newest


def _is_video(value: object, metadata: dict[str, Any]) -> bool:
    kind = str(metadata.get("type"))
    return isinstance(value, str) and (kind.startswith("groundtruth/video-object") or value.endswith("SeqLabel.json"))


def _class_map(metadata: dict[str, Any]) -> dict[int, str]:
    given = metadata.get("class-map")
    pairs = given.items() if isinstance(given, dict) else ()
    return {whole(key, "a key of the class map"): text(name, "a name of the class map") for key, name in pairs}


def _date(given: object) -> datetime:
    try:
        date = datetime.fromisoformat(given) if isinstance(given, str) else _LONGEST_AGO
    except ValueError:
        return _LONGEST_AGO
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _common_parent(refs: list[str]) -> str:
    """The longest folder that all lie in, with its slash."""
    levels = zip(*(ref.split("/")[:-1] for ref in refs), strict=False)
    return "".join(f"{level[0]}/" for level in takewhile(lambda level: len(set(level)) == 1, levels))


def _image(line: _Line, value: dict[str, Any], parent: str, assembly: Assembly) -> None:
    entries = sequence(value.get("annotations"), "annotations")
    name = image_name(line.ref.removeprefix(parent), _REF)
    image = assembly.image(name, line.ref, size_of(value.get("image_size")))
    _boxes(entries, image, (line.file, line.where), line.label.names, assembly)


def _boxes(
    entries: list[object], image: int, place: tuple[str, str], names: dict[int, str], assembly: Assembly
) -> None:
    file, where = place
    for identity, name in names.items():
        assembly.category(identity, name)
    for count, entry in enumerate(entries, start=1):
        with assembly.leaving_out(file, f"{where}, annotation {count}"):
            given = mapping(entry, "the annotation")
            class_id = whole(given.get("class_id", given.get("class-id")), "the class id")  # hyphen: video frames
            if class_id < 0:
                raise Unusable("the class id is negative")
            box = box_of(given)
            assembly.box(image, assembly.category(class_id, names.get(class_id)), box)


def _referenced(ref: str, sequences: list[Document]) -> Document:
    """The file that a reference means: the one whose path ends most like it."""
    parts = ref.split("/")[::-1]

    def alike(document: Document) -> int:
        pairs = zip(parts, document.name.split("/")[::-1], strict=False)
        return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(parts), document.name.count("/") + 1))

    ranked = sorted(sequences, key=alike, reverse=True)
    if not ranked or not alike(ranked[0]):
        raise Unusable(f"{ref} is not among the files; it is needed beside the manifest")
    if len(ranked) > 1 and alike(ranked[0]) == alike(ranked[1]):
        raise Unusable(f"several files may be {ref}; they need to be in folders as in the bucket")
    return ranked[0]


def _sequence(document: Document, folder: str, names: dict[int, str], assembly: Assembly) -> None:
    """The frames of a video; their folder is only named when frames of several videos have the same name."""
    frames = sequence(document.json(dict[str, Any]).get(_SEQUENCE), _SEQUENCE)
    for count, entry in enumerate(frames):
        with assembly.leaving_out(document.name, f"frame {count}"):
            frame = mapping(entry, "the frame")
            entries = sequence(frame.get("annotations"), "annotations")
            image = assembly.image(image_name(frame.get("frame"), "the frame's name"), folder=folder)
            _boxes(entries, image, (document.name, f"frame {count}"), names, assembly)


def _decoded(line: str) -> dict[str, Any]:
    try:
        return decode_json(line.encode(errors="replace"), dict[str, Any])
    except Unusable:
        return {}


GROUND_TRUTH = Format(
    "ground-truth",
    "SageMaker Ground Truth's output manifest, for images or (with its SeqLabel.json) video frames.",
    'JSON lines with "source-ref"',
    True,
    recognise,
    read,
)
