"""Runs, settings and outcomes as the rows of the workspace, there and back."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec

from smviz.errors import StoreError
from smviz.records import Failure, Outcome, Reply
from smviz.settings import Connection, Preset, Request
from smviz.store.packing import packed, unpacked

State = Literal["not started", "unfinished", "finished"]
Shared = Literal["", "full", "small", "none"]
"""What a run that was copied to be shared has of its images; "" for a run that is no such copy."""
Settings = TypeVar("Settings", Connection, Request, Preset)
Columns = tuple[Any, ...]

LARGEST_REPLY = 1 << 30  # bytes; SageMaker gives none that is larger

_NEW_WORKSPACE = "Move the workspace's file away to start with a new one; image files are not touched."


@dataclass(frozen=True, slots=True)
class Run:
    """An endpoint called over a list of images, as it stood when it was read from the store.

    Attributes:
        id: short random text, unique in the workspace.
        name: what a person calls the run, unique in the workspace.
        created: ISO 8601, UTC.
        total, answered, failed: number of images; of those with a reply; of those with a failure.
        note: what a person wrote about the run.
        endpoint_config: the endpoint config's name when the run began; "" where it is not known.
        source: where the images came from, in words; "" where it was not told.
        imported: what the run was made from, in words; "" when it was run here.
        class_map: what the endpoint's class names mean to the ground truth, as `evaluation.judge` takes it; pairs, for
            a run is a value.
    """

    id: str
    name: str
    created: str
    connection: Connection
    request: Request
    preset: Preset
    total: int
    answered: int
    failed: int
    note: str = ""
    endpoint_config: str = ""
    source: str = ""
    imported: str = ""
    class_map: tuple[tuple[str, str | None], ...] = ()
    shared: Shared = ""

    @property
    def state(self) -> State:
        """Whether images have not been called for yet; one that failed has been, and can be called for again."""
        called = self.answered + self.failed
        return "finished" if called == self.total else "unfinished" if called else "not started"


SELECT_RUN = """SELECT id, name, created, connection, request, preset, total,
    (SELECT count(*) FROM outcome WHERE outcome.run = number AND failure_kind IS NULL),
    (SELECT count(*) FROM outcome WHERE outcome.run = number AND failure_kind IS NOT NULL),
    note, endpoint_config, source, imported, class_map, shared
    FROM run WHERE total IS NOT NULL"""


def run_of(row: tuple[Any, ...]) -> Run:
    """The run in a row of `SELECT_RUN`.

    Raises:
        StoreError: when its settings are damaged.
    """
    run_id, name, created, connection, request, preset, *rest = row
    how = (from_json(connection, Connection), from_json(request, Request), from_json(preset, Preset))
    with undamaged("run", _NEW_WORKSPACE):
        rest[-2] = tuple(msgspec.convert(json.loads(rest[-2]), dict[str, str | None]).items())
    return Run(run_id, name, created, *how, *rest)


SELECT_OUTCOME = """SELECT image.position, image.name, sha256, width, height, attempts, reused, client,
    failure_kind, failure_message, failure_advice, failure_log, content_type, latency, model, variant, body
    FROM image JOIN outcome ON outcome.image = image.id LEFT JOIN reply ON reply.id = outcome.reply
    WHERE image.run = (SELECT number FROM run WHERE id = ?)"""


def outcome_of(row: tuple[Any, ...]) -> Outcome:
    """The outcome in a row of `SELECT_OUTCOME`.

    Raises:
        StoreError: when the reply's body is damaged.
    """
    _, image, sha256, width, height, attempts, reused, client, kind, message, advice, log, *reply = row
    failure = None if kind is None else Failure(kind, message, advice, log)
    known = None if kind is not None else reply_of(tuple(reply))
    return Outcome(image, sha256, width, height, attempts, known, failure, bool(reused), client)


def reply_of(row: tuple[Any, ...]) -> Reply:
    """The reply in a row of content type, latency, model, variant and body.

    Raises:
        StoreError: when its body is damaged.
    """
    content_type, latency, model, variant, body = row
    with undamaged("reply", "Delete its run and start a new one."):
        whole = unpacked(body, LARGEST_REPLY)
    return Reply(whole, content_type, math.nan if latency is None else latency, variant, model)


def reply_columns(reply: Reply) -> Columns:
    """Content type, latency, model, variant and body; SQLite keeps a NaN as NULL."""
    return (reply.content_type, reply.latency, reply.model, reply.variant, packed(reply.body))


def to_json(settings: Connection | Request | Preset) -> str:
    """Settings as they are stored."""
    return json.dumps(dataclasses.asdict(settings))


def from_json(text: str, kind: type[Settings]) -> Settings:
    """Settings that were stored, by this version or another.

    Raises:
        StoreError: when they are damaged.
    """
    # A field that this version does not know, or that an older one did not write, is no hindrance.
    with undamaged(kind.__name__.lower(), _NEW_WORKSPACE):
        return msgspec.convert(json.loads(text), kind)


@contextlib.contextmanager
def undamaged(what: str, advice: str) -> Iterator[None]:
    """Turns whatever a damaged value does to who reads it into StoreError; hold nothing else in it."""
    try:
        yield
    except (msgspec.ValidationError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise StoreError(f"A stored {what} is damaged ({error}).", advice) from error


def storable(text: str) -> str:
    """The text without lone surrogates, which file names and servers may hand us and no database takes."""
    return text.encode("utf-8", "replace").decode()
