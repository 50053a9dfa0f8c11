"""From a model artefact to an endpoint and back: the plan, its check, the calls, and the commands to copy.

Nothing here calls AWS; `smviz.sagemaker` is the door that a step goes through.

    plan = Plan(region, "cars", built_in_image(region), "s3://bucket/model.tar.gz", role, "cars", "cars", variants)
    problems = check(plan)  # () when AWS would take it
    for step in steps(plan):
        print(step.sentence)

    print(cli_commands(plan))
"""

from __future__ import annotations

from smviz.deployment.checks import Problem, check, name_fault
from smviz.deployment.commands import cli_commands, commands, teardown_commands
from smviz.deployment.plan import Plan, PlannedVariant, Teardown
from smviz.deployment.regions import BUILT_IN_REGIONS, built_in_image, partition_of
from smviz.deployment.steps import Step, move_step, steps, teardown_steps, update_steps, what_stays
from smviz.settings import Instances, Serverless

__all__ = [
    "BUILT_IN_REGIONS",
    "Instances",
    "Plan",
    "PlannedVariant",
    "Problem",
    "Serverless",
    "Step",
    "Teardown",
    "built_in_image",
    "check",
    "cli_commands",
    "commands",
    "move_step",
    "name_fault",
    "partition_of",
    "steps",
    "teardown_commands",
    "teardown_steps",
    "update_steps",
    "what_stays",
]
