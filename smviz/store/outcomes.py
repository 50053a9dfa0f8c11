"""Outcomes are written, and streamed back page by page so that the memory stays flat."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple

from smviz.database import Database, Transaction
from smviz.errors import StoreError
from smviz.records import ImageRef, Outcome, Reply
from smviz.store.places import image_at
from smviz.store.rows import SELECT_OUTCOME, Columns, outcome_of, reply_columns, reply_of, storable

PAGE_OUTCOMES = 20  # at a time, for a reply may be a raw tensor of megabytes
PAGE_IMAGES = 500
_MOST_ROWS = 64  # that one statement inserts


class Arrival(NamedTuple):
    """What became of an image of a run, on its way to the disk.

    Attributes:
        run_id: the run.
        outcome: what became of one of its images.
        key: what identifies the call; "" for nothing.
        reply: the outcome's reply as it is stored; None for a failure.
    """

    run_id: str
    outcome: Outcome
    key: str
    reply: Columns | None

    @classmethod
    def of(cls, run_id: str, outcome: Outcome, key: str) -> Arrival:
        """The outcome with its reply compressed: in the thread that calls, for there is but one that writes."""
        return cls(run_id, outcome, key, reply_columns(outcome.reply) if outcome.reply else None)


def append_outcomes(db: Transaction, arrivals: Sequence[Arrival]) -> None:
    """Store what became of images; a failure gives way to it, a reply does not.

    Raises:
        StoreError: when the run of one has no such image or was deleted.
    """
    simple = _simple(db, arrivals) if len(arrivals) > 1 else {}
    if simple:
        _insert_all(db, [(*simple[at], arrival) for at, arrival in enumerate(arrivals) if at in simple])
    for at, arrival in enumerate(arrivals):
        if at not in simple:
            _append(db, arrival)


_PLACES = """SELECT json_group_array(json_array(arrival.key, image.id, run.number))
    FROM json_each(?) AS arrival
    CROSS JOIN run ON run.id = json_extract(arrival.value, '$[0]')
    CROSS JOIN image ON image.run = run.number AND image.name = json_extract(arrival.value, '$[1]')
    WHERE NOT EXISTS (SELECT 1 FROM outcome WHERE outcome.image = image.id)
    AND NOT EXISTS (SELECT 1 FROM reply WHERE reply.key = json_extract(arrival.value, '$[2]'))"""


def _simple(db: Transaction, arrivals: Sequence[Arrival]) -> dict[int, tuple[int, int]]:
    """Image and run of the arrivals, by their place, that are the first of their image and of their key."""
    images = Counter((arrival.run_id, arrival.outcome.image) for arrival in arrivals)
    keys = Counter(arrival.key for arrival in arrivals if arrival.key and arrival.reply)
    asked = [(arrival.run_id, arrival.outcome.image, arrival.key if arrival.reply else "") for arrival in arrivals]
    ((places,),) = db.execute(_PLACES, (json.dumps(asked),))
    return {
        at: (image, run)
        for at, image, run in json.loads(places)
        if images[asked[at][:2]] == 1 and keys[asked[at][2]] <= 1 and not arrivals[at].outcome.reused
    }


def _insert_all(db: Transaction, found: Sequence[tuple[int, int, Arrival]]) -> None:
    """Store outcomes of images that have none, with replies whose key no other has."""
    ((last,),) = db.execute("SELECT coalesce(max(id), 0) FROM reply")
    now = _now()
    replies: list[Columns] = []
    outcomes: list[Columns] = []
    for image, run, arrival in found:
        number = None
        if arrival.reply:
            number = last + len(replies) + 1
            replies.append((number, arrival.key or None, now, *arrival.reply))
        outcomes.append(_outcome_columns(image, run, arrival.outcome, number))
    _insert(db, "reply", replies)
    _insert(db, "outcome", outcomes)


def _insert(db: Transaction, table: str, rows: Sequence[Columns]) -> None:
    while rows:
        # By powers of two: SQLite keeps each statement that it has prepared, and one for each number would fill memory.
        many = min(_MOST_ROWS, 1 << (len(rows).bit_length() - 1))
        row = f"({', '.join('?' * len(rows[0]))})"
        values = tuple(chain.from_iterable(rows[:many]))
        db.execute(f"INSERT INTO {table} VALUES {', '.join([row] * many)}", values)
        rows = rows[many:]


def _append(db: Transaction, arrival: Arrival) -> None:
    run_id, outcome, key, reply = arrival
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
        if known and reply and not outcome.reused:
            db.execute("UPDATE reply SET key = NULL WHERE key = ?", (key,))  # the newest reply has the key
        insert_outcome(db, image, run, outcome, key, reply)


def insert_outcome(
    db: Transaction, image: int, run: int, outcome: Outcome, key: str = "", reply: Columns | None = None
) -> None:
    """Store the outcome of an image that has none; no other reply has the key of a call that was made.

    Args:
        db: where to.
        image: its number.
        run: that of its run.
        outcome: what became of it.
        key: what identifies the call; "" for nothing.
        reply: the reply as it is stored, where that is at hand.
    """
    number = None
    if outcome.reply:
        number = _reply_id(db, reply or reply_columns(outcome.reply), outcome.reused, key)
    _insert(db, "outcome", [_outcome_columns(image, run, outcome, number)])


def _outcome_columns(image: int, run: int, outcome: Outcome, reply: int | None) -> Columns:
    failure = outcome.failure
    why = (failure.kind, storable(failure.message), storable(failure.advice)) if failure else (None,) * 3
    log = storable(failure.log) if failure and failure.log else None
    frame = (outcome.sha256, outcome.width, outcome.height, outcome.attempts, outcome.reused, outcome.client)
    return (image, run, *frame, *why, reply, log)


def _reply_id(db: Transaction, reply: Columns, reused: bool, key: str) -> int:
    """Where the reply is kept. A call that was made has a reply of its own."""
    if key and reused:
        known = db.execute("SELECT id FROM reply WHERE key = ? AND latency IS ?", (key, reply[1])).fetchone()
        if known:
            return int(known[0])
    row = (None if reused or not key else key, _now(), *reply)
    sql = "INSERT INTO reply (key, at, content_type, latency, model, variant, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
    return int(db.execute(sql, row).lastrowid or 0)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


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
