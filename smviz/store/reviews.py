"""What was decided about the labels of a run that are in doubt."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from smviz.database import Database, Transaction

_RUN = "(SELECT number FROM run WHERE id = ?)"


def decisions(database: Database, run_id: str) -> dict[str, str]:
    """The decision on each doubt that has one, in the order in which they were made."""
    sql = f"SELECT doubt, decision FROM review WHERE run = {_RUN} ORDER BY at, rowid"
    rows: list[tuple[str, str]] = database.read(sql, (run_id,))
    return dict(rows)


def decide(database: Database, run_id: str, made: Mapping[str, str | None]) -> None:
    """Keep decisions, each in place of an earlier one on the same doubt; None takes one back."""

    def write(db: Transaction) -> None:
        db.executemany(f"DELETE FROM review WHERE run = {_RUN} AND doubt = ?", [(run_id, doubt) for doubt in made])
        insert(db, run_id, {doubt: decision for doubt, decision in made.items() if decision is not None})

    database.write(write)


def insert(db: Transaction, run_id: str, made: Mapping[str, str]) -> None:
    """Keep decisions on doubts that have none."""
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    rows = [(run_id, doubt, decision, at) for doubt, decision in made.items()]
    db.executemany(f"INSERT INTO review (run, doubt, decision, at) VALUES ({_RUN}, ?, ?, ?)", rows)
