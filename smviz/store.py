"""The workspace of one folder: runs, their images and outcomes, and presets."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import zlib
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from smviz.database import Database, Migration, Transaction
from smviz.errors import BadImage, BadSetting, StoreError, UnknownRun
from smviz.records import Failure, ImageRef, Outcome, Reply
from smviz.settings import Connection, Preset, Request

FILE_NAME = "workspace.db"

Settings = TypeVar("Settings", Connection, Request, Preset)


@dataclass(frozen=True, slots=True)
class Run:
    """An endpoint called over a list of images, as it stood when it was read from the store.

    Attributes:
        id: short random text, unique in the workspace.
        name: what a person calls the run, unique in the workspace.
        created: ISO 8601, UTC.
        total, answered, failed: number of images; of those with a reply; of those with a failure.
    """

    id: str
    name: str
    created: str
    connection: Connection
    request: Request
    preset: Preset
    total: int
    answered: int
    failed: int


class Store:
    """The workspace in one file. Any thread may use it, and several processes may have the same folder open.

    Raises:
        StoreError: from every method, when the file cannot be opened, read or written.
    """

    def __init__(self, folder: Path) -> None:
        """Open the workspace in `folder`, made when missing."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The workspace folder {folder} cannot be made ({error.strerror}).",
                "Check that the folder above it can be written to, or set SMVIZ_WORKSPACE to another folder.",
            ) from error
        self.folder = folder
        self._database = Database(folder / FILE_NAME, MIGRATIONS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Finish all writes, then let go of the file. Closing twice is harmless."""
        self._database.close()

    def create_run(
        self,
        name: str,
        connection: Connection,
        request: Request,
        preset: Preset,
        images: Sequence[ImageRef],
        annotations: bytes | None = None,
    ) -> Run:
        """Begin a run: keep whom it calls, how, its images, and the file of its ground truth if there is one.

        Images given as bytes are copied into the workspace, as `annotations` are.

        Raises:
            BadSetting: when the name is empty or taken, there are no images, or two have the same name.
        """
        _check_images(images)
        run_id = secrets.token_hex(4)
        created = datetime.now(UTC).isoformat(timespec="microseconds")
        how = (_to_json(connection), _to_json(request), _to_json(preset))
        truth = None if annotations is None else zlib.compress(annotations)
        rows = [(run_id, i, image.name, _to_column(image.path), image.data) for i, image in enumerate(images)]

        def write(db: Transaction) -> None:
            _check_run_name(db, name)
            db.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?)", (run_id, name, created, *how, truth))
            db.executemany("INSERT INTO image VALUES (?, ?, ?, ?, ?)", rows)

        self._database.write(write)
        return self.run(run_id)

    def runs(self) -> tuple[Run, ...]:
        """All runs, newest first."""
        return tuple(_run(row) for row in self._database.read(f"{_SELECT_RUN} ORDER BY created DESC, rowid DESC"))

    def run(self, id_or_name: str) -> Run:
        """One run.

        Raises:
            UnknownRun: when there is none of that id or name.
        """
        rows = self._database.read(f"{_SELECT_RUN} WHERE ? IN (id, name)", (id_or_name,))
        if not rows:
            known = [run.name for run in self.runs()]
            raise UnknownRun(
                f"There is no run “{id_or_name}” in {self.folder}.",
                f"The latest runs are: {', '.join(known[:10])}." if known else "No run has been made here yet.",
            )
        return _run(rows[0])

    def rename_run(self, run_id: str, name: str) -> Run:
        """Give a run another name.

        Raises:
            BadSetting: when the name is empty or taken.
            UnknownRun: when there is no such run.
        """
        if self.run(run_id).name != name:

            def write(db: Transaction) -> None:
                _check_run_name(db, name)
                db.execute("UPDATE run SET name = ? WHERE id = ?", (name, run_id))

            self._database.write(write)
        return self.run(run_id)

    def delete_run(self, run_id: str) -> None:
        """Forget a run, its outcomes and the images copied for it; no image file on the disk is touched."""
        self._database.write(lambda db: db.execute("DELETE FROM run WHERE id = ?", (run_id,)))

    def image_names(self, run_id: str) -> tuple[str, ...]:
        """The names of a run's images, in the order they were given."""
        rows = self._database.read("SELECT name FROM image WHERE run = ? ORDER BY position", (run_id,))
        return tuple(name for (name,) in rows)

    def image_data(self, run_id: str, name: str) -> bytes:
        """The bytes of an image file of a run, as they are now.

        Raises:
            BadImage: when the file is no longer where it was, or cannot be read.
            UnknownRun: when the run, or the image in it, is not known.
        """
        rows = self._database.read("SELECT path, data FROM image WHERE run = ? AND name = ?", (run_id, name))
        if not rows:
            raise UnknownRun(f"There is no image “{name}” in run {run_id}.", "The run may have been deleted meanwhile.")
        path, data = rows[0]
        if path is None:
            return bytes(data)
        try:
            return Path(os.fsdecode(path)).read_bytes()
        except OSError as error:
            raise BadImage(
                f"The file {os.fsdecode(path)} cannot be read ({error.strerror}).",
                "Put it back where it was, then resume the run.",
            ) from error

    def annotations(self, run_id: str) -> bytes | None:
        """The file of a run's ground truth, as it was given; None where there is none.

        Raises:
            UnknownRun: when there is no such run.
        """
        rows = self._database.read("SELECT annotations FROM run WHERE id = ?", (self.run(run_id).id,))
        return None if rows[0][0] is None else zlib.decompress(rows[0][0])

    def append(self, run_id: str, outcome: Outcome) -> Future[None]:
        """Store what became of one image; the future is done when it is on the disk.

        A failure gives way to a later outcome of the same image; a reply never does.

        Raises:
            StoreError: through the future, when the run has no such image or was deleted.
        """
        key = (run_id, outcome.image)
        row = key + _outcome_columns(outcome)

        def write(db: Transaction) -> None:
            if not db.execute("SELECT 1 FROM image WHERE run = ? AND name = ?", key).fetchone():
                raise StoreError(
                    f"Run {run_id} with an image “{outcome.image}” is not in the workspace.",
                    "It was probably deleted meanwhile; start a new run.",
                )
            db.execute("DELETE FROM outcome WHERE run = ? AND image = ? AND failure_kind IS NOT NULL", key)
            db.execute(f"INSERT INTO outcome VALUES ({', '.join('?' * len(row))}) ON CONFLICT DO NOTHING", row)

        return self._database.queue(write)

    def flush(self) -> None:
        """Wait until every outcome appended so far is on the disk or has failed to get there."""
        self._database.write(lambda db: None)

    def outcomes(self, run_id: str) -> tuple[Outcome, ...]:
        """What became of the images that have an outcome, in the run's order."""
        try:
            return tuple(_outcome(row) for row in self._database.read(_SELECT_OUTCOMES, (run_id,)))
        except zlib.error as error:
            raise StoreError(f"A reply of run {run_id} is damaged ({error}).", "Start a new run.") from error

    def answered(self, run_id: str) -> frozenset[str]:
        """The names of the images that have a reply."""
        sql = "SELECT image FROM outcome WHERE run = ? AND failure_kind IS NULL"
        return frozenset(name for (name,) in self._database.read(sql, (run_id,)))

    def save_preset(self, endpoint_key: str, preset: Preset) -> None:
        """Keep how the replies of an endpoint are read."""
        row = (endpoint_key, _to_json(preset))
        self._database.write(lambda db: db.execute("INSERT OR REPLACE INTO preset VALUES (?, ?)", row))

    def preset(self, endpoint_key: str) -> Preset | None:
        """How the replies of an endpoint are read, or None where nobody has said so yet."""
        rows = self._database.read("SELECT preset FROM preset WHERE endpoint = ?", (endpoint_key,))
        return _from_json(rows[0][0], Preset) if rows else None

    def save_request(self, endpoint_key: str, request: Request) -> None:
        """Keep how images are sent to an endpoint."""
        row = (endpoint_key, _to_json(request))
        self._database.write(lambda db: db.execute("INSERT OR REPLACE INTO request VALUES (?, ?)", row))

    def request(self, endpoint_key: str) -> Request | None:
        """How images are sent to an endpoint, or None where nobody has said so yet."""
        rows = self._database.read("SELECT request FROM request WHERE endpoint = ?", (endpoint_key,))
        return _from_json(rows[0][0], Request) if rows else None


def _create_tables(db: Transaction) -> None:
    db.execute(
        """CREATE TABLE run (
            id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created TEXT NOT NULL,
            connection TEXT NOT NULL, request TEXT NOT NULL, preset TEXT NOT NULL,
            annotations BLOB)"""
    )
    db.execute(
        """CREATE TABLE image (
            run TEXT NOT NULL REFERENCES run ON DELETE CASCADE, position INTEGER NOT NULL, name TEXT NOT NULL,
            path BLOB, data BLOB, PRIMARY KEY (run, name), CHECK ((path IS NULL) != (data IS NULL)))"""
    )
    # The body is zlib's and large, so it comes last: SQLite does not read it for the columns before it.
    db.execute(
        """CREATE TABLE outcome (
            run TEXT NOT NULL, image TEXT NOT NULL, sha256 TEXT NOT NULL,
            width INTEGER NOT NULL, height INTEGER NOT NULL, attempts INTEGER NOT NULL,
            failure_kind TEXT, failure_message TEXT, failure_advice TEXT,
            content_type TEXT, latency REAL, variant TEXT, body BLOB,
            PRIMARY KEY (run, image), FOREIGN KEY (run, image) REFERENCES image (run, name) ON DELETE CASCADE,
            CHECK ((failure_kind IS NULL) != (body IS NULL)))"""
    )
    db.execute("CREATE TABLE preset (endpoint TEXT PRIMARY KEY, preset TEXT NOT NULL)")
    db.execute("CREATE TABLE request (endpoint TEXT PRIMARY KEY, request TEXT NOT NULL)")


MIGRATIONS: tuple[Migration, ...] = (_create_tables,)

_SELECT_RUN = """SELECT id, name, created, connection, request, preset,
    (SELECT count(*) FROM image WHERE image.run = id),
    (SELECT count(*) FROM outcome WHERE outcome.run = id AND failure_kind IS NULL),
    (SELECT count(*) FROM outcome WHERE outcome.run = id AND failure_kind IS NOT NULL)
    FROM run"""

_SELECT_OUTCOMES = """SELECT image, sha256, width, height, attempts, failure_kind, failure_message, failure_advice,
    content_type, latency, variant, body
    FROM outcome JOIN image ON image.run = outcome.run AND image.name = outcome.image
    WHERE outcome.run = ? ORDER BY position"""


def _run(row: tuple[Any, ...]) -> Run:
    run_id, name, created, connection, request, preset, *counts = row
    how = (_from_json(connection, Connection), _from_json(request, Request), _from_json(preset, Preset))
    return Run(run_id, name, created, *how, *counts)


def _outcome_columns(outcome: Outcome) -> tuple[object, ...]:
    failure, reply = outcome.failure, outcome.reply
    why = (failure.kind, _storable(failure.message), _storable(failure.advice)) if failure else (None,) * 3
    what = (reply.content_type, reply.latency, reply.variant, zlib.compress(reply.body, 1)) if reply else (None,) * 4
    return (outcome.sha256, outcome.width, outcome.height, outcome.attempts, *why, *what)


def _outcome(row: tuple[Any, ...]) -> Outcome:
    image, sha256, width, height, attempts, kind, message, advice, content_type, latency, variant, body = row
    failure = None if kind is None else Failure(kind, message, advice)
    reply = None if body is None else Reply(zlib.decompress(body), content_type, latency, variant)
    return Outcome(image, sha256, width, height, attempts, reply, failure)


def _to_json(settings: Connection | Request | Preset) -> str:
    return json.dumps(dataclasses.asdict(settings))


def _from_json(text: str, kind: type[Settings]) -> Settings:
    # A field that this version does not know, or that an older one did not write, is no hindrance.
    return msgspec.convert(json.loads(text), kind)


def _to_column(path: Path | None) -> bytes | None:
    # As bytes, for a file's name need not be valid text.
    return None if path is None else os.fsencode(path.absolute())


def _storable(text: str) -> str:
    # File names and servers may hand us lone surrogates, which no database takes.
    return text.encode("utf-8", "replace").decode()


def _check_run_name(db: Transaction, name: str) -> None:
    if not name.strip() or name != _storable(name):
        raise BadSetting("The run has no name.", "Give it one, for example the endpoint's and the data set's.")
    if db.execute("SELECT 1 FROM run WHERE ? IN (id, name)", (name,)).fetchone():
        raise BadSetting(f"A run named “{name}” exists already.", "Choose another name, or resume that run.")


def _check_images(images: Sequence[ImageRef]) -> None:
    if not images:
        raise BadSetting("There are no images to run on.", "Choose a folder that has images, or upload some.")
    seen: set[str] = set()
    for image in images:
        if image.name in seen:
            raise BadSetting(f"Two images are called “{image.name}”.", "Rename one; outcomes are kept by that name.")
        seen.add(image.name)
        if image.name != _storable(image.name):
            raise BadSetting(f"The image name {image.name!a} is not valid text.", "Rename the file.")
