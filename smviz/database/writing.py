"""A file that any thread and several processes may read and write at once.

Every write goes through one thread, which commits what has come together: up to 100 writes or 50 ms of them, in one
transaction that is on the disk (`synchronous=FULL`) before any of them is reported done. Writes of one kind are handed
over together, so that they need few statements: after each one this thread waits for its turn among all others. The
write-ahead log lets others read meanwhile, and survives a kill -9 and a power cut.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from smviz.database.explaining import ELSEWHERE, MOVE_AWAY, code_of, explained, is_busy
from smviz.errors import StoreError

BATCH_SIZE = 100
BATCH_SECONDS = 0.05
BUSY_SECONDS = 10.0  # how long another program's lock is waited for: when the file is opened or read,
PATIENT_SECONDS = 60.0  # and when results are written, for a result that is given up has to be called for again
LOG_BYTES = 64_000_000  # what the write-ahead log may keep of the disk when it is not needed

_LOG = logging.getLogger(__name__)

Value = TypeVar("Value")
Transaction = sqlite3.Connection
Write = Callable[[Transaction], object]
Migration = Callable[[Transaction], None]
Bulk = Callable[[Transaction, Sequence[Value]], object]
"""Writes some values at once."""
Told = Callable[[Sequence[Value], BaseException | None], object]
"""Is told which values are on the disk, or why they are not."""


class _Item(NamedTuple):
    bulk: Bulk[Any]
    value: Any
    told: Told[Any]
    urgent: bool


class Database:
    """An open SQLite file.

    Raises:
        StoreError: from every method, when the file cannot be opened, read or written.
    """

    def __init__(self, path: Path, migrations: Sequence[Migration], alone: bool = False) -> None:
        """Open the file, made when missing, and bring it to the newest schema.

        Args:
            path: where it is.
            migrations: what has ever been done to the schema, in order; the file remembers how many it has had.
            alone: nothing stays beside the file, so that it can be moved to where nothing can be written; its readers
                and its writer wait for each other then.
        """
        self.path = path
        journal = "DELETE" if alone else "WAL"
        with explained(path):
            self._writing = _connect(path, journal)
            try:
                _migrate(self._writing, path, migrations)
                self._writing.execute(f"PRAGMA busy_timeout = {int(1000 * PATIENT_SECONDS)}")
                self._reading = _connect(path, journal)
            except BaseException:
                self._writing.close()
                raise
        self._read_lock = threading.Lock()
        self._queue_lock = threading.Lock()  # guards all that follows
        self._due = threading.Condition(self._queue_lock)  # the writer waits for it
        self._room = threading.Condition(self._queue_lock)  # who has something to write waits for it
        self._queue: deque[_Item] = deque()
        self._urgent = 0  # of those queued
        self._closed = False
        self._writer = threading.Thread(target=self._write_batches, name="smviz-database", daemon=True)
        self._writer.start()

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows of a query."""
        with self._read_lock:
            self._check_open()
            with explained(self.path):
                return self._reading.execute(sql, values).fetchall()

    def write(self, write: Write) -> None:
        """Do all of `write` or nothing of it; back when it, and everything queued before, is on the disk.

        Raises:
            Exception: what `write` itself raises.
        """
        self.queue(_one_by_one, write, urgent=True).result()

    def queue(self, bulk: Bulk[Value], value: Value, urgent: bool = False) -> Future[None]:
        """As `post`; the future is done when the value is on the disk.

        Callbacks of the future run in the writer's thread: they must be quick and must not write.
        """
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # what is queued is written: it cannot be cancelled
        self.post(bulk, value, partial(_settle, future), urgent)
        return future

    def post(self, bulk: Bulk[Value], value: Value, told: Told[Value], urgent: bool = False) -> None:
        """Have a value written soon, all of it or nothing.

        Args:
            bulk: writes it, together with what else was queued for the same `bulk`. When it raises, it is called again
                for each value alone, so that one that cannot be written takes no other with it.
            value: what to write.
            told: called with all values that reach the disk together and have the same `told`, or with those that have
                failed and the error; in the writer's thread: it must be quick and must not write.
            urgent: somebody waits for it.
        """
        with self._queue_lock:
            while len(self._queue) >= 10 * BATCH_SIZE and not self._closed:
                self._room.wait()
            self._check_open()
            self._queue.append(_Item(bulk, value, told, urgent))
            self._urgent += urgent
            if urgent or len(self._queue) in {1, BATCH_SIZE}:  # else the writer is awake, or waits for more
                self._due.notify()

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
        with self._read_lock, explained(self.path):
            self._check_open()
            self._reading.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Finish all writes, then let go of the file. Closing twice is harmless."""
        with self._queue_lock:
            if self._closed:
                return
            self._closed = True
            self._due.notify_all()
            self._room.notify_all()
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
        """What is queued, some time after the first write; empty when the database is closed."""
        batch: list[_Item] = []
        with self._queue_lock:
            self._due.wait_for(lambda: self._queue or self._closed)
            self._due.wait_for(lambda: self._urgent or self._closed or len(self._queue) >= BATCH_SIZE, BATCH_SECONDS)
            while self._queue and len(batch) < BATCH_SIZE and not (batch and batch[-1].urgent):
                batch.append(self._queue.popleft())
            self._urgent -= batch[-1].urgent if batch else 0
            self._room.notify_all()
        return batch

    def _commit(self, batch: list[_Item]) -> None:
        failure: BaseException | None = None
        try:
            with explained(self.path), _transaction(self._writing):
                for bulk, items in groupby(batch, attrgetter("bulk")):
                    bulk(self._writing, [item.value for item in items])
        except BaseException as error:
            if len(batch) > 1 and not is_busy(error):
                for item in batch:  # one bad write must not take the others with it
                    self._commit([item])
                return
            failure = error
        for told, items in groupby(batch, attrgetter("told")):
            try:
                told([item.value for item in items], failure)
            except Exception:  # the writer works for others as well
                _LOG.exception("What was called after a commit has failed")


def _one_by_one(db: Transaction, writes: Sequence[Write]) -> None:
    for write in writes:
        write(db)


def _settle(future: Future[None], _: Sequence[object], error: BaseException | None) -> None:
    if error:
        future.set_exception(error)
    else:
        future.set_result(None)


def _vacuum(db: Transaction) -> None:
    db.execute("COMMIT")  # SQLite does not do this within a transaction
    db.execute("VACUUM")
    db.execute("BEGIN")


def _connect(path: Path, journal: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _use_journal(db, journal)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    except BaseException:
        db.close()
        raise
    return db


def _use_journal(db: sqlite3.Connection, journal: str) -> None:
    # Two processes that make the same new file refuse each other this switch at once, whatever the time-out.
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute(f"PRAGMA journal_mode = {journal}")
        except sqlite3.OperationalError as error:
            if code_of(error) != sqlite3.SQLITE_BUSY:
                raise
            if journal == "DELETE":  # who reads the file as it is keeps its log; writing works all the same
                return
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


def _migrate(db: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    with _transaction(db):
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and db.execute("SELECT 1 FROM sqlite_schema").fetchone():
            raise StoreError(f"{path} is a database of another program.", f"{MOVE_AWAY} {ELSEWHERE}")
        if version > len(migrations):
            raise StoreError(
                f"{path} was written by a newer smviz (schema {version}; this one knows {len(migrations)}).",
                f"Update smviz. {ELSEWHERE}",
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
