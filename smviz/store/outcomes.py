"""Outcomes are written, and streamed back page by page so that the memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from smviz.database import Database, Transaction
from smviz.errors import StoreError
from smviz.records import ImageRef, Outcome, Reply
from smviz.store.places import image_at
from smviz.store.rows import SELECT_OUTCOME, outcome_of, reply_columns, reply_of, storable

PAGE_OUTCOMES = 20  # at a time, for a reply may be a raw tensor of megabytes
PAGE_IMAGES = 500


def append_outcome(db: Transaction, run_id: str, outcome: Outcome, key: str) -> None:
    """Store what became of an image of a run; a failure gives way to it, a reply does not.

    Raises:
        StoreError: when the run has no such image or was deleted.
    """
    # As few statements as can be: after each one this thread waits for its turn among the workers of a run.
    found = db.execute(
        """SELECT image.id, number, outcome.image, failure_kind, EXISTS (SELECT 1 FROM reply WHERE key = ?)
            FROM run JOIN image ON image.run = number LEFT JOIN outcome ON outcome.image = image.id
            WHERE run.id = ? AND image.name = ?""",
        (key, run_id, outcome.image),
    ).fetchone()
    if found is None:
        raise StoreError(
            f"Run {run_id} with an image “{outcome.image}” is not in the workspace.",
            "It was probably deleted meanwhile; start a new run.",
        )
    image, run, before, failure_kind, known = found
    if failure_kind is not None:
        db.execute("DELETE FROM outcome WHERE image = ?", (image,))
    if before is None or failure_kind is not None:
        if known and outcome.reply and not outcome.reused:
            db.execute("UPDATE reply SET key = NULL WHERE key = ?", (key,))  # the newest reply has the key
        insert_outcome(db, image, run, outcome, key)


def insert_outcome(db: Transaction, image: int, run: int, outcome: Outcome, key: str) -> None:
    """Store the outcome of an image that has none; no other reply has the key of a call that was made."""
    failure = outcome.failure
    why = (failure.kind, storable(failure.message), storable(failure.advice)) if failure else (None,) * 3
    log = storable(failure.log) if failure and failure.log else None
    reply = _reply_id(db, outcome.reply, outcome.reused, key) if outcome.reply else None
    frame = (outcome.sha256, outcome.width, outcome.height, outcome.attempts, outcome.reused, outcome.client)
    db.execute(
        "INSERT INTO outcome VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (image, run, *frame, *why, reply, log)
    )


def _reply_id(db: Transaction, reply: Reply, reused: bool, key: str) -> int:
    """Where the reply is kept. A call that was made has a reply of its own."""
    columns = reply_columns(reply)
    if key and reused:
        known = db.execute("SELECT id FROM reply WHERE key = ? AND latency IS ?", (key, reply.latency)).fetchone()
        if known:
            return int(known[0])
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    row = (None if reused or not key else key, at, *columns)
    sql = "INSERT INTO reply (key, at, content_type, latency, model, variant, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
    return int(db.execute(sql, row).lastrowid or 0)


def known_reply(database: Database, key: str) -> Reply | None:
    """The newest reply of that key."""
    rows = database.read("SELECT content_type, latency, model, variant, body FROM reply WHERE key = ?", (key,))
    return reply_of(rows[0]) if rows else None


def outcome(database: Database, run_id: str, image: str) -> Outcome | None:
    """What became of one image."""
    rows = database.read(f"{SELECT_OUTCOME} AND image.name = ?", (run_id, image))
    return outcome_of(rows[0]) if rows else None


def iter_outcomes(database: Database, run_id: str) -> Iterator[Outcome]:
    """What became of the images, in the run's order."""
    for row in _paged(database, SELECT_OUTCOME, run_id, PAGE_OUTCOMES):
        yield outcome_of(row)


_SELECT_PENDING = """SELECT image.position, image.name, location, file FROM image
    LEFT JOIN outcome ON outcome.image = image.id
    WHERE image.run = (SELECT number FROM run WHERE id = ?) AND outcome.reply IS NULL"""


def pending(database: Database, run_id: str) -> Iterator[ImageRef]:
    """The images without a reply, in the run's order, with the bytes of those that were uploaded."""
    for _, name, location, file in _paged(database, _SELECT_PENDING, run_id, PAGE_IMAGES):
        yield image_at(name, location, file_data(database, file))


def file_data(database: Database, sha256: str | None) -> bytes | None:
    """The bytes of an uploaded file; None where there is none, or none any more."""
    if sha256 is None:
        return None
    rows = database.read("SELECT data FROM file WHERE sha256 = ?", (sha256,))
    return bytes(rows[0][0]) if rows else None


def _paged(database: Database, select: str, run_id: str, page: int) -> Iterator[tuple[Any, ...]]:
    """The rows of a query whose first column is the image's position, by that."""
    sql = f"{select} AND image.position > ? ORDER BY image.position LIMIT {page}"
    last = -1
    while rows := database.read(sql, (run_id, last)):
        yield from rows
        last = rows[-1][0]
