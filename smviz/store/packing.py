"""Replies and ground truth as they are kept: compressed by Zstandard (RFC 8878), in older workspaces by zlib."""

from __future__ import annotations

import sys
import zlib

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_ZSTANDARD = b"\x28\xb5\x2f\xfd"  # how it begins, RFC 8878, 3.1.1; zlib's never does, RFC 1950, 2.2
_LEVEL = 1  # a reply of 20 kB takes three fifths of zlib's time and four fifths of its room; level 3 saves 1 % more


def packed(data: bytes) -> bytes:
    """The data compressed."""
    return zstd.compress(data, _LEVEL)


def unpacked(data: bytes, most: int) -> bytes:
    """What was packed, by this version or an older one.

    Args:
        data: as it was packed.
        most: bytes, above which it is not believed.

    Raises:
        ValueError: when it is incomplete, too large, or was never packed.
        TypeError: when it is no bytes.
    """
    unpacking = zstd.ZstdDecompressor() if data[:4] == _ZSTANDARD else zlib.decompressobj()
    try:
        whole = unpacking.decompress(data, most)
    except (zlib.error, zstd.ZstdError) as error:
        raise ValueError(str(error)) from error
    if not unpacking.eof:
        raise ValueError(f"it is incomplete, or has more than {most} bytes")
    return whole
