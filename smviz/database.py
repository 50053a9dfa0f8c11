"""One SQLite file that any thread and several processes may use at once. The only module that imports sqlite3.

Every write goes through one thread, which commits what has come together: up to 100 writes or 50 ms of them, in one
transaction that is on the disk (`synchronous=FULL`) before any of them is reported done. The write-ahead log lets
others read meanwhile, and survives a kill -9 and a power cut.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from smviz.errors import StoreError

BATCH_SIZE = 100
BATCH_SECONDS = 0.05
BUSY_SECONDS = 10.0  # how long another program's lock is waited for: when the file is opened or read,
PATIENT_SECONDS = 60.0  # and when results are written, for a result that is given up has to be called for again
LOG_BYTES = 64_000_000  # what the write-ahead log may keep of the disk when it is not needed

Transaction = sqlite3.Connection
Write = Callable[[Transaction], object]
Migration = Callable[[Transaction], None]
_Item = tuple[Write, "Future[None]"]


class Database:
    """An open SQLite file.

    Raises:
        StoreError: from every method, when the file cannot be opened, read or written.
    """

    def __init__(self, path: Path, migrations: Sequence[Migration]) -> None:
        """Open the file, made when missing, and bring it to the newest schema.

        Args:
            path: where it is.
            migrations: what has ever been done to the schema, in order; the file remembers how many it has had.
        """
        self.path = path
        with _explained(path):
            self._writing = _connect(path)
            try:
                _migrate(self._writing, path, migrations)
                self._writing.execute(f"PRAGMA busy_timeout = {int(1000 * PATIENT_SECONDS)}")
                self._reading = _connect(path)
            except BaseException:
                self._writing.close()
                raise
        self._read_lock = threading.Lock()
        self._queue_lock = threading.Lock()  # nothing may be queued behind the None that ends the writer
        self._queue: queue.Queue[tuple[_Item, bool] | None] = queue.Queue(maxsize=10 * BATCH_SIZE)
        self._closed = False
        self._writer = threading.Thread(target=self._write_batches, name="smviz-database", daemon=True)
        self._writer.start()

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows of a query."""
        with self._read_lock:
            self._check_open()
            with _explained(self.path):
                return self._reading.execute(sql, values).fetchall()

    def write(self, write: Write) -> None:
        """Do all of `write` or nothing of it; back when it, and everything queued before, is on the disk.

        Raises:
            Exception: what `write` itself raises.
        """
        self.queue(write, urgent=True).result()

    def queue(self, write: Write, urgent: bool = False) -> Future[None]:
        """Have `write` done soon, all or nothing; the future is done when it is on the disk.

        Callbacks of the future run in the writer's thread: they must be quick and must not write.
        """
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # what is queued is written: it cannot be cancelled
        with self._queue_lock:
            self._check_open()
            self._queue.put(((write, future), urgent))
        return future

    def size(self) -> int:
        """Bytes on the disk, the write-ahead log among them."""
        beside = (Path(f"{self.path}{suffix}") for suffix in ("", "-wal"))
        return sum(file.stat().st_size for file in beside if file.exists())

    def compact(self) -> int:
        """Give the room of what was deleted back to the disk; the number of bytes that were freed.

        Raises:
            StoreError: also when the disk has no room for a second copy, which is made meanwhile; nothing is lost.
        """
        self._checkpoint()
        before = self.size()
        self.write(_vacuum)
        self._checkpoint()
        return max(0, before - self.size())

    def _checkpoint(self) -> None:
        # Not from the writer's transaction, where SQLite allows none; busy readers only put it off.
        with self._read_lock, _explained(self.path):
            self._check_open()
            self._reading.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Finish all writes, then let go of the file. Closing twice is harmless."""
        with self._queue_lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._writer.join()
        self._writing.close()
        with self._read_lock:
            self._reading.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"{self.path} has been closed.", "Open the workspace again.")

    def _write_batches(self) -> None:
        while batch := self._next_batch():
            self._commit(batch)

    def _next_batch(self) -> list[_Item]:
        """What is queued, from the first write on; empty when the queue has ended."""
        batch: list[_Item] = []
        end = float("inf")
        while len(batch) < BATCH_SIZE:
            try:
                queued = self._queue.get(timeout=max(0.0, end - time.monotonic()) if batch else None)
            except queue.Empty:
                break
            if queued is None:
                if batch:
                    self._queue.put(None)
                break
            item, urgent = queued
            batch.append(item)
            if urgent:  # somebody waits for it
                break
            end = min(end, time.monotonic() + BATCH_SECONDS)
        return batch

    def _commit(self, batch: list[_Item]) -> None:
        try:
            with _explained(self.path), _transaction(self._writing):
                for write, _ in batch:
                    write(self._writing)
        except BaseException as error:
            if len(batch) > 1 and not _is_busy(error):
                for item in batch:  # one bad write must not take the others with it
                    self._commit([item])
                return
            for _, future in batch:
                future.set_exception(error)
        else:
            for _, future in batch:
                future.set_result(None)


def _vacuum(db: Transaction) -> None:
    db.execute("COMMIT")  # SQLite does not do this within a transaction
    db.execute("VACUUM")
    db.execute("BEGIN")


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _use_write_ahead_log(db)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    except BaseException:
        db.close()
        raise
    return db


def _use_write_ahead_log(db: sqlite3.Connection) -> None:
    # Two processes that make the same new file refuse each other this switch at once, whatever the time-out.
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


def _migrate(db: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    with _transaction(db):
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and db.execute("SELECT 1 FROM sqlite_schema").fetchone():
            raise StoreError(f"{path} is a database of another program.", f"{_MOVE_AWAY} {_ELSEWHERE}")
        if version > len(migrations):
            raise StoreError(
                f"{path} was written by a newer smviz (schema {version}; this one knows {len(migrations)}).",
                f"Update smviz. {_ELSEWHERE}",
            )
        for migration in migrations[version:]:
            migration(db)
        if version < len(migrations):
            db.execute(f"PRAGMA user_version = {len(migrations)}")


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has ended it already
            db.execute("ROLLBACK")
        raise


_ELSEWHERE = "Or set SMVIZ_WORKSPACE to another folder."
_MOVE_AWAY = (
    "Move that file away, with the -wal and -shm beside it; a new one is made, and image files are not touched."
)

# What went wrong, by SQLite's primary result code (https://sqlite.org/rescode.html), and what to do about it.
_ADVICE = {
    sqlite3.SQLITE_NOTADB: ("is no smviz workspace", _MOVE_AWAY),
    sqlite3.SQLITE_CORRUPT: ("is damaged", f"Bring it back from a backup if there is one. {_MOVE_AWAY}"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "Check that its folder can be written to."),
    sqlite3.SQLITE_PERM: ("cannot be opened", "Check that its folder can be written to."),
    sqlite3.SQLITE_READONLY: ("cannot be written", "Check that the file and its folder can be written to."),
    sqlite3.SQLITE_FULL: ("cannot grow, for the disk is full", "Free some space; what was stored before is safe."),
    sqlite3.SQLITE_IOERR: ("cannot be read or written", "Check the disk: it may be full, broken or disconnected."),
    sqlite3.SQLITE_BUSY: (
        "is in use by another program",
        "Close the program that keeps it locked, then try again; what was stored before is safe.",
    ),
}


def _is_busy(error: BaseException) -> bool:
    cause = error.__cause__
    return isinstance(cause, sqlite3.Error) and _code(cause) == sqlite3.SQLITE_BUSY


def _code(error: sqlite3.Error) -> int | None:
    """SQLite's primary result code; None when the error is not SQLite's but that of a wrong call of ours."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into StoreError; a broken constraint or a wrong call of ours stays what it is."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.Error as error:
        code = _code(error)
        if code is None:
            raise
        what, advice = _ADVICE.get(code, ("cannot be used", _MOVE_AWAY))
        raise StoreError(f"{path} {what} ({error}).", f"{advice} {_ELSEWHERE}") from error
