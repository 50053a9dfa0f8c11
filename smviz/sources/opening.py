"""Which kind of source a path, uploaded bytes or a location is."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable
from functools import lru_cache, partial
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

from smviz.errors import BadSource
from smviz.sources.folders import folder, lone_file, read_path
from smviz.sources.manifests import Fetch, read_s3
from smviz.sources.source import Source, SourceFile, inner_name, unique, unreadable
from smviz.sources.zips import Archive

_ZIP_BEGINS = (b"PK\x03\x04", b"PK\x05\x06")  # with a member, and empty
_KEPT_OPEN = 4  # zips


def open_source(path: Path) -> Source:
    """A folder with all below it, a zip's members, or the file alone.

    Names come in their order. Hidden files, and the folders that macOS adds to zips, are left out. A zip is held open
    until the source is closed; links in it are left out. For links in a folder see `folders.folder`.

    Raises:
        BadSource: when there is nothing at the path, it cannot be read, or it is a zip that is damaged, holds two
            files of one name, or is made to do harm. Names that differ only by case are two files.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return folder(path)
        if not stat.S_ISREG(mode):
            raise BadSource(f"{path} is neither a file nor a folder.", "Choose a file, a folder or a zip.")
        with path.open("rb") as file:
            begins = file.read(4)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if _is_zip(path.name, begins):
        return _source(_open_zip(path), path.name)
    return lone_file(path)


def from_bytes(files: Iterable[tuple[str, bytes]], label: str = "the files") -> Source:
    """Files in memory, as (name, bytes), in the order given; the members of a zip that is the only one.

    Raises:
        BadSource: when two files have one name, a name would lead out, or the only file is a zip as `open_source`
            refuses it.
    """
    given = list(files)
    if len(given) == 1 and _is_zip(*given[0]):
        return _source(Archive(io.BytesIO(given[0][1]), given[0][0]), given[0][0])
    held = list(unique((_held(name, data, label) for name, data in given), label))
    return Source(given[0][0] if len(given) == 1 else label, lambda: iter(held))


def read_location(location: str, fetch: Fetch | None = None) -> bytes:
    """The bytes of a file by its `SourceFile.location`; the zips read last are kept open.

    Args:
        location: as a source told it.
        fetch: reads an S3 URI.

    Raises:
        BadSource: when it names no place, or what was there cannot be read any more; and what `fetch` raises.
    """
    scheme, _, place = location.partition("://")
    if scheme == "s3":
        return read_s3(location, fetch)
    if scheme == "file":
        return read_path(_path(place))
    if scheme == "zip" and "!/" in place:
        archive, _, member = place.partition("!/")
        return _kept_open(_path(archive)).read(unquote(member))
    raise BadSource(
        f"{location!r} names no place to read a file from." if location else "The file was only in memory.",
        "Give the files again.",
    )


def _is_zip(name: str, begins: bytes) -> bool:
    return begins.startswith(_ZIP_BEGINS) or name.lower().endswith(".zip")


def _source(archive: Archive, label: str) -> Source:
    return Source(label, archive.files, archive.close)


def _open_zip(path: Path) -> Archive:
    return Archive(path, path.name, path.absolute().as_uri().replace("file:", "zip:", 1))


def _held(name: str, data: bytes, label: str) -> SourceFile:
    return SourceFile(inner_name(name, label), len(data), partial(bytes, data))


def _path(quoted: str) -> Path:
    path = os.fsdecode(unquote_to_bytes(quoted))
    return Path(path.lstrip("/") if os.name == "nt" else path)


def _kept_open(path: Path) -> Archive:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    return _kept(path, found.st_mtime_ns, found.st_size)


@lru_cache(_KEPT_OPEN)
def _kept(path: Path, modified: int, size: int) -> Archive:
    return _open_zip(path)  # a zip that was written anew has another time or size, and is opened anew
