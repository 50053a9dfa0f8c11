"""What is sent for an image file: the very bytes when they are plain, else a right-looking JPEG or PNG."""

import contextlib
import hashlib
import io
import struct
import threading
import zlib
from collections import Counter

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from smviz.errors import BadImage
from smviz.images import display, prepare, size_of, thumbnail

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 180, 60), (40, 60, 220), (255, 255, 255)
WIDTH, HEIGHT = 96, 64


def quadrants():
    """A 96 x 64 picture, uint8 [64, 96, 3]: red and green above, blue and white below."""
    top = np.hstack([np.full((32, 48, 3), RED), np.full((32, 48, 3), GREEN)])
    bottom = np.hstack([np.full((32, 48, 3), BLUE), np.full((32, 48, 3), WHITE)])
    return np.vstack([top, bottom]).astype(np.uint8)


def encode(image, encoding, **options):
    """The bytes of a Pillow image or an array."""
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, encoding, **options)
    return buffer.getvalue()


def decode(body):
    """The pixels of an encoded image."""
    return np.asarray(Image.open(io.BytesIO(body)))


def assert_looks(body, expected, tolerance=12):
    """The picture's four quadrants have the expected colours, in reading order, a tenth from each corner."""
    pixels = decode(body).astype(int)
    h, w = pixels.shape[:2]
    probes = [(h // 10, w // 10), (h // 10, w - w // 10), (h - h // 10, w // 10), (h - h // 10, w - w // 10)]
    for (y, x), colour in zip(probes, expected, strict=True):
        assert np.abs(pixels[y, x] - np.array(colour)).max() <= tolerance, (y, x, pixels[y, x], colour)


def decodes(data):
    """Whether Pillow decodes all of a JPEG."""
    try:
        Image.open(io.BytesIO(data), formats=("JPEG",)).load()
    except Exception:
        return False
    return True


def is_taken(data):
    """Whether `prepare` takes a file."""
    try:
        prepare(data)
    except BadImage:
        return False
    return True


def tagged(orientation):
    """EXIF that holds nothing but an orientation."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


def stored_as(orientation):
    """How a camera stores the upright picture, by the EXIF 2.3 table: where row 0 and column 0 are in the scene."""
    row0, column0 = {
        1: ("top", "left"),
        2: ("top", "right"),
        3: ("bottom", "right"),
        4: ("bottom", "left"),
        5: ("left", "top"),
        6: ("right", "top"),
        7: ("right", "bottom"),
        8: ("left", "bottom"),
    }[orientation]
    pixels = quadrants() if orientation < 5 else quadrants().transpose(1, 0, 2)
    pixels = pixels[::-1] if row0 in {"bottom", "right"} else pixels
    return np.ascontiguousarray(pixels[:, ::-1] if column0 in {"bottom", "right"} else pixels)


def png_chunk(kind, content):
    """One PNG chunk."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, depth, colour_type, rows):
    """A PNG made by hand, for what Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


class TestPlainFiles:
    @pytest.mark.parametrize(
        ("encoding", "options"),
        [("JPEG", {}), ("JPEG", {"progressive": True}), ("JPEG", {"quality": 30}), ("PNG", {})],
    )
    @pytest.mark.parametrize("mode", ["RGB", "L"])
    def test_sent_untouched(self, encoding, options, mode):
        """A plain 8-bit JPEG or PNG is sent byte for byte, with nothing to note."""
        data = encode(Image.fromarray(quadrants()).convert(mode), encoding, **options)
        payload = prepare(data)
        assert payload.body == data
        assert payload.content_type == f"image/{encoding.lower()}"
        assert (payload.width, payload.height) == (WIDTH, HEIGHT)
        assert payload.notes == ()

    def test_hash_is_of_the_body(self):
        """The hash is the SHA-256 of the bytes that are sent, touched or not."""
        for data in (encode(quadrants(), "PNG"), encode(quadrants(), "BMP")):
            payload = prepare(data)
            assert payload.sha256 == hashlib.sha256(payload.body).hexdigest()

    def test_camera_metadata_without_orientation(self):
        """EXIF that says nothing of orientation, or says upright, is no reason to encode again."""
        exif = Image.Exif()
        exif[ExifTags.Base.Make] = "camera"
        for tag in (exif, tagged(1)):
            data = encode(quadrants(), "JPEG", exif=tag)
            assert prepare(data).body == data

    @pytest.mark.parametrize("orientation", [0, 9, 65535])
    def test_meaningless_orientation(self, orientation):
        """An orientation that EXIF does not define counts as upright."""
        data = encode(quadrants(), "JPEG", exif=tagged(orientation))
        assert prepare(data).body == data

    @pytest.mark.filterwarnings("ignore::UserWarning")
    def test_broken_metadata(self):
        """Pixels are good even when the EXIF block is not."""
        data = encode(quadrants(), "JPEG", exif=b"Exif\0\0this is no TIFF header at all")
        assert prepare(data).body == data

    def test_two_pictures_in_one_jpeg(self):
        """A camera's multi-picture JPEG is sent as the JPEG it is."""
        data = encode(quadrants(), "MPO", save_all=True, append_images=[Image.new("RGB", (96, 64))])
        assert Image.open(io.BytesIO(data)).format == "MPO"
        payload = prepare(data)
        assert payload.body == data
        assert payload.content_type == "image/jpeg"

    def test_comments_and_profiles_are_not_asked(self):
        """What no pixel depends on changes nothing: a file with any comment or profile in it is sent untouched."""
        plain = encode(quadrants(), "JPEG")
        for marker in (0xE2, 0xED, 0xFE):
            data = plain[:2] + bytes((0xFF, marker, 0, 6)) + b"\xff\xd9\xff\xda" + plain[2:]
            assert prepare(data).body == data

    def test_each_file_is_asked_for_its_own_end(self):
        """That a file was whole says nothing of the next one with the very same header."""
        whole = encode(quadrants(), "JPEG")
        assert prepare(whole).body == whole
        with pytest.raises(BadImage):
            prepare(whole[:-100])

    def test_each_file_is_asked_for_its_own_tables(self):
        """Nor does it of one of the same size that lacks a table."""
        whole = encode(quadrants(), "JPEG")
        assert prepare(whole).body == whole
        table = whole.index(b"\xff\xdb")
        length = int.from_bytes(whole[table + 2 : table + 4], "big")
        with pytest.raises(BadImage):
            prepare(whole[:table] + whole[table + 2 + length :])

    def test_components_in_scans_of_their_own(self):
        """A JPEG whose colours follow one another is read to its end, for only there is its last table."""
        grey = encode(Image.fromarray(quadrants()).convert("L"), "JPEG")
        frame, scan = grey.index(b"\xff\xc0"), grey.index(b"\xff\xda")
        three = b"\xff\xc0\0\x11\x08" + grey[frame + 5 : frame + 9] + b"\x03\x01\x11\0\x02\x11\0\x03\x11\0"
        end = frame + 2 + int.from_bytes(grey[frame + 2 : frame + 4], "big")
        pixels = grey[scan + 10 : -2]
        scans = [b"\xff\xda\0\x08\x01" + bytes([number]) + b"\0\0\x3f\0" + pixels for number in (1, 2, 3)]
        data = grey[:frame] + three + grey[end:scan] + b"".join(scans) + b"\xff\xd9"
        assert Image.open(io.BytesIO(data)).mode == "RGB"
        assert prepare(data).body == data
        with pytest.raises(BadImage):
            prepare(data[: data.index(scans[1]) + 20])

    def test_extension_does_not_count(self):
        """A PNG that is called .jpg goes out as the PNG that it is."""
        assert prepare(encode(quadrants(), "PNG"), "photo.jpg").content_type == "image/png"


class TestOrientation:
    @pytest.mark.parametrize("encoding", ["JPEG", "PNG", "TIFF", "WEBP"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_upright(self, encoding, orientation):
        """All eight EXIF orientations come out upright, in every format that carries the tag."""
        options = {"quality": 95} if encoding in {"JPEG", "WEBP"} else {}
        payload = prepare(encode(stored_as(orientation), encoding, exif=tagged(orientation), **options))
        assert (payload.width, payload.height) == (WIDTH, HEIGHT)
        assert decode(payload.body).shape == (HEIGHT, WIDTH, 3)
        assert_looks(payload.body, [RED, GREEN, BLUE, WHITE])

    @pytest.mark.parametrize("orientation", range(2, 9))
    def test_tag_is_gone(self, orientation):
        """What is sent carries no orientation, so no decoder turns it a second time; the note names what was done."""
        payload = prepare(encode(stored_as(orientation), "JPEG", exif=tagged(orientation)))
        assert ExifTags.Base.Orientation not in Image.open(io.BytesIO(payload.body)).getexif()
        assert f"turned upright (EXIF orientation {orientation})" in payload.notes

    def test_re_encoding_is_gentle(self):
        """A turned JPEG stays a JPEG, near-identical in its pixels and with full chroma resolution."""
        noise = np.random.default_rng(1).integers(0, 255, (8, 12, 3)).astype(np.uint8)
        picture = np.asarray(Image.fromarray(noise).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
        data = encode(picture, "JPEG", quality=90, exif=tagged(3))
        payload = prepare(data)
        before, after = decode(data)[::-1, ::-1].astype(int), decode(payload.body).astype(int)
        assert payload.content_type == "image/jpeg"
        assert np.abs(before - after).mean() < 2
        assert all(component[1:3] == (1, 1) for component in Image.open(io.BytesIO(payload.body)).layer)

    def test_profile_survives(self):
        """Turning a picture keeps its ICC profile, for its pixel values still mean what they meant."""
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        payload = prepare(encode(stored_as(6), "JPEG", exif=tagged(6), icc_profile=profile))
        assert Image.open(io.BytesIO(payload.body)).info["icc_profile"] == profile


class TestOtherFormats:
    @pytest.mark.parametrize("encoding", ["BMP", "GIF", "TIFF"])
    def test_lossless_becomes_png(self, encoding):
        """A lossless file becomes a PNG of the very same pixels."""
        data = encode(Image.fromarray(quadrants()).quantize(8) if encoding == "GIF" else quadrants(), encoding)
        payload = prepare(data)
        assert payload.content_type == "image/png"
        np.testing.assert_array_equal(decode(payload.body), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
        assert payload.notes == ("encoded as PNG",)

    @pytest.mark.parametrize("encoding", ["WEBP", "AVIF"])
    def test_lossy_becomes_jpeg(self, encoding):
        """A lossy file becomes a JPEG of quality 95."""
        payload = prepare(encode(quadrants(), encoding, quality=95))
        assert payload.content_type == "image/jpeg"
        assert_looks(payload.body, [RED, GREEN, BLUE, WHITE])
        assert payload.notes == ("encoded as JPEG, quality 95",)

    def test_longer_than_a_jpeg_may_be(self):
        """A lossy file of more than 65,500 pixels in a row becomes a PNG, for no JPEG can hold it."""
        frames = [Image.new("RGB", (20, 10), colour) for colour in (RED, GREEN)]
        data = bytearray(encode(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
        canvas = data.index(b"VP8X") + 12
        data[canvas : canvas + 3] = (70_000 - 1).to_bytes(3, "little")
        payload = prepare(bytes(data))
        assert (payload.width, payload.height, payload.content_type) == (70_000, 10, "image/png")

    @pytest.mark.parametrize("encoding", ["PNG", "GIF", "TIFF", "BMP"])
    def test_palette(self, encoding):
        """Palette images come out in their colours, not as index numbers."""
        payload = prepare(encode(Image.fromarray(quadrants()).quantize(8), encoding))
        assert_looks(payload.body, [RED, GREEN, BLUE, WHITE])

    @pytest.mark.parametrize("encoding", ["PNG", "TIFF", "BMP"])
    def test_black_and_white(self, encoding):
        """One-bit images come out as grey with black 0 and white 255."""
        image = Image.new("1", (32, 16), 1)
        image.paste(0, (0, 0, 16, 16))
        pixels = decode(prepare(encode(image, encoding)).body)
        assert (pixels[8, 4], pixels[8, 28]) == (0, 255)

    def test_cmyk_tiff(self):
        """CMYK becomes RGB: full cyan and magenta is blue, no ink is white."""
        image = Image.new("CMYK", (32, 16), (0, 0, 0, 0))
        image.paste((255, 255, 0, 0), (0, 0, 16, 16))
        payload = prepare(encode(image, "TIFF"))
        pixels = decode(payload.body).astype(int)
        assert pixels[8, 4, 2] - pixels[8, 4, 0] > 100
        assert pixels[8, 28].min() > 245
        assert "converted CMYK to RGB" in payload.notes

    @pytest.mark.parametrize("marker", [True, False])
    def test_cmyk_jpeg(self, marker):
        """CMYK JPEGs look right both with Adobe's marker, which means inverted values, and without it."""
        image = Image.new("CMYK", (32, 16), (0, 0, 0, 0))
        image.paste((0, 255, 255, 0), (0, 0, 16, 16))
        data = encode(image, "JPEG", quality=95)
        if not marker:
            data = encode(Image.eval(image, lambda v: 255 - v), "JPEG", quality=95)
            start = data.index(b"\xff\xee")
            data = data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]
            assert b"Adobe" not in data
        payload = prepare(data)
        pixels = decode(payload.body).astype(int)
        assert payload.content_type == "image/jpeg"
        assert pixels[8, 4, 0] - pixels[8, 4, 1] > 100, "magenta and yellow ink make red"
        assert pixels[8, 28].min() > 245, "no ink is white"

    def test_cmyk_with_broken_profile(self):
        """A CMYK image whose profile is broken is converted without it."""
        image = Image.new("CMYK", (16, 16), (0, 0, 0, 255))
        assert decode(prepare(encode(image, "TIFF", icc_profile=b"no profile")).body).max() < 20

    @pytest.mark.parametrize("encoding", ["PNG", "TIFF"])
    def test_sixteen_bit_grey(self, encoding):
        """16-bit grey is scaled, not clipped: a ramp stays a ramp over the whole range."""
        ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(16, 0)
        payload = prepare(encode(ramp, encoding))
        pixels = decode(payload.body)
        assert pixels.dtype == np.uint8
        np.testing.assert_array_equal(pixels[0], np.arange(256))
        assert "reduced 16 bits a channel to 8" in payload.notes

    def test_sixteen_bit_big_endian_tiff(self):
        """The byte order of the file does not matter."""
        ramp = np.linspace(0, 65535, 256).astype(">u2")[None].repeat(16, 0)
        image = Image.frombytes("I;16B", (256, 16), ramp.tobytes())
        np.testing.assert_array_equal(decode(prepare(encode(image, "TIFF")).body)[0], np.arange(256))

    def test_sixteen_bit_colour(self):
        """16-bit RGB PNGs come out with 8 bits a channel."""
        row = np.array([[0, 0, 0], [0x8000, 0xFF00, 0xFFFF]], ">u2").tobytes()
        payload = prepare(png(2, 2, 16, 2, [row, row]))
        assert decode(payload.body)[0].tolist() == [[0, 0, 0], [128, 255, 255]]
        assert payload.body[24] == 8
        assert "reduced 16 bits a channel to 8" in payload.notes

    @pytest.mark.parametrize("mode", ["I", "F"])
    def test_thirty_two_bit(self, mode):
        """32-bit values have no known white, so the file is refused rather than guessed at."""
        with pytest.raises(BadImage, match="32-bit"):
            prepare(encode(Image.new(mode, (8, 8), 300), "TIFF"))

    @pytest.mark.parametrize("mode", ["RGBA", "LA"])
    def test_transparency_goes_on_white(self, mode):
        """What is transparent becomes white, what is half transparent half white, and a note says so."""
        image = Image.new("RGBA", (30, 10), (0, 0, 0, 0))
        image.paste((0, 0, 0, 255), (0, 0, 10, 10))
        image.paste((0, 0, 0, 128), (10, 0, 20, 10))
        payload = prepare(encode(image.convert(mode), "PNG"))
        assert decode(payload.body)[5, [5, 15, 25]].tolist() == [[0] * 3, [127] * 3, [255] * 3]
        assert "put transparent parts on white" in payload.notes

    def test_transparent_palette_and_colour_key(self):
        """Transparency that a palette entry or a key colour stands for goes on white too."""
        palette = Image.new("P", (20, 10), 0)
        palette.putpalette([10, 200, 10, 0, 0, 0])
        palette.paste(1, (10, 0, 20, 10))
        keyed = palette.convert("RGB")
        for data in (
            encode(palette, "PNG", transparency=0),
            encode(palette, "GIF", transparency=0),
            encode(keyed, "PNG", transparency=(10, 200, 10)),
        ):
            assert decode(prepare(data).body)[5, [5, 15]].tolist() == [[255] * 3, [0] * 3]

    def test_opaque_alpha(self):
        """An alpha channel that hides nothing is dropped without touching a pixel."""
        payload = prepare(encode(Image.fromarray(quadrants()).convert("RGBA"), "PNG"))
        np.testing.assert_array_equal(decode(payload.body), quadrants())
        assert "left out an alpha channel that was opaque" in payload.notes

    @pytest.mark.parametrize("encoding", ["GIF", "WEBP", "PNG", "TIFF"])
    def test_first_frame(self, encoding):
        """Of an animation or a multi-page file the first frame is sent, and a note says so."""
        frames = [Image.new("RGB", (20, 10), colour) for colour in (RED, GREEN, BLUE)]
        options = {"lossless": True} if encoding == "WEBP" else {}
        payload = prepare(encode(frames[0], encoding, save_all=True, append_images=frames[1:], **options))
        assert_looks(payload.body, [RED] * 4)
        assert Image.open(io.BytesIO(payload.body)).format in {"PNG", "JPEG"}
        assert getattr(Image.open(io.BytesIO(payload.body)), "n_frames", 1) == 1
        assert "took the first of 3 frames" in payload.notes


class TestBadFiles:
    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"", "empty"),
            (b"\0", "no image"),
            (b"Dear all, please find attached", "no image"),
            (b'{"prediction": []}', "no image"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no image"),
            (b"%PDF-1.7", "no image"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image"),
            (np.random.default_rng(0).bytes(5000), "no image"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
            (b"\0\0\0\x18ftypisom\0\0\0\0isomiso2", "no image"),
            (b"\xff\xd8\xff", "."),
            (b"\x89PNG\r\n\x1a\n", "."),
            (b"GIF89a", "."),
            (b"BM", "."),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "."),
            (b"II*\0\xff\xff\xff\x7f", "."),
        ],
    )
    @pytest.mark.filterwarnings("ignore::UserWarning")
    def test_no_image(self, data, words):
        """What is no image is a BadImage that names the file and says what to do."""
        with pytest.raises(BadImage, match=words) as caught:
            prepare(data, "x.jpg")
        assert "x.jpg" in caught.value.message
        assert caught.value.advice

    @pytest.mark.parametrize("encoding", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
    @pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
    def test_truncated(self, encoding, share):
        """A file that was cut off is never sent."""
        noise = np.random.default_rng(2).integers(0, 255, (64, 64, 3)).astype(np.uint8)
        data = encode(noise, encoding)
        with pytest.raises(BadImage):
            prepare(data[: int(len(data) * share)], "half")

    def test_only_the_end_is_missing(self):
        """A PNG whose pixels are all there but whose end is not is made whole; a JPEG without its end is refused."""
        data = encode(quadrants(), "PNG")
        payload = prepare(data[:-14])
        np.testing.assert_array_equal(decode(payload.body), quadrants())
        assert payload.body.endswith(b"IEND\xaeB`\x82")
        with pytest.raises(BadImage):
            prepare(encode(quadrants(), "JPEG")[:-2])

    @pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
    def test_damage_anywhere(self):
        """Whatever byte is damaged, the result is a payload or a BadImage, never another error."""
        random = np.random.default_rng(3)
        noise = random.integers(0, 255, (16, 16, 3)).astype(np.uint8)
        whole = [encode(noise, e) for e in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")]
        whole.append(encode(noise, "JPEG", exif=tagged(6)))
        for data in whole:
            for _ in range(60):
                damaged = bytearray(data)
                damaged[random.integers(len(data))] = random.integers(256)
                with contextlib.suppress(BadImage):
                    assert prepare(bytes(damaged)).width > 0

    @pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
    @pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1, "subsampling": 0}])
    def test_judged_as_by_decoding_all_of_it(self, options):
        """A JPEG is refused exactly when Pillow cannot decode it, though not all of it is decoded here."""
        random = np.random.default_rng(4)
        data = encode(random.integers(0, 255, (33, 50, 3)).astype(np.uint8), "JPEG", **options)
        damaged = [data[:length] for length in range(20, len(data), 41)]
        places = random.integers(2, min(700, len(data)), 200)
        damaged += [data[:place] + random.bytes(1) + data[place + 1 :] for place in places]
        verdicts = Counter((decodes(each), is_taken(each)) for each in damaged)
        assert verdicts.keys() == {(True, True), (False, False)}

    def test_pixel_limit(self):
        """One pixel too many is refused; exactly the limit is fine."""
        data = encode(quadrants(), "PNG")
        assert prepare(data, max_pixels=WIDTH * HEIGHT).width == WIDTH
        with pytest.raises(BadImage, match="96 x 64 pixels"):
            prepare(data, max_pixels=WIDTH * HEIGHT - 1)

    @pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
    @pytest.mark.parametrize("side", [13_000, 60_000, 2_000_000_000])
    def test_decompression_bomb(self, side):
        """A small file of many pixels is refused by its header, before anything is decoded."""
        with pytest.raises(BadImage, match="pixels"):
            prepare(png(side, side, 8, 2, [b""]))

    @pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
    def test_higher_limit(self):
        """Somebody with large images can raise the limit."""
        row = bytes(12_600 // 8)
        data = png(12_600, 12_000, 1, 0, [row] * 12_000)
        assert prepare(data, max_pixels=152_000_000).width == 12_600

    def test_threads(self):
        """Many images at once come out as they do one by one."""
        files = [encode(stored_as(o), "JPEG", exif=tagged(o)) for o in range(1, 9)] * 4
        expected = [prepare(data).sha256 for data in files]
        actual = [""] * len(files)

        def work(place):
            actual[place] = prepare(files[place]).sha256

        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(files))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert actual == expected


class TestSizeOf:
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_upright(self, orientation):
        """The size is that of the upright picture, as `prepare` tells it."""
        data = encode(stored_as(orientation), "JPEG", exif=tagged(orientation))
        assert size_of(data) == (WIDTH, HEIGHT)

    def test_header_alone(self):
        """A file that was cut off behind its header still tells its size."""
        data = encode(quadrants(), "PNG")
        assert size_of(data[:60]) == (WIDTH, HEIGHT)

    @pytest.mark.parametrize("data", [b"", b"no image"])
    def test_no_image(self, data):
        """What is no image is a BadImage that names the file."""
        with pytest.raises(BadImage, match=r"x\.jpg"):
            size_of(data, "x.jpg")


class TestThumbnail:
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_upright_and_small(self, orientation):
        """A thumbnail is an upright JPEG of the asked width."""
        small = thumbnail(encode(stored_as(orientation), "JPEG", quality=95, exif=tagged(orientation)), 48)
        assert Image.open(io.BytesIO(small)).format == "JPEG"
        assert decode(small).shape == (32, 48, 3)
        assert_looks(small, [RED, GREEN, BLUE, WHITE], tolerance=30)

    def test_never_enlarged(self):
        """A small image stays as it is."""
        assert decode(thumbnail(encode(quadrants(), "PNG"), 500)).shape == (HEIGHT, WIDTH, 3)

    def test_extreme_shapes(self):
        """A picture of one pixel's width or height still has a thumbnail, and no huge one."""
        assert decode(thumbnail(encode(Image.new("RGB", (1, 70_000)), "PNG"), 100)).shape == (200, 1, 3)
        assert decode(thumbnail(encode(Image.new("RGB", (70_000, 1)), "PNG"), 100)).shape == (1, 100, 3)

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
    def test_every_mode(self, mode):
        """Every kind of PNG has a thumbnail."""
        image = Image.new("I;16", (9, 9), 40_000) if mode == "I;16" else Image.new("RGB", (9, 9)).convert(mode)
        assert decode(thumbnail(encode(image, "PNG"), 8)).shape[:2] == (8, 8)

    def test_bad_image(self):
        """No thumbnail of what is no image."""
        with pytest.raises(BadImage):
            thumbnail(b"text", 100)


class TestDisplay:
    def test_small_image(self):
        """An image that fits is shown by the very bytes that were sent."""
        payload = prepare(encode(quadrants(), "PNG"))
        assert display(payload, 96) == payload.body

    @pytest.mark.parametrize("encoding", ["JPEG", "PNG"])
    @pytest.mark.parametrize("mode", ["RGB", "L"])
    def test_large_image(self, encoding, mode):
        """A larger one is scaled so that its longest side is as asked, its shape kept."""
        payload = prepare(encode(Image.fromarray(quadrants()).convert(mode), encoding, quality=95))
        shown = display(payload, 48)
        assert Image.open(io.BytesIO(shown)).format == "JPEG"
        assert decode(shown).shape[:2] == (32, 48)

    def test_looks_the_same(self):
        """Scaling moves nothing."""
        assert_looks(display(prepare(encode(quadrants(), "PNG")), 60), [RED, GREEN, BLUE, WHITE], tolerance=30)

    def test_profile_survives(self):
        """A scaled image keeps its ICC profile, so a browser shows it in the same colours as the original."""
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        payload = prepare(encode(quadrants(), "JPEG", icc_profile=profile))
        assert Image.open(io.BytesIO(display(payload, 48))).info["icc_profile"] == profile
