"""Files that a manifest lists, wherever they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from smviz.errors import BadSource
from smviz.sources.folders import check_regular, read_path
from smviz.sources.source import Source, SourceFile, unique, unreadable

Fetch = Callable[[str], bytes]

_ADVICE = 'Write one path or s3:// URI a line, or one JSON object a line with a "source-ref".'
_S3 = "s3://"


def from_manifest(path: Path, fetch: Fetch | None = None) -> Source:
    """The files that a manifest lists, in its order.

    It is a text file in UTF-8 with one path or S3 URI a line, or with one JSON object a line whose "source-ref" holds
    it, as the manifests of SageMaker Ground Truth are
    (https://docs.aws.amazon.com/sagemaker/latest/dg/sms-input-data-input-manifest.html). Relative paths begin at the
    manifest's folder and may lead out of it. An entry that comes again counts once. Names are the entries without
    what leads to the root: "../set/a.jpg" is "set/a.jpg", and "s3://bucket/set/a.jpg" is "bucket/set/a.jpg".

    Args:
        path: the manifest.
        fetch: reads an S3 URI.

    Raises:
        BadSource: at once when the manifest cannot be opened; while listing when a line holds no entry, S3 is named
            and there is no `fetch`, or two different entries get the same name.
    """
    check_regular(path)
    try:
        path.open("rb").close()
    except OSError as error:
        raise unreadable(path, error) from error
    return Source(path.name, lambda: unique(_files(path, fetch), path.name))


def read_s3(uri: str, fetch: Fetch | None) -> bytes:
    """The bytes at an S3 URI.

    Raises:
        BadSource: when there is no `fetch`.
    """
    if fetch is None:
        raise BadSource(f"{uri} is in S3, and there is no connection to it.", "Connect to AWS, or give local files.")
    return fetch(uri)


def _files(path: Path, fetch: Fetch | None) -> Iterator[SourceFile]:
    seen = set()
    for place, entry in _entries(path):
        if entry in seen:
            continue
        seen.add(entry)
        if not entry.startswith(_S3):
            yield _local(path.parent / entry, _name(entry.replace("\\", "/")))
        elif fetch is None:
            raise BadSource(
                f"{place} names {entry}, and there is no connection to S3.", "Connect to AWS, or list local files."
            )
        else:
            yield SourceFile(_name(entry.removeprefix(_S3)), -1, partial(fetch, entry), entry)


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    """Each line's place, as messages tell it, and its entry."""
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                place = f"{path.name}, line {number},"
                if line.strip():
                    yield place, _entry(line.strip(), place)
    except UnicodeDecodeError as error:
        raise BadSource(f"{path.name} is no text in UTF-8.", _ADVICE) from error
    except OSError as error:
        raise unreadable(path, error) from error


def _entry(line: str, place: str) -> str:
    if not line.startswith("{"):
        return line
    try:
        entry = json.loads(line).get("source-ref")
    except (ValueError, RecursionError) as error:
        raise BadSource(f"{place} is no JSON: {error}.", _ADVICE) from error
    if not isinstance(entry, str) or not entry.strip() or entry.encode(errors="replace").decode() != entry:
        raise BadSource(f'{place} has no "source-ref".', _ADVICE)
    return entry


def _name(entry: str) -> str:
    return "/".join(part for part in entry.split("/") if part not in {"", ".", ".."})


def _local(path: Path, name: str) -> SourceFile:
    try:
        size, location = path.stat().st_size, path.absolute().as_uri()
    except (OSError, ValueError):
        size, location = -1, ""  # a file that is not there is one image that fails, not the end of all
    return SourceFile(name, size, partial(read_path, path), location)
