"""What an endpoint costs."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smviz.deployment import Instances, Plan, PlannedVariant, Serverless
from smviz.errors import BadSetting
from smviz.pricing import (
    OBSERVED,
    SERVERLESS_PRICE_UNKNOWN,
    Price,
    cost_per_1000,
    idle_cost_of_plan,
    idle_cost_per_day,
    price_per_hour,
    serverless_cost_per_1000,
)


class TestPricePerHour:
    def test_observed(self):
        """An observed price comes with its date and source."""
        price = price_per_hour("us-east-1", "ml.m5.xlarge")
        assert price is not None
        assert (price.usd_per_hour, price.observed) == (0.23, "2026-09-28")
        assert "Price List API" in price.source

    def test_by_region_and_use(self):
        """The region and the use decide."""
        assert price_per_hour("eu-west-1", "ml.m5.xlarge").usd_per_hour == 0.257
        assert price_per_hour("eu-west-1", "ml.m5.xlarge", "batch transform").use == "batch transform"
        assert price_per_hour("us-east-1", "ml.m5.xlarge", "batch transform") is None

    @pytest.mark.parametrize(
        ("region", "instance"), [("us-east-1", "ml.nothing"), ("mars-1", "ml.m5.xlarge"), ("us-east-1", "serverless")]
    )
    def test_unknown(self, region, instance):
        """A price that nobody told is None, never a guess from another region."""
        assert price_per_hour(region, instance) is None

    def test_own_price_first(self):
        """A person's own price replaces the observed one, the last one entered counts, and others stay."""
        own = [Price("us-east-1", "ml.m5.xlarge", "hosting", p, "2026-11-01") for p in (0.3, 0.2)]
        assert price_per_hour("us-east-1", "ml.m5.xlarge", own=own) is own[1]
        assert price_per_hour("us-east-1", "ml.m5.2xlarge", own=own).usd_per_hour == 0.461
        assert price_per_hour("mars-1", "ml.m5.xlarge", own=[Price("mars-1", "ml.m5.xlarge", "hosting", 9.0)])

    @pytest.mark.parametrize("usd", [-0.01, math.nan, math.inf])
    def test_no_price(self, usd):
        """A price of one's own is a number from 0 up."""
        with pytest.raises(BadSetting, match=r"ml\.m5\.xlarge"):
            Price("us-east-1", "ml.m5.xlarge", "hosting", usd)

    def test_data_file(self):
        """Every observed price is positive, of a known use, has a source, a date or none, and stands there once."""
        assert len(OBSERVED) == 15
        assert len({(p.region, p.instance, p.use) for p in OBSERVED}) == len(OBSERVED)
        for price in OBSERVED:
            assert price.usd_per_hour > 0
            assert price.use in {"hosting", "batch transform"}
            assert price.source
            assert re.fullmatch(r"(\d{4}-\d\d(-\d\d)?)?", price.observed)

    def test_in_words(self):
        """A price is shown with its date, or as undated, and its source."""
        assert str(price_per_hour("us-east-1", "ml.m5.xlarge")).startswith(
            "0.23 USD per hour for ml.m5.xlarge in us-east-1 (observed 2026-09-28; AWS Price List API"
        )
        assert "(undated; entered by you)" in str(Price("r", "i", "hosting", 1.0))


class TestIdleCostPerDay:
    def test_a_day(self):
        """An idle ml.m5.xlarge at 0.23 USD per hour costs 5.52 USD a day; three cost three times that."""
        assert idle_cost_per_day(0.23) == pytest.approx(5.52)
        assert idle_cost_per_day(0.23, 3) == pytest.approx(16.56)

    def test_unknown(self):
        """No price, no cost."""
        assert math.isnan(idle_cost_per_day(None, 2))

    def test_no_instance(self):
        """An endpoint has an instance."""
        with pytest.raises(BadSetting, match="instances"):
            idle_cost_per_day(0.23, 0)


class TestIdleCostOfPlan:
    def plan(self, *computes):
        """A plan with a variant for each compute."""
        variants = tuple(PlannedVariant(compute, f"v{i}") for i, compute in enumerate(computes))
        return Plan("us-east-1", "m", "", "", "", "c", "e", variants)

    def test_sum(self):
        """Every instance of every variant counts."""
        plan = self.plan(Instances("ml.m5.xlarge", 2), Instances("ml.g4dn.xlarge"))
        assert idle_cost_of_plan(plan) == pytest.approx(24 * (2 * 0.23 + 0.736))

    def test_own_price(self):
        """A person's own prices come first, for every variant."""
        own = (Price("us-east-1", "ml.m5.xlarge", "hosting", p) for p in (9.0, 0.5))
        plan = self.plan(Instances("ml.m5.xlarge"), Instances("ml.m5.xlarge"))
        assert idle_cost_of_plan(plan, own) == pytest.approx(24)

    def test_serverless(self):
        """Serverless costs nothing while nobody calls."""
        assert idle_cost_of_plan(self.plan(Serverless())) == 0

    def test_unknown(self):
        """One unknown price leaves the sum undefined."""
        assert math.isnan(idle_cost_of_plan(self.plan(Instances("ml.m5.xlarge"), Instances("ml.p5.48xlarge"))))


class TestCostPer1000:
    def test_one_worker(self):
        """0.40 s per image on one ml.m5.xlarge: 400 s, 0.0256 USD."""
        assert cost_per_1000(0.23, 1, 0.4) == pytest.approx(0.23 * 400 / 3600)

    @given(st.floats(0, 100), st.integers(1, 10), st.floats(0, 60), st.integers(1, 64))
    def test_shares(self, usd, instances, latency, workers):
        """Instances multiply the cost, workers divide it."""
        alone = cost_per_1000(usd, 1, latency)
        assert cost_per_1000(usd, instances, latency, workers) == pytest.approx(alone * instances / workers)

    def test_unknown(self):
        """Without a price or a measured latency the cost is undefined."""
        assert math.isnan(cost_per_1000(None, 1, 0.4))
        assert math.isnan(cost_per_1000(0.23, 1, math.nan))

    @pytest.mark.parametrize("bad", [(-1, 1, 1, 1), (math.inf, 1, 1, 1), (1, 0, 1, 1), (1, 1, -1, 1), (1, 1, 1, 0)])
    def test_impossible(self, bad):
        """Numbers that cannot be are refused."""
        with pytest.raises(BadSetting):
            cost_per_1000(*bad)


class TestServerlessCostPer1000:
    def test_gigabyte_seconds(self):
        """Memory in GB times seconds times the price."""
        assert serverless_cost_per_1000(0.00002, 2048, 0.5) == pytest.approx(1000 * 0.5 * 2 * 0.00002)

    def test_unknown(self):
        """The price is not known, and where to find it is said."""
        assert math.isnan(serverless_cost_per_1000(None, 2048, 0.5))
        assert "https://aws.amazon.com/" in SERVERLESS_PRICE_UNKNOWN
