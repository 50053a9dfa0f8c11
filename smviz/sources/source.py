"""What a source is: files that belong together, by name, each with the way to its bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType

from smviz.errors import BadSource

IMAGE_SUFFIXES = frozenset(
    {".apng", ".avif", ".avifs", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo", ".png"}
    | {".tif", ".tiff", ".webp"}
)

_DRIVE = re.compile(r"[A-Za-z]:")
_LEFT_OUT = "__MACOSX"  # where macOS keeps what no other system has


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source.

    Attributes:
        name: its path within the source, with forward slashes; no other file of the source has it.
        size: bytes; -1 where it is not told.
        read: its bytes, from any thread; raises `BadSource` when they cannot be read, and what a door raises where
            they are behind one.
        location: what `read_location` reads again in another process: "file:///folder/a.jpg",
            "zip:///folder/set.zip!/a.jpg" (both percent-encoded) or "s3://bucket/key" (as it stands); "" for bytes
            that are only in memory.
    """

    name: str
    size: int
    read: Callable[[], bytes]
    location: str = ""


def _nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """Files that belong together. Leaving it as a context closes it.

    Attributes:
        label: what messages call it.
        files: lists the files anew, as they are found; raises `BadSource` when that fails on the way.
        close: gives back what is held open; after that nothing of a zip can be read. A source that nobody refers to
            any more closes by itself.
    """

    label: str
    files: Callable[[], Iterator[SourceFile]]
    close: Callable[[], None] = _nothing

    def __iter__(self) -> Iterator[SourceFile]:
        return self.files()

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def images_of(source: Source) -> Iterator[SourceFile]:
    """The files that may be images: those with a suffix of a format that `smviz.images` decodes, in either case."""
    return (file for file in source if PurePosixPath(file.name).suffix.lower() in IMAGE_SUFFIXES)


def inner_name(name: str, label: str) -> str:
    """A name within a source, with forward slashes and without empty and "." parts.

    Raises:
        BadSource: when it is empty or would lead out: absolute, with a drive letter, or with a ".." in it.
    """
    slashed = name.replace("\\", "/")
    parts = [part for part in slashed.split("/") if part not in {"", "."}]
    if not parts or ".." in parts or slashed.startswith("/") or _DRIVE.match(slashed):
        raise BadSource(
            f"{label} has a file named {name!r}, which would lie outside of it.",
            "Make it again from within the folder, so that all names in it are relative.",
        )
    return "/".join(parts)


def is_hidden(name: str) -> bool:
    """Whether a file is one that no person put there: it, or a folder above it, begins with a dot or is macOS's own."""
    return any(part.startswith(".") or part == _LEFT_OUT for part in name.split("/"))


def twice(name: str, label: str) -> BadSource:
    """What to raise when two files of a source have one name."""
    return BadSource(f"{label} has two files named {name!r}.", "Rename or remove one of them.")


def unique(files: Iterable[SourceFile], label: str) -> Iterator[SourceFile]:
    """The files as they come.

    Raises:
        BadSource: on the way, when a name comes again.
    """
    seen: set[str] = set()
    for file in files:
        if file.name in seen:
            raise twice(file.name, label)
        seen.add(file.name)
        yield file


def unreadable(path: Path | str, error: Exception) -> BadSource:
    """What to raise when the system cannot read a file or folder."""
    why = getattr(error, "strerror", None) or error
    return BadSource(f"{path} cannot be read: {why}.", "Check the path and that it may be read.")
