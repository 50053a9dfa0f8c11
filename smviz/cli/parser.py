"""The options of every command."""

from __future__ import annotations

import argparse
import math
import re
from functools import partial
from importlib import import_module
from pathlib import Path

from smviz import __version__

# Their names stand here again, so that --help does not wait for the readers; a test holds them equal.
_ANNOTATIONS = (
    "coco",
    "voc",
    "yolo",
    "ground-truth",
    "builtin",
    "jumpstart",
    "kitti",
    "openimages",
    "labelme",
    "cvat",
)

_EVALUATE = """examples:
  smviz evaluate --run 4f2a9c1b
      a stored run against its own ground truth
  smviz evaluate --run nightly --annotations labels/ --annotations-format voc --class-map map.json
      against other labels, with what the endpoint's class names mean in them
  smviz evaluate --detections results.json --annotations s3://bucket/labels/ --intervals
      COCO results against labels in S3, each number with its interval
  smviz evaluate --run nightly --check "AP50>=0.6" --check "car.recall>=0.8" --confidence 0.4 --check "failures<=0"
      a gate: exit status 1 where a check does not hold
  smviz evaluate --run nightly --baseline last-week --max-drop 0.01 --use-interval --junit gate.xml --markdown gate.md
      a gate against another run: exit status 1 where a number fell by more than 0.01 and that is not chance

A check names one of COCO's twelve numbers; precision, recall or f1, at --confidence and IoU 0.5; any of these of a
class, as car.AP50; or of a run failures, unanswered (images without a reply), and the seconds latency_p50, latency_p95
and latency_p99. An undefined number fails every check.

A number falls behind the baseline when baseline - value > --max-drop. With --use-interval it must be certain, too: it
fails only when the upper end of the 95 % interval of the difference, from resamples of the same images for both, is
below 0. A check then holds only when the unfavourable end of the number's own interval keeps the bound: the lower end
for >= and >, the upper end for <= and <.

--json prints one object: the twelve numbers at the top, "intervals" and "at_confidence" when asked for, "per_class",
"settings", "notes" and "skipped". Notes, skipped records and limits that show in the detections go to stderr.
exit status: 0 good, 1 a check failed, 2 wrong use or input"""

_REPORT = """examples:
  smviz report --run nightly -o report.html
      numbers with intervals, the threshold to ship, curves, errors, and the worst images as crops of the mistakes
  smviz report --run nightly --objective "recall>=0.9" --images none --json report.json -o report.html
      the same for another objective and without any pixel of an image; the numbers as JSON, too, for --baseline

The file needs no network, no script and no font; light or dark as the reader's screen is, and fit to be printed.
exit status: 0 good, 2 wrong use or input"""

_SHARE = """examples:
  smviz share nightly last-week --to shared/
      two runs with small pictures of their images; a copy that is there already is renewed
  smviz share 4f2a9c1b --to shared/ --images none
      without any pixel of an image

Who has the folder looks at the runs with `make run REPLAY=shared/`: no AWS account, nothing is called, nothing can be
changed. Credentials, profiles, roles and folders of this machine are left out; boxes lie right on small pictures.
--images full copies the image files as they are, with what the camera wrote into them.
exit status: 0 good, 2 wrong use or input"""

_THRESHOLDS = """examples:
  smviz thresholds --run 4f2a9c1b
      the threshold with the best F1 over all classes together
  smviz thresholds --run nightly --objective "recall>=0.9" --per-class -o thresholds.json
      one for each class as well, and the file that production applies
  smviz thresholds --detections results.json --annotations truth.json --hold-out
      with what it is worth on images that did not choose it: the images are halved 20 times, one half chooses
      and the other judges, in both directions

A class with fewer than 30 objects is weak: its own threshold would be noise, and it gets the global one.
exit status: 0 good, 1 no threshold meets the objective, 2 wrong use or input"""


