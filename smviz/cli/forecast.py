"""What the command run says before it calls anything: how many calls, how many need not be made, and the cost."""

from __future__ import annotations

import math
import statistics

from smviz.deploying import idle_cost
from smviz.errors import SmvizError
from smviz.runner.forecast import Forecast, Forecasting, cost_in_words
from smviz.sagemaker import SageMaker
from smviz.settings import is_loopback
from smviz.store import Run, Store

LOOK_SECONDS = 5.0  # more files are not looked at before the run begins, for it reads them too


def foretold(store: Store, run: Run, client: SageMaker, fresh: bool, max_calls: int | None) -> str:
    """The calls that a run will make, and what they may cost, in words; looked for a few seconds.

    Args:
        store: where the run is.
        run: whose images without a reply will be called for.
        client: which describes the endpoint.
        fresh: whether known replies are called for again.
        max_calls: the most calls; None for any number.

    Raises:
        StoreError: when the workspace cannot be read.
    """
    images, how = run.total - run.answered, (run.connection, run.endpoint_config, run.request)
    if fresh:
        foreseen = Forecast(images, images, latency=statistics.median(store.latencies(*how) or (math.nan,)))
    else:
        looking = Forecasting(store, how, store.pending(run.id), images, {})
        looking.wait(LOOK_SECONDS)
        looking.stop()
        foreseen = looking.now
    calls = foreseen.calls if max_calls is None else min(foreseen.calls, max_calls)
    return f"{foreseen} {cost_in_words(calls, _usd_per_hour(run, client), foreseen.latency)}".strip()


def _usd_per_hour(run: Run, client: SageMaker) -> float:
    """What the endpoint costs by the hour; 0 on this machine, NaN where it is not known."""
    if is_loopback(run.connection.endpoint_url):
        return 0.0
    try:
        endpoint = client.describe(run.request.endpoint)
    except SmvizError:  # a price is no reason not to run
        return math.nan
    return idle_cost(endpoint, run.connection.region) / 24 or math.nan
