"""How names of images and classes are compared where they do not stand alike. Only the standard library is imported."""

from __future__ import annotations


def base_name(name: str) -> str:
    """An image's name without the folders before it, whichever slashes part them."""
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def folded(name: str) -> str:
    """A class's name whatever its case and the blanks around it."""
    return name.strip().casefold()
