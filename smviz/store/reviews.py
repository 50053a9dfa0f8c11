"""What was decided about the labels of a run that are in doubt."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from smviz.database import Database, Transaction


def decisions(database: Database, run_id: str) -> dict[str, str]:
    """The decision on each doubt that has one, in the order in which they were made."""
    sql = "SELECT doubt, decision FROM review WHERE run = (SELECT number FROM run WHERE id = ?) ORDER BY at, rowid"
    rows: list[tuple[str, str]] = database.read(sql, (run_id,))
    return dict(rows)


def decide(database: Database, run_id: str, made: Mapping[str, str | None]) -> None:
    """Keep decisions, each in place of an earlier one on the same doubt; None takes one back."""
    at = datetime.now(UTC).isoformat(timespec="microseconds")

    def write(db: Transaction) -> None:
        run = "(SELECT number FROM run WHERE id = ?)"
        db.executemany(f"DELETE FROM review WHERE run = {run} AND doubt = ?", [(run_id, doubt) for doubt in made])
        rows = [(run_id, doubt, decision, at) for doubt, decision in made.items() if decision is not None]
        db.executemany(f"INSERT INTO review (run, doubt, decision, at) VALUES ({run}, ?, ?, ?)", rows)

    database.write(write)
