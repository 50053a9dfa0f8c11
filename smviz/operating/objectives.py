"""What a threshold is chosen for, as a value and as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from smviz.errors import BadSetting

EXAMPLES = ("f1", "f0.5", "f2", "recall>=0.9", "precision>=0.95", "fp<=0.1", "cost(fp=1,fn=5)")

_ADVICE = f"Write one of {', '.join(EXAMPLES)}, with your own numbers; fp is false positives per image."
_NUMBER = r"((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)"
_FORMS = {
    "f": f"f{_NUMBER}",
    "recall": f"recall>={_NUMBER}",
    "precision": f"precision>={_NUMBER}",
    "fp": f"fp<={_NUMBER}",
    "cost": rf"cost\(fp={_NUMBER},fn={_NUMBER}\)",
}

Kind = Literal["f", "recall", "precision", "fp", "cost"]


@dataclass(frozen=True, slots=True)
class Objective:
    """What a threshold is chosen for. As text it is what `parse_objective` reads: f1, recall>=0.9 and so on.

    Attributes:
        kind: "f" maximises F-beta; "recall" and "precision" must be reached; "fp" is how many false positives per image
            are allowed; "cost" minimises what the errors cost.
        values: beta; the recall or precision; the false positives; the costs of a false positive and a missed object.

    Raises:
        BadSetting: when there is no such kind, or a value is out of its range.
    """

    kind: Kind
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.kind not in _FORMS or len(self.values) != 1 + (self.kind == "cost"):
            raise BadSetting(f"There is no objective {self.kind!r} of {len(self.values)} values.", _ADVICE)
        name, low, high = _RANGES[self.kind]
        for value in self.values:
            if not low <= value <= high:
                raise BadSetting(f"{name} cannot be {value:g}.", f"Choose a number from {low:g} to {high:,.0f}.")

    def __str__(self) -> str:
        values = [repr(float(value)).removesuffix(".0") for value in self.values]
        return _TEXTS[self.kind].format(*values)


_RANGES = {
    "f": ("Beta", 0.001, 1e3),
    "recall": ("The recall to reach", 0.0, 1.0),
    "precision": ("The precision to reach", 0.0, 1.0),
    "fp": ("The number of false positives per image", 0.0, 1e6),
    "cost": ("A cost", 1e-6, 1e6),
}
_TEXTS = {
    "f": "f{}",
    "recall": "recall>={}",
    "precision": "precision>={}",
    "fp": "fp<={}",
    "cost": "cost(fp={},fn={})",
}

F1 = Objective("f", (1.0,))


def parse_objective(text: str) -> Objective:
    """Read an objective such as those in `EXAMPLES`; case and blanks do not matter.

    Raises:
        BadSetting: when it is none, or a value is out of its range.
    """
    compact = re.sub(r"\s+", "", text).lower()
    kind: Kind
    for kind in ("f", "recall", "precision", "fp", "cost"):
        found = re.fullmatch(_FORMS[kind], compact, re.ASCII)
        if found:
            return Objective(kind, tuple(map(float, found.groups())))
    raise BadSetting(f"“{text}” is no objective.", _ADVICE)
