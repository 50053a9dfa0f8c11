"""Many images by one place: a folder, a zip, a manifest, a file, or an S3 prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from smviz.errors import BadSource
from smviz.records import ImageRef
from smviz.sources import IMAGE_SUFFIXES, Source, from_manifest, images_of, open_source


def open_images(place: str, s3_source: Callable[[str], Source], fetch: Callable[[str], bytes]) -> Source:
    """The files at a place; what is neither a folder, an image nor a zip is taken for a manifest.

    Args:
        place: a path on this machine, or s3://bucket/prefix.
        s3_source: lists an S3 prefix.
        fetch: reads an S3 URI that a manifest names.

    Raises:
        BadSource: when there is nothing at the place, or it cannot be read.
    """
    if place.startswith("s3://"):
        return s3_source(place)
    path = Path(place).expanduser()
    if path.is_file() and path.suffix.lower() not in {*IMAGE_SUFFIXES, ".zip"}:
        return from_manifest(path, fetch)
    return open_source(path)


def full_place(place: str) -> str:
    """A place as it is told to others: an S3 URI as it stands, a path from the root on."""
    return place if place.startswith("s3://") else str(Path(place).expanduser().absolute())


def image_refs(source: Source) -> Iterator[ImageRef]:
    """The images of a source, as they are found; what has no suffix of an image is left out.

    Bytes that are only in memory are handed on. A file that cannot be read stays in the list, and fails in the run.

    Raises:
        BadSource: on the way, when the source cannot be listed.
    """
    for file in images_of(source):
        if file.location:
            yield ImageRef(file.name, location=file.location)
            continue
        try:
            yield ImageRef(file.name, data=file.read())
        except BadSource:
            yield ImageRef(file.name)
