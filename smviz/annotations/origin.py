"""Where canonical ground truth was read from, and what was left out then: the "smviz" entry of COCO's "info".

{"info": {"smviz": {"format": "voc", "source": "labels.zip", "notes": [...], "skipped": [[file, where, why], ...]}}}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from smviz.annotations.fields import clean
from smviz.records import Skipped


@dataclass(frozen=True, slots=True)
class Origin:
    """What a file tells of the reading that made it; all is empty in a file that smviz did not write.

    Attributes:
        format: a name in `FORMATS`.
        source: what was read, in words.
        notes, skipped: those of the ground truth that was written.
    """

    format: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()


class _File(msgspec.Struct):
    info: Any = None


def origin(data: bytes) -> Origin:
    """What the bytes of a COCO file tell of where they come from."""
    try:
        return origin_in(msgspec.json.decode(data, type=_File).info)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Origin()


def origin_in(info: object) -> Origin:
    """What an "info" entry tells; anybody may write one, so what is not as expected is passed over."""
    told = info.get("smviz") if isinstance(info, dict) else None
    if not isinstance(told, dict):
        return Origin()
    notes, skipped = (_list(told.get(name)) for name in ("notes", "skipped"))
    return Origin(
        format=_text(told.get("format")),
        source=_text(told.get("source")),
        notes=tuple(clean(note) for note in notes if isinstance(note, str)),
        skipped=tuple(
            Skipped(*map(clean, record))
            for record in skipped
            if isinstance(record, list) and len(record) == 3 and all(isinstance(part, str) for part in record)
        ),
    )


def info_of(told: Origin) -> dict[str, Any]:
    """The entry that `origin_in` reads, as {"info": ...}; empty when there is nothing to tell."""
    skipped = [[record.file, record.where, record.why] for record in told.skipped]
    entry = {"format": told.format, "source": told.source, "notes": told.notes, "skipped": skipped}
    known = {name: value for name, value in entry.items() if value}
    return {"info": {"smviz": known}} if known else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return clean(value) if isinstance(value, str) else ""
