"""A zip's members, read in memory.

Nothing can climb out, for nothing is written to the disk and names that lead out are refused. Nothing can explode: a
member may not be larger than `LARGEST` nor unpack to more than `MOST_TIMES` its packed size, whatever its header says,
and members may not lie over each other (as in https://www.usenix.org/conference/woot19/presentation/fifield). A zip in
a zip is a file like any other.
"""

from __future__ import annotations

import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO
from urllib.parse import quote

from smviz.errors import BadSource
from smviz.sources.source import SourceFile, inner_name, is_hidden, twice

LARGEST = 1 << 30  # bytes of one member
MOST_TIMES = 200  # the best that deflate does on real annotations is about 30
_SMALL = 1 << 20  # what is no larger than this may be packed as well as it likes
_LOCAL_HEADER = 30  # bytes before a member's name and data
_SAYS_UTF8 = (
    0x800  # flag bit 11, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.4.4; else code page 437
)
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # the others cannot be unpacked with a limit to their output

_BROKEN = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)


class Archive:
    """One open zip for all threads."""

    def __init__(self, file: Path | IO[bytes], label: str, location: str = "") -> None:
        """Open it and look at every member's header.

        Args:
            file: its path, or its bytes.
            label: what messages call it.
            location: that of the zip itself ("zip:///folder/set.zip"), or "".

        Raises:
            BadSource: when it is no readable zip, or one that is made to do harm.
        """
        self._label = label
        self._location = location
        self._lock = threading.Lock()  # zipfile counts its open members without one
        try:
            self._zip = zipfile.ZipFile(file)
        except _BROKEN as error:
            raise BadSource(f"{label} is no readable zip: {error}.", "Pack it again, or give the folder.") from error
        try:
            self._refuse_overlaps()
            self._members = self._by_name()
        except BadSource:
            self._zip.close()
            raise

    def files(self) -> Iterator[SourceFile]:
        """The members in the order of their names, without folders, links and hidden files."""
        for name, member in self._members.items():
            location = self._location and f"{self._location}!/{quote(name)}"
            yield SourceFile(name, member.file_size, partial(self.read, name), location)

    def read(self, name: str) -> bytes:
        """A member's bytes, by the name that `files` gives it.

        Raises:
            BadSource: when there is no such member, it cannot be unpacked, or it is larger than it may be.
        """
        member = self._members.get(name)
        if member is None:
            raise BadSource(f"{self._label} has no file named {name!r}.", "Check that it is still the same zip.")
        self._refuse_bombs(name, member)
        try:
            with self._lock, self._zip.open(member) as stream:
                # Without a limit, all that the stream holds would be unpacked before it is cut to its size.
                return stream.read(member.file_size + 1)
        except _BROKEN as error:
            raise BadSource(
                f"{name} in {self._label} cannot be unpacked: {error}.", "Pack the zip again, without a password."
            ) from error

    def close(self) -> None:
        """Close the file; what is read after that raises `BadSource`."""
        with self._lock:
            self._zip.close()

    def _by_name(self) -> dict[str, zipfile.ZipInfo]:
        members: dict[str, zipfile.ZipInfo] = {}
        for member in self._zip.infolist():
            written = _name(member)
            if written.endswith(("/", "\\")) or not _is_regular(member):
                continue
            name = inner_name(written, self._label)
            if name in members:
                raise twice(name, self._label)
            if not is_hidden(name):
                members[name] = member
        return dict(sorted(members.items()))

    def _refuse_overlaps(self) -> None:
        end = self._zip.start_dir
        for member in sorted(self._zip.infolist(), key=lambda member: member.header_offset, reverse=True):
            if member.header_offset + _LOCAL_HEADER + member.compress_size > end:
                raise BadSource(
                    f"{self._label} is damaged, or made to fill a disk: {member.filename!r} lies over what follows it.",
                    "Pack it again, or give the folder.",
                )
            end = member.header_offset

    def _refuse_bombs(self, name: str, member: zipfile.ZipInfo) -> None:
        if member.compress_type not in _METHODS:
            raise BadSource(
                f"{name} in {self._label} is packed by a method that is not read here ({member.compress_type}).",
                "Pack the zip again with the usual method, deflate.",
            )
        if member.file_size > min(LARGEST, max(_SMALL, MOST_TIMES * member.compress_size)):
            raise BadSource(
                f"{name} in {self._label} unpacks to far more than it should and is not read.",
                "Give that file by itself, unpacked, if it is meant to be so large.",
            )


def _name(member: zipfile.ZipInfo) -> str:
    """The name as it was meant: UTF-8 where it can be, for Linux and macOS often fail to say that it is."""
    if member.flag_bits & _SAYS_UTF8:
        return member.filename
    try:
        return member.filename.encode("cp437").decode()
    except UnicodeError:
        return member.filename


def _is_regular(member: zipfile.ZipInfo) -> bool:
    return stat.S_IFMT(member.external_attr >> 16) in {0, stat.S_IFREG}  # 0: packed where there are no modes
