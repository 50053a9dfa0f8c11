"""Which replies are known already, asked for many images at once."""

from __future__ import annotations

from collections.abc import Collection

from smviz.database import Database

_AT_ONCE = 500  # keys in a query
_ENOUGH = 1000  # latencies


def known_keys(database: Database, keys: Collection[str]) -> frozenset[str]:
    """Those of the keys that a reply has."""
    found: set[str] = set()
    asked = list(keys)
    for first in range(0, len(asked), _AT_ONCE):
        some = asked[first : first + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        found.update(key for (key,) in database.read(f"SELECT key FROM reply WHERE key IN ({marks})", some))
    return frozenset(found)


def reply_count(database: Database) -> int:
    """How many replies there are."""
    ((count,),) = database.read("SELECT count(*) FROM reply")
    return int(count)


def latencies(database: Database, prefix: str) -> tuple[float, ...]:
    """Seconds that calls took whose replies have a key that begins so; of some of them, where there are many."""
    sql = f"SELECT latency FROM reply WHERE key >= ? AND key < ? AND latency IS NOT NULL LIMIT {_ENOUGH}"
    return tuple(seconds for (seconds,) in database.read(sql, (prefix, f"{prefix}\U0010ffff")))
