"""Deploy, update and delete an endpoint: the steps, taken one by one in the background.

    work = deploy(client, plan)
    work.start()
    while not work.wait(1):
        print(work.progress.current.sentence)

AWS itself tells how far an endpoint is, to every tab and every process; only the calls are made by this one.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from smviz import deployment
from smviz.deployment import Plan, Step, Teardown
from smviz.errors import (
    AccessDenied,
    BadSetting,
    EndpointError,
    InvalidRequest,
    NotFound,
    NotInService,
    SmvizError,
    TimedOut,
)
from smviz.pricing import Price, idle_cost_per_day, price_per_hour
from smviz.records import Endpoint
from smviz.sagemaker import explain_failure
from smviz.settings import Instances, Serverless

if TYPE_CHECKING:
    from smviz.sagemaker import SageMaker  # boto3 comes with it, and who only looks at runs has no use for that

IN_PROGRESS = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
"""The statuses that end by themselves; until then an endpoint takes no change."""

PATIENCE = 3600.0  # seconds, as botocore's own waiter for endpoint_in_service has

Kind = Literal["endpoint", "endpoint config", "model"]
State = Literal["running", "finished", "failed"]
Purpose = Literal["deploy", "update", "remove"]


@dataclass(frozen=True, slots=True)
class Part:
    """An endpoint, an endpoint config or a model, by its name."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Deployment:
    """How far the work on an endpoint is.

    Attributes:
        steps: all of them, in order; the first `done` ones are complete.
        elapsed: seconds since the start; until the end, once there is one.
        exists: what this work has made, or has still to delete.
        replaced: what an update makes superfluous.
        error: what ended the work early, if it was an error that a person can do something about.
    """

    steps: tuple[Step, ...]
    done: int
    state: State
    elapsed: float
    exists: tuple[Part, ...] = ()
    replaced: tuple[Part, ...] = ()
    error: SmvizError | None = None

    @property
    def purpose(self) -> Purpose:
        """What the work is for."""
        operations = {step.operation for step in self.steps}
        if "create_endpoint" in operations:
            return "deploy"
        return "update" if "update_endpoint" in operations else "remove"

    @property
    def current(self) -> Step | None:
        """The step that is being taken, or that failed; None when all are complete."""
        return self.steps[self.done] if self.done < len(self.steps) else None

    @property
    def left_over(self) -> tuple[Part, ...]:
        """What may be removed now: the half of a failed deployment, or what an update has replaced."""
        if self.state == "failed":
            return self.exists
        return self.replaced if self.state == "finished" else ()


