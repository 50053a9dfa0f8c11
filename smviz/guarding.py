"""The door of a server that several people use: every operation is checked first, and calls are counted.

    guarded = Guarded(lambda: door, where, person, policy, meter)

Nothing goes through that is not named here: a test holds every public method of the real door against this one.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from smviz.access import OPERATOR, Person, Policy, Role, place_of
from smviz.database import Database, Transaction
from smviz.deploying import idle_cost
from smviz.errors import EndpointError, LimitReached, NotAllowed
from smviz.pricing import cost_per_1000
from smviz.records import Endpoint, Payload, Reply, Variant
from smviz.sagemaker import Identity, Model
from smviz.settings import Connection, Instances, Request, Serverless
from smviz.sources import Source

if TYPE_CHECKING:
    from smviz.sagemaker import SageMaker
else:
    SageMaker = object  # the guard inherits nothing: what it does not name itself does not go through

WINDOW = 60.0  # seconds, of `requests_per_minute`
REMEMBERED = 1000  # persons; among more, those without a call in the window are forgotten


class Meter:
    """Counts each person's calls of the last minute, and what all calls of the day have cost. Safe for many threads.

    The calls are counted in memory; the money is kept in a file, so that a restart does not forget it. Calls under way
    when the money is used up are finished, so that a day may cost a few calls more.
    """

    def __init__(
        self,
        file: Path,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], str] = lambda: datetime.now(UTC).date().isoformat(),
    ) -> None:
        """Open the file, made when missing.

        Args:
            file: where the money is kept.
            clock: seconds, monotonic.
            today: the date in UTC.

        Raises:
            StoreError: when the file cannot be opened.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        self._database = Database(file, (_create,))
        self._clock = clock
        self._today = today
        self._begun: defaultdict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()  # guards `_begun`
        self._admitted = threading.local()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def wait(self, person: Person, policy: Policy) -> float:
        """Seconds until a person's next call may begin; 0 counts it, and lets this thread make it.

        Raises:
            LimitReached: when the money of the day is used up.
        """
        self._check_money(policy)
        most = policy.requests_per_minute
        with self._lock:
            now = self._clock()
            self._forget(now)
            begun = self._begun[person.key]
            while begun and begun[0] <= now - WINDOW:
                begun.popleft()
            if most and len(begun) >= most:
                return begun[len(begun) - most] + WINDOW - now
            begun.append(now)
        self._admitted.key = person.key
        return 0.0

    @property
    def counted(self) -> int:
        """Persons whose calls are remembered."""
        return len(self._begun)

    def _forget(self, now: float) -> None:
        if len(self._begun) > REMEMBERED:
            for key in [key for key, begun in self._begun.items() if begun[-1] <= now - WINDOW]:
                del self._begun[key]

    def take(self, person: Person, policy: Policy) -> None:
        """A call is about to be made, unless this thread was let make it by `wait` before.

        Raises:
            LimitReached: when the calls of this minute, or the money of the day, are used up.
        """
        if vars(self._admitted).pop("key", None) == person.key:
            return
        seconds = self.wait(person, policy)
        if seconds:
            most = policy.requests_per_minute
            raise LimitReached(
                f"{most} of {most} calls in this minute; the next one in {math.ceil(seconds)} s.",
                f"Wait so long. {OPERATOR} for more: {place_of('requests_per_minute')}.",
            )
        del self._admitted.key

    def pay(self, person: Person, usd: float) -> None:
        """A call has cost so much; what is not known (NaN) is not counted."""
        if usd > 0:
            self._database.queue(_add, (self._today(), person.key, usd))

    def spent(self, person: Person | None = None) -> float:
        """USD of today's calls as far as their price is known: of a person, or of all."""
        who = "" if person is None else " AND person = ?"
        values = (self._today(), *(() if person is None else (person.key,)))
        return float(self._database.read(f"SELECT total(usd) FROM spent WHERE day = ?{who}", values)[0][0])

    def _check_money(self, policy: Policy) -> None:
        if policy.usd_per_day and (spent := self.spent()) >= policy.usd_per_day:
            raise LimitReached(
                f"Today's calls of everybody have cost USD {spent:.2f}, of {policy.usd_per_day:.2f} that they may.",
                "Go on tomorrow (UTC); everything that was answered is kept. "
                f"{OPERATOR} for more: {place_of('usd_per_day')}.",
            )


def _create(db: Transaction) -> None:
    db.execute("CREATE TABLE spent (day TEXT, person TEXT, usd REAL NOT NULL, PRIMARY KEY (day, person))")


def _add(db: Transaction, payments: Sequence[tuple[str, str, float]]) -> None:
    db.executemany(
        "INSERT INTO spent VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET usd = usd + excluded.usd",
        payments,
    )


