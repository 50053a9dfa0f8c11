"""Class names of an endpoint and of a ground truth, brought together."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

ClassMap = Mapping[str, str | None]  # the endpoint's class name -> the ground truth's, or None to leave it out

_BETWEEN = re.compile(r"[\s_-]+")


@dataclass(frozen=True, slots=True)
class Unmatched:
    """What a class map leaves without a counterpart.

    Attributes:
        ground_truth: classes that no class of the endpoint means; their objects can only be missed.
        endpoint: classes that mean none of the ground truth; their detections are left out.
        doubts: for each of the endpoint's that could mean one, but not surely, which it could be, in a sentence.
    """

    ground_truth: tuple[str, ...]
    endpoint: tuple[str, ...]
    doubts: tuple[str, ...]


def propose_class_map(ground_truth_names: Iterable[str], endpoint_names: Iterable[str]) -> dict[str, str | None]:
    """What each class name of an endpoint most likely means, or None.

    Names are paired when they are equal; of the rest, when they are equal without case, blanks, underscores and
    hyphens; of the rest, when one is the English plural of the other. A pair is proposed only when neither name has
    another partner at that step, so a class of the ground truth is proposed once at most: that several classes of an
    endpoint mean one, as "car" and "van" a "vehicle", is for a person to say. Names with several partners are None, and
    `unmatched` tells of them.
    """
    proposed: dict[str, str | None] = dict.fromkeys(endpoint_names)
    left, right = dict.fromkeys(proposed), dict.fromkeys(ground_truth_names)
    for alike in (_equal, _equal_folded, _plural):
        partners, rivals = defaultdict(set), defaultdict(set)
        for name, other in alike(left, right):
            partners[name].add(other)
            rivals[other].add(name)
        for name, others in partners.items():
            del left[name]  # a name in doubt is not given to a partner that is less alike
            other = next(iter(others))
            if len(others) == len(rivals[other]) == 1:
                proposed[name] = other
        for other in rivals:
            del right[other]
    return proposed


def unmatched(ground_truth_names: Iterable[str], endpoint_names: Iterable[str], class_map: ClassMap) -> Unmatched:
    """The classes of either side without a counterpart in the map, in their order, and those in doubt."""
    truth, endpoint = dict.fromkeys(ground_truth_names), dict.fromkeys(endpoint_names)
    meant = {class_map.get(name) for name in endpoint}
    alone = [name for name in endpoint if class_map.get(name) is None]
    candidates: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for alike in (_equal, _equal_folded, _plural):
        for name, other in alike(alone, truth):
            candidates[name][other] = None
    return Unmatched(
        ground_truth=tuple(name for name in truth if name not in meant),
        endpoint=tuple(alone),
        doubts=tuple(
            f"{name!r} of the endpoint may mean {' or '.join(map(repr, candidates[name]))}; choose what it means."
            for name in alone
            if name in candidates
        ),
    )


def _equal(left: Iterable[str], right: Iterable[str]) -> Iterable[tuple[str, str]]:
    known = set(right)
    return [(name, name) for name in left if name in known]


def _equal_folded(left: Iterable[str], right: Iterable[str]) -> Iterable[tuple[str, str]]:
    known = _by(lambda name: {_folded(name)}, right)
    return [(name, other) for name in left for other in known[_folded(name)]]


def _plural(left: Iterable[str], right: Iterable[str]) -> Iterable[tuple[str, str]]:
    singular, plural = _by(lambda name: {_folded(name)}, right), _by(lambda name: _plurals(_folded(name)), right)
    pairs = [(name, other) for name in left for other in plural[_folded(name)]]
    return pairs + [(name, other) for name in left for form in _plurals(_folded(name)) for other in singular[form]]


def _by(keys: Callable[[str], set[str]], names: Iterable[str]) -> defaultdict[str, list[str]]:
    index: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        for key in keys(name):
            index[key].append(name)
    return index


def _folded(name: str) -> str:
    return _BETWEEN.sub("", unicodedata.normalize("NFKC", name).casefold()) or name


def _plurals(folded: str) -> set[str]:
    """How English could write the plural of a word."""
    forms = {f"{folded}s", f"{folded}es"}
    if folded.endswith("y"):
        forms.add(f"{folded[:-1]}ies")
    if folded.endswith(("f", "fe")):
        forms.add(re.sub("fe?$", "ves", folded))
    return forms if folded else set()
