"""The thresholds that an endpoint's detections are cut at, kept in the table of presets under a key of their own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from smviz.database import Database
from smviz.store.rows import undamaged
from smviz.thresholds import Thresholds, dumps, loads


@dataclass(frozen=True, slots=True)
class SavedThresholds:
    """Thresholds as they were kept for an endpoint.

    Attributes:
        thresholds: with the run, the objective and the data set that they come from.
        saved: ISO 8601, UTC.
        file: the name of the file that they were read from; "" when they were chosen here.
    """

    thresholds: Thresholds
    saved: str
    file: str = ""


def save(database: Database, endpoint_key: str, thresholds: Thresholds, file: str) -> None:
    """Keep them in the place of those before."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    text = json.dumps({"saved": now, "file": file, "thresholds": dumps(thresholds)})
    database.write(lambda db: db.execute("INSERT OR REPLACE INTO preset VALUES (?, ?)", (_key(endpoint_key), text)))


def saved(database: Database, endpoint_key: str) -> SavedThresholds | None:
    """Those that were kept last; None where there are none.

    Raises:
        BadSetting: when a newer smviz wrote them.
        StoreError: when they are damaged.
    """
    rows = database.read("SELECT preset FROM preset WHERE endpoint = ?", (_key(endpoint_key),))
    if not rows:
        return None
    with undamaged("threshold", "Choose the thresholds again, and keep them."):
        kept = msgspec.convert(json.loads(rows[0][0]), dict[str, str])
        return SavedThresholds(loads(kept["thresholds"]), kept["saved"], kept["file"])


def forget(database: Database, endpoint_key: str) -> None:
    """Keep none any more."""
    database.write(lambda db: db.execute("DELETE FROM preset WHERE endpoint = ?", (_key(endpoint_key),)))


def _key(endpoint_key: str) -> str:
    return f"thresholds of {endpoint_key}"
