"""The specification of faults."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from smviz.errors import BadSetting
from smviz.local.faults import KINDS, Faults


class TestParse:
    def test_reads_kinds_and_shares(self):
        """KIND=SHARE pairs are separated by commas; spaces do not matter."""
        assert Faults.parse(" throttle=0.1, error = 0.02 ").shares == (("throttle", 0.1), ("error", 0.02))

    def test_nothing_means_no_faults(self):
        """An empty specification is the same as none."""
        assert Faults.parse("") == Faults()

    def test_shares_may_fill_all_invocations(self):
        """Shares that add up to 1 are allowed, also where binary fractions add up to a little more."""
        assert len(Faults.parse(",".join(f"{kind}=0.1" for kind in KINDS)).shares) == len(KINDS)
        assert Faults.parse("throttle=0.7,error=0.2,reset=0.1").shares

    @pytest.mark.parametrize(
        "spec",
        [
            *("explode=0.1", "throttle", "throttle=", "throttle:0.1", "=0.1"),
            *("throttle=x", "throttle=10%", "throttle=-0.1", "throttle=1.1", "throttle=nan", "throttle=inf"),
            *("throttle=0.6,error=0.6", "throttle=0.1,throttle=0.1"),
        ],
    )
    def test_what_makes_no_sense_is_refused_with_the_kinds(self, spec):
        """An unknown kind, a share that is none, a kind given twice or too much in all: the advice lists the kinds."""
        with pytest.raises(BadSetting) as caught:
            Faults.parse(spec)
        assert all(kind in caught.value.advice for kind in KINDS)


class TestDraw:
    def test_shares_are_kept(self):
        """Of 10,000 draws each kind gets its share, and the rest go well."""
        faults, random = Faults.parse("throttle=0.1,reset=0.3"), Random(1)
        drawn = Counter(faults.draw(random) for _ in range(10_000))
        assert drawn["throttle"] == pytest.approx(1_000, rel=0.15)
        assert drawn["reset"] == pytest.approx(3_000, rel=0.15)
        assert drawn[None] == pytest.approx(6_000, rel=0.15)

    def test_no_faults_draw_none(self):
        """Without faults every invocation goes well."""
        random = Random(1)
        assert {Faults().draw(random) for _ in range(100)} == {None}
