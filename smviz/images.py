"""From an image file's bytes to the bytes that an endpoint is sent, and to what a screen shows. Pillow only.

A JPEG or PNG that every decoder reads alike is sent as it is. Everything else is turned into one: upright, 8 bits a
channel, grey or RGB, opaque, one frame. Boxes are drawn on exactly the pixels sent, so the overlay is right whichever
decoder the endpoint has.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import struct
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from PIL import ExifTags, Image, ImageChops, ImageCms, ImageOps, UnidentifiedImageError

from smviz.errors import BadImage
from smviz.records import Payload

MAX_PIXELS = 150_000_000  # medium-format cameras and aerial mosaics; decoded they take 450 MB
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")

_JPEG = {"JPEG", "MPO"}  # MPO: how Pillow calls a JPEG that a camera appended a second picture to
_LOSSY = _JPEG | {"AVIF", "WEBP"}
_HARDLY = 10 * MAX_PIXELS
_SEQUENTIAL, _SCAN, _END = {b"\xc0", b"\xc1"}, b"\xda", b"\xff\xd9"  # markers of ITU-T T.81, table B.1
# Comments and what programs keep for themselves, but for JFIF (APP0), EXIF and XMP (APP1), Adobe's colours (APP14).
_ASIDE = {b"\xfe", b"\xef"} | {bytes([marker]) for marker in range(0xE2, 0xEE)}
_UNIT = 8192  # bytes: a JPEG's smallest coded unit has at most 10 blocks, of 64 numbers of at most 27 bits
_BAND = 256  # rows
_ON_ITS_SIDE = range(5, 9)  # EXIF orientations
_COUNTED = 1000  # frames; those of a TIFF take Pillow as long as their square
_JPEG_LONGEST = 65_500  # libjpeg's JPEG_MAX_DIMENSION
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}  # major brands of ISO/IEC 23008-12


def prepare(data: bytes, name: str = "image", max_pixels: int = MAX_PIXELS) -> Payload:
    """The bytes to send for an image file, and their pixel frame.

    Files of a lossy format that must be changed become JPEG of quality 95 without chroma subsampling, so that colours
    are not subsampled a second time; the others become PNG and lose nothing.

    Args:
        data: the file's bytes: one of `FORMATS`, whatever the file's extension says.
        name: what messages call the image.
        max_pixels: larger images are refused before they are decoded.

    Raises:
        BadImage: when the bytes are no image, are damaged, or have more pixels than allowed.
    """
    plain = _plain_jpeg(data)
    if plain and plain[0] * plain[1] <= max_pixels:
        return _payload(data, "image/jpeg", *plain)
    image = _open(data, name, max_pixels)
    orientation = _orientation(image)
    if orientation == 1 and _is_plain(image, data):
        width, height = image.size
        with _decoding(name):
            _decode(image)
        return _payload(data, "image/jpeg" if image.format in _JPEG else "image/png", width, height)
    notes: list[str] = []
    with _decoding(name):
        frames = _frames(image)
        if frames > 1:
            told = f"more than {_COUNTED}" if image.format == "TIFF" and frames > _COUNTED else frames
            notes.append(f"took the first of {told} frames")
        ImageOps.exif_transpose(image, in_place=True)
        upright = _grey_or_rgb(image, name, data, notes)
    if orientation != 1:
        notes.append(f"turned upright (EXIF orientation {orientation})")
    encoding = "JPEG" if image.format in _LOSSY and max(upright.size) <= _JPEG_LONGEST else "PNG"
    notes.append(f"encoded as {encoding}{', quality 95' * (encoding == 'JPEG')}")
    return _payload(_encoded(upright, encoding), f"image/{encoding.lower()}", *upright.size, tuple(notes))


def size_of(data: bytes, name: str = "image") -> tuple[int, int]:
    """Width and height in pixels of an image file when it is upright, by its header alone.

    Raises:
        BadImage: when the bytes are no image, or tell so many pixels that they can hardly be one.
    """
    image = _open(data, name, _HARDLY)
    turned = _orientation(image) in _ON_ITS_SIDE
    return (image.height, image.width) if turned else (image.width, image.height)


def thumbnail(data: bytes, width: int) -> bytes:
    """A small JPEG of an image file, upright, at most `width` pixels wide and twice as high, never enlarged.

    Raises:
        BadImage: as `prepare`.
    """
    image = _open(data, "image", MAX_PIXELS)
    with _decoding("image"):
        image.draft(None, (2 * width, 2 * width))  # a JPEG is decoded at a fraction of its size, in less time
        ImageOps.exif_transpose(image, in_place=True)
        small = _grey_or_rgb(image, "image", data, [])
        small.thumbnail((width, 2 * width), Image.Resampling.LANCZOS)
    return _encoded(small, "JPEG", quality=85)


def decoded(data: bytes, name: str = "image", shrink: int = 1) -> Image.Image:
    """The upright pixels of an image file, grey or RGB, to cut from with `crop`.

    Args:
        data: the file's bytes.
        name: what messages call the image.
        shrink: 1, 2, 4 or 8: a JPEG may come at this fraction of its size, which takes less time and memory.

    Raises:
        BadImage: as `prepare`.
    """
    image = _open(data, name, MAX_PIXELS)
    with _decoding(name):
        image.draft(None, (-(-image.width // shrink), -(-image.height // shrink)))
        ImageOps.exif_transpose(image, in_place=True)
        pixels = _grey_or_rgb(image, name, data, [])
        pixels.load()
    return pixels


def crop(image: Image.Image, region: tuple[float, float, float, float], size: int) -> bytes:
    """A square JPEG of `size` pixels that shows a region of an image; what lies beyond the image is black.

    Args:
        image: as `decoded` gives it.
        region: left, top, right, bottom as shares of the image's width and height; may go beyond 0 and 1.
        size: pixels of each side.
    """
    left, top, right, bottom = region
    seen = [min(max(edge, 0.0), 1.0) for edge in region]
    across, down = size / (right - left), size / (bottom - top)  # pixels of the crop per share of the image
    place = [(seen[0] - left) * across, (seen[1] - top) * down, (seen[2] - left) * across, (seen[3] - top) * down]
    canvas = Image.new(image.mode, (size, size))
    canvas.info = dict(image.info)
    if seen[2] > seen[0] and seen[3] > seen[1]:
        x, y = round(place[0]), round(place[1])
        shape = (max(1, round(place[2]) - x), max(1, round(place[3]) - y))
        box = (seen[0] * image.width, seen[1] * image.height, seen[2] * image.width, seen[3] * image.height)
        canvas.paste(image.resize(shape, Image.Resampling.BICUBIC, box, reducing_gap=2.0), (x, y))
    return _encoded(canvas, "JPEG", quality=85)


def display(payload: Payload, longest: int) -> bytes:
    """The image to show on a screen: the payload's own bytes, or a JPEG scaled to `longest` pixels when it is larger.

    Raises:
        BadImage: when the payload was not made by `prepare` and holds no image.
    """
    if max(payload.width, payload.height) <= longest:
        return payload.body
    image = _open(payload.body, "image", payload.width * payload.height)
    with _decoding("image"):
        image.draft(None, (longest, longest))  # a huge JPEG is decoded at half its size or less
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return _encoded(image, "JPEG", quality=90)


def smaller(payload: Payload, longest: int, quality: int) -> Payload:
    """The payload as a JPEG whose longer side is at most `longest` pixels; boxes refer to its new, smaller frame.

    Args:
        payload: the image that is too large.
        longest: pixels.
        quality: of the JPEG, 1 to 95.

    Raises:
        BadImage: when the payload was not made by `prepare` and holds no image.
    """
    image = _open(payload.body, "image", payload.width * payload.height)
    with _decoding("image"):
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    note = f"scaled to {image.width} x {image.height} pixels, JPEG quality {quality}"
    body = _encoded(image, "JPEG", quality=quality)
    return _payload(body, "image/jpeg", image.width, image.height, (*payload.notes, note))


def enlarged(data: bytes, width: int, height: int) -> bytes:
    """A small picture as a JPEG of the frame that it was made from, so that boxes of that frame lie right on it.

    Raises:
        BadImage: as `prepare`.
    """
    pixels = decoded(data)
    if pixels.size == (width, height):
        return data
    return _encoded(pixels.resize((width, height), Image.Resampling.BICUBIC), "JPEG", quality=85)


def _open(data: bytes, name: str, max_pixels: int) -> Image.Image:
    """The image with its header read and nothing decoded."""
    if not data:
        raise BadImage(f"“{name}” is empty (0 bytes).", "Copy or export the file again.")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF and b"avif" not in data[:64]:
        raise BadImage(
            f"“{name}” is an HEIC or HEIF image, which smviz does not read.",
            "Convert it to JPEG; an iPhone takes JPEGs with Settings > Camera > Formats > Most Compatible.",
        )
    with _decoding(name):
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    if image.width * image.height > max_pixels:
        raise BadImage(
            f"“{name}” has {image.width} x {image.height} pixels, more than the limit of {max_pixels / 1e6:g} million.",
            "Scale it down or cut it into tiles; detectors work on far smaller images.",
        )
    return image


@contextlib.contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Turns whatever Pillow meets in a bad file into BadImage; hold nothing but Pillow calls in it."""
    try:
        yield
    except BadImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImage(
            f"“{name}” has more pixels than can be decoded safely.",
            "Scale it down or cut it into tiles; detectors work on far smaller images.",
        ) from error
    except UnidentifiedImageError as error:
        raise BadImage(
            f"“{name}” is no image that smviz reads.", "Use JPEG or PNG (also read: AVIF, BMP, GIF, TIFF, WebP)."
        ) from error
    except Exception as error:  # Pillow lets through what its decoders meet: struct.error, zlib.error, IndexError ...
        raise BadImage(
            f"“{name}” cannot be decoded ({str(error) or type(error).__name__}).",
            "Copy the file again, for it may be incomplete, or export it as JPEG or PNG.",
        ) from error


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1, which is upright, where there is none that can be read."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # broken metadata is no reason to refuse good pixels, and no decoder turns by it
        return 1
    return value if value in range(2, 9) else 1


