"""One annotation file: its bytes, read once, and what they are as text, JSON or XML, decoded once."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, TypeVar

import msgspec

from smviz.annotations.fields import Unusable
from smviz.annotations.xml import Element, parse_xml, root_tag

Kind = TypeVar("Kind")

_HEAD = 1 << 14  # bytes
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Document:
    """One annotation file.

    Attributes:
        name: its path within the source.
        data: its bytes.
    """

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data
        self._seen: dict[Callable[[Document], Any], Any] = {}

    def once(self, look: Callable[[Document], Kind]) -> Kind:
        """What a function makes of this document, kept for the next time it is asked."""
        if look not in self._seen:
            self._seen[look] = look(self)
        kept: Kind = self._seen[look]
        return kept

    @property
    def folder(self) -> str:
        """The folder that it lies in, "" at the top."""
        return self.name.rpartition("/")[0]

    @property
    def stem(self) -> str:
        """Its name without folder and suffix."""
        base = self.name.rpartition("/")[2]
        return base.rpartition(".")[0] or base

    @cached_property
    def text(self) -> str:
        """As text: UTF-16 with a mark, else UTF-8; what is neither becomes a question mark in a box."""
        coding = "utf-16" if self.data.startswith(_UTF16) else "utf-8-sig"
        return self.data.decode(coding, errors="replace")

    @cached_property
    def head(self) -> list[str]:
        """The first whole lines of the text, without empty ones."""
        head = Document(self.name, self.data[:_HEAD]).text.splitlines()
        if len(self.data) > _HEAD and len(head) > 1:
            head.pop()  # it may have been cut off
        return [line for line in head if line.strip()]

    @cached_property
    def keys(self) -> dict[str, msgspec.Raw]:
        """The entries of a JSON object, not decoded further; none when it is something else."""
        try:
            return decode_json(self.data, dict[str, msgspec.Raw]) if self.may_be_json else {}
        except Unusable:
            return {}

    @property
    def may_be_json(self) -> bool:
        """Whether it begins as a JSON object does."""
        return self.data.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{" or self.data.startswith(_UTF16)

    @cached_property
    def root(self) -> str:
        """The tag of the outermost XML element; "" when it is no XML."""
        return root_tag(self.data)

    @property
    def suffix(self) -> str:
        """The suffix of its name in lower case, with the dot."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def is_binary(self) -> bool:
        """Whether it cannot be text."""
        return b"\0" in self.data[:4096] and not self.data.startswith(_UTF16)

    def json(self, kind: type[Kind]) -> Kind:
        """Decoded as JSON of that kind.

        Raises:
            Unusable: when it is no JSON, or of another kind.
        """
        return decode_json(self.data, kind)

    def xml(self) -> Element:
        """Decoded as XML.

        Raises:
            Unusable: as `smviz.annotations.xml.parse_xml`.
        """
        return parse_xml(self.data)


def decode_json(data: bytes, kind: type[Kind]) -> Kind:
    """JSON of that kind; a byte-order mark, UTF-16 and Python's NaN are taken too.

    Raises:
        Unusable: when it is no JSON, or of another kind.
    """
    try:
        try:
            return msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8), type=kind)
        except msgspec.ValidationError as error:
            raise Unusable(f"it does not have the expected content: {error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError):
            # Python's own json writes NaN, and some shells write UTF-16; neither is JSON to a strict reader.
            return _again(data, kind)
    except RecursionError as error:
        raise Unusable("it is no valid JSON: it is nested too deeply") from error


def _again(data: bytes, kind: type[Kind]) -> Kind:
    try:
        loose = json.loads(data)
        text = json.dumps(loose, ensure_ascii=False).encode(errors="replace")  # half a surrogate pair is no text
        loose = json.loads(text)
    except ValueError as error:
        raise Unusable(f"it is no valid JSON: {error}") from error
    if kind == dict[str, msgspec.Raw] and isinstance(loose, dict):  # raw values are only made from bytes
        loose = {key: msgspec.Raw(json.dumps(value).encode()) for key, value in loose.items()}
    try:
        return msgspec.convert(loose, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise Unusable(f"it does not have the expected content: {error}") from error
