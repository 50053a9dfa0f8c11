"""XML without its dangers: no document type, hence no entities and nothing external, and a limited depth.

Built on expat, which opens nothing by itself. A document that declares a document type is refused at the declaration,
before anything in it is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from smviz.annotations.fields import Unusable

_DEEPEST = 50  # elements within each other; annotation formats need fewer than ten
_HEAD = 1 << 16  # bytes in which the outermost element must begin


@dataclass(slots=True)
class Element:
    """One element: its tag, attributes, children, and the text before its first child."""

    tag: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def first(self, tag: str) -> Element | None:
        """The first child with that tag."""
        return next((child for child in self.children if child.tag == tag), None)

    def all(self, tag: str) -> list[Element]:
        """The children with that tag."""
        return [child for child in self.children if child.tag == tag]

    def value(self, *path: str) -> str | None:
        """The text of the element at the end of a path of tags; None when there is none."""
        element: Element | None = self
        for tag in path:
            element = element.first(tag) if element else None
        return element.text.strip() if element else None


class _Found(Exception):
    pass


class _Builder:
    def __init__(self) -> None:
        self.open = [Element("", {})]

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self.open) > _DEEPEST:
            raise Unusable(f"its elements are nested more than {_DEEPEST} deep")
        element = Element(tag, attributes)
        self.open[-1].children.append(element)
        self.open.append(element)

    def end(self, _: str) -> None:
        self.open.pop()

    def data(self, data: str) -> None:
        if not self.open[-1].children:
            self.open[-1].text += data


def parse_xml(data: bytes) -> Element:
    """The outermost element of an XML document.

    Raises:
        Unusable: when it is not well-formed, declares a document type or entities, or is nested too deeply.
    """
    builder, parser = _Builder(), expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise Unusable(f"it is no valid XML: {error}") from error
    return builder.open[0].children[0]


def root_tag(data: bytes) -> str:
    """The tag of the outermost element, found without reading on; "" when there is none."""

    def found(tag: str, attributes: dict[str, str]) -> NoReturn:
        raise _Found(tag)

    parser = expat.ParserCreate()
    parser.StartElementHandler = found
    try:
        parser.Parse(data[:_HEAD], False)
    except _Found as tag:
        return str(tag)
    except (expat.ExpatError, ValueError, LookupError):
        pass
    return ""


def _refuse(*_: object) -> NoReturn:
    raise Unusable("it declares a document type or entities, which are not read for safety")
