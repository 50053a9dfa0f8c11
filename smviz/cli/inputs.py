"""What the options of a command mean: where to call, how replies are read, files."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from smviz import responses
from smviz.cli.output import plain
from smviz.errors import (
    BadSetting,
    InputError,
)
from smviz.presets import read_presets
from smviz.settings import DEFAULT_REGION, Connection, Preset, Settings


def connection_of(given: argparse.Namespace) -> Connection:
    """Where the options and the environment point."""
    settings = Settings.from_environment()
    region = given.region or settings.region or DEFAULT_REGION
    return Connection(region, settings.sagemaker_url, given.profile, given.role)


def read_file(path: Path, kind: type[InputError] = BadSetting) -> bytes:
    """A file's bytes, or an error of that kind."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise kind(f"Cannot read {path}: {error.strerror}.", "Check the path.") from error


def class_names_of(path: Path | None) -> tuple[str, ...]:
    """One class name a line, or a JSON list of them; the first one is class 0."""
    if path is None:
        return ()
    advice = "Write one class name a line, as UTF-8, in the order of the class ids."
    try:
        text = read_file(path).decode("utf-8-sig").strip()
        names = json.loads(text) if text[:1] in {"[", "{"} else [line.strip() for line in text.splitlines()]
    except (ValueError, RecursionError) as error:
        raise BadSetting(f"The class names in {path} cannot be read: {error}.", advice) from error
    if not names or not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise BadSetting(f"{path} holds no list of class names, or one of them is empty.", advice)
    return tuple(names)


def format_options(given: argparse.Namespace) -> dict[str, str]:
    """The options of the format, as NAME=VALUE each."""
    pairs = [text.partition("=") for text in given.option]
    for name, sign, _ in pairs:
        if not name or not sign:
            raise BadSetting(
                f"--option {name!r} has no value.", "Write --option NAME=VALUE, for example letterbox=640x640."
            )
    return {name: value for name, _, value in pairs}


def given_preset(given: argparse.Namespace) -> Preset | None:
    """The preset of a file, or the format that was named; None where the reply must tell."""
    names, options = class_names_of(given.classes), format_options(given)
    if given.preset:
        presets = list(read_presets(read_file(given.preset)).values())
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


def proposed_preset(given: argparse.Namespace, body: bytes, width: int, height: int) -> Preset:
    """How the reply looks, and that is told with its rivals, for bytes alone are no proof."""
    proposal = responses.propose(body, width, height)
    print(f"Read as {proposal.best.format}: {plain(proposal.reason)}", file=sys.stderr)
    for rival, reason in proposal.rivals:
        print(f"Possible too, {rival.format}: {plain(reason)}", file=sys.stderr)
    options = {**dict(proposal.best.options), **format_options(given)}
    return Preset(proposal.best.format, class_names_of(given.classes), tuple(options.items()))
