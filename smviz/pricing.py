"""What an endpoint costs: observed prices to start from, and the arithmetic. Everything in USD.

No price here is a promise of AWS: prices_observed.json holds what public sources say, with the date where they tell
one, and they disagree. A person's own prices come first; where nobody knows a price, nothing is made up.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

from smviz.deployment import Instances, Plan, Serverless
from smviz.errors import BadSetting

PRICE_PAGE = "https://aws.amazon.com/sagemaker/ai/pricing/"
SERVERLESS_PRICE_UNKNOWN = (
    f"The serverless price is not known here: enter the price per GB-second of your region from {PRICE_PAGE}"
)


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one instance for one hour.

    Attributes:
        region, instance: such as "us-east-1" and "ml.m5.xlarge".
        use: "hosting" (an endpoint) or "batch transform".
        usd_per_hour: for each instance.
        observed: the ISO date or month when the source had it; empty where it does not tell.
        source: where it comes from, for a person.

    Raises:
        BadSetting: when the price is no number from 0 up.
    """

    region: str
    instance: str
    use: str
    usd_per_hour: float
    observed: str = ""
    source: str = "entered by you"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.usd_per_hour) and self.usd_per_hour >= 0):
            message = f"An hour of {self.instance} cannot cost {self.usd_per_hour} USD."
            raise BadSetting(message, "Give a number from 0 up.")

    def __str__(self) -> str:
        dated = f"observed {self.observed}" if self.observed else "undated"
        return f"{self.usd_per_hour:g} USD per hour for {self.instance} in {self.region} ({dated}; {self.source})"


def _observed() -> tuple[Price, ...]:
    rows = json.loads(files("smviz").joinpath("prices_observed.json").read_text("utf-8"))["rows"]
    return tuple(Price(**row | {"observed": row["observed"] or ""}) for row in rows)


OBSERVED: tuple[Price, ...] = _observed()
"""Every price of prices_observed.json."""


def price_per_hour(region: str, instance: str, use: str = "hosting", own: Iterable[Price] = ()) -> Price | None:
    """The price of an instance: the last fitting one of `own`, else the observed one, else None.

    Serverless has no price per hour: see `SERVERLESS_PRICE_UNKNOWN`.
    """
    fitting = [p for p in (*OBSERVED, *own) if (p.region, p.instance, p.use) == (region, instance, use)]
    return fitting[-1] if fitting else None


def idle_cost_per_day(usd_per_hour: float | None, instances: int = 1) -> float:
    """What instances cost in 24 hours without a single call; NaN where the price is unknown.

    An endpoint is billed from InService until it is deleted. Serverless costs nothing while idle: pass 0.
    """
    return 24 * _price(usd_per_hour) * _at_least_one("instances", instances)


def idle_cost_of_plan(plan: Plan, own: Iterable[Price] = ()) -> float:
    """What a whole plan costs in 24 hours without a single call; NaN where the price of one variant is unknown."""
    own = tuple(own)
    return math.fsum(_idle(variant.compute, plan.region, own) for variant in plan.variants)


def cost_per_1000(usd_per_hour: float | None, instances: int, latency: float, workers: int = 1) -> float:
    """What the instances cost in the time of 1,000 images, without data transfer; NaN where something is unknown.

    Holds while the endpoint keeps up with the workers: then 1,000 images take 1000 x latency / workers.

    Args:
        usd_per_hour: of one instance, or None.
        instances: how many run.
        latency: mean seconds of one call, as measured with that many workers; or NaN.
        workers: how many calls are under way at once.

    Raises:
        BadSetting: when a number is negative or infinite, or there is no instance or worker.
    """
    hours = 1000 * _latency(latency) / _at_least_one("workers", workers) / 3600
    return _price(usd_per_hour) * _at_least_one("instances", instances) * hours


def serverless_cost_per_1000(usd_per_gb_second: float | None, memory: int, latency: float) -> float:
    """What the computing of 1,000 serverless calls costs, without data processing; NaN where something is unknown.

    The latency that a client measures is above the time that is billed, so this is an upper bound; 1 GB is 1024 MB.

    Args:
        usd_per_gb_second: as a person entered it, or None.
        memory: MB of the serverless variant.
        latency: mean seconds of one call; or NaN.

    Raises:
        BadSetting: when a number is negative or infinite.
    """
    return 1000 * _latency(latency) * _at_least_one("MB of memory", memory) / 1024 * _price(usd_per_gb_second)


def _idle(compute: Instances | Serverless, region: str, own: Iterable[Price]) -> float:
    if isinstance(compute, Serverless):
        return 0.0
    price = price_per_hour(region, compute.type, own=own)
    return idle_cost_per_day(price.usd_per_hour if price else None, compute.count)


def _price(usd: float | None) -> float:
    return math.nan if usd is None else _from_zero("The price", usd)


def _latency(seconds: float) -> float:
    return _from_zero("The latency", seconds)


def _from_zero(what: str, number: float) -> float:
    if number < 0 or math.isinf(number):
        raise BadSetting(f"{what} cannot be {number}.", "Give a number from 0 up.")
    return number


def _at_least_one(what: str, count: int) -> int:
    if count < 1:
        raise BadSetting(f"The number of {what} cannot be {count}.", "Give 1 or more.")
    return count
