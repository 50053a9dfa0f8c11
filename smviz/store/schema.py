"""The tables of the workspace, and what was ever done to them: old files open for ever."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from smviz.database import Migration, Transaction


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


def _share_replies_and_files(db: Transaction) -> None:
    """Replies and uploaded files are kept once, for all runs that refer to them."""
    old = ("run", "image", "outcome")
    for table in old:
        db.execute(f"ALTER TABLE {table} RENAME TO {table}_1")
    for statement in _TABLES_2:
        db.execute(statement)
    db.create_function("sha256", 1, lambda data: hashlib.sha256(data).hexdigest(), deterministic=True)
    db.create_function("file_url", 1, lambda path: Path(os.fsdecode(path)).as_uri(), deterministic=True)
    for statement in _COPY_1_TO_2:
        db.execute(statement)
    for table in reversed(old):
        db.execute(f"DROP TABLE {table}_1")


# `total` is NULL while a run is being made: nobody sees it before it is whole.
# A reply without a key belongs to one run alone. Its body is large, so it comes last: SQLite does not read
# it for the columns before it.
_TABLES_2 = (
    """CREATE TABLE run (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, created TEXT NOT NULL,
        connection TEXT NOT NULL, request TEXT NOT NULL, preset TEXT NOT NULL, endpoint_config TEXT NOT NULL,
        source TEXT NOT NULL, imported TEXT NOT NULL, note TEXT NOT NULL, class_map TEXT NOT NULL
        DEFAULT '{}', total INTEGER, annotations BLOB)""",
    "CREATE TABLE file (sha256 TEXT PRIMARY KEY, data BLOB NOT NULL)",
    """CREATE TABLE image (
        id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
        position INTEGER NOT NULL, name TEXT NOT NULL, location TEXT, file TEXT REFERENCES file,
        UNIQUE (run, position), UNIQUE (run, name), CHECK (location IS NULL OR file IS NULL))""",
    "CREATE INDEX image_file ON image (file)",
    """CREATE TABLE reply (
        id INTEGER PRIMARY KEY, key TEXT UNIQUE, at TEXT NOT NULL,
        content_type TEXT NOT NULL, latency REAL, model REAL, variant TEXT, body BLOB NOT NULL)""",
    """CREATE TABLE outcome (
        image INTEGER PRIMARY KEY REFERENCES image ON DELETE CASCADE, run INTEGER NOT NULL, sha256 TEXT NOT NULL,
        width INTEGER NOT NULL, height INTEGER NOT NULL, attempts INTEGER NOT NULL,
        reused INTEGER NOT NULL, client REAL NOT NULL,
        failure_kind TEXT, failure_message TEXT, failure_advice TEXT, reply INTEGER REFERENCES reply,
        CHECK ((failure_kind IS NULL) != (reply IS NULL)))""",
    "CREATE INDEX outcome_run ON outcome (run, failure_kind)",
    "CREATE INDEX outcome_reply ON outcome (reply)",
    """CREATE TRIGGER reply_unused AFTER DELETE ON outcome
        WHEN OLD.reply IS NOT NULL AND NOT EXISTS (SELECT 1 FROM outcome WHERE reply = OLD.reply)
        BEGIN DELETE FROM reply WHERE id = OLD.reply; END""",
    """CREATE TRIGGER file_unused AFTER DELETE ON image
        WHEN OLD.file IS NOT NULL AND NOT EXISTS (SELECT 1 FROM image WHERE file = OLD.file)
        BEGIN DELETE FROM file WHERE sha256 = OLD.file; END""",
)

_COPY_1_TO_2 = (
    """INSERT INTO run (id, name, created, connection, request, preset, endpoint_config, source, imported, note, total,
            annotations)
        SELECT id, name, created, connection, request, preset, '', '', '', '',
            (SELECT count(*) FROM image_1 WHERE run = run_1.id), annotations
        FROM run_1 ORDER BY created, rowid""",
    "INSERT OR IGNORE INTO file SELECT sha256(data), data FROM image_1 WHERE data IS NOT NULL",
    """INSERT INTO image (run, position, name, location, file)
        SELECT number, position, image_1.name, CASE WHEN path IS NOT NULL THEN file_url(path) END,
            CASE WHEN data IS NOT NULL THEN sha256(data) END
        FROM image_1 JOIN run ON run.id = image_1.run ORDER BY number, position""",
    """INSERT INTO reply (id, key, at, content_type, latency, model, variant, body)
        SELECT outcome_1.rowid, NULL, created, content_type, latency, NULL, variant, body
        FROM outcome_1 JOIN run ON run.id = outcome_1.run WHERE body IS NOT NULL""",
    """INSERT INTO outcome
        SELECT image.id, number, sha256, width, height, attempts, FALSE, 0.0,
            failure_kind, failure_message, failure_advice, CASE WHEN body IS NOT NULL THEN outcome_1.rowid END
        FROM outcome_1 JOIN run ON run.id = outcome_1.run
            JOIN image ON image.run = number AND image.name = outcome_1.image""",
)


def _add_claims_and_logs(db: Transaction) -> None:
    """Who works on a run now, and which log stream a container's failure is told in."""
    # `until` is in seconds since 1970, by the clock of the machine that has the file.
    db.execute(
        """CREATE TABLE claim (
            run INTEGER PRIMARY KEY REFERENCES run ON DELETE CASCADE, token TEXT NOT NULL,
            host TEXT NOT NULL, machine TEXT NOT NULL, process INTEGER NOT NULL,
            since TEXT NOT NULL, until REAL NOT NULL, state TEXT NOT NULL)"""
    )
    db.execute("ALTER TABLE outcome ADD COLUMN failure_log TEXT")


def _keep_reviews(db: Transaction) -> None:
    """What was decided about labels in doubt, whoever decided it."""
    db.execute(
        """CREATE TABLE review (
            run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE, doubt TEXT NOT NULL, decision TEXT NOT NULL,
            at TEXT NOT NULL, PRIMARY KEY (run, doubt))"""
    )


def _tell_copies(db: Transaction) -> None:
    """Which runs are copies made to be shared, and what they have of their images."""
    db.execute("ALTER TABLE run ADD COLUMN shared TEXT NOT NULL DEFAULT ''")


def _pack_by_zstandard(db: Transaction) -> None:
    """Replies and ground truth may be Zstandard's from here on, which older versions cannot read."""


MIGRATIONS: tuple[Migration, ...] = (
    _create_tables,
    _share_replies_and_files,
    _add_claims_and_logs,
    _keep_reviews,
    _tell_copies,
    _pack_by_zstandard,
)