def _frames(image: Image.Image) -> int:
    """How many frames there are; of a TIFF no more than `_COUNTED` and one are looked for."""
    if image.format in _JPEG:
        return 1
    if image.format != "TIFF":
        return getattr(image, "n_frames", 1)
    count = 1
    with contextlib.suppress(EOFError):
        for count in range(1, _COUNTED + 1):
            image.seek(count)
        count += 1
    image.seek(0)
    return count


def _is_plain(image: Image.Image, data: bytes) -> bool:
    """Whether every decoder makes the same 8-bit grey or RGB pixels of this file."""
    if image.format in _JPEG:
        return image.mode in {"RGB", "L"}
    return (
        image.format == "PNG"
        and image.mode in {"RGB", "L"}
        and not _is_deep(image, data)
        and not image.has_transparency_data
        and getattr(image, "n_frames", 1) == 1
        and b"IEND" in data  # Pillow does without the end of a PNG, other decoders do not
    )


def _is_deep(image: Image.Image, data: bytes) -> bool:
    """Whether a channel has 16 bits; Pillow tells by the mode, except for colour PNGs, where byte 24 is the depth."""
    return image.mode.startswith("I;16") or (image.format == "PNG" and data[24] > 8)


def _decode(image: Image.Image) -> None:
    """See that nothing is missing, by decoding as little as that takes; a JPEG at an eighth of its size."""
    image.draft("L", (1, 1))
    image.load()


