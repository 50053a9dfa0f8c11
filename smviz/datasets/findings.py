"""What a check finds, in words for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
_NAMED = 5  # how many names a sentence tells


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person should know about a data set.

    Attributes:
        kind: stable words to group by.
        severity: "error" when nothing can be judged because of it, "warning" when numbers will be wrong or less than
            they seem, "note" when that may well be meant so.
        sentence: what was found, how often, and what follows from it.
        names: all images, classes or files that it is about.
    """

    kind: str
    severity: Severity
    sentence: str
    names: tuple[str, ...]


def told(kind: str, severity: Severity, what: str, follows: str, names: Sequence[str]) -> Iterator[Finding]:
    """The finding about these names, or nothing where there are none."""
    if names:
        yield Finding(kind, severity, f"{what}: {len(names)} ({first(names)}). {follows}", tuple(names))


def first(names: Iterable[object], between: str = ", ") -> str:
    """The first few names, and how many more there are."""
    known = list(names)
    more = [f"and {len(known) - _NAMED} more"] if len(known) > _NAMED else []
    return between.join([*map(str, known[:_NAMED]), *more])
