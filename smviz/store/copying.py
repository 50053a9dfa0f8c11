"""A run of another workspace, kept here under its own id."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping

from smviz.database import Database, Transaction
from smviz.store.creating import Row, forget, make_run
from smviz.store.reviews import insert
from smviz.store.rows import Run


def keep_copy(
    database: Database, run: Run, rows: Iterable[Row], annotations: bytes | None, made: Mapping[str, str]
) -> None:
    """Keep a copy of a run, and forget an earlier one the moment that the new one is whole."""
    new, earlier = f"{run.id} {secrets.token_hex(4)}", f"{run.id} {secrets.token_hex(4)}"

    def finish(db: Transaction, made_as: str) -> None:
        db.execute("UPDATE run SET id = ?, name = ?, total = NULL WHERE id = ?", (earlier, earlier, run.id))
        taken = db.execute("SELECT 1 FROM run WHERE ? IN (id, name)", (run.name,)).fetchone()
        db.execute(
            "UPDATE run SET id = ?, name = ?, created = ?, class_map = ?, shared = ? WHERE id = ?",
            (
                run.id,
                f"{run.name} ({run.id})" if taken else run.name,
                run.created,
                json.dumps(dict(run.class_map)),
                run.shared,
                made_as,
            ),
        )
        insert(db, run.id, made)

    words = (run.endpoint_config, run.source, run.imported, run.note)
    make_run(database, new, (run.connection, run.request, run.preset), rows, annotations, words, finish)
    forget(database, earlier)
