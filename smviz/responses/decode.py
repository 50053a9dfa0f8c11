"""From raw bytes to plain values, and typed looks into them. Whatever is wrong becomes a BadResponse."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from smviz.errors import BadResponse

Floats = NDArray[np.float64]
Value = TypeVar("Value")

CHECK_FORMAT = "Check the response format chosen for this endpoint."
CHECK_CONTAINER = "Look at the container's log, and at the Accept header: smviz reads JSON."


def decode_json(body: bytes) -> object:
    """The JSON value in a body. A UTF-8 byte order mark is skipped; of duplicate keys the last one counts.

    NaN and Infinity, which Python's own encoder writes though JSON has no such words, are read as numbers, so
    that the row that holds them can be named, and a stray one outside the boxes does no harm.

    Raises:
        BadResponse: empty, binary, HTML, plain text, malformed or too deeply nested.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        return cast(object, msgspec.json.decode(body))
    except RecursionError:
        raise BadResponse("The reply is nested too deeply to be detections.", CHECK_CONTAINER) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if b"NaN" in body or b"Infinity" in body:
            return _decode_lenient(body)
        raise _not_json(body, str(error)) from None


def _decode_lenient(body: bytes) -> object:
    try:
        return cast(object, json.loads(body.decode()))
    except RecursionError:
        raise BadResponse("The reply is nested too deeply to be detections.", CHECK_CONTAINER) from None
    except ValueError as error:
        raise _not_json(body, str(error)) from None


def _not_json(body: bytes, reason: str) -> BadResponse:
    try:
        text = body.decode().strip()
    except UnicodeDecodeError:
        return BadResponse(f"The reply is binary, not JSON: it starts with {body[:16]!r}.", CHECK_CONTAINER)
    if not text:
        return BadResponse("The reply is empty.", CHECK_CONTAINER)
    if text[0] == "<":
        return BadResponse(f"The reply is a web page or XML, not JSON: {snippet(text)}.", CHECK_CONTAINER)
    if text[0] in "{[":
        return BadResponse(f"The reply is broken JSON ({reason.rstrip('.')}): {snippet(text)}.", CHECK_CONTAINER)
    return BadResponse(f"The reply is plain text, not JSON: {snippet(text)}.", CHECK_CONTAINER)


def decode_csv(body: bytes) -> object:
    """The columns of a CSV table with a header: one list of texts for each name.

    Raises:
        BadResponse: when the body is no such table.
    """
    try:
        header, *rows = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise BadResponse(f"The reply is not a CSV table: {error}.", CHECK_FORMAT) from None
    rows = [row for row in rows if row]
    if any(len(row) != len(header) for row in rows):
        raise BadResponse("The reply is not a CSV table: its rows differ in length.", CHECK_FORMAT)
    return {name: [row[column] for row in rows] for column, name in enumerate(header)}


def snippet(value: object, length: int = 200) -> str:
    """The beginning of a text or value, quoted, with control characters escaped."""
    text = value if isinstance(value, str) else str(value)
    return repr(text if len(text) <= length else text[:length] + "…")


def describe(value: object) -> str:
    """What a decoded value is, in a few words: its type, and the keys and types within."""
    if isinstance(value, dict):
        keys = [f"{snippet(key, 40)} ({_kind(inner)})" for key, inner in list(value.items())[:8]]
        more = f" and {len(value) - 8} more" if len(value) > 8 else ""
        return f"an object with the keys {', '.join(keys)}{more}" if keys else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)}, the first {_article(value[0])}" if value else "an empty list"
    return "null" if value is None else f"{_article(value)}: {snippet(value, 60)}"


def _kind(value: object) -> str:
    if isinstance(value, list):
        return f"list of {len(value)}"
    names = {dict: "object", str: "text", bool: "true or false", int: "number", float: "number"}
    return names.get(type(value), "null")


def _article(value: object) -> str:
    kind = _kind(value)
    return kind if kind in {"text", "null", "true or false"} else f"{'an' if kind[0] == 'o' else 'a'} {kind}"


