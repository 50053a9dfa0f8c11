"""Single values of a record, checked: what is not what it should be is told in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

Corners = tuple[float, float, float, float]

LARGEST_SIDE = 1_000_000  # pixels; what claims more is no image


class Unusable(Exception):
    """A record, or a whole file, that cannot be used; the text says why, in words for a person."""


def number(value: object, what: str) -> float:
    """A finite number, also one that is written as text.

    Raises:
        Unusable: when it is missing or is none.
    """
    if value is None:
        raise Unusable(f"{what} is missing")
    try:
        result = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        result = math.nan
    if not math.isfinite(result):
        raise Unusable(f"{what} is no finite number")
    return result


def whole(value: object, what: str) -> int:
    """A whole number within 64 bits, also one that is written as text or as 3.0.

    Raises:
        Unusable: when it is missing or is none.
    """
    result = number(value, what)
    if not result.is_integer() or abs(result) >= 2**63:
        raise Unusable(f"{what} is no whole number")
    return int(result)


def text(value: object, what: str) -> str:
    """Text that is not empty, without white space around it.

    Raises:
        Unusable: when it is missing, empty, or no text.
    """
    if not isinstance(value, str) or not value.strip():
        raise Unusable(f"{what} is missing" if value in (None, "") else f"{what} is no text")
    return clean(value.strip())


def clean(name: str) -> str:
    """The same text with a question mark for each half of a surrogate pair, which no file or screen can take."""
    return name if name.isascii() else name.encode(errors="replace").decode()


def mapping(value: object, what: str) -> dict[str, object]:
    """A JSON object.

    Raises:
        Unusable: when it is missing or something else.
    """
    if not isinstance(value, dict):
        raise Unusable(f"{what} is missing" if value is None else f"{what} is no object")
    return value


def sequence(value: object, what: str) -> list[object]:
    """A JSON list.

    Raises:
        Unusable: when it is missing or something else.
    """
    if not isinstance(value, list):
        raise Unusable(f"{what} is missing" if value is None else f"{what} is no list")
    return value


def size(width: object, height: object) -> tuple[int, int]:
    """Width and height in pixels; (0, 0) where they are not told, or cannot be those of an image."""
    try:
        pixels = whole(width, "the width"), whole(height, "the height")
    except Unusable:
        return 0, 0
    return pixels if all(0 < side <= LARGEST_SIDE for side in pixels) else (0, 0)


def ltwh(left: float, top: float, width: float, height: float) -> Corners:
    """A box by its corner and sides.

    Raises:
        Unusable: when it has no width or no height.
    """
    if not (width > 0 and height > 0 and math.isfinite(left + top + width + height)):
        raise Unusable("the box has no width or no height")
    return left, top, width, height


def between(x: Sequence[float], y: Sequence[float]) -> Corners:
    """The box around points, as left, top, width, height.

    Raises:
        Unusable: when it has no width or no height.
    """
    return ltwh(min(x), min(y), max(x) - min(x), max(y) - min(y))


def points(values: object, what: str = "the points") -> tuple[list[float], list[float]]:
    """The x and the y of a list of [x, y].

    Raises:
        Unusable: when it is none, or is empty.
    """
    pairs = sequence(values, what)
    if not pairs or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise Unusable(f"{what} are not pairs of numbers")
    x, y = ([number(pair[axis], what) for pair in pairs] for axis in (0, 1))  # type: ignore[index]
    return x, y


def image_name(path: object, what: str) -> str:
    """An image's name as a folder of images holds it: relative, with forward slashes.

    A path that is absolute, or leads out of its folder, is of the labeller's machine: only its last part is kept.

    Raises:
        Unusable: when it is missing or no file's name.
    """
    slashed = text(path, what).replace("\\", "/")
    pure = PurePosixPath(slashed)
    if pure.name in {"", ".."}:
        raise Unusable(f"{what} is no file name")
    outside = pure.is_absolute() or ".." in pure.parts or ":" in pure.parts[0]
    return pure.name if outside else pure.as_posix()


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names in one line: the first few, and how many more there are."""
    given = list(names)
    more = f" and {len(given) - most} more" if len(given) > most else ""
    return ", ".join(given[:most]) + more
