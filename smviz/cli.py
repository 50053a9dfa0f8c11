"""The command line: the same library without a screen.

Tables for people on a terminal, `--json` for machines on stdout, messages on stderr.
Exit status: 0 good, 1 a check failed, 2 wrong use or input.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import operator
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from smviz import __version__, deploying, deployment, drawing, images, responses
from smviz.annotations import read_ground_truth, read_results
from smviz.colours import class_colours
from smviz.errors import (
    AccessDenied,
    BadImage,
    BadResponse,
    BadSetting,
    InputError,
    ModelError,
    PayloadTooLarge,
    ServiceError,
    SmvizError,
    Throttled,
    TimedOut,
)
from smviz.evaluation import Evaluation, evaluate, judge
from smviz.local import DEMO_CLASSES, DEMO_ENDPOINT, EmbeddedServer, Faults
from smviz.presets import read_presets
from smviz.pricing import SERVERLESS_PRICE_UNKNOWN, idle_cost_of_plan, price_per_hour
from smviz.records import Detections, Endpoint, Outcome, Payload
from smviz.sagemaker import DEFAULT_REGION, SageMaker, is_loopback
from smviz.settings import Connection, Preset, Request, Settings
from smviz.store import Store

CHECKS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}

TOLD_EVERY = 30.0  # seconds between two lines about work that goes on

# What other images of the same command may escape.
_OF_ONE_IMAGE = (BadImage, BadResponse, ModelError, PayloadTooLarge, Throttled, ServiceError, TimedOut)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status.

    Raises:
        SystemExit: status 2 for arguments that cannot be, 0 for `--help` and `--version`, both as argparse does.
    """
    given = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without the dash of a table still gets the table
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")  # Pillow warns of odd files; what matters is told as an error
            status = int(given.command(given))
    except SmvizError as error:
        _tell(error)
        status = 2
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        status = 130  # as shells report an interrupt
    _out(flush=True)
    return status


def serve(given: argparse.Namespace) -> int:
    """The embedded endpoint alone, until Ctrl-C."""
    with EmbeddedServer(given.port, latency=given.latency_ms / 1000, faults=Faults.parse(given.fault)) as server:
        _out(f"# The embedded endpoint listens at {server.url}; Ctrl-C stops it.")
        for name, value in server.environment.items():
            _out(f"export {name}={value}")
        _out(flush=True)
        print("The AWS CLI also wants a region and some key, whichever: it is not checked here.", file=sys.stderr)
        try:
            server.wait()
        except KeyboardInterrupt:
            print("Stopped.", file=sys.stderr)
    return 0


def endpoints(given: argparse.Namespace) -> int:
    """The endpoints of a region, newest first."""
    connection = _connection(given)
    client = SageMaker(connection)
    found = client.describe_all(client.endpoints())
    if given.json:
        _print_json([_endpoint_row(endpoint) for endpoint in found])
        return 0
    if not found:
        print(f"There are no endpoints in {connection.endpoint_url or connection.region}.", file=sys.stderr)
    rows = [
        (
            endpoint.name,
            endpoint.status,
            endpoint.kind,
            ", ".join(variant.name for variant in endpoint.variants),
            ", ".join(sorted({variant.instance for variant in endpoint.variants})),
            endpoint.created,
        )
        for endpoint in found
    ]
    _print_table(("endpoint", "status", "kind", "variants", "instance", "created"), rows)
    return 0


def parse(given: argparse.Namespace) -> int:
    """One saved reply to detections, in the file's order, nothing thresholded."""
    if given.formats:
        return _list_formats(given.json)
    if given.file is None or given.image_size is None:
        raise BadSetting("parse needs a file and --image-size.", "Write: smviz parse reply.json --image-size 960x720")
    body, (width, height) = _read(given.file), given.image_size
    preset = _given_preset(given) or _proposed(given, body, width, height)
    rows = list(responses.parse_in_order(body, width, height, preset).rows())
    if given.json:
        _print_json({"format": preset.format, "detections": rows})
    else:
        _print_detections(rows)
    return 0


