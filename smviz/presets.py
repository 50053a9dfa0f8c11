"""Named presets in a file that can be shared.

    {"smviz_presets": 1, "presets": {"cars": {"format": "...", "class_names": ["car"], "options": {}}}}

Formats and options are those of `smviz.responses`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from smviz.errors import BadSetting
from smviz.responses import settings_of
from smviz.settings import Preset

VERSION = 1

_LONGEST = 300  # characters of a file's own words in a message

_ADVICE = "Give a file that was saved here as presets, or correct what is named."


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    class_names: tuple[str, ...] = ()
    options: dict[str, str] = {}


def presets_json(presets: Mapping[str, Preset]) -> bytes:
    """The file of named presets: JSON, UTF-8.

    Raises:
        BadSetting: when a name is blank, or a preset is not valid.
    """
    rows = {}
    for name, preset in presets.items():
        _check(name, preset)
        rows[name] = {
            "format": preset.format,
            "class_names": list(preset.class_names),
            "options": dict(preset.options),
        }
    document = {"smviz_presets": VERSION, "presets": rows}
    # A lone surrogate, which UTF-8 does not have, is written as JSON's own escape.
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "backslashreplace")


def read_presets(data: bytes) -> dict[str, Preset]:
    """The presets of such a file by name, in its order.

    Raises:
        BadSetting: when it is no such file, is of another version, or holds a preset that is not valid, naming it.
    """
    document = _decoded(data)
    if not isinstance(document, dict) or "smviz_presets" not in document:
        raise BadSetting("This is no file of presets: it has no 'smviz_presets'.", _ADVICE)
    version = document["smviz_presets"]
    if version != VERSION or isinstance(version, bool):
        told = _short(repr(version)) if isinstance(version, int | float | str) else "another kind"
        message = f"The presets are of version {told}; this smviz reads version {VERSION}."
        raise BadSetting(message, "Update smviz, or save the presets again with this one.")
    rows = document.get("presets")
    if not isinstance(rows, dict):
        raise BadSetting("The file's 'presets' is no object of presets by name.", _ADVICE)
    return {name: _preset(name, row) for name, row in rows.items()}


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_unique)
    except UnicodeDecodeError as exc:
        raise BadSetting("The file of presets is no text in UTF-8.", _ADVICE) from exc
    except (ValueError, RecursionError) as exc:
        raise BadSetting(f"The file of presets is no JSON: {exc}.", _ADVICE) from exc


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise BadSetting(
            f"The file of presets holds {_short(twice)!r} twice in one place.", "Rename or remove one of them."
        )
    return row


def _preset(name: str, row: Any) -> Preset:
    try:
        entry = msgspec.convert(row, _Entry)
    except (msgspec.ValidationError, UnicodeEncodeError, OverflowError) as exc:
        raise BadSetting(f"The preset {_short(name)!r} is not valid: {_short(str(exc))}.", _ADVICE) from exc
    preset = Preset(entry.format, entry.class_names, tuple(entry.options.items()))
    _check(name, preset)
    return preset


def _check(name: str, preset: Preset) -> None:
    if not name.strip():
        raise BadSetting("A preset has no name.", "Give every preset a name.")
    if len(dict(preset.options)) < len(preset.options):
        raise BadSetting(f"The preset {_short(name)!r} sets an option twice.", "Keep one value for each option.")
    try:
        settings_of(preset)
    except BadSetting as exc:
        raise BadSetting(f"The preset {_short(name)!r} is not valid: {_short(exc.message)}", exc.advice) from exc


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
