"""Where the images of a run are, as text, and the bytes that are there now."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

from smviz.errors import BadImage
from smviz.records import ImageRef
from smviz.sources import LARGEST

Remote = Callable[[str], bytes]
"""Reads what is at a location that is not on this machine, such as s3://bucket/key."""

_BACK = "Put it back where it was, then resume the run."


def location_of(image: ImageRef) -> str | None:
    """The URL of an image; None when its bytes are in hand, or it is nowhere."""
    # A file's name need not be valid text; its URL is.
    return image.path.absolute().as_uri() if image.path else image.location or None


def image_at(name: str, location: str | None, data: bytes | None) -> ImageRef:
    """The image that is at a location; the inverse of `location_of`."""
    if location and location.startswith("file://"):
        return ImageRef(name, path=_path(location.removeprefix("file://")))
    return ImageRef(name, data=data, location=location or "")


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
            f"The file of “{image.name}” is not known: its run was imported without images.",
            "Import the run again together with the images.",
        )
    scheme, _, rest = location.partition("://")
    if scheme == "file":
        return _read(_path(rest))
    if scheme == "zip":
        archive, _, member = rest.partition("!/")
        return _unpack(_path(archive), unquote(member, errors="surrogateescape"))
    if remote is None:
        raise BadImage(f"{location} is not on this machine.", "Connect to where it is, or copy it here.")
    return remote(location)


def _path(quoted: str) -> Path:
    return Path(os.fsdecode(unquote_to_bytes(quoted)))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadImage(f"The file {path} cannot be read ({error.strerror}).", _BACK) from error


def _unpack(path: Path, member: str) -> bytes:
    try:
        stat = path.stat()
        with _archive(path, stat.st_mtime_ns, stat.st_size).open(member) as stream:
            data = stream.read(LARGEST + 1)
    except KeyError:
        raise BadImage(f"There is no {member} in {path}.", _BACK) from None
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error) as error:
        raise BadImage(f"{member} in {path} cannot be read ({error}).", _BACK) from error
    if len(data) > LARGEST:
        raise BadImage(f"{member} in {path} is far larger than an image.", "Leave it out, or unpack it.")
    return data


@lru_cache(maxsize=4)
def _archive(path: Path, changed: int, size: int) -> zipfile.ZipFile:
    """An open zip: its list of members is long to read, and many of them are wanted. Any thread may read from it."""
    return zipfile.ZipFile(path)