def detect(given: argparse.Namespace) -> int:
    """One call per image; an image that fails is told and the others go on, unless they cannot but fail too."""
    connection = _connection(given)
    preset = _known_preset(given, connection)  # wrong settings are told before a call is paid for
    client = SageMaker(connection)
    request = Request(
        given.endpoint,
        given.variant,
        component=given.component,
        target_model=given.target_model,
        container=given.container,
        hosting=_hosting(client, given.endpoint),
        s3_input=given.s3_input,
    )
    targets = _targets(given.save, given.images)
    done, failed = [], 0
    for path in given.images:
        try:
            payload = images.prepare(_read(path, BadImage), path.name)
            reply = client.invoke(request, payload)
            reading = preset or _proposed(given, reply.body, payload.width, payload.height)
            everything = responses.parse(reply.body, payload.width, payload.height, reading)
            found = everything.at_least(given.min_confidence)
            if given.save:
                _save(targets[path], payload, found)
        except SmvizError as error:
            failed += 1
            _tell(error, path)
            if not isinstance(error, _OF_ONE_IMAGE):
                break
            continue
        if len(everything):
            preset = reading  # an endpoint has one format; a reply without a box would tell too little of it
        done.append(
            {
                "image": str(path),
                "width": payload.width,
                "height": payload.height,
                "latency_ms": reply.latency * 1000,
                "variant": reply.variant,
                "detections": _rows(found),
            }
        )
        if not given.json:
            _print_image(done[-1])
    if given.json:
        _print_json(done)
    return 2 if failed else 0


def evaluate_command(given: argparse.Namespace) -> int:
    """COCO's twelve numbers of a stored run or of a detections file; `--check` makes it a gate."""
    evaluation = _evaluation(given)
    numbers = evaluation.numbers
    failed = [check for check in given.check if not _holds(check, numbers)]
    for note in evaluation.notes:
        print(f"Note: {_plain(note)}", file=sys.stderr)
    if given.json:
        _print_json({name: None if math.isnan(value) else value for name, value in numbers.items()})
    else:
        _print_table(("number", "value"), [(name, _number(value)) for name, value in numbers.items()])
    for check in failed:
        name = _check_parts(check)[0]
        print(f"Check failed: {check} ({name} is {_number(numbers[name], 6)})", file=sys.stderr)
    return 1 if failed else 0


def deploy(given: argparse.Namespace) -> int:
    """Model, endpoint config and endpoint: the whole plan first, then, unless that was all, its steps one by one."""
    connection = _connection(given)
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
        _out(f"Cost: {_cost(plan, embedded)}")
        _out(f"\nThe same with the AWS CLI:\n\n{told['commands']}", flush=True)
    if given.plan:
        if given.json:
            _print_json(told)
        return 0
    end = _performed(work, plan.region)
    if given.json:
        exists = [{"kind": part.kind, "name": part.name} for part in end.exists]
        _print_json({**told, "state": end.state, "seconds": end.elapsed, "exists": exists})
    elif end.state == "finished":
        costs = "it costs nothing" if embedded else "it is billed until it is deleted"
        _out(f"Endpoint {plan.endpoint} is in service; {costs}: smviz teardown --endpoint {plan.endpoint} --yes")
    return 0 if end.state == "finished" else 2


def teardown(given: argparse.Namespace) -> int:
    """An endpoint, its config and its models, in that order; without `--yes` only what would be deleted."""
    connection = _connection(given)
    client = SageMaker(connection)
    endpoint = client.describe(given.endpoint)
    parts = deploying.whole(endpoint)
    _print_steps(deploying.removal(parts))
    for line in (*endpoint.notes, *deployment.what_stays(endpoint.name)):
        _out(_plain(line))
    _out(flush=True)
    if not given.yes:
        raise BadSetting("Nothing was deleted.", "Add --yes to delete all that is listed.")
    end = _performed(deploying.remove(client, parts, _pause(is_loopback(connection.endpoint_url))), connection.region)
    if end.state == "finished":
        _out(f"Endpoint {endpoint.name} is deleted, with all that is listed; it is no longer billed.")
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
                print(f"{now.done + 1}/{len(now.steps)} {_plain(now.current.sentence)}", file=sys.stderr)
            elif now.elapsed - last >= TOLD_EVERY:
                last = now.elapsed
                print(f"    {now.elapsed:.0f} s, not finished yet", file=sys.stderr)
    except KeyboardInterrupt:
        _tell_what_exists(work.progress, region)
        raise
    end = work.progress
    if end.error:
        _tell(end.error)
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
        _out(f"{i}. {_plain(step.sentence)}")


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value


