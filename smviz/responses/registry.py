"""The response formats by name, and the options that each one takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from smviz.errors import BadSetting
from smviz.responses.decode import decode_json
from smviz.responses.reading import ORDERS, Reading
from smviz.settings import Preset

Settings = Mapping[str, str]
Reader = Callable[[object, Settings], Reading]


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that a person can set about a format.

    Attributes:
        name: what it is called, in kebab-case.
        default: the value that holds when nothing is set; empty text means "not used".
        doc: one line for a person.
        kind: "choice" (one of `choices`), "fraction" (0 to 1), "size" ("640x480" or empty),
            "letterbox" (a size, possibly followed by " top-left", or empty) or "text".
        choices: the values of a "choice".
    """

    name: str
    default: str
    doc: str
    kind: str = "choice"
    choices: tuple[str, ...] = ()

    def check(self, value: str) -> str:
        """The value itself when it is valid.

        Raises:
            BadSetting: when it is not, with what would be.
        """
        if self.choices:
            expected, good = f"one of: {', '.join(self.choices)}", value in self.choices
        else:
            expected, pattern = KINDS[self.kind]
            good = bool(re.fullmatch(pattern, value, re.DOTALL))
        if not good:
            raise BadSetting(f"The option {self.name!r} cannot be {value!r}.", f"It takes {expected}.")
        return value


KINDS: Mapping[str, tuple[str, str]] = {
    "fraction": ("a number from 0 to 1", r"[01]|[01]\.0*|0?\.\d+"),
    "size": ("a size like 640x480, or nothing", r"([1-9]\d{0,4}x[1-9]\d{0,4})?"),
    "letterbox": ("a size like 640x640 or '640x640 top-left', or nothing", r"([1-9]\d{0,4}x[1-9]\d{0,4}( top-left)?)?"),
    "text": ("text", r".*"),
}
"""What the free kinds of option take: in words, and as a pattern."""


def coordinates(default: str) -> Option:
    """Whether box values are pixels or fractions of the frame."""
    doc = "Whether boxes are in pixels or in fractions of the frame (0 to 1)."
    return Option("coordinates", default, doc, choices=("pixels", "normalised"))


def box_order(default: str) -> Option:
    """What the four numbers of a box are."""
    return Option("boxes", default, "What the four numbers of a box are, in order.", choices=tuple(ORDERS))


def class_base(default: int) -> Option:
    """The id of the first class."""
    return Option("class-base", str(default), "The id of the first name in the class list.", choices=("0", "1"))


def score_scale() -> Option:
    """What a score of certainty is written as."""
    return Option("score-scale", "1", "The score that means certainty: 1, or 100 for per cent.", choices=("1", "100"))


def letterbox(default: str = "") -> Option:
    """The padded network frame that boxes refer to."""
    doc = "Size of the network's frame when the image was fitted into it with padding; boxes are mapped back."
    return Option("letterbox", default, doc, kind="letterbox")


FRAME = Option(
    "frame", "", "Size of the frame that boxes refer to when the image was stretched to it before inference.", "size"
)
PIXEL_FRAME = (FRAME, letterbox())


@dataclass(frozen=True, slots=True)
class Format:
    """One shape of reply.

    Attributes:
        name: kebab-case; what presets store.
        title: short, for a select box.
        doc: one line: the shape of the reply.
        because: how such a reply is recognised, a clause that follows "because".
        options: what can be set.
        reader: decoded reply and settings to what the reply holds.
        decode: the body to the decoded reply.
    """

    name: str
    title: str
    doc: str
    because: str
    options: tuple[Option, ...]
    reader: Reader
    decode: Callable[[bytes], object] = decode_json


_formats: dict[str, Format] = {}
FORMATS: Mapping[str, Format] = MappingProxyType(_formats)
"""All response formats by name, in the order in which a proposal tries them."""


def reads(
    name: str,
    title: str,
    because: str,
    options: tuple[Option, ...] = (),
    decode: Callable[[bytes], object] = decode_json,
) -> Callable[[Reader], Reader]:
    """Register a reader under a name; the first line of its docstring becomes the format's documentation.

    Raises:
        BadSetting: when the name is taken.
    """

    def register(reader: Reader) -> Reader:
        if name in _formats:
            raise BadSetting(f"There is a response format {name!r} already.", "Choose another name.")
        doc = (reader.__doc__ or "").strip().partition("\n")[0]
        _formats[name] = Format(name, title, doc, because, options, reader, decode)
        return reader

    return register


def find_format(name: str) -> Format:
    """The format of that name.

    Raises:
        BadSetting: when there is none, with the names that there are.
    """
    if name not in _formats:
        raise BadSetting(f"There is no response format {name!r}.", f"Known formats: {', '.join(_formats)}.")
    return _formats[name]


def settings_of(preset: Preset) -> Settings:
    """Every option of the preset's format: the preset's value, or the default.

    A preset that sets `frame` alone also lifts a default `letterbox`: a box has one frame.

    Raises:
        BadSetting: unknown format, unknown option, a value the option does not take, or two frames at once.
    """
    options = {option.name: option for option in find_format(preset.format).options}
    chosen = dict(preset.options)
    for name, value in chosen.items():
        if name not in options:
            known = f"It takes: {', '.join(options)}." if options else "It takes none."
            raise BadSetting(f"The response format {preset.format!r} has no option {name!r}.", known)
        options[name].check(value)
    if chosen.get("frame"):
        if chosen.get("letterbox"):
            raise BadSetting("Both 'frame' and 'letterbox' are set.", "Keep the one that the server does.")
        chosen["letterbox"] = ""
    return {name: option.default for name, option in options.items()} | {
        name: value for name, value in chosen.items() if name in options
    }