class Guarded(SageMaker):
    """SageMaker's door for one person: does what the policy allows, and refuses the rest before anything is called.

    The demo endpoint of this server is free for everybody who may call at all; to change or delete it is an owner's.
    Every method raises `NotAllowed`, and else what the real door's raises.
    """

    def __init__(
        self,
        door: Callable[[], SageMaker],
        where: Connection,
        person: Person,
        policy: Policy,
        meter: Meter,
        demo: bool = False,
    ) -> None:
        """Stand before a door; nothing is called yet.

        Args:
            door: gives the real one; asked only after an operation was allowed, from any thread.
            where: which SageMaker, with whose credentials.
            person: for whom.
            policy: what is allowed.
            meter: of the server.
            demo: whether it is the embedded endpoint of this server.
        """
        self._door = door
        self._where = where
        self._person = person
        self._policy = policy
        self._meter = meter
        self._demo = demo
        self._prices: dict[str, float] = {}  # USD per hour of an endpoint's machines, by its name

    def admit(self) -> float:
        """Seconds until the next call may begin; 0 counts it, and lets this thread make it. See `Meter.wait`."""
        return self._meter.wait(self._person, self._policy)

    def whoami(self) -> Identity:
        """As the real door."""
        self._check_place()
        return self._door().whoami()

    def endpoints(self, name_contains: str = "", status: str = "") -> tuple[Endpoint, ...]:
        """As the real door, without the endpoints that are not open to this person."""
        self._check_place()
        found = self._door().endpoints(name_contains, status)
        return tuple(endpoint for endpoint in found if self._is_open(endpoint.name))

    def describe(self, name: str) -> Endpoint:
        """As the real door."""
        self._check_endpoint(name)
        return self._door().describe(name)

    def describe_all(self, listed: tuple[Endpoint, ...], workers: int = 8) -> tuple[Endpoint, ...]:
        """As the real door."""
        for endpoint in listed:
            self._check_endpoint(endpoint.name)
        return self._door().describe_all(listed, workers)

    def components(self, endpoint: str) -> tuple[str, ...]:
        """As the real door."""
        self._check_endpoint(endpoint)
        return self._door().components(endpoint)

    def describe_model(self, name: str) -> Model:
        """As the real door; where only some endpoints are open, an owner's, for a model does not tell whose it is."""
        self._check_part(f"look at model {name}")
        return self._door().describe_model(name)

    def describe_endpoint_config(self, name: str) -> tuple[Variant, ...]:
        """As the real door; where only some endpoints are open, an owner's."""
        self._check_part(f"look at endpoint config {name}")
        return self._door().describe_endpoint_config(name)

    def execution_roles(self) -> tuple[str, ...]:
        """As the real door; an owner's."""
        self._check_owner("list the account's roles")
        return self._door().execution_roles()

    def create_model(
        self, name: str, role: str, image: str, data: str = "", environment: Mapping[str, str] | None = None
    ) -> None:
        """As the real door; an owner's."""
        self._check_owner("make models")
        self._door().create_model(name, role, image, data, environment)

    def create_endpoint_config(
        self, name: str, model: str, hosting: Instances | Serverless, variant: str = "AllTraffic"
    ) -> None:
        """As the real door; an owner's."""
        self._check_owner("make endpoint configs")
        self._door().create_endpoint_config(name, model, hosting, variant)

    def create_endpoint(self, name: str, config: str) -> None:
        """As the real door; an owner's."""
        self._check_owner("deploy", name)
        self._door().create_endpoint(name, config)

    def update_endpoint(self, name: str, config: str) -> None:
        """As the real door; an owner's."""
        self._check_owner("update endpoints", name)
        self._door().update_endpoint(name, config)

    def delete_endpoint(self, name: str) -> None:
        """As the real door; an owner's."""
        self._check_owner("delete endpoints", name)
        self._door().delete_endpoint(name)

    def delete_endpoint_config(self, name: str) -> None:
        """As the real door; an owner's."""
        self._check_owner("delete endpoint configs")
        self._door().delete_endpoint_config(name)

    def delete_model(self, name: str) -> None:
        """As the real door; an owner's."""
        self._check_owner("delete models")
        self._door().delete_model(name)

    def s3_source(self, uri: str) -> Source:
        """As the real door, below the allowed prefixes."""
        self._check_s3(uri)
        return self._door().s3_source(uri)

    def s3_read(self, uri: str) -> bytes:
        """As the real door, below the allowed prefixes."""
        self._check_s3(uri)
        return self._door().s3_read(uri)

    def invoke(self, request: Request, payload: Payload) -> Reply:
        """As the real door, within the limits.

        Raises:
            LimitReached: when the calls of this minute, or the money of the day, are used up.
        """
        self._check_endpoint(request.endpoint)
        if request.s3_input:
            self._check_s3(request.s3_input)
        self._policy.check_pixels(self._person, payload.width, payload.height)
        self._meter.take(self._person, self._policy)
        reply = self._door().invoke(request, payload)
        self._meter.pay(self._person, self._cost(request.endpoint, reply.latency))
        return reply

    def _cost(self, name: str, seconds: float) -> float:
        """USD of a call: the endpoint's machines for its time. NaN where a price is not known, as of serverless."""
        if self._demo or not self._policy.usd_per_day:
            return 0.0
        if name not in self._prices:
            try:
                endpoint = self._door().describe(name)
            except EndpointError:  # a price is no reason not to answer
                return math.nan
            self._prices[name] = idle_cost(endpoint, self._where.region) / 24
        return cost_per_1000(self._prices[name], 1, seconds) / 1000

    def _check_place(self) -> None:
        """Whether endpoints may be called there at all."""
        self._policy.check_connection(self._person, self._where, self._demo)
        if not self._demo:
            self._policy.check_region(self._person, self._where.region)

    def _check_endpoint(self, name: str) -> None:
        self._check_place()
        if not self._demo:
            self._policy.check_endpoint(self._person, self._where.region, name)

    def _is_open(self, name: str) -> bool:
        try:
            self._check_endpoint(name)
        except NotAllowed:
            return False
        return True

    def _check_part(self, action: str) -> None:
        self._check_place()
        if self._policy.endpoints and not self._demo:
            self._policy.check_role(self._person, Role.OWNER, action)

    def _check_owner(self, action: str, endpoint: str | None = None) -> None:
        self._policy.check_role(self._person, Role.OWNER, action)
        self._check_place() if endpoint is None else self._check_endpoint(endpoint)

    def _check_s3(self, uri: str) -> None:
        self._policy.check_connection(self._person, self._where, self._demo)
        self._policy.check_s3(self._person, uri)