def _endpoint_row(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "status": endpoint.status,
        "kind": endpoint.kind,
        "created": endpoint.created,
        "variants": [
            {"name": v.name, "instance": v.instance, "count": v.count, "weight": v.weight} for v in endpoint.variants
        ],
    }


def _list_formats(as_json: bool) -> int:
    if as_json:
        _print_json([{"format": form.name, "reads": form.doc} for form in responses.FORMATS.values()])
    else:
        _print_table(("format", "reads"), [(form.name, form.doc) for form in responses.FORMATS.values()])
    return 0


def _evaluation(given: argparse.Namespace) -> Evaluation:
    truth = read_ground_truth(given.annotations)
    if given.detections:
        return evaluate(truth, read_results(given.detections, truth))
    with Store(Settings.from_environment().workspace) as store:
        run = store.run(given.run)
        outcomes = store.outcomes(run.id)
    return judge(truth, outcomes, lambda outcome: _reading(outcome, run.preset))


def _reading(outcome: Outcome, preset: Preset) -> Detections:
    if outcome.reply is None:
        raise BadResponse(f"{outcome.image} has no reply.", "Run it again.")
    return responses.parse(outcome.reply.body, outcome.width, outcome.height, preset)


def _holds(check: str, numbers: dict[str, float]) -> bool:
    """Whether a check such as "AP50>=0.6" holds; an undefined number holds none.

    Raises:
        BadSetting: when it is no check, or there is no such number.
    """
    name, comparison, bound = _check_parts(check)
    if name not in numbers:
        raise BadSetting(f"There is no number “{name}” to check.", f"Choose one of {', '.join(numbers)}.")
    return CHECKS[comparison](numbers[name], bound)


def _check_parts(check: str) -> tuple[str, str, float]:
    match = re.fullmatch(r"\s*(\w+)\s*(>=|<=|>|<)\s*(\d+(?:\.\d*)?|\.\d+)\s*", check, re.ASCII)
    if match is None:
        raise BadSetting(f"“{check}” is no check.", "Write a number's name, >=, <=, > or <, and a bound: AP50>=0.6")
    return match[1], match[2], float(match[3])


def _connection(given: argparse.Namespace) -> Connection:
    """Where the options and the environment point."""
    settings = Settings.from_environment()
    region = given.region or settings.region or DEFAULT_REGION
    return Connection(region, settings.sagemaker_url, given.profile, given.role)


def _hosting(client: SageMaker, endpoint: str) -> str:
    """The endpoint's kind where it may be asked for; invoking alone needs no right to describe."""
    try:
        return client.describe(endpoint).hosting or "real-time"
    except AccessDenied:
        return "real-time"


def _proposed(given: argparse.Namespace, body: bytes, width: int, height: int) -> Preset:
    """How the reply looks, and that is told with its rivals, for bytes alone are no proof."""
    proposal = responses.propose(body, width, height)
    print(f"Read as {proposal.best.format}: {_plain(proposal.reason)}", file=sys.stderr)
    for rival, reason in proposal.rivals:
        print(f"Possible too, {rival.format}: {_plain(reason)}", file=sys.stderr)
    options = {**dict(proposal.best.options), **_options(given)}
    return Preset(proposal.best.format, _class_names(given.classes), tuple(options.items()))


def _given_preset(given: argparse.Namespace) -> Preset | None:
    """The preset of a file, or the format that was named; None where the reply must tell."""
    names, options = _class_names(given.classes), _options(given)
    if given.preset:
        presets = list(read_presets(_read(given.preset)).values())
        if len(presets) != 1:
            raise BadSetting(f"{given.preset} holds {len(presets)} presets.", "Give a file with one preset in it.")
        options = {**dict(presets[0].options), **options}
        preset = Preset(presets[0].format, names or presets[0].class_names, tuple(options.items()))
    elif given.format:
        preset = Preset(responses.find_format(given.format).name, names, tuple(options.items()))
    else:
        return None
    responses.settings_of(preset)
    return preset


def _known_preset(given: argparse.Namespace, connection: Connection) -> Preset | None:
    """What was given, or the demo endpoint's own; None where the replies must tell."""
    preset = _given_preset(given)
    if preset is None and is_loopback(connection.endpoint_url) and given.endpoint == DEMO_ENDPOINT:
        options = tuple(_options(given).items())
        return Preset("builtin-ssd", _class_names(given.classes) or DEMO_CLASSES, options)
    return preset


