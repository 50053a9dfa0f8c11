"""The commands deploy and teardown."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable

from smviz import deploying, deployment
from smviz.cli.inputs import connection_of
from smviz.cli.output import out, plain, print_json, tell
from smviz.errors import (
    BadSetting,
)
from smviz.pricing import SERVERLESS_PRICE_UNKNOWN, idle_cost_of_plan, price_per_hour
from smviz.sagemaker import SageMaker
from smviz.settings import Settings, is_loopback

TOLD_EVERY = 30.0  # seconds between two lines about work that goes on


def deploy(given: argparse.Namespace) -> int:
    """Model, endpoint config and endpoint: the whole plan first, then, unless that was all, its steps one by one."""
    connection = connection_of(given)
    embedded = is_loopback(connection.endpoint_url)
    plan = _plan(given, connection.region)
    work = deploying.deploy(SageMaker(connection), plan, embedded, _pause(embedded))
    told = {
        "endpoint": plan.endpoint,
        "region": plan.region,
        "steps": [step.sentence for step in deployment.steps(plan)],
        "idle_usd_per_day": 0.0 if embedded else _null(idle_cost_of_plan(plan)),
        "commands": deployment.cli_commands(plan),
    }
    if not given.json:
        _print_steps(deployment.steps(plan))
        out(f"Cost: {_cost(plan, embedded)}")
        out(f"\nThe same with the AWS CLI:\n\n{told['commands']}", flush=True)
    if given.plan:
        if given.json:
            print_json(told)
        return 0
    end = _performed(work, plan.region)
    if given.json:
        exists = [{"kind": part.kind, "name": part.name} for part in end.exists]
        print_json({**told, "state": end.state, "seconds": end.elapsed, "exists": exists})
    elif end.state == "finished":
        costs = "it costs nothing" if embedded else "it is billed until it is deleted"
        out(f"Endpoint {plan.endpoint} is in service; {costs}: smviz teardown --endpoint {plan.endpoint} --yes")
    return 0 if end.state == "finished" else 2


def teardown(given: argparse.Namespace) -> int:
    """An endpoint, its config and its models, in that order; without `--yes` only what would be deleted."""
    connection = connection_of(given)
    client = SageMaker(connection)
    endpoint = client.describe(given.endpoint)
    parts = deploying.whole(endpoint)
    _print_steps(deploying.removal(parts))
    for line in (*endpoint.notes, *deployment.what_stays(endpoint.name)):
        out(plain(line))
    out(flush=True)
    if not given.yes:
        raise BadSetting("Nothing was deleted.", "Add --yes to delete all that is listed.")
    end = _performed(deploying.remove(client, parts, _pause(is_loopback(connection.endpoint_url))), connection.region)
    if end.state == "finished":
        out(f"Endpoint {endpoint.name} is deleted, with all that is listed; it is no longer billed.")
    return 0 if end.state == "finished" else 2


def _plan(given: argparse.Namespace, region: str) -> deployment.Plan:
    serverless = given.serverless_memory is not None
    if given.count is not None and serverless:
        raise BadSetting("A serverless endpoint has no --count.", "Give --concurrency instead.")
    if given.concurrency is not None and not serverless:
        raise BadSetting("--concurrency is for serverless endpoints.", "Give --serverless-memory too, or --count.")
    compute: deployment.Instances | deployment.Serverless
    if serverless:
        compute = deployment.Serverless(given.serverless_memory, 5 if given.concurrency is None else given.concurrency)
    else:
        compute = deployment.Instances(given.instance or "ml.m5.xlarge", 1 if given.count is None else given.count)
    name, image = given.endpoint, given.image or deployment.built_in_image(region)
    variants = (deployment.PlannedVariant(compute),)
    return deployment.Plan(region, name, image, given.artefact, given.execution_role, name, name, variants)


def _cost(plan: deployment.Plan, embedded: bool) -> str:
    compute = plan.variants[0].compute
    if embedded:
        return "nothing, for it is the embedded endpoint."
    if isinstance(compute, deployment.Serverless):
        return f"nothing while idle. {SERVERLESS_PRICE_UNKNOWN}"
    price = price_per_hour(plan.region, compute.type)
    if price is None:
        return f"the price of {compute.type} in {plan.region} is not known here; idle time is billed too."
    return f"about {idle_cost_of_plan(plan):.2f} USD a day, also while idle: {price}."


def _pause(embedded: bool) -> float:
    """Seconds between two looks at an endpoint."""
    return 0.2 if embedded else 5.0


def _performed(work: deploying.Deploying, region: str) -> deploying.Deployment:
    """The work at its end; each step, and that it still goes on, is told on stderr.

    Raises:
        BadSetting: when SMVIZ_ALLOW_DEPLOY forbids it.
    """
    if Settings.from_environment().allow_deploy is False:
        raise BadSetting("SMVIZ_ALLOW_DEPLOY forbids to make and delete endpoints.", "Set it to 1, or not at all.")
    work.start()
    told, last = -1, 0.0
    try:
        while not work.wait(0.05):
            now = work.progress
            if now.done != told and now.current:
                told, last = now.done, now.elapsed
                print(f"{now.done + 1}/{len(now.steps)} {plain(now.current.sentence)}", file=sys.stderr)
            elif now.elapsed - last >= TOLD_EVERY:
                last = now.elapsed
                print(f"    {now.elapsed:.0f} s, not finished yet", file=sys.stderr)
    except KeyboardInterrupt:
        _tell_what_exists(work.progress, region)
        raise
    end = work.progress
    if end.error:
        tell(end.error)
        _tell_what_exists(end, region)
    return end


def _tell_what_exists(now: deploying.Deployment, region: str) -> None:
    """Nothing may be billed unsaid."""
    if now.exists:
        script = deployment.commands(deploying.removal(now.exists), region)
        print(f"What exists now: {', '.join(map(str, now.exists))}. To delete it:\n{script}", file=sys.stderr)
    else:
        print("Nothing of it exists.", file=sys.stderr)


def _print_steps(steps: Iterable[deployment.Step]) -> None:
    for i, step in enumerate(steps, 1):
        out(f"{i}. {plain(step.sentence)}")


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value
