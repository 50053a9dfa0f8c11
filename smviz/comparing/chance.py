"""What a difference is worth: whether it is more than chance, also where many classes are looked at, and latency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal

import numpy as np

from smviz.intervals import Change
from smviz.intervals.interval import percentile_interval
from smviz.matching import Floats
from smviz.records import Outcome

Verdict = Literal["better", "worse", "no difference", "undefined"]

_NORMAL = NormalDist()


def verdict(change: Change, lower_is_better: bool = False) -> Verdict:
    """Whether b's number is better beyond chance: whether the interval of the difference leaves out 0."""
    low, high = change.interval.low, change.interval.high
    if math.isnan(low):
        return "undefined"
    if low <= 0 <= high:
        return "no difference"
    return "better" if (low > 0) != lower_is_better else "worse"


def p_value(change: Change, images: int) -> float:
    """How often chance alone would make a difference as large, two-sided; NaN where there is nothing to tell it from.

    By the normal distribution with the standard error of the resamples, because a share of resamples cannot become as
    small as a correction for many classes asks for. Never below 2 ^ (1 - images): that is the least that swapping the
    two runs image by image (a sign-flip test) could give, so few images prove nothing.

    Args:
        change: a difference with its resamples.
        images: in how many images there is something to be found.
    """
    values = change.interval.resampled[~np.isnan(change.interval.resampled)]
    point = change.interval.point
    if math.isnan(point) or not len(values) or not images:
        return math.nan
    if point == 0:
        return 1.0
    error = float(values.std())
    tails = 2 * (1 - _NORMAL.cdf(abs(point) / error)) if error > 0 else 0.0
    return min(1.0, max(tails, 2.0 ** (1 - min(images, 1000))))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values corrected for being many (Holm 1979); a NaN is no test and stays.

    Where those below 0.05 are believed, the chance of believing any wrongly is at most 5 %.
    """
    adjusted = np.array(p_values, np.float64)
    tests = np.flatnonzero(~np.isnan(adjusted))
    order = tests[np.argsort(adjusted[tests], kind="stable")]
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(adjusted[order] * np.arange(len(order), 0, -1)))
    return tuple(adjusted.tolist())


def signed(value: float, digits: int = 3) -> str:
    """A difference for a person: zero is 0, and what is not zero never looks like it; an em dash where undefined."""
    if math.isnan(value):
        return "—"
    if value == 0:
        return "0"
    text = f"{value:+,.{digits}f}"
    return text if float(text.replace(",", "")) else f"{value:+.1g}"


def latencies(images: Sequence[tuple[Outcome, Outcome]]) -> Floats:
    """Seconds of each image that both runs called for, float64 [2, L]; reused replies were not timed there."""
    both = [(a.reply.latency, b.reply.latency) for a, b in images if a.reply and b.reply and not (a.reused or b.reused)]
    timed = np.array(both, np.float64).reshape(-1, 2).T
    return timed[:, np.isfinite(timed).all(axis=0)]


def latency_changes(
    timed: Floats, shares: Sequence[float] = (0.5, 0.95, 0.99), resamples: int = 1000, seed: int = 0
) -> tuple[Change, ...]:
    """How quantiles of the latency differ, b - a in seconds, with a plain quantile interval of resampled images.

    Args:
        timed: as `latencies` gives them.
        shares: of the images that are faster than each quantile.
        resamples, seed: of the bootstrap.
    """
    if timed.shape[1] < 2:
        undefined = percentile_interval(math.nan, np.zeros(0), 0.95)
        return tuple(Change(undefined, math.nan) for _ in shares)
    rng, count = np.random.default_rng(seed), timed.shape[1]
    drawn = np.array([_gap(timed[:, rng.integers(0, count, count)], shares) for _ in range(resamples)])
    points = _gap(timed, shares)
    return tuple(
        Change(percentile_interval(float(point), values, 0.95), float((values > 0).mean()))
        for point, values in zip(points, drawn.T, strict=True)
    )


def _gap(timed: Floats, shares: Sequence[float]) -> Floats:
    a, b = np.quantile(timed, shares, axis=1).T
    gap: Floats = b - a
    return gap
