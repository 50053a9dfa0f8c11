"""A run comes into being, and is forgotten: both bit by bit, and nobody ever sees a part of it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

from smviz.database import Database, Transaction
from smviz.errors import BadSetting
from smviz.records import ImageRef, Outcome
from smviz.settings import Connection, Preset, Request
from smviz.store.outcomes import insert_outcome
from smviz.store.packing import packed
from smviz.store.places import location_of
from smviz.store.rows import storable, to_json

BATCH_IMAGES = 500
BATCH_BYTES = 16_000_000
FORGOTTEN_IMAGES = 2_000  # about 0.2 s
ABANDONED = timedelta(days=1)  # no images stream in for longer

Row = tuple[ImageRef, Outcome | None]
Finish = Callable[[Transaction, str], object]
"""Is given the id of the run that was just made, in the transaction that lets everybody see it."""


def make_run(
    database: Database,
    name: str,
    how: tuple[Connection, Request, Preset],
    rows: Iterable[Row],
    annotations: bytes | None,
    words: tuple[str, str, str, str],
    finish: Finish = lambda db, run_id: None,
) -> str:
    """Store a run with its images and what became of them, all of it or nothing, and return its id.

    Args:
        database: where to.
        name: unique in the workspace.
        how: whom the run calls, how, and how its replies are read.
        rows: the images, each with its outcome if it has one.
        annotations: the file of the ground truth, or None.
        words: endpoint config, source, imported and note.
        finish: does what else belongs to the moment in which the run is seen.

    Raises:
        BadSetting: when the name is empty or taken, there are no images, or two have the same name.
        Exception: what the iteration over the rows raises.
    """
    run_id = secrets.token_hex(4)
    truth = None if annotations is None else packed(annotations)
    columns = (
        run_id,
        run_id,
        _now().isoformat(timespec="microseconds"),
        *[to_json(part) for part in how],
        *words,
        truth,
    )

    def begin(db: Transaction) -> None:
        check_run_name(db, name)
        db.execute(
            """INSERT INTO run (id, name, created, connection, request, preset, endpoint_config, source, imported, note,
                annotations) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            columns,
        )

    database.write(begin)
    try:
        total = _store_images(database, run_id, rows)

        def end(db: Transaction) -> None:
            check_run_name(db, name)
            db.execute("UPDATE run SET name = ?, total = ? WHERE id = ?", (name, total, run_id))
            finish(db, run_id)

        database.write(end)
    except BaseException:
        forget(database, run_id)
        raise
    return run_id


def forget(database: Database, run_id: str) -> None:
    """Delete a run: at once for all who look, and on the disk a part at a time, so that other writers get a turn."""
    database.write(lambda db: db.execute("UPDATE run SET name = id, total = NULL WHERE id = ?", (run_id,)))
    some = f"""SELECT id FROM image WHERE run = (SELECT number FROM run WHERE id = ?) LIMIT {FORGOTTEN_IMAGES}"""
    while database.read(f"SELECT 1 WHERE EXISTS ({some})", (run_id,)):
        database.write(lambda db: db.execute(f"DELETE FROM image WHERE id IN ({some})", (run_id,)))
    database.write(lambda db: db.execute("DELETE FROM run WHERE id = ?", (run_id,)))


def sweep(database: Database) -> None:
    """Forget the runs whose making or forgetting was cut short, by a kill -9 for one."""
    long_ago = (_now() - ABANDONED).isoformat(timespec="microseconds")
    for (run_id,) in database.read("SELECT id FROM run WHERE total IS NULL AND created < ?", (long_ago,)):
        forget(database, run_id)


def new_name(database: Database, words: str) -> str:
    """The words and the time; with a number where another run was begun in the same second."""
    name = f"{words}, {_now():%Y-%m-%d %H:%M:%S}"
    taken = {found for (found,) in database.read("SELECT name FROM run WHERE instr(name, ?) = 1", (name,))}
    names = (f"{name} ({number})" if number > 1 else name for number in count(1))
    return next(free for free in names if free not in taken)


def check_run_name(db: Transaction, name: str) -> None:
    """Raises BadSetting unless the name can be that of one more run."""
    if not name.strip() or name != storable(name):
        raise BadSetting("The run has no name.", "Give it one, for example the endpoint's and the data set's.")
    if db.execute("SELECT 1 FROM run WHERE ? IN (id, name)", (name,)).fetchone():
        raise BadSetting(f"A run named “{name}” exists already.", "Choose another name, or resume that run.")


def _store_images(database: Database, run_id: str, rows: Iterable[Row]) -> int:
    """The number of images stored."""
    total = 0
    for batch in _batches(rows):

        def write(db: Transaction, batch: list[Row] = batch, first: int = total) -> None:
            (run,) = db.execute("SELECT number FROM run WHERE id = ?", (run_id,)).fetchone()
            for position, (image, outcome) in enumerate(batch, start=first):
                image_id = _insert_image(db, run, position, image)
                if outcome:
                    insert_outcome(db, image_id, run, outcome, key="")

        database.write(write)
        total += len(batch)
    if not total:
        raise BadSetting("There are no images to run on.", "Choose a folder that has images, or upload some.")
    return total


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """So many at a time that neither their number nor their bytes fill the memory."""
    batch: list[Row] = []
    size = 0
    for image, outcome in rows:
        if image.name != storable(image.name):
            raise BadSetting(f"The image name {image.name!a} is not valid text.", "Rename the file.")
        batch.append((image, outcome))
        size += len(image.data or b"") + (len(outcome.reply.body) if outcome and outcome.reply else 0)
        if len(batch) == BATCH_IMAGES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _insert_image(db: Transaction, run: int, position: int, image: ImageRef) -> int:
    sha256 = None
    if image.data is not None:
        sha256 = hashlib.sha256(image.data).hexdigest()
        db.execute("INSERT OR IGNORE INTO file VALUES (?, ?)", (sha256, image.data))
    row = db.execute(
        """INSERT INTO image (run, position, name, location, file) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (run, name) DO NOTHING RETURNING id""",
        (run, position, image.name, location_of(image), sha256),
    ).fetchone()
    if row is None:
        raise BadSetting(f"Two images are called “{image.name}”.", "Rename one; outcomes are kept by that name.")
    return int(row[0])


def _now() -> datetime:
    return datetime.now(UTC)
