"""How names of images and classes are compared where they do not stand alike. Only the standard library is imported."""

from __future__ import annotations

import re

# What turns the direction of the text after it, and of what stands beside it: Unicode Standard Annex #9, section 2.
_TURNING = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")


def base_name(name: str) -> str:
    """An image's name without the folders before it, whichever slashes part them."""
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def folded(name: str) -> str:
    """A class's name whatever its case and the blanks around it."""
    return name.strip().casefold()


def upright(text: str) -> str:
    """The text with a mark in the place of each character that would turn what stands after it."""
    return _TURNING.sub("\ufffd", text)
