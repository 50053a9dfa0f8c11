"""What a gate is asked, as a person writes it: "AP50>=0.6", "car.recall>=0.9"; and how much a number may drop."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from smviz.errors import BadSetting

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}

_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)"


@dataclass(frozen=True, slots=True)
class Check:
    """A bound that a number must keep.

    Attributes:
        text: as it was written.
        name: of the number, as `gate.Numbers.find` reads it.
        comparison: one of `COMPARISONS`.
        bound: what the number is compared with.
    """

    text: str
    name: str
    comparison: str
    bound: float

    @property
    def at_least(self) -> bool:
        """Whether the number must be high and not low."""
        return self.comparison.startswith(">")

    def holds(self, value: float) -> bool:
        """Whether a value keeps the bound; an undefined one keeps none."""
        return not math.isnan(value) and COMPARISONS[self.comparison](value, self.bound)


@dataclass(frozen=True, slots=True)
class MaxDrop:
    """How much lower than the baseline's a number may be.

    Attributes:
        name: of the number; "" for each of COCO's twelve, and for precision, recall and F1 where there is a threshold.
        most: 0 or more.
    """

    name: str
    most: float


def parse_check(text: str) -> Check:
    """Read a check such as "AP50>=0.6".

    Raises:
        BadSetting: when it is none.
    """
    match = re.fullmatch(rf"\s*(\S.*?)\s*(>=|<=|>|<)\s*({_NUMBER})\s*", text, re.ASCII | re.DOTALL)
    if match is None:
        raise BadSetting(f"“{text}” is no check.", "Write a number's name, >=, <=, > or <, and a bound: AP50>=0.6")
    return Check(text.strip(), match[1], match[2], float(match[3]))


def parse_max_drop(text: str) -> MaxDrop:
    """Read how much may be lost: "0.01", or "car.AP50=0.02" for one number.

    Raises:
        BadSetting: when it is neither.
    """
    match = re.fullmatch(rf"\s*(?:(\S.*?)\s*=\s*)?({_NUMBER})\s*", text, re.ASCII | re.DOTALL)
    if match is None:
        raise BadSetting(
            f"“{text}” is no drop.", "Write how much a number may lose, 0.01, or for one of them AP50=0.02"
        )
    return MaxDrop(match[1] or "", float(match[2]))