def refusal(body: bytes) -> BadResponse:
    """Why no format fits a reply, and what a person should do."""
    try:
        reply = decode_json(body)
    except BadResponse as error:
        return error
    text = snippet(body.decode(errors="replace").strip())
    if isinstance(reply, dict):
        for key in ("error", "Error", "message", "errorMessage", "detail"):
            if key in reply:
                return BadResponse(f"The reply is an error message: {snippet(reply[key])}.", CHECK_CONTAINER)
        if reply and all(isinstance(value, int) for value in reply.values()):
            return BadResponse(
                f"The reply counts objects and holds no boxes: {text}.",
                "Have the container's output function return the boxes themselves.",
            )
    if reply is None:
        return BadResponse("The reply is null.", "The container's handler failed without saying so: see its log.")
    return BadResponse(
        f"No known response format fits: the reply is {describe(reply)}. It begins {text}.",
        "Send an image in which the model finds something; or choose 'records' or 'columns' and name the keys of the "
        "boxes, scores and classes.",
    )


def member(value: object, key: str) -> object:
    """The value under a key of an object. Raises BadResponse when there is none."""
    if not isinstance(value, dict) or key not in value:
        raise BadResponse(f"There is no {key!r} in the reply; found {describe(value)}.", CHECK_FORMAT)
    return cast(object, value[key])


def listing(value: object, what: str) -> list[object]:
    """The value as a list. Raises BadResponse when it is none."""
    return _convert(value, list[Any], what)


def objects(value: object, what: str) -> list[dict[str, object]]:
    """The value as a list of objects. Raises BadResponse when it is none."""
    return _convert(value, list[dict[str, Any]], what)


def texts(value: object, what: str) -> tuple[str, ...]:
    """The value as texts that can be written as UTF-8. Raises BadResponse when it is no list of such."""
    found = _convert(value, tuple[str, ...], what)
    try:
        "".join(found).encode()
    except UnicodeEncodeError:
        raise BadResponse(f"{what} holds a broken character (half a surrogate pair).", CHECK_CONTAINER) from None
    return found


def numbers(value: object, what: str) -> Floats:
    """The value as float64 [N]. Raises BadResponse when it is no list of numbers."""
    return np.array(_convert(value, list[float], what), dtype=np.float64)


def number(value: object, what: str) -> float:
    """The value as one number. Raises BadResponse when it is none."""
    return _convert(value, float, what)


def table(value: object, what: str, widths: Sequence[int] = ()) -> Floats:
    """The value as float64 [N, C]: rows of one length, which is in `widths` when any are named.

    No rows at all give [0, the first of `widths`].

    Raises:
        BadResponse: when it is no list of such rows of numbers.
    """
    rows = _convert(value, list[list[float]], what)
    lengths = set(map(len, rows)) or {widths[0] if widths else 0}
    if len(lengths) > 1 or (widths and not lengths <= set(widths)):
        found = f"its rows have {', '.join(map(str, sorted(lengths)[:5]))} columns"
        raise BadResponse(f"{what} is not a table as expected: {found}.", CHECK_FORMAT)
    return np.array(rows, dtype=np.float64).reshape(len(rows), lengths.pop())


def first_image(images: list[Value], what: str) -> Value:
    """The detections of the first image of a batch.

    Raises:
        BadResponse: when there is no image, or a later one has detections too: one image is sent at a time.
    """
    if not images:
        raise BadResponse(f"{what} holds no image at all.", CHECK_FORMAT)
    if any(images[1:]):
        raise BadResponse(f"{what} holds the detections of {len(images)} images.", "Send one image at a time.")
    return images[0]


def _convert(value: object, kind: type[Value], what: str) -> Value:
    try:
        return msgspec.convert(value, kind)
    except UnicodeEncodeError:
        raise BadResponse(f"{what} holds a broken character (half a surrogate pair).", CHECK_CONTAINER) from None
    except (msgspec.ValidationError, OverflowError) as error:
        reason = str(error).replace("`", "'")
        raise BadResponse(f"{what} is not what it should be: {reason}.", CHECK_FORMAT) from None
