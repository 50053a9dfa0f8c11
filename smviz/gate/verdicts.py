"""Whether a number keeps its bound, and whether it fell behind the baseline."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from smviz.errors import BadSetting
from smviz.gate.asking import Check, MaxDrop
from smviz.gate.baseline import StoredNumbers
from smviz.gate.numbers import CALL_NUMBERS, COUNTS, Name, Numbers
from smviz.intervals import COCO_NUMBERS, Change, Difference, Interval, difference
from smviz.reporting.numbers import RATES

_SAME = 1e-12  # numbers that were added up in another order


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one thing that was asked.

    Attributes:
        kind: "check" of a bound, or "baseline" of a drop.
        asked: in words, as "AP50>=0.6" or "AP50 drops by at most 0.01".
        name: of the number.
        value: of the number; NaN where it is undefined.
        low, high: the interval that was looked at: of the number, or of its difference to the baseline; NaN without.
        baseline: the baseline's number; NaN for a check.
        why: one sentence.
    """

    kind: Literal["check", "baseline"]
    asked: str
    name: str
    passed: bool
    value: float
    low: float
    high: float
    baseline: float
    why: str

    @property
    def change(self) -> float:
        """Value - baseline; NaN for a check."""
        return self.value - self.baseline


def judge_check(check: Check, numbers: Numbers, use_interval: bool = False) -> Verdict:
    """Whether a number keeps a bound; an undefined one keeps none.

    With `use_interval`, the unfavourable end of its 95 % interval must keep the bound too: the lower end for >= and >,
    the upper end for <= and <. What calls tell (failures, latency) has no interval and is judged by itself.

    Raises:
        BadSetting: as `Numbers.find`.
    """
    name = numbers.find(check.name)
    value = numbers.value(name)
    interval = numbers.interval(name) if use_interval else None
    low, high = (math.nan, math.nan) if interval is None else (interval.low, interval.high)
    passed, why = _kept(check, value, interval)
    return Verdict("check", check.text, name.text, passed, value, low, high, math.nan, why)


def judge_drops(
    drops: Sequence[MaxDrop], numbers: Numbers, baseline: Numbers | StoredNumbers, use_interval: bool = False
) -> tuple[Verdict, ...]:
    """Whether numbers fell behind the baseline's by more than they may.

    A number fails when baseline - value > the most that it may drop. With `use_interval` it must also be certain: it
    fails only when the upper end of the 95 % interval of (value - baseline), from resamples of the same images for
    both, is below 0. A number that the baseline has and that is undefined now fails; one that is undefined in both is
    left out, and fails where it was asked for by name.

    Args:
        drops: of one name the last one counts; "" stands for those that are not named.
        numbers: those to judge.
        baseline: of the same images, and at the same confidence.
        use_interval: needs a baseline that can be resampled.

    Raises:
        BadSetting: when a number is not there or cannot drop, the baseline is of another ground truth, or it has no
            resamples to tell an interval from.
    """
    if isinstance(baseline, StoredNumbers):
        baseline.check_same(numbers)
        if use_interval:
            raise BadSetting(
                f"{baseline.label} holds numbers without resamples, so a difference has no interval.",
                "Give a run or a detections file as --baseline, or leave out --use-interval.",
            )
        paired = None
    else:
        _check_same(numbers, baseline)
        paired = _Paired(difference(baseline.bootstrap, numbers.bootstrap), numbers) if use_interval else None
    verdicts = []
    for name, most, asked in _wanted(drops, numbers):
        before = (
            baseline.value(name, numbers.confidence, numbers.iou)
            if isinstance(baseline, StoredNumbers)
            else baseline.value(name)
        )
        verdict = _dropped(name, most, numbers.value(name), before, paired)
        if asked or not (math.isnan(verdict.value) and math.isnan(verdict.baseline)):
            verdicts.append(verdict)
    return tuple(verdicts)


def _kept(check: Check, value: float, interval: Interval | None) -> tuple[bool, str]:
    name = check.name
    is_value = f"{name} is {value:.0f}" if name in COUNTS else f"{name} is {value:.6f}"
    if math.isnan(value):
        return False, f"{name} is undefined here, and an undefined number keeps no bound."
    if interval is None or not check.holds(value):
        return check.holds(value), f"{is_value}."
    end, words = (interval.low, "lower") if check.at_least else (interval.high, "upper")
    if math.isnan(end):
        return False, f"{is_value}, but there are too few images to tell an interval from."
    return check.holds(end), f"{is_value}; the {words} end of its 95 % interval is {end:.6f}."


@dataclass(frozen=True)
class _Paired:
    """The differences to the baseline, with intervals."""

    difference: Difference
    numbers: Numbers

    def change(self, name: Name) -> Change:
        if name.number in RATES:
            at = self.numbers.confidence
            assert at is not None
            pooled, classes = self.difference.rates(at, at, self.numbers.iou)
            found: Change = getattr(pooled if name.class_id is None else classes[name.class_id], name.number)
            return found
        if name.class_id is None:
            return self.difference.numbers()[name.number]
        return self.difference.classes(name.number)[name.class_id]


def _dropped(name: Name, most: float, value: float, before: float, paired: _Paired | None) -> Verdict:
    interval = paired.change(name).interval if paired else None
    low, high = (interval.low, interval.high) if interval else (math.nan, math.nan)
    passed, why = _verdict(name.text, most, value, before, interval)
    asked = f"{name.text} drops by at most {most:g}"
    return Verdict("baseline", asked, name.text, passed, value, low, high, before, why)


def _verdict(name: str, most: float, value: float, before: float, interval: Interval | None) -> tuple[bool, str]:
    if math.isnan(value):
        return False, f"{name} is undefined here, and cannot be compared."
    if math.isnan(before):
        return True, f"The baseline has no {name} to compare with."
    moved = f"{name} went from {before:.6f} to {value:.6f}, by {value - before:+.6f}"
    if before - value <= most + _SAME:
        return True, f"{moved}."
    if interval is None:
        return False, f"{moved}."
    between = f"the 95 % interval of the difference is {interval.low:+.6f} to {interval.high:+.6f}"
    if math.isnan(interval.high):
        return False, f"{moved}, and there are too few images to tell whether that is chance."
    if interval.high < 0:
        return False, f"{moved}, and not by chance: {between}."
    return True, f"{moved}, which may be chance: {between}."


def _wanted(drops: Iterable[MaxDrop], numbers: Numbers) -> list[tuple[Name, float, bool]]:
    """The numbers to compare, how much each may drop, and whether it was asked for by name."""
    wanted: dict[str, tuple[Name, float, bool]] = {}
    for drop in drops:
        if not drop.name:
            every = (*COCO_NUMBERS, *(RATES if numbers.confidence is not None else ()))
            named = {text: row for text, row in wanted.items() if row[2]}
            wanted = {text: (numbers.find(text), drop.most, False) for text in every} | named
            continue
        if drop.name in CALL_NUMBERS:
            raise BadSetting(
                f"“{drop.name}” is better when it is lower, so it cannot drop too much.",
                f"Give it a bound with --check, as {drop.name}<=0.5",
            )
        wanted[drop.name] = (numbers.find(drop.name), drop.most, True)
    return list(wanted.values())


def _check_same(numbers: Numbers, baseline: Numbers) -> None:
    if numbers.fingerprint != baseline.fingerprint:
        raise BadSetting(
            "The baseline is judged by another ground truth.",
            "Give one for both with --annotations.",
        )
