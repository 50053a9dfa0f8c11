"""Numbers of the document in words and tables: each stands on the page together with where the document has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from smviz.reporting.markup import tag, text

Key = str | int


class Teller:
    """Puts numbers of the document on the page, rounded, with the exact value and its JSON pointer beside it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def get(self, *path: Key) -> Any:
        """What the document has at a path."""
        value: Any = self.document
        for key in path:
            value = value[key]
        return value

    def number(self, *path: Key, digits: int = 3) -> str:
        """A number with so many decimals; a count as it is; a dash where it is undefined."""
        value = self.get(*path)
        pointer = "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in path)
        if value is None:
            return tag("span", "—", data_of=pointer)
        shown = f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"
        return tag("data", shown, value=repr(value), data_of=pointer)

    def range(self, *path: Key, digits: int = 3) -> str:
        """The ends of an interval, "low" and "high", or the two of a list."""
        ends = self.get(*path)
        if ends is None or (isinstance(ends, dict) and ends["low"] is None):
            return "—"
        keys: tuple[Key, Key] = ("low", "high") if isinstance(ends, dict) else (0, 1)
        return " – ".join(self.number(*path, key, digits=digits) for key in keys)


def tile(label: str, value: str, beside: str = "") -> str:
    """A headline number."""
    below = tag("div", beside, class_="beside") if beside else ""
    size = "value long" if "–" in value else "value"
    return tag("div", tag("div", text(label), class_="label"), tag("div", value, class_=size), below, class_="tile")


def table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str, left: Sequence[int] = (0,)) -> str:
    """A table of cells that are markup; `left` are the columns of words."""

    def style(column: int) -> str:
        return "" if column not in left else "name" if column == 0 else "wide"

    head = "".join(tag("th", text(name), scope="col", class_="left" * (i in left)) for i, name in enumerate(header))
    body = "".join(
        tag("tr", *(tag("td", cell, class_=style(column)) for column, cell in enumerate(row))) for row in rows
    )
    inside = (tag("thead", tag("tr", head)), tag("tbody", body))
    return tag("div", tag("table", *inside, aria_label=caption), class_="scroll", tabindex=0)


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Names with what they are, which is markup; those without anything are left out."""
    return tag("dl", *(tag("dt", text(name)) + tag("dd", value) for name, value in rows if value))


def figure(title: str, chart: str, caption: str, key: str = "") -> str:
    """A chart below its title, with what it means."""
    return tag("figure", tag("h3", text(title)), key, chart, tag("figcaption", caption))


def section(anchor: str, title: str, *inside: str) -> str:
    """A part of the page."""
    return tag("section", tag("h2", text(title)), *inside, id=anchor)


def note(words: str) -> str:
    """A line that is less than the numbers."""
    return tag("p", words, class_="note")
