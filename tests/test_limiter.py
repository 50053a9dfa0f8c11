"""The limiter against endpoints of many kinds, in simulated time."""

import heapq
import itertools
import math
from random import Random

import pytest

from smviz.limiter import Limiter

SEEDS = range(6)

MEAN = 1 / math.exp(0.2**2 / 2)  # the median of the latencies as a share of their mean


class Endpoint:
    """A simulated endpoint.

    Attributes:
        slots: calls that it serves at once: a number, or a function of the time.
        queues: whether it lets more calls wait in a queue; else it refuses them.
        refuses: share of the calls that it refuses at random, whatever its load.
        seconds: that an answer takes, the median of a log-normal distribution; `spread` is its sigma.
        slowdown: how much longer an answer takes for each other call that is under way, as a share.
    """

    def __init__(self, slots, seconds=0.1, queues=False, refuses=0.0, spread=0.2, slowdown=0.0):
        self.slots = slots if callable(slots) else lambda now: slots
        self.queues = queues
        self.refuses = refuses
        self.seconds = seconds
        self.spread = spread
        self.slowdown = slowdown
        self.serving = 0
        self.free_at = []

    def call(self, now, random):
        """When a call that comes now ends, and whether it is answered."""
        takes = self.seconds * random.lognormvariate(0, self.spread) * (1 + self.slowdown * self.serving)
        if random.random() < self.refuses:
            return now + 0.002, False
        if self.queues:
            slots = self.slots(now)
            self.free_at = sorted(end for end in self.free_at if end > now)
            begins = now if len(self.free_at) < slots else self.free_at[len(self.free_at) - slots]
            self.free_at.append(begins + takes)
            return begins + takes, True
        if self.serving >= self.slots(now):
            return now + 0.002, False
        return now + takes, True


class Log:
    """What came of a simulation: answers, refusals and the limit, each with its time."""

    def __init__(self):
        self.ends = []
        self.limits = []

    def answered(self, start, end):
        """Answers a second."""
        return sum(start <= now < end and answer for now, answer in self.ends) / (end - start)

    def refused(self, start, end):
        """Share of the calls that were refused."""
        answers = [answer for now, answer in self.ends if start <= now < end]
        return 1 - sum(answers) / len(answers)

    def limit(self, start, end):
        """The mean limit."""
        limits = [limit for now, limit in self.limits if start <= now < end]
        return sum(limits) / len(limits)


def slow_at_first(call):
    """The calls of an endpoint, of which the very first answer takes 5 s more."""
    first = [5.0]

    def slower(now, random):
        end, good = call(now, random)
        return (end + first.pop(), good) if good and first else (end, good)

    return slower


def simulate(endpoint, seconds, ceiling=32, seed=0, callers=1000):
    """Call the endpoint as the limiter allows, for so many simulated seconds, by at most so many callers."""
    random, limiter, log = Random(seed), Limiter(ceiling), Log()
    number, events, now, woken = itertools.count(), [(0.0, -1, None, None)], 0.0, 0.0
    while now < seconds:
        now, _, begun, answer = heapq.heappop(events)
        if begun is not None:
            endpoint.serving -= bool(answer)
            limiter.end(begun, now, answer)
            log.ends.append((now, answer))
            log.limits.append((now, limiter.limit))
        while limiter.in_flight < callers and (wait := limiter.wait(now)) == 0:
            limiter.begin(now)
            assert limiter.in_flight <= limiter.limit <= ceiling
            end, good = endpoint.call(now, random)
            endpoint.serving += bool(good)
            heapq.heappush(events, (end, next(number), now, good))
        if limiter.in_flight < callers and math.isfinite(wait) and not now < woken <= now + wait:
            woken = now + wait
            heapq.heappush(events, (woken, next(number), None, None))
    return log


def called(limiter, now, count, least=1):
    """Make so many calls of a tenth of a second, as many at once as the limiter allows; when the last one has ended."""
    begun = []
    for _ in range(count):
        while limiter.wait(now) == 0:
            limiter.begin(now)
            begun.append(now)
        now = max(now, begun[0] + 0.1)
        limiter.end(begun.pop(0), now, True)
        assert limiter.limit >= least
    for start in begun:
        limiter.end(start, now, None)
    return now