def _options(given: argparse.Namespace) -> dict[str, str]:
    """The options of the format, as NAME=VALUE each."""
    pairs = [text.partition("=") for text in given.option]
    for name, sign, _ in pairs:
        if not name or not sign:
            raise BadSetting(
                f"--option {name!r} has no value.", "Write --option NAME=VALUE, for example letterbox=640x640."
            )
    return {name: value for name, _, value in pairs}


def _class_names(path: Path | None) -> tuple[str, ...]:
    """One class name a line, or a JSON list of them; the first one is class 0."""
    if path is None:
        return ()
    advice = "Write one class name a line, as UTF-8, in the order of the class ids."
    try:
        text = _read(path).decode("utf-8-sig").strip()
        names = json.loads(text) if text[:1] in {"[", "{"} else [line.strip() for line in text.splitlines()]
    except ValueError as error:
        raise BadSetting(f"The class names in {path} cannot be read: {error}.", advice) from error
    if not names or not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise BadSetting(f"{path} holds no list of class names, or one of them is empty.", advice)
    return tuple(names)


def _targets(folder: Path | None, paths: Sequence[Path]) -> dict[Path, Path]:
    """Where to save what is found in each image; the folder is made.

    Raises:
        BadSetting: when the folder cannot be made, or two images would be saved under one name.
    """
    if folder is None:
        return {}
    targets = {path: folder / f"{path.stem}.detections.png" for path in paths}
    target, times = Counter(targets.values()).most_common(1)[0]
    if times > 1:
        raise BadSetting(f"{times} images would be saved as {target}.", "Rename them, or save them one by one.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting(f"Cannot write to {folder}: {error.strerror}.", "Choose another folder.") from error
    return targets


def _save(target: Path, payload: Payload, found: Detections) -> None:
    try:
        target.write_bytes(drawing.annotate(payload, found, class_colours(found.class_names)))
    except OSError as error:
        raise BadSetting(f"Cannot write {target}: {error.strerror}.", "Choose another folder.") from error


def _read(path: Path, kind: type[InputError] = BadSetting) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise kind(f"Cannot read {path}: {error.strerror}.", "Check the path.") from error


def _rows(found: Detections) -> list[dict[str, Any]]:
    """As `parse --json` writes them."""
    return list(responses.Parsed(found.xyxy, found.confidence, found.class_id, found.class_names).rows())


def _tell(error: SmvizError, path: Path | None = None) -> None:
    where = f"{path}: " if path else ""
    print(f"smviz: {_plain(where + error.message)}\n       {_plain(error.advice)}", file=sys.stderr)


def _plain(text: str) -> str:
    """Without what a terminal would obey: servers and files may send control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _number(value: float | None, digits: int = 3) -> str:
    return "—" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _out(*line: str, flush: bool = False) -> None:
    """A line on stdout. When the reader of a pipe has seen enough the rest goes nowhere, and the status stays true."""
    try:
        print(*line, end="\n" if line else "", flush=flush)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_json(value: object) -> None:
    _out(json.dumps(value, allow_nan=False))


def _print_image(row: dict[str, Any]) -> None:
    size, latency = f"{row['width']}x{row['height']}", f"{row['latency_ms']:.0f} ms"
    _out(_plain("  ".join(filter(None, (row["image"], size, latency, row["variant"])))))
    _print_detections(row["detections"])


def _print_detections(rows: Iterable[dict[str, Any]]) -> None:
    _print_table(
        ("class", "confidence", "left", "top", "right", "bottom"),
        [(row["class_name"], _number(row["confidence"]), *(f"{side:.1f}" for side in row["xyxy"])) for row in rows],
    )


def _print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = [tuple(_plain(cell) for cell in line) for line in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        _out("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,5})[xX×]([1-9]\d{0,5})", text)
    if match is None:
        raise argparse.ArgumentTypeError("write the image's size as WIDTHxHEIGHT, for example 960x720")
    return int(match[1]), int(match[2])


def _confidence(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("write a confidence from 0 to 1")
    return value


def _add_connection(command: argparse.ArgumentParser) -> None:
    command.add_argument("--region", help="AWS region (default: AWS_REGION, else us-east-1)")
    command.add_argument(
        "--profile", metavar="NAME", help="profile of the AWS configuration (default: the usual chain)"
    )
    command.add_argument("--role", metavar="ARN", help="role to assume")


def _add_reading(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", metavar="NAME", help="response format (default: what the reply looks like)")
    command.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="option of the format")
    command.add_argument("--classes", type=Path, metavar="FILE", help="class names, one a line")
    command.add_argument("--preset", type=Path, metavar="FILE", help="format, options and classes as saved by the app")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smviz", description="See what an object detector behind an Amazon SageMaker endpoint does."
    )
    parser.add_argument("--version", action="version", version=f"smviz {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, function: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=function)
        return added

    one = command("serve", serve, "the embedded endpoint alone, until Ctrl-C")
    one.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    one.add_argument("--latency-ms", type=float, default=0.0, help="milliseconds added to each call")
    one.add_argument(
        "--fault", default="", metavar="SPEC", help="shares of calls that fail, e.g. throttle=0.1,error=0.02"
    )

    one = command("endpoints", endpoints, "list the endpoints of a region")
    _add_connection(one)
    one.add_argument("--json", action="store_true", help="for machines")

    one = command("parse", parse, "read one saved reply")
    one.add_argument("file", nargs="?", type=Path, help="the reply's bytes")
    one.add_argument("--image-size", type=_size, metavar="WxH", help="size in pixels of the image that was sent")
    _add_reading(one)
    one.add_argument("--formats", action="store_true", help="list the known formats")
    one.add_argument("--json", action="store_true", help="for machines")

    one = command("detect", detect, "send images to an endpoint, one call each")
    one.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    one.add_argument("--endpoint", required=True, metavar="NAME")
    one.add_argument("--variant", metavar="NAME", help="production variant to call")
    _add_connection(one)
    one.add_argument("--min-confidence", type=_confidence, default=0.0, metavar="C", help="leave out what is below")
    one.add_argument("--component", metavar="NAME", help="inference component to call")
    one.add_argument("--target-model", metavar="NAME", help="model that a multi-model endpoint must load")
    one.add_argument("--container", metavar="NAME", help="container of a multi-container endpoint")
    one.add_argument("--s3-input", metavar="URI", help="s3://bucket/prefix for the images of an asynchronous endpoint")
    _add_reading(one)
    one.add_argument("--save", type=Path, metavar="DIR", help="write each image with its boxes as PNG")
    one.add_argument("--json", action="store_true", help="for machines")

    one = command("deploy", deploy, "make a model, an endpoint config and an endpoint")
    one.add_argument("--endpoint", required=True, metavar="NAME", help="also the model's and the config's name")
    one.add_argument("--artefact", default="", metavar="URI", help="the model, s3://bucket/path/model.tar.gz")
    one.add_argument("--execution-role", required=True, metavar="ARN", help="what the container works under")
    one.add_argument("--image", metavar="URI", help="container image (default: the built-in Object Detection)")
    machines = one.add_mutually_exclusive_group()
    machines.add_argument("--instance", metavar="TYPE", help="instance type (default: ml.m5.xlarge)")
    machines.add_argument("--serverless-memory", type=int, metavar="MB", help="serverless, with so much memory")
    one.add_argument("--count", type=int, metavar="N", help="instances (default: 1)")
    one.add_argument("--concurrency", type=int, metavar="N", help="most serverless calls at once (default: 5)")
    _add_connection(one)
    one.add_argument("--plan", action="store_true", help="print the plan, its cost and the commands, and make nothing")
    one.add_argument("--json", action="store_true", help="for machines")

    one = command("teardown", teardown, "delete an endpoint, its config and its models")
    one.add_argument("--endpoint", required=True, metavar="NAME")
    one.add_argument("--yes", action="store_true", help="delete; without it, only what would be deleted is told")
    _add_connection(one)

    one = command("evaluate", evaluate_command, "COCO's twelve numbers of a run or of a detections file")
    source = one.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", metavar="RUN", help="a stored run, by id or name")
    source.add_argument("--detections", type=Path, metavar="FILE", help="COCO results JSON")
    one.add_argument("--annotations", type=Path, required=True, metavar="PATH", help="ground truth, COCO JSON")
    one.add_argument("--check", action="append", default=[], metavar="EXPR", help='e.g. "AP50>=0.6"; exit 1 if not')
    one.add_argument("--json", action="store_true", help="for machines")
    return parser
