"""Who works on a run now: one at a time, so that no image is called for twice.

A claim is a lease: it holds as long as its holder renews it, and lapses some seconds after the last time. That of a
process of this machine that is gone is void at once.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from smviz.database import Database, Transaction
from smviz.errors import RunAtWork, StoreError, UnknownRun

LEASE_SECONDS = 10.0  # a claim that is not renewed lapses after so long
RENEWAL_SECONDS = 2.0

Clock = Callable[[], float]
"""Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody's work on a run.

    Attributes:
        run, name: its id, and what a person calls it.
        host, process: the machine's name, and the process's id there.
        since: when the work began, ISO 8601, UTC.
        state: of the work, in one word, as its holder told it last.
    """

    run: str
    name: str
    host: str
    process: int
    since: str
    state: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {self.since[:19].replace('T', ' ')} UTC"


class Lease:
    """A claim that is held: renew it every `RENEWAL_SECONDS`, and release it at the end."""

    def __init__(self, database: Database, run_id: str, clock: Clock) -> None:
        """Take it; `clock` tells the time.

        Raises:
            RunAtWork: when somebody else has it.
            UnknownRun: when there is no such run.
            StoreError: when the workspace cannot be written.
        """
        self._database = database
        self._run = run_id
        self._clock = clock
        self._token = secrets.token_hex(8)
        database.write(self._take)

    def renew(self, state: str) -> None:
        """Hold it for some more seconds; `state` is what others are told about the work.

        Raises:
            RunAtWork: when it had lapsed, for this process or machine slept, and somebody else has taken it.
            UnknownRun: when the run was deleted.
            StoreError: when the workspace cannot be written.
        """

        def write(db: Transaction) -> None:
            row = (self._clock() + LEASE_SECONDS, state, self._token)
            if not db.execute("UPDATE claim SET until = ?, state = ? WHERE token = ?", row).rowcount:
                taken = db.execute(f"{_SELECT} WHERE run.id = ?", (self._run,)).fetchone()
                raise at_work(_claim(taken)) if taken else _deleted(self._run)

        self._database.write(write)

    def release(self) -> None:
        """Let go of it; where that cannot be written it lapses by itself."""
        with contextlib.suppress(StoreError):
            self._database.write(lambda db: db.execute("DELETE FROM claim WHERE token = ?", (self._token,)))

    def _take(self, db: Transaction) -> None:
        now = self._clock()
        before = db.execute(f"{_SELECT} WHERE run.id = ?", (self._run,)).fetchone()
        if before and _holds(before, now):
            raise at_work(_claim(before))
        since = datetime.now(UTC).isoformat(timespec="seconds")
        row = (self._token, socket.gethostname(), _machine(), os.getpid(), since, now + LEASE_SECONDS, "running")
        sql = """INSERT OR REPLACE INTO claim SELECT number, ?, ?, ?, ?, ?, ?, ? FROM run
            WHERE id = ? AND total IS NOT NULL"""
        if not db.execute(sql, (*row, self._run)).rowcount:
            raise _deleted(self._run)


def claims(database: Database, clock: Clock) -> tuple[Claim, ...]:
    """The claims that hold, of this process too."""
    now = clock()
    return tuple(_claim(row) for row in database.read(f"{_SELECT} ORDER BY since") if _holds(row, now))


_Row = tuple[str, str, str, int, str, str, str, float]
_SELECT = """SELECT run.id, run.name, host, process, since, state, machine, until
    FROM claim JOIN run ON number = claim.run"""


def _claim(row: _Row) -> Claim:
    return Claim(*row[:6])


def at_work(claim: Claim) -> RunAtWork:
    """The error of whoever would work on a run too."""
    return RunAtWork(
        f"The run “{claim.name}” is at work elsewhere: {claim}.",
        "Wait for its end, or stop it there. If that process is dead, its claim lapses within "
        f"{LEASE_SECONDS:g} seconds; then resume the run.",
    )


def _deleted(run_id: str) -> UnknownRun:
    return UnknownRun(f"There is no run {run_id} in the workspace.", "It was probably deleted meanwhile.")


def _holds(row: _Row, now: float) -> bool:
    """Whether a claim is good; one that ends too late was made before the clock was put back."""
    _, _, _, process, _, _, machine, until = row
    return now < until <= now + LEASE_SECONDS + RENEWAL_SECONDS and not _is_gone(machine, process)


def _is_gone(machine: str, process: int) -> bool:
    """Whether a process of this machine has ended; False of those that cannot be seen from here."""
    if not machine or machine != _machine():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is another user's
        return False
    return False


def _machine() -> str:
    """What those share who see each other's processes: a boot of Linux and a container; "" elsewhere."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
