"""Where the images of a run are, as text, and the bytes that are there now."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote_to_bytes

from smviz.errors import BadImage, BadSource
from smviz.records import ImageRef
from smviz.sources import read_location

Remote = Callable[[str], bytes]
"""Reads what is at a location that is not on this machine, such as s3://bucket/key."""

_FILE = "file://"


def location_of(image: ImageRef) -> str | None:
    """The URL of an image; None when its bytes are in hand, or it is nowhere."""
    # A file's name need not be valid text; its URL is.
    return image.path.absolute().as_uri() if image.path else image.location or None


def image_at(name: str, location: str | None, data: bytes | None) -> ImageRef:
    """The image that is at a location; the inverse of `location_of`."""
    if location and location.startswith(_FILE):
        return ImageRef(name, path=Path(os.fsdecode(unquote_to_bytes(location.removeprefix(_FILE)))))
    return ImageRef(name, data=data, location=location or "")


def stamp(image: ImageRef) -> tuple[object, ...] | None:
    """What is another one when the image's bytes are others: its place, its file's size and time of change.

    None where that cannot be told at once: the image is afar, nowhere, or its file is gone.
    """
    if image.data is not None:
        return (len(image.data), hash(image.data))
    location = location_of(image) or ""
    scheme, _, rest = location.partition("://")
    if scheme not in {"file", "zip"}:
        return None
    try:
        found = os.stat(os.fsdecode(unquote_to_bytes(rest.partition("!/")[0] if scheme == "zip" else rest)))
    except (OSError, ValueError):
        return None
    return (location, found.st_size, found.st_mtime_ns)


def read_image(image: ImageRef, remote: Remote | None = None) -> bytes:
    """The bytes of an image file, as they are now.

    Args:
        image: where it is.
        remote: reads what is not on this machine.

    Raises:
        BadImage: when it is nowhere, or cannot be read.
    """
    if image.data is not None:
        return image.data
    location = location_of(image)
    if location is None:
        raise BadImage(
            f"The file of “{image.name}” is not known: its run was imported or shared without it.",
            "Import or share the run again together with the images.",
        )
    try:
        return read_location(location, remote)
    except BadSource as error:
        raise BadImage(error.message, "Put it back where it was, then resume the run.") from error
