"""Files in S3: those below a prefix as a source, and one by its URI."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from smviz.errors import BadSource
from smviz.sagemaker.failures import typed_errors
from smviz.sources import Source, SourceFile
from smviz.sources.source import inner_name, is_hidden


def s3_source(s3: Any, uri: str) -> Source:
    """The objects below a prefix, listed page by page while they are asked for, and read one by one.

    The prefix is a folder, with or without a slash at its end: "set-2/a.jpg" is not below "s3://bucket/set". Names are
    the keys without the prefix, in the order of S3. Hidden objects, and those that only stand for a folder, are left
    out. A bucket of another region is found by itself.

    Args:
        s3: the client.
        uri: "s3://bucket" or "s3://bucket/prefix".

    Raises:
        BadSource: when the URI is none; while listing when a key has empty, "." or ".." parts or a backslash.
    """
    bucket, key = _bucket_and_key(uri)
    prefix = key if not key or key.endswith("/") else f"{key}/"
    return Source(uri, lambda: _listed(s3, uri, bucket, prefix))


def s3_read(s3: Any, uri: str) -> bytes:
    """The bytes of one object.

    Raises:
        BadSource: when the URI names no object.
        EndpointError: when S3 does not give it.
    """
    bucket, key = _bucket_and_key(uri)
    if not key:
        raise BadSource(f"{uri!r} names a bucket and no object in it.", "Write it as s3://bucket/key.")
    with typed_errors(f"read {uri}"):
        body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body


def _listed(s3: Any, uri: str, bucket: str, prefix: str) -> Iterator[SourceFile]:
    with typed_errors(f"list {uri}"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for row in page.get("Contents", ()):
                location = f"s3://{bucket}/{row['Key']}"
                name = row["Key"].removeprefix(prefix)
                if name and not name.endswith("/") and not is_hidden(_plain(name, uri)):
                    yield SourceFile(name, row["Size"], partial(s3_read, s3, location), location)


def _plain(name: str, uri: str) -> str:
    if inner_name(name, uri) != name:
        raise BadSource(
            f"{uri} has a key that is no plain path: {name!r}.", "Copy the object to a key without // and backslashes."
        )
    return name


def _bucket_and_key(uri: str) -> tuple[str, str]:
    scheme, _, place = uri.partition("://")  # a key may hold "?" and "#", which would end a URL's path
    bucket, _, key = place.partition("/")
    if scheme != "s3" or not bucket:
        raise BadSource(f"{uri!r} is no place in S3.", "Write it as s3://bucket/prefix.")
    return bucket, key
