"""How many calls an endpoint is given at once: found out while calling, from refusals and latencies alone.

No I/O, no clock and no threads of its own: the caller tells the time, and guards the object with its own lock.

What more calls at once would bring is seen by trying. Little's law (J. D. C. Little, "A Proof for the Queuing Formula",
Operations Research 9, 1961) gives the throughput: calls that are being answered / latency. From one limit to a higher
one it grows in proportion while the endpoint has room, whether or not calls are refused at random. It stays the same
where the endpoint is full: then more calls are refused, or the latency grows as the limit does.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, replace

_FIRST = 4  # calls at once to begin with
_WINDOW = 24, 6  # results of a window: so many at least, and so many for each call at once
_GAIN = 0.5  # a step pays when the throughput changes by at least this power of the change of the limit
_CROWDED = 0.25  # share of a window above the usual refusals, at which it is cut short and the limit with it
_FULL = 0.85  # share of the limit that is being answered, from which on a step up is followed by the next
_USED = 0.8  # share of the limit that is taken in the mean, below which it is not the limit that holds the calls back
_SPARED = 0.03  # share of the calls that may be refused for the sake of steps up
_REST = 4, 12  # windows between two steps: so many at most, and so many where the last one cost refusals
_STEP, _LONGEST_STEP = 1.25, 2.0
_SHORTEST_HOLD = 0.005  # seconds


@dataclass(frozen=True, slots=True)
class _Level:
    """How calls fared at a limit.

    Attributes:
        taken: calls at once in the mean, those that were refused with the time their slots were kept.
        answered: share of the calls that were not refused.
        latency: the mean of the natural logarithms of the latencies in seconds, which a few slow calls do not move far.
        error: the squared standard error of `latency`.
    """

    limit: int
    taken: float
    answered: float
    latency: float
    error: float

    def useful(self, usual: float) -> float:
        """The calls at once that are being answered; a share of refusals has other causes than the limit."""
        return max(1e-3, self.taken * min(1.0, self.answered / max(1e-2, 1 - usual)))


class Limiter:
    """Finds the least number of calls at once with which an endpoint answers about as much as it can.

    The limit doubles while that pays. Then it rests, and now and then steps a quarter up or a fifth down, so that an
    endpoint that scales out or in is followed. A window with far more refusals than usual cuts it at once. A refused
    call keeps its slot for a round trip, for the next one would be refused as well. A limit that is not made use of
    comes down to what is taken of it: then it is who makes the calls that holds them back.

    Attributes:
        ceiling: the limit is never above it.
        limit: calls at once, now.
        in_flight: calls begun and not ended.
        round_trip: seconds that an answer takes now; infinite before the first one.
    """

    def __init__(self, ceiling: int = 32) -> None:
        self.ceiling = ceiling
        self.limit = min(_FIRST, ceiling)
        self.in_flight = 0
        self._held: list[float] = []  # a heap: when the slots of refused calls become free
        self.round_trip = math.inf
        self._usual = 0.0  # share of refusals that does not come from the limit
        self._settled: _Level | None = None  # what a step is compared to
        self._stepping = False
        self._upwards = True
        self._step = _LONGEST_STEP
        self._patience = 1  # windows to rest after a step that did not pay
        self._rest = 0.0  # results to come before the next step
        self._since = -math.inf  # calls begun before ran at another limit
        self._latencies: list[float] = []  # of this window, as natural logarithms of seconds
        self._refused = 0
        self._busy = self._open = 0.0  # of this window: slots taken x seconds, and seconds
        self._told = math.inf  # up to this time

    def wait(self, now: float) -> float:
        """Seconds until a call may begin: 0 when at once, infinity when another call must end first."""
        while self._held and self._held[0] <= now:
            heapq.heappop(self._held)
        excess = self.in_flight + len(self._held) - self.limit
        if excess < 0:
            return 0.0
        return sorted(self._held)[excess] - now if excess < len(self._held) else math.inf

    def begin(self, now: float) -> None:
        """A call begins."""
        self._pass(now)
        self.in_flight += 1

    def end(self, begun: float, now: float, answer: bool | None) -> None:
        """A call ends.

        Args:
            begun: when it began, in seconds of any clock.
            now: the time of the same clock.
            answer: True for an answer, False where the endpoint refused the call because it is busy, None for what
                tells nothing about how busy it is.
        """
        self._pass(now)
        self.in_flight -= 1
        seconds = max(now - begun, 1e-9)
        if answer is False:
            hold = self.round_trip if math.isfinite(self.round_trip) else seconds
            heapq.heappush(self._held, now + max(_SHORTEST_HOLD, hold))
        if answer and self.round_trip == math.inf:
            self._since = now  # what began before it opened connections as well
            self.round_trip = seconds
        if answer is None:
            self._busy = self._open = 0.0  # others may have waited for it
        if answer is None or begun < self._since:
            return
        if answer:
            self._latencies.append(math.log(seconds))
        else:
            self._refused += 1
        if self._results >= self._size or self._crowded:
            before = self.limit
            self._judge()
            if self.limit != before:
                self._since = now
            self._latencies, self._refused = [], 0
            self._busy = self._open = 0.0
        elif answer and self._settled is None:
            self.round_trip = min(self.round_trip, seconds)

    def _pass(self, now: float) -> None:
        taken = self.in_flight + len(self._held)
        seconds = max(0.0, now - self._told)
        if not taken:
            seconds = min(seconds, self.round_trip)  # of a pause no more counts
        self._busy += taken * seconds
        self._open += seconds
        self._told = now

    @property
    def _taken(self) -> float:
        """The slots that were taken in the mean of this window; after a step down there are still more at first."""
        return min(self._busy / self._open, self.limit) if self._open else self.limit

    @property
    def _size(self) -> int:
        return max(_WINDOW[0], _WINDOW[1] * self.limit)

    @property
    def _results(self) -> int:
        return len(self._latencies) + self._refused

    @property
    def _excess(self) -> float:
        """Refusals above the usual ones."""
        return self._refused - self._usual * self._results

    @property
    def _crowded(self) -> bool:
        return self._excess > _CROWDED * self._size

    def _judge(self) -> None:
        """A window has ended: keep the limit or change it."""
        level = self._level()
        if level:
            self.round_trip = math.exp(level.latency)
        if self._stepping and self._settled:
            self._judge_step(self._settled, level)
        elif self._crowded and self.limit > 1:
            self.limit = max(1, min(self.limit - 1, round(level.useful(self._usual)) if level else 1))
            self._settled, self._patience, self._rest = None, 1, self._size
            self._turn(up=True)
        else:
            self._learn(level)

    @property
    def _refusals(self) -> float:
        return self._refused / self._results

    def _level(self) -> _Level | None:
        n = len(self._latencies)
        if n < 2:
            return None
        mean = math.fsum(self._latencies) / n
        error = math.fsum((x - mean) ** 2 for x in self._latencies) / (n - 1) / n
        return _Level(self.limit, self._taken, 1 - self._refusals, mean, error)

    def _learn(self, level: _Level | None) -> None:
        """The limit rests: learn how calls fare, and step when it is time to."""
        self._usual += (self._refusals - self._usual) / (4 if self._settled else 1)
        self._settled = _mean(self._settled, level) if level and self._settled else level or self._settled
        self._rest -= self._results
        if self._taken < _USED * self.limit:
            self.limit = max(1, math.ceil(self._taken))
            self._settled = None
        elif self._rest <= 0 and self._settled:
            self._take_step()

    def _judge_step(self, before: _Level, level: _Level | None) -> None:
        """The window after a step has ended: stay, and go on, where it has paid."""
        if level is None or (self._upwards and self._taken < _USED * self.limit):
            self._stay(before)
        elif self._upwards:
            self._judge_step_up(before, level)
        else:
            self._judge_step_down(before, level)

    def _judge_step_up(self, before: _Level, level: _Level) -> None:
        useful = level.useful(self._usual)
        grown = math.log(useful / before.useful(self._usual))
        if grown <= 0 or level.latency - before.latency > (1 - _GAIN) * grown:
            self._stay(before)
        elif useful < _FULL * self.limit:  # the endpoint takes more than before, but not all of it
            self._stay(replace(level, limit=max(before.limit, round(useful))))
        else:
            self._go_on(level)

    def _judge_step_down(self, before: _Level, level: _Level) -> None:
        fewer = self._usual - self._refusals
        if fewer > 2 * math.sqrt(self._usual / self._results):  # those refusals did come from the limit
            self._usual = self._refusals
        useful = before.useful(self._usual)
        lost = math.log(useful / level.useful(self._usual)) + level.latency - before.latency
        doubt = math.sqrt(before.error + level.error)
        if lost + doubt < _GAIN * math.log(before.limit / self.limit):
            self._go_on(level)
        else:
            self._stay(replace(before, limit=max(self.limit, round(useful))))

    def _go_on(self, level: _Level) -> None:
        self._settled = level
        self._patience = 1
        self._step = min(_LONGEST_STEP, self._step * _STEP)
        self._take_step()

    def _stay(self, level: _Level) -> None:
        """Rest at a limit: longer when steps fail one after another, or when the last one cost refusals."""
        cost = self._excess / _SPARED if self._upwards else 0.0
        self._settled, self.limit = level, level.limit
        self._rest = max(self._patience * self._size, min(cost, _REST[1] * self._size))
        self._patience = min(2 * self._patience, _REST[0])
        self._turn(up=not self._upwards)

    def _take_step(self) -> None:
        """Go up or down, to be judged by the next window."""
        stepped = math.ceil(self.limit * self._step) if self._upwards else int(self.limit / _STEP)
        stepped = max(1, min(self.ceiling, stepped))
        if stepped == self.limit:
            self._turn(up=not self._upwards)
        else:
            self._stepping = True
            self.limit = stepped

    def _turn(self, up: bool) -> None:
        self._stepping = False
        self._step = _STEP
        self._upwards = up


def _mean(a: _Level, b: _Level) -> _Level:
    return replace(
        b,
        taken=(a.taken + b.taken) / 2,
        answered=(a.answered + b.answered) / 2,
        latency=(a.latency + b.latency) / 2,
        error=(a.error + b.error) / 4,
    )
