"""The same calls as commands of the AWS CLI, version 1 or 2, to copy into a POSIX shell."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence

from smviz.deployment.plan import Plan, Teardown
from smviz.deployment.steps import Step, steps, teardown_steps


def cli_commands(plan: Plan) -> str:
    """Commands that deploy a plan and wait until its endpoint is in service; each runs only if all before it did."""
    return commands(steps(plan), plan.region)


def teardown_commands(teardown: Teardown) -> str:
    """Commands that delete the endpoint, wait, and delete what was behind it; a failure stops the rest."""
    return commands(teardown_steps(teardown), teardown.region)


def commands(todo: Sequence[Step], region: str) -> str:
    """Commands that take these steps one by one, and wait where a step does; a failure stops the rest."""
    # Joined by && and without comments: zsh, pasted into, would take a comment for a command.
    return " &&\n".join(" \\\n  ".join(lines) for step in todo for lines in _commands(step, region)) + "\n"


def _commands(step: Step, region: str) -> Iterator[list[str]]:
    options = [_option(name, value) for name, value in step.arguments.items()]
    where = f"--region {shlex.quote(region)}"
    yield [f"aws sagemaker {step.operation.replace('_', '-')}", *options, where]
    if step.waiter:
        name = _option("EndpointName", step.arguments["EndpointName"])
        yield [f"aws sagemaker wait {step.waiter.replace('_', '-')}", name, where]


def _option(name: str, value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"--{re.sub('(?<=[a-z])(?=[A-Z])', '-', name).lower()} {shlex.quote(text)}"