@pytest.mark.parametrize("seed", SEEDS)
class TestFindsTheLimit:
    @pytest.mark.parametrize("slots", [2, 8, 20])
    def test_of_an_endpoint_that_refuses(self, slots, seed):
        """After a warm-up of 10 s at least 90 % of what is possible is answered, and under 5 % of the calls refused."""
        log = simulate(Endpoint(slots), 120, seed=seed)
        assert log.answered(10, 120) > 0.9 * slots / 0.1 * MEAN
        assert log.refused(10, 120) < 0.05
        assert slots * 0.85 < log.limit(10, 120) < slots * 1.15

    def test_with_latencies_all_over(self, seed):
        """The same holds where the slowest hundredth of the answers takes seven times the median and more."""
        log = simulate(Endpoint(8, spread=0.8), 120, seed=seed)
        assert log.answered(10, 120) > 0.85 * 8 / 0.1 / math.exp(0.8**2 / 2)
        assert log.refused(10, 120) < 0.05

    def test_of_one_slot(self, seed):
        """An endpoint that takes one call at a time gets one, and is asked rarely whether it would take two."""
        log = simulate(Endpoint(1), 300, seed=seed)
        assert log.answered(20, 300) > 0.9 * 10 * MEAN
        assert log.refused(20, 300) < 0.05

    def test_during_a_cold_start(self, seed):
        """While a serverless endpoint starts its only instance for 5 s, it is not bombarded."""
        endpoint = Endpoint(1)
        endpoint.call = slow_at_first(endpoint.call)
        log = simulate(endpoint, 20, seed=seed)
        assert sum(not answer for now, answer in log.ends if now < 5) <= 30
        assert log.answered(6, 20) > 0.8 * 10 * MEAN

    def test_though_the_first_calls_open_connections(self, seed):
        """That the first calls take longer than all others is not taken for room that more calls would fill."""
        endpoint = Endpoint(1, queues=True)
        first, call = [30.0] * 4, endpoint.call
        endpoint.call = lambda now, random: (call(now, random)[0] + (first.pop() if first else 0), True)
        log = simulate(endpoint, 120, seed=seed)
        assert max(limit for _, limit in log.limits) <= 8

    @pytest.mark.parametrize("slots", [1, 8])
    def test_of_an_endpoint_that_queues(self, slots, seed):
        """Where more calls only wait longer, the limit stays near what is worked on, though nothing is refused."""
        log = simulate(Endpoint(slots, queues=True), 200, seed=seed)
        assert log.answered(10, 200) > 0.9 * slots / 0.1 * MEAN
        assert log.limit(10, 200) < slots * 1.3

    def test_of_an_endpoint_that_slows_down(self, seed):
        """Where each further call brings less, the limit stops far from the ceiling, and most of it is had."""
        log = simulate(Endpoint(1000, slowdown=0.1), 120, ceiling=64, seed=seed)
        assert log.limit(10, 120) < 24
        assert log.answered(10, 120) > 0.5 * 10 / 0.1

    def test_that_is_the_ceiling(self, seed):
        """An endpoint that takes all it is given gets as much as is allowed, within seconds."""
        log = simulate(Endpoint(1000), 60, seed=seed)
        assert log.answered(2, 60) > 0.9 * 32 / 0.1 * MEAN
        assert max(limit for _, limit in log.limits) == 32

    def test_of_a_very_fast_endpoint(self, seed):
        """Answers within a millisecond make no difference."""
        log = simulate(Endpoint(1000, seconds=0.001), 1, seed=seed)
        assert log.answered(0, 1) > 0.85 * 32 / 0.001 * MEAN