def _plain_jpeg(data: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG that is sent as it is; None where its header does not tell that."""
    header, width, height = _header(data)
    return (width, height) if header and _is_plain_header(header) else None


@lru_cache(maxsize=16)  # the images of one camera, video or program have one header
def _is_plain_header(header: bytes) -> bool:
    """Whether a JPEG that begins so is decoded alike by every decoder, and needs no turning."""
    with contextlib.suppress(Exception):  # then all of the file is asked
        data = header + bytes(_UNIT) + _END
        image = Image.open(io.BytesIO(data), formats=("JPEG",))
        if _orientation(image) == 1 and _is_plain(image, data):
            _decode(image)
            return True
    return False


def _header(data: bytes) -> tuple[bytes, int, int]:
    """A JPEG's header as of an image of 8 x 8 pixels, its width and height; empty unless its fate is the whole file's.

    Decoding 8 x 8 pixels reads every table, where libjpeg meets what it cannot go on with. Damage further on it lets
    pass, and so does Pillow; that the end is there shows that nothing was cut off. Only files of sequential Huffman
    coding with all components in one scan say all of that before the first pixels (ITU-T T.81, annex B). Left out is
    what no pixel depends on: comments, profiles, previews.
    """
    at, frame = 2, 0
    kept = [data[:2]]
    while data[at : at + 1] == b"\xff":
        marker, length = data[at + 1 : at + 2], int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at : at + 2 + length]
        if marker == _SCAN:
            height, width = struct.unpack_from(">HH", data, frame + 5)
            whole = frame and height and width and segment[4:5] == data[frame + 9 : frame + 10]
            if not whole or data.rfind(_END, at) < 0:
                break
            return b"".join((*kept, segment)), width, height
        if marker in _SEQUENTIAL:
            frame = at
            segment = segment[:5] + b"\0\x08\0\x08" + segment[9:]
        elif marker < b"\xc4" or length < 2:
            break
        if marker not in _ASIDE:
            kept.append(segment)
        at += 2 + length
    return b"", 0, 0


def _grey_or_rgb(image: Image.Image, name: str, data: bytes, notes: list[str]) -> Image.Image:
    """The same picture, opaque, 8 bits a channel, as mode L or RGB; what was done is added to `notes`."""
    if image.mode in {"I", "F"}:
        raise BadImage(
            f"“{name}” has 32-bit values, whose range from black to white is not known.",
            "Save it with 8 or 16 bits a channel.",
        )
    if _is_deep(image, data):
        notes.append("reduced 16 bits a channel to 8")
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        return _on_white(image, notes)
    if image.mode == "CMYK":
        notes.append("converted CMYK to RGB")
        return _cmyk_to_rgb(image)
    return image if image.mode in {"RGB", "L"} else image.convert("L" if image.mode == "1" else "RGB")


def _on_white(image: Image.Image, notes: list[str]) -> Image.Image:
    flat, opaque = Image.new("RGB", image.size), True
    for top in range(0, image.height, _BAND):  # a whole layer takes 400 MB at the limit, and three are needed
        layer = image.crop((0, top, image.width, min(top + _BAND, image.height))).convert("RGBA")
        opaque = opaque and layer.getchannel("A").getextrema() == (255, 255)
        flat.paste(Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB"), (0, top))
    notes.append("left out an alpha channel that was opaque" if opaque else "put transparent parts on white")
    flat.info = image.info
    return flat


def _cmyk_to_rgb(image: Image.Image) -> Image.Image:
    # Adobe's CMYK JPEGs hold inverted values and say so in a marker; Pillow inverts with or without the marker.
    ink = ImageChops.invert(image) if image.format in _JPEG and "adobe" not in image.info else image
    with contextlib.suppress(ImageCms.PyCMSError, OSError):  # no profile, or a broken one
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info.get("icc_profile") or b""))
        converted = ImageCms.profileToProfile(ink, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        if converted is not None:
            return converted
    return ink.convert("RGB")


def _encoded(image: Image.Image, encoding: str, quality: int = 95) -> bytes:
    """The file's bytes: no metadata but the ICC profile, and that only when it fits the pixels."""
    profile = image.info.get("icc_profile") or b""
    fits = profile[16:20] == {"RGB": b"RGB ", "L": b"GRAY"}[image.mode]
    image.info = {}
    buffer = io.BytesIO()
    options = {"quality": quality, "subsampling": 0} if encoding == "JPEG" else {"compress_level": 1}
    image.save(buffer, encoding, icc_profile=profile if fits else None, **options)
    return buffer.getvalue()


def _payload(body: bytes, content_type: str, width: int, height: int, notes: tuple[str, ...] = ()) -> Payload:
    return Payload(body, content_type, width, height, hashlib.sha256(body).hexdigest(), notes)
