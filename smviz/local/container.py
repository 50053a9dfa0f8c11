"""The model container: answers as SageMaker's built-in Object Detection algorithm does.

Source: "Object Detection Request and Response Formats" in the Amazon SageMaker developer guide.
"""

from __future__ import annotations

import io
from typing import Any

import msgspec
from PIL import Image, UnidentifiedImageError

from smviz.local.detector import Detector, Row

CONTENT_TYPES = ("image/jpeg", "image/png", "application/x-image")
MAX_PIXELS = 150_000_000


class ContainerError(Exception):
    """The container answers with an HTTP error of its own.

    Attributes:
        status: the HTTP status.
        message: the body.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def answer(detector: Detector, body: bytes, content_type: str, accept: str) -> bytes:
    """Detect objects in an encoded image.

    Args:
        detector: the network to run.
        body: a JPEG or PNG file; its EXIF orientation is not applied.
        content_type: the request's Content-Type header, one of `CONTENT_TYPES`.
        accept: the request's Accept header. JSON is all there is; with `application/json;annotation=1` it has boxes
            as left, top, width and height in pixels instead of normalised corners.

    Returns:
        The reply as JSON.

    Raises:
        ContainerError: 415 when the body is no image of these types, 400 when it has too many pixels, 406 when the
            client accepts no JSON.
    """
    media_type, _ = _media_type(content_type)
    if media_type not in CONTENT_TYPES:
        raise ContainerError(415, f"Unsupported Media Type: {media_type or 'none'}")
    annotation_form = _annotation_form(accept)
    image = _decode(body)
    rows = detector.detect(image)
    return msgspec.json.encode(_annotations(rows, image) if annotation_form else {"prediction": rows})


def _media_type(header: str) -> tuple[str, list[str]]:
    media_type, *parameters = (word.strip().lower() for word in header.split(";"))
    return media_type, parameters


def _annotation_form(accept: str) -> bool:
    for choice in (accept or "*/*").split(","):
        media_type, parameters = _media_type(choice)
        if media_type in ("application/json", "application/*", "*/*"):
            return "annotation=1" in parameters
    raise ContainerError(406, f"Not Acceptable: {accept}")


def _decode(body: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(body), formats=("JPEG", "PNG"))
        # The size is in the file's header: a decompression bomb is turned away before it is decoded.
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels are too many")
        image.load()
    except Image.DecompressionBombError as error:
        raise ContainerError(400, f"Bad Request: {error}") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise ContainerError(415, "Unsupported Media Type: the body is no JPEG or PNG image") from error
    return image


def _annotations(rows: list[Row], image: Image.Image) -> dict[str, Any]:
    def annotation(class_id: float, score: float, *xyxy: float) -> dict[str, float]:
        left, right = (round(x * image.width) for x in xyxy[::2])
        top, bottom = (round(y * image.height) for y in xyxy[1::2])
        box = {"left": left, "top": top, "width": right - left, "height": bottom - top}
        return {"class_id": int(class_id), "score": score, **box}

    size = {"width": image.width, "height": image.height, "depth": len(image.getbands())}
    return {"image_size": [size], "annotations": [annotation(*row) for row in rows]}
