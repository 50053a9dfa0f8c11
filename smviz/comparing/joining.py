"""Which image of one run is which of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from smviz.names import base_name
from smviz.records import Outcome


@dataclass(frozen=True)
class Joined:
    """Which image of one run is which of another.

    Attributes:
        pairs: their outcomes in A and in B, in A's order.
        only_a, only_b: the names of the images with a reply that have no partner with a reply.
        renamed: how many are the same bytes under different names.
        changed: how many were joined by name though other bytes were sent.
    """

    pairs: tuple[tuple[Outcome, Outcome], ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    renamed: int
    changed: int


def join(a: Sequence[Outcome], b: Sequence[Outcome]) -> Joined:
    """Join the answered images of two runs.

    The same bytes under the same name go together first, then the same bytes, then the same name, then the same name
    without its folders; each rule only where it is unambiguous among what is left.
    """
    left_a = {outcome.image: outcome for outcome in a if outcome.reply}
    left_b = {outcome.image: outcome for outcome in b if outcome.reply}
    order = {name: place for place, name in enumerate(left_a)}
    pairs: list[tuple[Outcome, Outcome]] = []
    for key in (_name_and_bytes, _bytes, _name, _base_name):
        index_a, index_b = _unambiguous(left_a.values(), key), _unambiguous(left_b.values(), key)
        shared = [(index_a[one].image, index_b[one].image) for one in index_a.keys() & index_b.keys()]
        pairs.extend((left_a.pop(one), left_b.pop(other)) for one, other in shared)
    pairs.sort(key=lambda pair: order[pair[0].image])
    return Joined(
        pairs=tuple(pairs),
        only_a=tuple(left_a),
        only_b=tuple(left_b),
        renamed=sum(base_name(one.image) != base_name(other.image) for one, other in pairs),
        changed=sum(one.sha256 != other.sha256 for one, other in pairs),
    )


def _name_and_bytes(outcome: Outcome) -> Hashable:
    return (outcome.image, outcome.sha256)


def _bytes(outcome: Outcome) -> Hashable:
    return outcome.sha256 or None


def _name(outcome: Outcome) -> Hashable:
    return outcome.image


def _base_name(outcome: Outcome) -> Hashable:
    return base_name(outcome.image)


def _unambiguous(outcomes: Iterable[Outcome], key: Callable[[Outcome], Hashable]) -> dict[Hashable, Outcome]:
    outcomes = tuple(outcomes)
    times = Counter(map(key, outcomes))
    return {key(one): one for one in outcomes if times[key(one)] == 1 and key(one) is not None}