@pytest.mark.parametrize("seed", SEEDS)
class TestRandomRefusals:
    def test_do_not_lower_the_limit(self, seed):
        """Where a tenth of the calls is refused whatever the load, the limit rises to the ceiling all the same."""
        log = simulate(Endpoint(1000, refuses=0.1), 60, seed=seed)
        assert log.answered(10, 60) > 0.85 * 0.9 * 32 / 0.1 * MEAN

    def test_at_a_full_endpoint(self, seed):
        """Both together: the endpoint's slots are used, and refusals are mostly the random ones."""
        log = simulate(Endpoint(8, refuses=0.1), 120, seed=seed)
        assert log.answered(10, 120) > 0.8 * 8 / 0.1 * MEAN
        assert log.refused(10, 120) < 0.25


@pytest.mark.parametrize("seed", SEEDS)
class TestFollows:
    def test_an_endpoint_that_scales(self, seed):
        """From 8 slots to 32 to 4: at least 85 % of what is possible, a minute each."""
        log = simulate(Endpoint(lambda now: 8 if now < 60 else 32 if now < 120 else 4), 180, seed=seed)
        for start, slots in ((0, 8), (60, 32), (120, 4)):
            assert log.answered(start, start + 60) > 0.85 * slots / 0.1 * MEAN, slots
            assert log.refused(start + 10, start + 60) < 0.05, slots

    def test_an_endpoint_that_loses_a_fifth(self, seed):
        """A share of refusals that comes slowly is not taken for one that is there whatever the load."""
        log = simulate(Endpoint(lambda now: 10 if now < 60 else 8), 140, seed=seed)
        assert log.answered(75, 140) > 0.9 * 8 / 0.1 * MEAN
        assert log.refused(75, 140) < 0.05

    def test_an_endpoint_that_is_gone_for_a_while(self, seed):
        """When everything is refused for half a minute, the limit falls to 1, and recovers."""
        log = simulate(Endpoint(lambda now: 0 if 30 < now < 60 else 8), 120, seed=seed)
        assert log.limit(40, 60) < 1.5
        assert sum(30 < now < 60 for now, _ in log.ends) < 600, "a refused slot stays taken for a round trip"
        assert log.answered(80, 120) > 0.8 * 8 / 0.1 * MEAN


class TestLimits:
    @pytest.mark.parametrize("ceiling", [1, 2, 3, 5])
    def test_ceiling(self, ceiling):
        """The limit is never above the ceiling, and reaches it."""
        log = simulate(Endpoint(1000), 30, ceiling=ceiling)
        assert max(limit for _, limit in log.limits) == ceiling
        assert log.answered(5, 30) > 0.8 * ceiling / 0.1 * MEAN

    def test_few_callers(self):
        """A limit that nobody comes near comes down to what is taken, for nothing is known of what lies beyond."""
        log = simulate(Endpoint(1000), 30, callers=3)
        assert 3 <= log.limit(5, 30) < 3.5

    @pytest.mark.parametrize("answer", [True, None])
    def test_a_pause(self, answer):
        """A pause of minutes, or a call that all others wait for, takes nothing of the limit that was found."""
        for calls in range(2000, 3000, 100):
            limiter = Limiter()
            now = called(limiter, 0.0, calls)
            limiter.begin(now)
            limiter.end(now, now + (0.1 if answer else 300.0), answer)
            called(limiter, now + 600.0, 400, least=10)

    def test_what_tells_nothing(self):
        """Calls that end without an answer or a refusal free their slot, and change nothing."""
        limiter = Limiter()
        for now in range(1000):
            limiter.begin(now)
            limiter.end(now, now + 0.5, None)
        assert (limiter.limit, limiter.in_flight, limiter.wait(1000)) == (4, 0, 0)

    def test_refused_slot_stays_taken(self):
        """After a refusal its slot is free one round trip later."""
        limiter = Limiter(ceiling=1)
        limiter.begin(0.0)
        limiter.end(0.0, 0.5, True)
        limiter.begin(0.6)
        assert limiter.wait(0.6) == math.inf, "the call must end first"
        limiter.end(0.6, 0.7, False)
        assert limiter.wait(0.7) == pytest.approx(0.5)
        assert limiter.wait(1.1) == pytest.approx(0.1)
        assert limiter.wait(1.3) == 0
