"""Faults on purpose: shares of the invocations that go wrong, to see how a client copes."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from smviz.errors import BadSetting

KINDS = {
    "throttle": "HTTP 400 ThrottlingException without a message",
    "error": "HTTP 500 InternalFailure",
    "model": "HTTP 424 ModelError, the container's own status 500",
    "unavailable": "HTTP 503 ServiceUnavailable",
    "reset": "the connection is closed without an answer",
    "slow": "the answer comes 2 seconds late",
    "bad": "HTTP 200 with half of the JSON",
}
"""Kind of fault -> what the client sees."""

_ADVICE = f"Write KIND=SHARE[,KIND=SHARE...], for instance throttle=0.1,reset=0.01; the kinds are {', '.join(KINDS)}."


@dataclass(frozen=True, slots=True)
class Faults:
    """The share of the invocations, 0 to 1, that each kind of fault gets; together at most 1."""

    shares: tuple[tuple[str, float], ...] = ()

    @classmethod
    def parse(cls, spec: str) -> Faults:
        """Read a specification such as `throttle=0.1,error=0.02`; an empty one means no faults.

        Raises:
            BadSetting: a kind is unknown or twice there, a share is no number from 0 to 1, or their sum is above 1.
        """
        shares: dict[str, float] = {}
        for part in filter(None, map(str.strip, spec.split(","))):
            kind, _, share = (word.strip() for word in part.partition("="))
            if kind not in KINDS:
                raise BadSetting(f"There is no fault '{kind}'.", _ADVICE)
            if kind in shares:
                raise BadSetting(f"The fault '{kind}' is given twice.", _ADVICE)
            shares[kind] = _share(kind, share)
        if sum(shares.values()) > 1 + 1e-9:
            raise BadSetting(f"The shares of the faults add up to {sum(shares.values()):g}, above 1.", _ADVICE)
        return cls(tuple(shares.items()))

    def draw(self, random: Random) -> str | None:
        """The kind of fault that an invocation meets, or None."""
        point = random.random()
        for kind, share in self.shares:
            if point < share:
                return kind
            point -= share
        return None


def _share(kind: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise BadSetting(f"The share of the fault '{kind}' is '{text}', not a number from 0 to 1.", _ADVICE)
    return share
