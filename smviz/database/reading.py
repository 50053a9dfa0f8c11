"""A file that is only read: nothing is made, migrated or locked, wherever it is and whoever owns it.

A file with a write-ahead log beside it is read together with that, as SQLite does it. One that could have a log and
has none is read as it stands, for SQLite would make the log only to look: https://sqlite.org/wal.html, section 9. That
it still stands is asked before and after every query.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from smviz.database.explaining import ANOTHER, TO_READ, explained
from smviz.database.writing import BUSY_SECONDS, Bulk, Database, Migration, Told, Value
from smviz.errors import StoreError

_WRITE_VERSION = 18  # the byte of the header that tells whether a log is written; 2 is yes
_LOGGED = 2


class _Stand(NamedTuple):
    """What is another one when the file is."""

    file: int
    size: int
    changed: int
    log: int

    @classmethod
    def of(cls, path: Path) -> _Stand:
        try:
            found = path.stat()
        except OSError as error:
            raise StoreError(f"{path} cannot be read ({error.strerror}).", ANOTHER) from error
        log = 0
        with contextlib.suppress(OSError):
            log = path.with_name(f"{path.name}-wal").stat().st_size
        return cls(found.st_ino, found.st_size, found.st_mtime_ns, log)


class ReadOnlyDatabase(Database):
    """An open SQLite file that is never written: as `Database`, but that every write raises `StoreError`."""

    def __init__(self, path: Path, migrations: Sequence[Migration]) -> None:
        """Open the file; its schema must be the newest.

        Args:
            path: where it is.
            migrations: what has ever been done to the schema.

        Raises:
            StoreError: when it is missing, cannot be read, or has another schema.
        """
        self.path = path
        self._newest = len(migrations)
        self._read_lock = threading.Lock()
        self._closed = False
        self._open()

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows of a query."""
        with self._read_lock:
            self._check_open()
            while True:
                if not self._stands():
                    self._reading.close()
                    self._open()
                with explained(self.path, TO_READ):
                    rows = self._reading.execute(sql, values).fetchall()
                if self._stands():
                    return rows

    def post(self, bulk: Bulk[Value], value: Value, told: Told[Value], urgent: bool = False) -> NoReturn:
        """Refuse to write."""
        raise StoreError(
            "These runs are shared to be read: nothing of them can be changed here.",
            "Change them where they were made, and share them again.",
        )

    def compact(self) -> NoReturn:
        """Refuse to write."""
        self.post(lambda db, values: None, None, lambda values, error: None)

    def close(self) -> None:
        """Let go of the file. Closing twice is harmless."""
        with self._read_lock:
            self._closed = True
            self._reading.close()

    def _open(self) -> None:
        self._stand = _Stand.of(self.path)
        self._frozen = self._stand.log == 0 and _header(self.path)[_WRITE_VERSION] == _LOGGED
        options = "mode=ro&immutable=1" if self._frozen else "mode=ro"
        with explained(self.path, TO_READ):
            address = f"{self.path.absolute().as_uri()}?{options}"
            db = sqlite3.connect(address, BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)
            try:
                _check_schema(db, self.path, self._newest)
            except BaseException:
                db.close()
                raise
        self._reading = db

    def _stands(self) -> bool:
        """Whether what is open is what would be opened now; SQLite itself sees to a file that it shares."""
        now = _Stand.of(self.path)
        return now == self._stand if self._frozen else now.file == self._stand.file


def _header(path: Path) -> bytes:
    """The first 100 bytes. Raises StoreError where they cannot be read, or are not SQLite's."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read ({error.strerror}).", "Check that this user may read the file and its folder."
        ) from error
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise StoreError(f"{path} is no smviz workspace.", ANOTHER)
    return header


def _check_schema(db: sqlite3.Connection, path: Path, newest: int) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        raise StoreError(f"{path} is a database of another program.", ANOTHER)
    if version > newest:
        raise StoreError(
            f"{path} was written by a newer smviz (schema {version}; this one knows {newest}).", "Update smviz."
        )
    if version < newest:
        raise StoreError(
            f"{path} was written by an older smviz (schema {version}; this one reads {newest}).",
            f"Open it once where it can be written: SMVIZ_WORKSPACE='{path.parent}' python -m smviz runs. Or share its "
            "runs again.",
        )