class Deploying:
    """Steps being taken in a thread. `deploy`, `update`, `move` and `remove` make one.

    Names that are taken are told before anything is made. The first error ends the work, and what exists by then is
    known. What is to be deleted and is gone already counts as deleted.
    """

    def __init__(
        self,
        client: SageMaker,
        todo: Sequence[Step],
        replaced: Sequence[Part] = (),
        pause: float = 3.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is called yet.

        Args:
            client: the door to the region.
            todo: the steps, in order.
            replaced: what nothing uses any more once they are taken.
            pause: seconds between two looks at the endpoint's status.
            sleep: how to wait so many seconds.
            clock: seconds, monotonic.
        """
        self._client = client
        self._steps = tuple(todo)
        self._replaced = tuple(replaced)
        self._pause, self._sleep, self._clock = pause, sleep, clock
        self._thread = threading.Thread(target=self._work, name="smviz-deploying", daemon=True)
        self._ended = threading.Event()
        self._done = 0
        self._exists = tuple(part_of(step) for step in self._steps if _verb(step) == "delete")
        self._started = self._stopped = clock()
        self._error: BaseException | None = None

    def start(self) -> None:
        """Begin; once only."""
        self._started = self._clock()
        self._thread.start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most so many seconds; whether it has ended."""
        return self._ended.wait(seconds)

    @property
    def progress(self) -> Deployment:
        """How far the work is now.

        Raises:
            Exception: what ended the work, if it was a bug.
        """
        ended = self._ended.is_set()
        error = self._error if ended else None
        if error is not None and not isinstance(error, SmvizError):
            raise error
        return Deployment(
            steps=self._steps,
            done=self._done,
            state="running" if not ended else "failed" if error else "finished",
            elapsed=(self._stopped if ended else self._clock()) - self._started,
            exists=self._exists,
            replaced=self._replaced,
            error=error,
        )

    def _work(self) -> None:
        try:
            self._refuse_taken_names()
            for step in self._steps:
                {"create": self._create, "update": self._update, "delete": self._delete}[_verb(step)](step)
                self._done += 1
        except BaseException as error:  # a bug too: `progress` raises it where somebody sees it
            self._error = error
        finally:
            self._stopped = self._clock()
            self._ended.set()

    def _refuse_taken_names(self) -> None:
        taken = [part for part in map(part_of, self._new()) if self._is_there(part)]
        if taken:
            message = f"There is already {' and '.join(f'{_a(part.kind)} named {part.name}' for part in taken)}."
            raise InvalidRequest(f"Nothing was made. {message}", "Choose another name, or delete what is there.")

    def _new(self) -> list[Step]:
        return [step for step in self._steps if _verb(step) == "create"]

    def _is_there(self, part: Part) -> bool:
        """Whether it can be seen; what may not be looked at counts as not there, and the call itself will tell."""
        look: dict[Kind, Callable[[str], object]] = {
            "endpoint": self._client.describe,
            "endpoint config": self._client.describe_endpoint_config,
            "model": self._client.describe_model,
        }
        try:
            look[part.kind](part.name)
        except (NotFound, AccessDenied):
            return False
        return True

    def _create(self, step: Step) -> None:
        part = part_of(step)
        try:
            _call(self._client, step)
        except EndpointError as error:
            # The answer was lost, not necessarily the call.
            if error.passing and self._is_there(part):
                self._exists = (*self._exists, part)
            raise
        self._exists = (*self._exists, part)
        if not step.waiter:
            return
        endpoint = self._settled(part.name)
        if endpoint is None:
            raise NotFound(f"Endpoint {part.name} was deleted while it was made.", "Remove what is left of it.")
        if endpoint.status != "InService":
            raise failed(endpoint)

    def _update(self, step: Step) -> None:
        name, config = step.arguments["EndpointName"], step.arguments["EndpointConfigName"]
        made, self._exists = self._exists, ()  # from here on the endpoint may need them
        try:
            _call(self._client, step)
        except EndpointError as error:
            self._exists = () if error.passing else made
            raise
        endpoint = self._settled(name)
        if endpoint is None:
            self._exists = made
            raise NotFound(f"Endpoint {name} was deleted while it was updated.", "Remove what is left of it.")
        if endpoint.status != "InService":
            raise failed(endpoint)
        if endpoint.config != config:
            self._exists = made
            raise _rolled_back(endpoint)

    def _delete(self, step: Step) -> None:
        part = part_of(step)
        try:
            _call(self._client, step)
            if step.waiter:
                self._settled(part.name, gone=True)
        except NotFound:
            pass  # somebody else deleted it
        self._exists = tuple(other for other in self._exists if other != part)

    def _settled(self, name: str, gone: bool = False) -> Endpoint | None:
        """Wait until the endpoint takes changes again, or is gone; None when it is."""
        end, seen = self._clock() + PATIENCE, "not known"
        while self._clock() < end:
            try:
                endpoint = self._client.describe(name)
                seen = endpoint.status
                if not gone and seen not in IN_PROGRESS:
                    return endpoint
            except NotFound:
                return None
            except EndpointError as error:
                if not error.passing:
                    raise
            self._sleep(self._pause)
        raise TimedOut(
            f"After {PATIENCE / 60:.0f} minutes the status of endpoint {name} is {seen}.",
            "It goes on at AWS, and may be billed: look at it again later.",
        )


def deploy(client: SageMaker, plan: Plan, embedded: bool = False, pause: float = 3.0) -> Deploying:
    """The work of making a model, an endpoint config and an endpoint; not started yet.

    Raises:
        BadSetting: when AWS would refuse the plan; nothing was called.
    """
    _refuse(plan, embedded)
    return Deploying(client, deployment.steps(plan), pause=pause)


def update(client: SageMaker, plan: Plan, endpoint: Endpoint, embedded: bool = False, pause: float = 3.0) -> Deploying:
    """The work of moving an endpoint to a new model and a new config; not started yet.

    Args:
        client: the door to the region.
        plan: the new model and config; its endpoint is the one that there is.
        endpoint: that endpoint, as it is described now.
        embedded: whether it is the embedded endpoint.
        pause: seconds between two looks at the endpoint's status.

    Raises:
        BadSetting: when AWS would refuse the plan; nothing was called.
    """
    _refuse(plan, embedded)
    return Deploying(client, deployment.update_steps(plan), behind(endpoint), pause)


def move(client: SageMaker, endpoint: Endpoint, config: str, pause: float = 3.0) -> Deploying:
    """The work of moving an endpoint to an endpoint config that there is; not started yet.

    Raises:
        BadSetting: when it has that config already.
        EndpointError: when the config cannot be described.
    """
    if config == endpoint.config:
        raise BadSetting(f"Endpoint {endpoint.name} has the config {config} already.", "Name another config.")
    kept = {Part("model", variant.model) for variant in client.describe_endpoint_config(config)}
    replaced = [part for part in behind(endpoint) if part not in kept]
    return Deploying(client, (deployment.move_step(endpoint.name, config),), replaced, pause)


def remove(client: SageMaker, parts: Sequence[Part], pause: float = 3.0) -> Deploying:
    """The work of deleting exactly these, in the right order; not started yet."""
    return Deploying(client, removal(parts), pause=pause)


def removal(parts: Sequence[Part]) -> tuple[Step, ...]:
    """The steps that delete exactly these: the endpoint, then the config, then the models."""
    configs = [part.name for part in parts if part.kind == "endpoint config"]
    endpoints = [part.name for part in parts if part.kind == "endpoint"]
    models = tuple(part.name for part in parts if part.kind == "model")
    teardown = Teardown("", "".join(endpoints), "".join(configs), models)
    return tuple(step for step in deployment.teardown_steps(teardown) if part_of(step) in parts)


def behind(endpoint: Endpoint) -> tuple[Part, ...]:
    """The config of an endpoint and the models of its variants, shadows too; those that it tells of."""
    models = dict.fromkeys(v.model for v in (*endpoint.variants, *endpoint.shadows) if v.model)
    configs = [endpoint.config] if endpoint.config else []
    return (*(Part("endpoint config", name) for name in configs), *(Part("model", name) for name in models))


def whole(endpoint: Endpoint) -> tuple[Part, ...]:
    """The endpoint and all that is behind it: what a teardown deletes."""
    return (Part("endpoint", endpoint.name), *behind(endpoint))


def next_name(name: str) -> str:
    """A name of at most 63 characters with its number counted up, or a 2 put behind: "cars", "cars-2", "cars-3"."""
    numbered = re.fullmatch(r"(.*)-([1-9][0-9]{0,5})", name)
    stem, number = (numbered[1], int(numbered[2]) + 1) if numbered else (name, 2)
    return f"{stem[: 62 - len(str(number))].rstrip('-')}-{number}"


def part_of(step: Step) -> Part:
    """What a step makes, changes or deletes."""
    kinds: dict[str, Kind] = {"model": "model", "endpoint_config": "endpoint config", "endpoint": "endpoint"}
    return Part(kinds[step.operation.partition("_")[2]], str(next(iter(step.arguments.values()))))


def failed(endpoint: Endpoint) -> NotInService:
    """The error that tells why an endpoint did not come into service, with the likely causes."""
    reason = endpoint.failure or "AWS gives no reason."
    return NotInService(f"Endpoint {endpoint.name} is {endpoint.status}: {reason}", _likely_causes(endpoint.failure))


def since(endpoint: Endpoint, now: float) -> float:
    """Seconds that an endpoint has been in its status, from AWS's own times; `now` is in seconds since 1970."""
    began = endpoint.created if endpoint.status == "Creating" else endpoint.updated or endpoint.created
    return max(0.0, now - datetime.fromisoformat(began).timestamp())


def idle_cost(endpoint: Endpoint, region: str, own: Sequence[Price] = ()) -> float:
    """USD that an endpoint costs in 24 hours without a single call; NaN where a price is not known."""
    total = 0.0
    for variant in (*endpoint.variants, *endpoint.shadows):
        if variant.instance != "serverless" and variant.count:
            price = price_per_hour(region, variant.instance, own=own)
            total += idle_cost_per_day(price.usd_per_hour if price else None, variant.count)
    return total


def _refuse(plan: Plan, embedded: bool) -> None:
    problems = deployment.check(plan, embedded)
    if problems:
        message = " ".join(problem.message for problem in problems)
        raise BadSetting(message, " ".join(dict.fromkeys(problem.advice for problem in problems)))
    if len(plan.variants) > 1:
        raise BadSetting("smviz itself deploys one variant at a time.", "Use the commands of the AWS CLI instead.")


def _verb(step: Step) -> str:
    return step.operation.partition("_")[0]


def _a(kind: str) -> str:
    return f"{'an' if kind.startswith('e') else 'a'} {kind}"


def _rolled_back(endpoint: Endpoint) -> NotInService:
    reason = endpoint.failure or "AWS gives no reason."
    message = f"Endpoint {endpoint.name} went back to its config {endpoint.config}, and answers as before: {reason}"
    return NotInService(message, _likely_causes(endpoint.failure))


def _likely_causes(reason: str) -> str:
    causes = explain_failure(reason)
    return f"Likely causes: {' '.join(causes)}" if causes else "Look into the endpoint's log in CloudWatch."


def _call(client: SageMaker, step: Step) -> None:
    """Make the one call of a step."""
    given = step.arguments
    if step.operation == "create_model":
        container = given["PrimaryContainer"]
        client.create_model(
            given["ModelName"], given["ExecutionRoleArn"], container["Image"], container.get("ModelDataUrl", "")
        )
    elif step.operation == "create_endpoint_config":
        (row,) = given["ProductionVariants"]
        client.create_endpoint_config(given["EndpointConfigName"], row["ModelName"], _machines(row), row["VariantName"])
    else:
        getattr(client, step.operation)(*given.values())


def _machines(row: dict[str, object]) -> Instances | Serverless:
    config = row.get("ServerlessConfig")
    if isinstance(config, dict):
        return Serverless(config["MemorySizeInMB"], config["MaxConcurrency"])
    return Instances(str(row["InstanceType"]), int(str(row["InitialInstanceCount"])))
