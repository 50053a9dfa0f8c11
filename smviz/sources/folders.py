"""Files in a folder and below it, found as they are asked for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from smviz.sources.source import Source, SourceFile, is_hidden, unreadable


def folder(path: Path) -> Source:
    """All files in a folder and below it, in the order of their names; hidden ones are left out.

    A link to a file is followed where that file lies within the folder too; a link to a folder is not. Only the names
    of the folders that are being walked through are held.
    """
    return Source(str(path), lambda: _walk(path, path.resolve(), ""))


def lone_file(path: Path) -> Source:
    """The file at a path, by its base name."""
    return Source(path.name, lambda: _regular_file(path, _legible(path.name)))


def read_path(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        BadSource: when the system cannot read it.
    """
    check_regular(path)
    try:
        return path.read_bytes()
    except (OSError, ValueError, MemoryError) as error:
        raise unreadable(path, error) from error


def check_regular(path: Path) -> None:
    """See that there is a file at a path: a pipe may never answer, and a device may never end.

    Raises:
        BadSource: when there is none, or something else.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if stat.S_ISDIR(mode):
        raise unreadable(path, IsADirectoryError("it is a folder"))
    if not stat.S_ISREG(mode):
        raise unreadable(path, ValueError("it is a pipe or a device"))


def _walk(path: Path, root: Path, prefix: str) -> Iterator[SourceFile]:
    for entry, is_link in _entries(path):
        name = prefix + _legible(entry.rstrip("/"))
        if is_hidden(name):
            continue
        if entry.endswith("/"):
            yield from _walk(path / entry, root, f"{name}/")
        elif not is_link or _stays_within(path / entry, root):
            yield from _regular_file(path / entry, name)


def _entries(path: Path) -> list[tuple[str, bool]]:
    """Each name in one folder, and whether it is a link; in the order of whole paths, so a folder's has a slash."""
    try:
        with os.scandir(path) as entries:
            return sorted(
                (f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name, entry.is_symlink())
                for entry in entries
            )
    except OSError as error:
        raise unreadable(path, error) from error


def _stays_within(link: Path, root: Path) -> bool:
    try:
        return link.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):  # it leads nowhere, or in a circle
        return False


def _regular_file(path: Path, name: str) -> Iterator[SourceFile]:
    """The file, or nothing where it is a folder, pipe or device."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if stat.S_ISREG(found.st_mode):
        yield SourceFile(name, found.st_size, partial(read_path, path), path.absolute().as_uri())


def _legible(name: str) -> str:
    # A name need not be UTF-8 on every system, but it is shown and stored as such.
    return os.fsencode(name).decode(errors="replace")
