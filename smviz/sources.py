"""Where files come from: one file, a folder, a zip, or bytes in hand. Listed as they are wanted, read when asked for.

A zip cannot climb out, for nothing of it is written to the disk, and cannot explode, for no member may be larger than
`LARGEST` or unpack to more than `MOST_TIMES` its packed size.
"""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from smviz.errors import BadSource

LARGEST = 1 << 30  # bytes of one member of a zip
MOST_TIMES = 200  # the best that deflate does on real annotations is about 30
_SMALL = 1 << 20  # what is no larger than this may be packed as well as it likes

_HIDDEN = ("__MACOSX",)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source.

    Attributes:
        name: its path within the source, with forward slashes.
        size: bytes; -1 where it is not told.
        read: its bytes; raises `BadSource` when they cannot be read.
    """

    name: str
    size: int
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Source:
    """Files that belong together.

    Attributes:
        label: what messages call it.
        files: lists the files anew, in the order of their names; raises `BadSource` when that fails on the way.
    """

    label: str
    files: Callable[[], Iterator[SourceFile]]

    def __iter__(self) -> Iterator[SourceFile]:
        return self.files()


def open_source(path: Path) -> Source:
    """A folder with all below it, a zip's members, or the file alone.

    Hidden files are left out. A link in a folder is followed only to where it stays within the folder.

    Raises:
        BadSource: when there is nothing at the path, or it cannot be read.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if stat.S_ISDIR(mode):
        return Source(str(path), lambda: _folder(path))
    if not stat.S_ISREG(mode):
        raise BadSource(f"{path} is neither a file nor a folder.", "Choose a file, a folder or a zip.")
    if zipfile.is_zipfile(path):
        return _zip(path, path.name)
    return Source(path.name, lambda: iter([SourceFile(path.name, path.stat().st_size, lambda: _read(path))]))


def from_bytes(files: Iterable[tuple[str, bytes]], label: str = "the files") -> Source:
    """Files in memory, as (name, bytes); the members of a zip that is the only one.

    Raises:
        BadSource: when the only file is a zip that cannot be read.
    """
    given = list(files)
    if len(given) == 1 and zipfile.is_zipfile(io.BytesIO(given[0][1])):
        return _zip(given[0][1], given[0][0])
    held = [SourceFile(name, len(data), lambda data=data: data) for name, data in given]  # type: ignore[misc]
    return Source(given[0][0] if len(given) == 1 else label, lambda: iter(held))


def _folder(folder: Path) -> Iterator[SourceFile]:
    try:
        root = folder.resolve(strict=True)
        below = sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix())
    except OSError as error:
        raise _unreadable(folder, error) from error
    for path in below:
        name = path.relative_to(folder)
        if not _hidden(name.parts) and path.is_file() and path.resolve().is_relative_to(root):
            yield SourceFile(name.as_posix(), path.stat().st_size, lambda path=path: _read(path))  # type: ignore[misc]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _zip(archive: Path | bytes, label: str) -> Source:
    def opened() -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(io.BytesIO(archive) if isinstance(archive, bytes) else archive)
        except (OSError, zipfile.BadZipFile, ValueError) as error:
            raise BadSource(f"{label} is no readable zip: {error}.", "Pack it again, or give the folder.") from error

    opened().close()
    return Source(label, lambda: _members(opened, label))


def _members(opened: Callable[[], zipfile.ZipFile], label: str) -> Iterator[SourceFile]:
    with opened() as archive:
        members = sorted(archive.infolist(), key=lambda member: member.filename)
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        link = stat.S_ISLNK(member.external_attr >> 16)
        if not member.is_dir() and not link and not _hidden(name.parts):
            read = lambda member=member: _unpack(opened, member, label)  # noqa: E731
            yield SourceFile(name.as_posix(), member.file_size, read)


def _unpack(opened: Callable[[], zipfile.ZipFile], member: zipfile.ZipInfo, label: str) -> bytes:
    most = min(LARGEST, max(_SMALL, MOST_TIMES * member.compress_size))
    try:
        with opened() as archive, archive.open(member) as stream:
            data = stream.read(most + 1)  # a forged header may promise less than comes
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error) as error:
        raise BadSource(
            f"{member.filename} in {label} cannot be unpacked: {error}.", "Pack the zip again, without a password."
        ) from error
    if len(data) > most:
        raise BadSource(
            f"{member.filename} in {label} unpacks to far more than it should and is not read.",
            "Give that file by itself, unpacked, if it is meant to be so large.",
        )
    return data


def _hidden(parts: Iterable[str]) -> bool:
    return any(part.startswith(".") or part in _HIDDEN for part in parts)


def _unreadable(path: Path, error: Exception) -> BadSource:
    why = getattr(error, "strerror", None) or error
    return BadSource(f"{path} cannot be read: {why}.", "Check the path and that it may be read.")
