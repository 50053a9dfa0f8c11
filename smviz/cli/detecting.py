"""The commands serve, endpoints, parse and detect."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smviz import drawing, images, responses
from smviz.cli.inputs import class_names_of, connection_of, format_options, given_preset, proposed_preset, read_file
from smviz.cli.output import out, print_detections, print_image, print_json, print_table, tell
from smviz.colours import class_colours
from smviz.errors import (
    AccessDenied,
    BadImage,
    BadResponse,
    BadSetting,
    ModelError,
    PayloadTooLarge,
    ServiceError,
    SmvizError,
    Throttled,
    TimedOut,
)
from smviz.local import DEMO_CLASSES, DEMO_ENDPOINT, EmbeddedServer, Faults
from smviz.records import Detections, Endpoint, Payload
from smviz.sagemaker import SageMaker
from smviz.settings import Connection, Preset, Request, is_loopback

# What other images of the same command may escape.
_OF_ONE_IMAGE = (BadImage, BadResponse, ModelError, PayloadTooLarge, Throttled, ServiceError, TimedOut)


def serve(given: argparse.Namespace) -> int:
    """The embedded endpoint alone, until Ctrl-C."""
    with EmbeddedServer(given.port, latency=given.latency_ms / 1000, faults=Faults.parse(given.fault)) as server:
        out(f"# The embedded endpoint listens at {server.url}; Ctrl-C stops it.")
        for name, value in server.environment.items():
            out(f"export {name}={value}")
        out(flush=True)
        print("The AWS CLI also wants a region and some key, whichever: it is not checked here.", file=sys.stderr)
        try:
            server.wait()
        except KeyboardInterrupt:
            print("Stopped.", file=sys.stderr)
    return 0


def endpoints(given: argparse.Namespace) -> int:
    """The endpoints of a region, newest first."""
    connection = connection_of(given)
    client = SageMaker(connection)
    found = client.describe_all(client.endpoints())
    if given.json:
        print_json([_endpoint_row(endpoint) for endpoint in found])
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
    print_table(("endpoint", "status", "kind", "variants", "instance", "created"), rows)
    return 0


def parse(given: argparse.Namespace) -> int:
    """One saved reply to detections, in the file's order, nothing thresholded."""
    if given.formats:
        return _list_formats(given.json)
    if given.file is None or given.image_size is None:
        raise BadSetting("parse needs a file and --image-size.", "Write: smviz parse reply.json --image-size 960x720")
    body, (width, height) = read_file(given.file), given.image_size
    preset = given_preset(given) or proposed_preset(given, body, width, height)
    rows = list(responses.parse_in_order(body, width, height, preset).rows())
    if given.json:
        print_json({"format": preset.format, "detections": rows})
    else:
        print_detections(rows)
    return 0


def detect(given: argparse.Namespace) -> int:
    """One call per image; an image that fails is told and the others go on, unless they cannot but fail too."""
    connection = connection_of(given)
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
            payload = images.prepare(read_file(path, BadImage), path.name)
            reply = client.invoke(request, payload)
            reading = preset or proposed_preset(given, reply.body, payload.width, payload.height)
            everything = responses.parse(reply.body, payload.width, payload.height, reading)
            found = everything.at_least(given.min_confidence)
            if given.save:
                _save(targets[path], payload, found)
        except SmvizError as error:
            failed += 1
            tell(error, path)
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
            print_image(done[-1])
    if given.json:
        print_json(done)
    return 2 if failed else 0


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
        print_json([{"format": form.name, "reads": form.doc} for form in responses.FORMATS.values()])
    else:
        print_table(("format", "reads"), [(form.name, form.doc) for form in responses.FORMATS.values()])
    return 0


def _hosting(client: SageMaker, endpoint: str) -> str:
    """The endpoint's kind where it may be asked for; invoking alone needs no right to describe."""
    try:
        return client.describe(endpoint).hosting or "real-time"
    except AccessDenied:
        return "real-time"


def _known_preset(given: argparse.Namespace, connection: Connection) -> Preset | None:
    """What was given, or the demo endpoint's own; None where the replies must tell."""
    preset = given_preset(given)
    if preset is None and is_loopback(connection.endpoint_url) and given.endpoint == DEMO_ENDPOINT:
        options = tuple(format_options(given).items())
        return Preset("builtin-ssd", class_names_of(given.classes) or DEMO_CLASSES, options)
    return preset


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


def _rows(found: Detections) -> list[dict[str, Any]]:
    """As `parse --json` writes them."""
    return list(responses.Parsed(found.xyxy, found.confidence, found.class_id, found.class_names).rows())
