"""How much an endpoint takes, known before anything is sent: botocore itself does not look."""

from __future__ import annotations

from dataclasses import dataclass

from smviz.errors import BadSetting

_MB = 1024 * 1024
MAX_BODY = 25 * _MB  # bytes of a real-time request; SageMaker's Model Hosting FAQs
INLINE = 128_000  # bytes of an asynchronous request's own body; botocore's AsyncBodyBlob
_LIMITS = {"real-time": MAX_BODY, "serverless": 4 * _MB, "asynchronous": 1024 * _MB}
_FORMER = 6 * _MB  # what real-time endpoints took formerly, and what botocore's model still says


@dataclass(frozen=True, slots=True)
class Size:
    """Whether a body may be sent.

    Attributes:
        ok: whether it fits.
        warning: a sentence for a person where it does not fit, or may not; otherwise "".
        limit: bytes.
    """

    ok: bool
    warning: str
    limit: int


def size_verdict(hosting: str, content_length: int, inline: bool = False) -> Size:
    """Whether an endpoint takes so many bytes.

    Args:
        hosting: "real-time", "serverless" or "asynchronous".
        content_length: bytes of the body as it is sent: after base64, if that is done.
        inline: an asynchronous body that is not put into S3 first.

    Raises:
        BadSetting: when there is no such hosting.
    """
    if hosting not in _LIMITS:
        raise BadSetting(f"There is no hosting {hosting!r}.", f"Choose one of {', '.join(_LIMITS)}.")
    limit = INLINE if inline and hosting == "asynchronous" else _LIMITS[hosting]
    article = {"real-time": "a real-time", "serverless": "a serverless", "asynchronous": "an asynchronous"}[hosting]
    most = "128,000 bytes inline" if limit == INLINE else f"{limit // _MB:,} MB"
    if content_length > limit:
        size = f"{content_length / _MB:.1f} MB ({content_length:,} bytes)"
        return Size(False, f"The image has {size}; {article} endpoint takes {most}.", limit)
    if hosting == "real-time" and content_length > _FORMER:
        return Size(
            True,
            f"The image has {content_length / _MB:.1f} MB. Real-time endpoints take {most} today but took 6 MB "
            "formerly, and a container or a proxy on the way may still.",
            limit,
        )
    return Size(True, "", limit)