_COMPARE = """examples:
  smviz compare nightly candidate
      each run at the threshold with its own best F1, on the images that both have
  smviz compare 4f2a9c1b 77aa0e12 --annotations labels/ --confidence-a 0.4 --confidence-b 0.4 --json
      against other labels and at one threshold, for machines

Every difference is B - A with its paired 95 % interval; "better" is said only where it leaves out 0, and for classes
only where that holds for all of them together (Holm). Latencies in ms.
exit status: 0 compared, whichever is better; 2 wrong use or input"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smviz", description="See what an object detector behind an Amazon SageMaker endpoint does."
    )
    parser.add_argument("--version", action="version", version=f"smviz {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, function: str, text: str, more: str = "") -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=text, description=text, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
        )
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
    _add_targets(one)
    _add_reading(one)
    one.add_argument("--save", type=Path, metavar="DIR", help="write each image with its boxes as PNG")
    one.add_argument("--json", action="store_true", help="for machines")

    one = command("run", "running.run", "call an endpoint for many images, into the workspace")
    one.epilog = (
        "The first Ctrl-C finishes what is under way; --resume goes on where a run ended and calls nothing twice. "
        "Exit status: 0 at the end, also where images failed; 2 when it cannot go on; 130 when it was stopped."
    )
    one.add_argument("--endpoint", required=True, metavar="NAME")
    one.add_argument("--variant", metavar="NAME", help="production variant to call")
    one.add_argument("--images", metavar="PLACE", help="folder, zip, manifest, image or s3://bucket/prefix")
    one.add_argument("--annotations", type=Path, metavar="PATH", help="ground truth that is kept with the run")
    one.add_argument("--name", metavar="NAME", help="what the run is called (default: endpoint, images and time)")
    one.add_argument("--resume", action="store_true", help="go on with that run, or the newest unfinished one")
    one.add_argument("--workers", type=_positive, default=32, metavar="N", help="most calls at once (default: 32)")
    one.add_argument("--max-calls", type=_positive, metavar="N", help="stop after so many calls")
    one.add_argument("--fresh", action="store_true", help="call again, even for replies that are known")
    one.add_argument("--out", type=Path, metavar="DIR", help="write detections and failures there at the end")
    _add_connection(one)
    _add_targets(one)
    _add_reading(one)
    one.add_argument("--json", action="store_true", help="a summary for machines, at the end")

    one = command("runs", "storing.runs_command", "list the runs of the workspace")
    one.add_argument("--json", action="store_true", help="for machines")

    one = command("import", "storing.import_command", "make a run from what others made")
    one.add_argument("kind", choices=("coco-results", "batch-transform", "replies"), help="what it is")
    one.add_argument("path", metavar="PATH", help="file, folder, zip or s3://bucket/prefix")
    one.add_argument("--images", metavar="PLACE", help="the images that were sent: folder, zip, manifest or s3://…")
    one.add_argument("--annotations", type=Path, metavar="PATH", help="ground truth; COCO results need it")
    one.add_argument("--name", metavar="NAME", help="what the run is called (default: after the file)")
    _add_connection(one)
    _add_reading(one)
    one.add_argument("--json", action="store_true", help="for machines")

    one = command("export", "storing.export_command", "write a stored run to a file")
    one.add_argument("run", metavar="RUN", help="a stored run, by id or name")
    one.add_argument("--format", choices=("coco", "csv", "parquet", "replies"), default="coco", help="default: coco")
    one.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")

    one = command("share", "sharing.share_command", "copy runs into a folder that can be given away", _SHARE)
    one.add_argument("runs", nargs="+", metavar="RUN", help="a stored run, by id or name")
    one.add_argument(
        "--to", type=Path, required=True, metavar="FOLDER", help="made when missing; other runs in it stay"
    )
    one.add_argument("--images", choices=("full", "small", "none"), default="small", help="default: small")
    _add_connection(one)
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

    one = command(
        "evaluate",
        "evaluating.evaluate_command",
        "COCO's twelve numbers of a run or of a detections file",
        _EVALUATE,
    )
    _add_judged(one)
    one.add_argument(
        "--intervals", action="store_true", help="a 95 %% interval for each number (1,000 resamples of the images)"
    )
    one.add_argument("--check", action="append", default=[], metavar="EXPR", help='e.g. "AP50>=0.6"; exit 1 if not')
    one.add_argument(
        "--confidence", type=_confidence, metavar="C", help="threshold of precision, recall and F1, which are then told"
    )
    one.add_argument(
        "--baseline",
        metavar="RUN|FILE",
        help="a run, COCO results, or the JSON of evaluate or report: exit 1 where a number fell behind it",
    )
    one.add_argument(
        "--max-drop",
        action="append",
        default=[],
        metavar="D",
        help="how much a number may drop, 0.01, or one of them, AP50=0.02 (default: 0 for each)",
    )
    one.add_argument("--use-interval", action="store_true", help="let 95 %% intervals tell what is chance; see below")
    one.add_argument("--junit", type=Path, metavar="FILE", help="write the checks as JUnit XML")
    one.add_argument("--markdown", type=Path, metavar="FILE", help="write the checks as Markdown, for a pull request")
    one.add_argument("--json", action="store_true", help="for machines: full precision, null where undefined")
    _add_connection(one)

    one = command("report", "reporting.report_command", "one HTML file of all there is to know of a run", _REPORT)
    _add_judged(one)
    _add_objective(one)
    one.add_argument(
        "--confidence", type=_confidence, metavar="C", help="threshold to report at (default: the objective's best)"
    )
    one.add_argument(
        "--images",
        choices=("full", "crops", "blurred", "none"),
        default="crops",
        help="how the worst images are shown: whole, crops of the mistakes, blurred with their boxes, or not at all "
        "(default: crops)",
    )
    one.add_argument("--worst", type=_count, default=8, metavar="N", help="how many images (default: 8, at most 100)")
    one.add_argument("--title", metavar="TEXT", help="headline (default: what is judged)")
    one.add_argument("--price", type=_price, metavar="USD", help="per hour of the endpoint, to tell what images cost")
    one.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the HTML file")
    one.add_argument("--json", type=Path, metavar="FILE", help="write the same numbers as JSON")
    _add_connection(one)

    one = command(
        "thresholds", "thresholds.thresholds_command", "the confidence to ship at, with its interval", _THRESHOLDS
    )
    _add_judged(one)
    _add_objective(one)
    one.add_argument("--per-class", action="store_true", help="a threshold for each class, too")
    one.add_argument("--hold-out", action="store_true", help="also what it is worth on images that did not choose it")
    one.add_argument("-o", "--output", type=Path, metavar="FILE", help="write thresholds.json for production")
    one.add_argument("--json", action="store_true", help="for machines: full precision, null where undefined")
    _add_connection(one)

    one = command("compare", "comparing.compare_command", "two stored runs on the same images", _COMPARE)
    one.add_argument("run_a", metavar="RUN_A", help="a stored run, by id or name")
    one.add_argument("run_b", metavar="RUN_B", help="another one")
    one.add_argument("--annotations", metavar="PATH", help="ground truth for both (default: the runs' own)")
    one.add_argument("--annotations-format", metavar="NAME", help=f"one of {', '.join(_ANNOTATIONS)}")
    one.add_argument("--iou", type=float, default=0.5, help="overlap from which a detection is right (default: 0.5)")
    one.add_argument("--confidence-a", type=_confidence, metavar="C", help="threshold of A (default: its best F1)")
    one.add_argument("--confidence-b", type=_confidence, metavar="C", help="threshold of B (default: its best F1)")
    one.add_argument("--json", action="store_true", help="for machines: full precision, null where undefined")
    _add_connection(one)
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


def _add_targets(command: argparse.ArgumentParser) -> None:
    command.add_argument("--component", metavar="NAME", help="inference component to call")
    command.add_argument("--target-model", metavar="NAME", help="model that a multi-model endpoint must load")
    command.add_argument("--container", metavar="NAME", help="container of a multi-container endpoint")
    command.add_argument(
        "--s3-input", metavar="URI", help="s3://bucket/prefix for the images of an asynchronous endpoint"
    )


def _add_judged(command: argparse.ArgumentParser) -> None:
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", metavar="RUN", help="a stored run, by id or name")
    source.add_argument("--detections", type=Path, metavar="FILE", help="COCO results JSON")
    command.add_argument(
        "--annotations",
        metavar="PATH",
        help="ground truth: a file, folder, zip or s3:// prefix (default: the run's own)",
    )
    command.add_argument(
        "--annotations-format",
        metavar="NAME",
        help=f"one of {', '.join(_ANNOTATIONS)} (default: by the content)",
    )
    command.add_argument(
        "--class-map",
        type=Path,
        metavar="FILE",
        help='JSON, {"endpoint\'s class": "ground truth\'s, or null"} (default: the run\'s own)',
    )


def _add_objective(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--objective",
        default="f1",
        metavar="TEXT",
        help='f1, f2, "recall>=0.9", "precision>=0.95", "fp<=0.1" per image, "cost(fp=1,fn=5)" (default: f1)',
    )
    command.add_argument(
        "--iou", type=float, default=0.5, help="overlap from which a detection is right (default: 0.5)"
    )


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


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError("write a number from 1 up")
    return int(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 100):
        raise argparse.ArgumentTypeError("write a number from 0 to 100")
    return int(text)


def _price(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError("write USD per hour, a number from 0 up")
    return value


def _confidence(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("write a confidence from 0 to 1")
    return value
