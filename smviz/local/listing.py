"""Pages of a list: filters, order and tokens that ListModels, ListEndpointConfigs and ListEndpoints share."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from smviz.local.shapes import Listing
from smviz.local.wire import invalid

Key = tuple[Any, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One resource of a list.

    Attributes:
        created: seconds since 1970.
        summary: what the list shows of it, beside the time of creation.
        status: an endpoint's status; other resources have none.
    """

    name: str
    created: float
    summary: dict[str, Any]
    status: str = ""

    def key(self, sort_by: str) -> Key:
        """What the row is sorted by; the name breaks ties, so that a page has one definite successor."""
        return {"Name": self.name, "CreationTime": self.created, "Status": self.status}[sort_by], self.name


def page(member: str, rows: Sequence[Row], request: Listing) -> dict[str, Any]:
    """One page of a list, under the name of its member.

    A page's token is the sort key of its last row, so rows that come or go between two pages do no harm.

    Raises:
        AwsError: ValidationException when the token is none of this list's.
    """
    descending = request.sort_order == "Descending"
    chosen = sorted(
        (row for row in rows if _is_asked_for(row, request)),
        key=lambda row: row.key(request.sort_by),
        reverse=descending,
    )
    if request.next_token:
        last = _read_token(request.next_token, request.sort_by)
        chosen = [row for row in chosen if _comes_after(row.key(request.sort_by), last, descending)]
    shown = chosen[: request.max_results]
    answer: dict[str, Any] = {member: [row.summary | {"CreationTime": row.created} for row in shown]}
    if len(chosen) > len(shown):
        answer["NextToken"] = _token(shown[-1].key(request.sort_by))
    return answer


def _is_asked_for(row: Row, request: Listing) -> bool:
    before, after = request.creation_time_before, request.creation_time_after
    return (
        request.name_contains.lower() in row.name.lower()
        and (before is None or row.created < before)
        and (after is None or row.created > after)
    )


def _comes_after(key: Key, last: Key, descending: bool) -> bool:
    return key < last if descending else key > last


def _token(key: Key) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode()


def _read_token(token: str, sort_by: str) -> Key:
    kind: Any = tuple[float, str] if sort_by == "CreationTime" else tuple[str, str]
    try:
        key: Key = msgspec.json.decode(base64.urlsafe_b64decode(token), type=kind)
    except ValueError as error:  # also what base64 and msgspec raise
        raise invalid("The NextToken does not belong to this list.") from error
    return key
