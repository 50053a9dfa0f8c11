"""The options of every command."""

from __future__ import annotations

import argparse
import math
import re
from functools import partial
from importlib import import_module
from pathlib import Path

from smviz import __version__


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smviz", description="See what an object detector behind an Amazon SageMaker endpoint does."
    )
    parser.add_argument("--version", action="version", version=f"smviz {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, function: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=partial(_run, function))
        return added

    one = command("serve", "detecting.serve", "the embedded endpoint alone, until Ctrl-C")
    one.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    one.add_argument("--latency-ms", type=float, default=0.0, help="milliseconds added to each call")
    one.add_argument(
        "--fault", default="", metavar="SPEC", help="shares of calls that fail, e.g. throttle=0.1,error=0.02"
    )

    one = command("endpoints", "detecting.endpoints", "list the endpoints of a region")
    _add_connection(one)
    one.add_argument("--json", action="store_true", help="for machines")

    one = command("parse", "detecting.parse", "read one saved reply")
    one.add_argument("file", nargs="?", type=Path, help="the reply's bytes")
    one.add_argument("--image-size", type=_size, metavar="WxH", help="size in pixels of the image that was sent")
    _add_reading(one)
    one.add_argument("--formats", action="store_true", help="list the known formats")
    one.add_argument("--json", action="store_true", help="for machines")

    one = command("detect", "detecting.detect", "send images to an endpoint, one call each")
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

    one = command("deploy", "deploying.deploy", "make a model, an endpoint config and an endpoint")
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

    one = command("teardown", "deploying.teardown", "delete an endpoint, its config and its models")
    one.add_argument("--endpoint", required=True, metavar="NAME")
    one.add_argument("--yes", action="store_true", help="delete; without it, only what would be deleted is told")
    _add_connection(one)

    one = command("evaluate", "evaluating.evaluate_command", "COCO's twelve numbers of a run or of a detections file")
    _add_judged(one)
    one.add_argument("--annotations", type=Path, required=True, metavar="PATH", help="ground truth, COCO JSON")
    one.add_argument("--check", action="append", default=[], metavar="EXPR", help='e.g. "AP50>=0.6"; exit 1 if not')
    one.add_argument("--json", action="store_true", help="for machines")

    one = command("thresholds", "thresholds.thresholds_command", "the confidence to ship at, with its interval")
    _add_judged(one)
    one.add_argument("--annotations", type=Path, metavar="PATH", help="ground truth (default: the run's own)")
    one.add_argument(
        "--objective",
        default="f1",
        metavar="TEXT",
        help='f1, f2, "recall>=0.9", "precision>=0.95", "fp<=0.1" per image, "cost(fp=1,fn=5)" (default: f1)',
    )
    one.add_argument("--iou", type=float, default=0.5, help="overlap from which a detection is right (default: 0.5)")
    one.add_argument("--per-class", action="store_true", help="a threshold for each class, too")
    one.add_argument("-o", "--output", type=Path, metavar="FILE", help="write thresholds.json for production")
    one.add_argument("--json", action="store_true", help="for machines")
    return parser


def _run(function: str, given: argparse.Namespace) -> int:
    """Run a function of a module of this package, imported only now: no command waits for another's libraries."""
    module, name = function.split(".")
    return int(getattr(import_module(f"smviz.cli.{module}"), name)(given))


def _add_connection(command: argparse.ArgumentParser) -> None:
    command.add_argument("--region", help="AWS region (default: AWS_REGION, else us-east-1)")
    command.add_argument(
        "--profile", metavar="NAME", help="profile of the AWS configuration (default: the usual chain)"
    )
    command.add_argument("--role", metavar="ARN", help="role to assume")


def _add_judged(command: argparse.ArgumentParser) -> None:
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", metavar="RUN", help="a stored run, by id or name")
    source.add_argument("--detections", type=Path, metavar="FILE", help="COCO results JSON")


def _add_reading(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", metavar="NAME", help="response format (default: what the reply looks like)")
    command.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="option of the format")
    command.add_argument("--classes", type=Path, metavar="FILE", help="class names, one a line")
    command.add_argument("--preset", type=Path, metavar="FILE", help="format, options and classes as saved by the app")


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
