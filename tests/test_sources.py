"""Files come from files, folders, zips, manifests and memory; nothing climbs out, and nothing explodes."""

import contextlib
import gc
import io
import json
import os
import stat
import struct
import tracemalloc
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from smviz import images
from smviz.errors import BadSource
from smviz.sources import IMAGE_SUFFIXES, Source, from_bytes, from_manifest, images_of, open_source, read_location

HOSTILE = [
    "../out.jpg",
    "a/../../out.jpg",
    "/etc/passwd",
    "//server/share/out.jpg",
    "..\\out.jpg",
    "\\out.jpg",
    "C:\\out.jpg",
    "c:out.jpg",
    "a\\..\\..\\out.jpg",
    "..",
]


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    """The bytes of a zip with these (name or ZipInfo, bytes)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data, method)
    return file.getvalue()


def info(name, mode=0):
    """A member's header with a Unix mode; the name is written as it stands."""
    member = zipfile.ZipInfo("x")
    member.filename = name
    member.external_attr = mode << 16
    return member


def written(path, data=b""):
    """The path, with these bytes in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def contents(source):
    """All names and bytes of a source."""
    return {file.name: file.read() for file in source}


def names(source):
    """All names of a source, in its order."""
    return [file.name for file in source]


class TestFile:
    def test_is_a_source_of_one(self, tmp_path):
        """A file is listed by its base name, with its size, bytes and location."""
        path = written(tmp_path / "a b.jpg", b"12345")
        source = open_source(path)
        [file] = source
        assert (source.label, file.name, file.size, file.read()) == ("a b.jpg", "a b.jpg", 5, b"12345")
        assert file.location == f"file://{tmp_path}/a%20b.jpg"

    @pytest.mark.parametrize("name", ["nowhere.jpg", "nul\0.jpg", "x" * 300])
    def test_that_is_not_there(self, tmp_path, name):
        """A path with nothing at it is named."""
        with pytest.raises(BadSource, match="cannot be read"):
            open_source(tmp_path / name)

    def test_that_went_away(self, tmp_path):
        """A file that is deleted between listing and reading is named, and so is one before listing."""
        path = written(tmp_path / "a.jpg")
        source = open_source(path)
        [file] = source
        path.unlink()
        with pytest.raises(BadSource, match=r"a\.jpg cannot be read: No such file"):
            file.read()
        with pytest.raises(BadSource, match=r"a\.jpg cannot be read: No such file"):
            list(source)

    def test_a_pipe_is_refused(self, tmp_path):
        """What is neither file nor folder would be waited for, for ever."""
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(BadSource, match="neither a file nor a folder"):
            open_source(tmp_path / "pipe")


class TestFolder:
    def test_in_the_order_of_the_names(self, tmp_path):
        """All below the folder is listed with forward slashes, sorted as whole names are; hidden files are not."""
        below = ["a/b.jpg", "a.jpg", "a/c/d.jpg", "a-b.jpg", "z.txt", ".git/config", "a/.hidden", "__MACOSX/a.jpg"]
        for name in below:
            written(tmp_path / name, name.encode())
        source = open_source(tmp_path)
        assert names(source) == sorted(below[:5])
        assert contents(source) == {name: name.encode() for name in below[:5]}

    def test_is_listed_anew_each_time(self, tmp_path):
        """A file that came later is in the next listing."""
        source = open_source(tmp_path)
        assert names(source) == []
        written(tmp_path / "a.jpg")
        assert names(source) == ["a.jpg"]

    def test_is_listed_as_it_is_asked_for(self, tmp_path):
        """A folder further down is not looked at before its turn: what is deleted by then is not missed."""
        written(tmp_path / "a" / "1.jpg")
        written(tmp_path / "b" / "2.jpg")
        files = iter(open_source(tmp_path))
        assert next(files).name == "a/1.jpg"
        (tmp_path / "b" / "2.jpg").unlink()
        assert list(files) == []

    def test_links_do_not_lead_out(self, tmp_path):
        """A link is followed to a file within the folder; not to one outside, to a folder, to itself or to nothing."""
        root = tmp_path / "root"
        written(root / "a.jpg", b"a")
        written(tmp_path / "secret", b"secret")
        for name, target in [
            ("within.jpg", "a.jpg"),
            ("out.jpg", "../secret"),
            ("absolute.jpg", tmp_path / "secret"),
            ("loop", "."),
            ("self.jpg", "self.jpg"),
            ("dangling.jpg", "nowhere"),
        ]:
            (root / name).symlink_to(target)
        assert contents(open_source(root)) == {"a.jpg": b"a", "within.jpg": b"a"}

    def test_pipes_are_left_out(self, tmp_path):
        """Only regular files are listed."""
        os.mkfifo(tmp_path / "pipe")
        assert names(open_source(tmp_path)) == []

    def test_a_name_that_is_no_utf8(self, tmp_path):
        """It is listed legibly, can be written as UTF-8, and its location still finds it."""
        with open(os.fsencode(tmp_path) + b"/caf\xe9.jpg", "wb") as file:
            file.write(b"au lait")
        [file] = open_source(tmp_path)
        assert file.name.encode() == "caf\ufffd.jpg".encode()
        assert file.read() == read_location(file.location) == b"au lait"

    def test_that_went_away(self, tmp_path):
        """A folder that is gone when it is listed is named."""
        (tmp_path / "gone").mkdir()
        source = open_source(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        with pytest.raises(BadSource, match="gone cannot be read"):
            list(source)


class TestZip:
    def test_members_in_order(self, tmp_path):
        """Members are listed by name, without folders, hidden files and what macOS adds."""
        members = ["b/2.jpg", "a.jpg", "b/", ".DS_Store", "__MACOSX/b/._2.jpg", "b\\3.jpg", "./c.jpg"]
        path = written(tmp_path / "set.zip", zipped(*[(info(name), b"x" * len(name)) for name in members]))
        source = open_source(path)
        assert source.label == "set.zip"
        assert [(file.name, file.size) for file in source] == [
            ("a.jpg", 5),
            ("b/2.jpg", 7),
            ("b/3.jpg", 7),
            ("c.jpg", 7),
        ]
        assert {file.name: len(file.read()) for file in source} == {file.name: file.size for file in source}
        assert next(file.location for file in source) == f"zip://{path}!/a.jpg"

    @pytest.mark.parametrize(("written", "name"), [("é 図.jpg".encode(), "é 図.jpg"), (b"caf\x82.jpg", "café.jpg")])
    def test_names_of_an_untold_encoding(self, written, name):
        """Names that are UTF-8 are read as that though the zip does not say so; others are of code page 437."""
        data = zipped((info("#" * len(written)), b"x")).replace(b"#" * len(written), written)
        assert contents(from_bytes([("set.zip", data)])) == {name: b"x"}

    def test_in_memory(self):
        """An uploaded zip is opened too; its members can be found again nowhere."""
        source = from_bytes([("up.zip", zipped(("a.jpg", b"a")))])
        assert contents(source) == {"a.jpg": b"a"}
        assert [file.location for file in source] == [""]

    def test_is_read_by_many_threads(self, tmp_path):
        """One open zip serves all threads."""
        members = [(f"{i}.bin", bytes([i % 251]) * 20_000) for i in range(300)]
        source = open_source(written(tmp_path / "set.zip", zipped(*members)))
        with ThreadPoolExecutor(8) as pool:
            found = dict(pool.map(lambda file: (file.name, file.read()), list(source) * 3))
        assert found == dict(members)

    def test_is_opened_once(self, tmp_path):
        """The zip is held open: its members can be read after it was deleted."""
        path = written(tmp_path / "set.zip", zipped(("a.jpg", b"a"), ("b.jpg", b"b")))
        source = open_source(path)
        path.unlink()
        assert contents(source) == {"a.jpg": b"a", "b.jpg": b"b"}

    @pytest.mark.parametrize("how", ["closed", "left", "forgotten"])
    def test_is_closed(self, tmp_path, how):
        """The file is given back when the source is closed, left as a context, or no longer referred to."""
        path = written(tmp_path / "set.zip", zipped(("a.jpg", b"a")))
        source = open_source(path)
        assert open_files(path) == 1
        if how == "closed":
            source.close()
        elif how == "left":
            with source:
                pass
        else:
            del source
            gc.collect()
        assert open_files(path) == 0

    def test_once_closed_is_not_read(self, tmp_path):
        """Reading after that is a typed error, and closing again does no harm."""
        source = open_source(written(tmp_path / "set.zip", zipped(("a.jpg", b"a"))))
        [file] = source
        source.close()
        source.close()
        with pytest.raises(BadSource, match=r"a\.jpg in set\.zip cannot be unpacked: .*closed"):
            file.read()

    @pytest.mark.parametrize("name", HOSTILE)
    def test_names_that_lead_out_are_refused(self, name):
        """Parents, absolute paths and drives, with either slash: the zip is refused and the name told."""
        with pytest.raises(BadSource, match="would lie outside") as caught:
            from_bytes([("evil.zip", zipped(("a.jpg", b"a"), (info(name), b"x")))])
        assert repr(name) in caught.value.message
        assert "evil.zip" in caught.value.message

    def test_links_and_devices_are_left_out(self):
        """A member that would become a link or a device is not listed."""
        members = [
            (info("a.jpg", stat.S_IFREG | 0o644), b"a"),
            (info("link.jpg", stat.S_IFLNK | 0o777), b"/etc/passwd"),
            (info("device.jpg", stat.S_IFCHR | 0o777), b""),
        ]
        assert contents(from_bytes([("set.zip", zipped(*members))])) == {"a.jpg": b"a"}

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    @pytest.mark.parametrize("other", ["d/a.jpg", "d\\a.jpg", "d//a.jpg", "./d/a.jpg"])
    def test_a_name_that_comes_twice_is_refused(self, other):
        """Nobody could tell which of two files of one name is meant, however its slashes are written."""
        with pytest.raises(BadSource, match=r"set\.zip has two files named 'd/a\.jpg'"):
            from_bytes([("set.zip", zipped((info("d/a.jpg"), b"1"), (info(other), b"2")))])

    def test_names_that_differ_by_case_are_two(self):
        """As on the system that packed them."""
        assert contents(from_bytes([("set.zip", zipped(("a.jpg", b"1"), ("A.jpg", b"2")))])) == {
            "a.jpg": b"1",
            "A.jpg": b"2",
        }

    def test_a_zip_within_is_a_file(self):
        """It is not opened."""
        inner = zipped(("../out.jpg", b"x"))
        assert contents(from_bytes([("set.zip", zipped(("inner.zip", inner)))])) == {"inner.zip": inner}

    def test_a_bomb_is_not_read(self):
        """What unpacks to over 200 times its size is refused before it is unpacked; a small file may."""
        [bomb, small] = from_bytes([("b.zip", zipped(("big", bytes(3 << 20)), ("small", bytes(1 << 20))))])
        assert len(small.read()) == 1 << 20
        with pytest.raises(BadSource, match=r"big in b\.zip unpacks to far more than it should"):
            bomb.read()

    def test_a_forged_size_unpacks_no_more_than_it_says(self):
        """A header that says 9 of 64 MB: only 9 bytes are unpacked, and their checksum tells."""
        honest = zipped(("a", bytes(64 << 20)))
        forged = honest.replace(struct.pack("<I", 64 << 20), struct.pack("<I", 9))
        [file] = from_bytes([("f.zip", forged)])
        assert file.size == 9
        with most_memory(1 << 20), pytest.raises(BadSource, match=r"a in f\.zip cannot be unpacked: Bad CRC"):
            file.read()

    def test_no_member_is_larger_than_a_gibibyte(self):
        """However well it may be packed: 2 GiB from 11 MB are refused, although that is under 200 times its size."""
        data = bytearray(zipped(("a", bytes(11 << 20)), method=zipfile.ZIP_STORED))
        struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 24, 2 << 30)
        [file] = from_bytes([("b.zip", bytes(data))])
        assert file.size == 2 << 30
        with pytest.raises(BadSource, match="unpacks to far more than it should"):
            file.read()

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_methods_without_a_limit_are_refused(self, method):
        """bzip2 and LZMA pack a disk into a few bytes, and cannot be stopped on the way."""
        [file] = from_bytes([("b.zip", zipped(("a", b"a"), method=method))])
        with pytest.raises(BadSource, match="by a method that is not read here"):
            file.read()

    def test_members_that_lie_over_each_other_are_refused(self):
        """Many members that share their data unpack to any size."""
        with pytest.raises(BadSource, match="made to fill a disk"):
            from_bytes([("o.zip", overlapping())])

    def test_with_a_password(self):
        """What is encrypted cannot be read, and that is said."""
        data = bytearray(zipped(("a.jpg", b"a"), method=zipfile.ZIP_STORED))
        data[6] |= 1
        data[data.index(b"PK\x01\x02") + 8] |= 1
        [file] = from_bytes([("p.zip", bytes(data))])
        with pytest.raises(BadSource, match="password"):
            file.read()

    def test_a_damaged_member_is_named(self):
        """A checksum that does not fit is an error of that file; the others are read."""
        data = zipped(("a.jpg", b"sound"), ("b.jpg", b"broken"), method=zipfile.ZIP_STORED)
        first, second = from_bytes([("d.zip", data.replace(b"broken", b"BROKEN"))])
        assert first.read() == b"sound"
        with pytest.raises(BadSource, match=r"b\.jpg in d\.zip cannot be unpacked: Bad CRC"):
            second.read()

    @pytest.mark.parametrize(
        "data",
        [b"<html>not found</html>", b"", zipped(("a", b"a" * 99))[:-30], b"PK\x03\x04"],
        ids=["html", "empty", "cut short", "four bytes"],  # a zip holds the time, and a test's name must not
    )
    def test_that_is_none(self, tmp_path, data):
        """A download that was cut off, or a page in its place, is told, on the disk and in memory."""
        with pytest.raises(BadSource, match=r"x\.zip is no readable zip"):
            open_source(written(tmp_path / "x.zip", data))
        with pytest.raises(BadSource, match=r"x\.zip is no readable zip"):
            from_bytes([("x.zip", data)])

    def test_by_another_name(self, tmp_path):
        """It is known by how it begins, on the disk and in memory."""
        data = zipped(("a.jpg", b"a"))
        assert names(open_source(written(tmp_path / "export.cvat", data))) == ["a.jpg"]
        assert names(from_bytes([("export.cvat", data)])) == ["a.jpg"]

    def test_an_image_with_a_zip_behind_it_is_an_image(self, tmp_path):
        """A zip begins as one: bytes that a camera appends change nothing."""
        path = written(tmp_path / "a.jpg", b"\xff\xd8\xff" + zipped(("x", b"x")))
        assert names(open_source(path)) == ["a.jpg"]

    def test_an_empty_one_has_no_files(self):
        """That is no error."""
        assert contents(from_bytes([("e.zip", zipped())])) == {}

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @example(HOSTILE)
    @given(
        st.lists(
            st.one_of(
                st.sampled_from([*HOSTILE, "a.jpg", "A.jpg", "b\\c.jpg", "b/c.jpg", ".x", "d/", "\\", "./"]),
                st.text(st.sampled_from("./\\:aC\0é\n "), max_size=8),
                st.text(max_size=8),
            ),
            max_size=5,
        )
    )
    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_whatever_the_names_are_nothing_outside_is_read(self, tmp_path, given_names):
        """All that is read is the zip's own content, under unique names that lead nowhere; the rest is `BadSource`."""
        for outside in ("out.jpg", "a.jpg"):
            written(tmp_path / outside, b"outside")
        members = [(info(name), b"inside") for name in given_names if encodable(name)]
        path = written(tmp_path / "folder" / "set.zip", zipped(*members))
        for opening in (lambda: open_source(path), lambda: from_bytes([("set.zip", path.read_bytes())])):
            try:
                files = list(opening())
                found = [(file.name, file.read(), file.location) for file in files]
            except BadSource:
                continue
            assert len({name for name, _, _ in found}) == len(found)
            for name, data, location in found:
                assert data == b"inside"
                assert not {"", ".", ".."} & set(name.split("/"))
                assert not Path(name).is_absolute()
                assert "\\" not in name
                if location:
                    assert read_location(location) == data

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_whatever_bytes_are_broken_the_error_is_typed(self, data):
        """A zip with bytes changed anywhere is read as it is or refused with `BadSource`, never another error."""
        whole = bytearray(zipped(("a.jpg", b"hello" * 9), ("b/c.jpg", b"world")))
        for _ in range(data.draw(st.integers(1, 4))):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        with contextlib.suppress(BadSource):
            for file in from_bytes([("x.zip", bytes(whole))]):
                assert len(file.read()) <= 1 << 20


def encodable(name):
    """Whether Python can write the name into a zip at all."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def open_files(path):
    """How often this process holds a file open."""
    held = Path("/proc/self/fd")
    if not held.exists():
        pytest.skip("this system does not tell which files are open")
    return sum(os.path.realpath(entry) == str(path) for entry in held.iterdir())


@contextlib.contextmanager
def most_memory(most):
    """What runs in it may make Python hold at most so many bytes more at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def overlapping():
    """A zip whose two members share one and the same data."""
    data = b"x" * 100
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 0, zlib.crc32(data), 100, 100, 1, 0) + b"a" + data
    entry = struct.pack(
        "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, zlib.crc32(data), 100, 100, 1, 0, 0, 0, 0, 0, 0
    )
    central = entry + b"a" + entry + b"b"
    return local + central + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 2, 2, len(central), len(local), 0)


class TestFromBytes:
    def test_in_the_order_given(self):
        """Names, sizes and bytes as they were handed over; they are nowhere to be found again."""
        source = from_bytes([("b.jpg", b"b"), ("a.jpg", b"aa")], "two uploads")
        assert source.label == "two uploads"
        assert [(file.name, file.size, file.read(), file.location) for file in source] == [
            ("b.jpg", 1, b"b", ""),
            ("a.jpg", 2, b"aa", ""),
        ]

    def test_a_zip_among_others_is_a_file(self):
        """Only a zip alone is opened."""
        assert names(from_bytes([("a.zip", zipped(("x", b"x"))), ("b.jpg", b"")])) == ["a.zip", "b.jpg"]

    def test_a_name_that_comes_twice_is_refused(self):
        """Two uploads of one name could not be told apart."""
        with pytest.raises(BadSource, match=r"uploads has two files named 'a\.jpg'"):
            from_bytes([("a.jpg", b"1"), ("a.jpg", b"2")], "uploads")

    @pytest.mark.parametrize("name", [*HOSTILE, ""])
    def test_names_that_lead_out_are_refused(self, name):
        """A browser's word for a name is not to be trusted."""
        with pytest.raises(BadSource, match="would lie outside"):
            from_bytes([(name, b""), ("b.jpg", b"")])

    def test_nothing_is_no_file(self):
        """An empty list lists nothing."""
        assert names(from_bytes([])) == []


class TestImagesOf:
    def test_by_suffix(self):
        """Suffixes in either case count; labels and files without one do not."""
        given_files = ["a.JPG", "b.webp", "c.txt", "d", "e.jpg.xml", "f.tif"]
        source = from_bytes([(name, b"") for name in given_files])
        assert [file.name for file in images_of(source)] == ["a.JPG", "b.webp", "f.tif"]

    def test_are_the_suffixes_of_what_can_be_decoded(self):
        """Exactly those that Pillow has for the formats of `smviz.images`, and for what it calls a camera's JPEG."""
        Image.init()
        known = Image.registered_extensions().items()
        assert {suffix for suffix, kind in known if kind in {*images.FORMATS, "MPO"}} == IMAGE_SUFFIXES


class TestManifest:
    def test_one_path_a_line(self, tmp_path):
        """Relative paths begin at the manifest's folder; blank lines and repeated entries do not count."""
        written(tmp_path / "set" / "a.jpg", b"a")
        far = written(tmp_path / "far" / "b.jpg", b"bb")
        path = written(tmp_path / "lists" / "m.txt", f"\ufeff../set/a.jpg\r\n\n{far}\n../set/a.jpg\n".encode())
        first, second = from_manifest(path)
        assert (first.name, first.size, first.read()) == ("set/a.jpg", 1, b"a")
        assert (second.name, second.read()) == (str(far).lstrip("/"), b"bb")
        assert [read_location(file.location) for file in (first, second)] == [b"a", b"bb"]

    def test_of_ground_truth(self, tmp_path):
        """JSON Lines with a source-ref, as SageMaker Ground Truth writes them; S3 is read by the callable given."""
        lines = [{"source-ref": "s3://bucket/set/a b.jpg", "labels": {}}, {"source-ref": "b.jpg"}]
        path = written(tmp_path / "m.manifest", "\n".join(map(json.dumps, lines)).encode())
        written(tmp_path / "b.jpg", b"b")
        source = from_manifest(path, fetch=lambda uri: f"<{uri}>".encode())
        assert contents(source) == {"bucket/set/a b.jpg": b"<s3://bucket/set/a b.jpg>", "b.jpg": b"b"}
        assert next((file.size, file.location) for file in source) == (-1, "s3://bucket/set/a b.jpg")

    def test_s3_without_a_connection(self, tmp_path):
        """The line is named as soon as it is met."""
        path = written(tmp_path / "m.txt", b"\ns3://bucket/a.jpg\n")
        with pytest.raises(BadSource, match=r"m\.txt, line 2, names s3://bucket/a\.jpg, and there is no connection"):
            list(from_manifest(path))

    def test_a_missing_file_fails_by_itself(self, tmp_path):
        """One image that is not there does not end the list."""
        written(tmp_path / "b.jpg", b"b")
        gone, there = from_manifest(written(tmp_path / "m.txt", b"gone.jpg\nb.jpg\n"))
        assert (gone.size, there.read()) == (-1, b"b")
        with pytest.raises(BadSource, match=r"gone\.jpg cannot be read"):
            gone.read()

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b'{"source-ref": "a.jpg"', "line 1, is no JSON"),
            (b'a.jpg\n{"source": "a.jpg"}', 'line 2, has no "source-ref"'),
            (b'{"source-ref": 7}', 'line 1, has no "source-ref"'),
            (b'{"source-ref": " "}', 'line 1, has no "source-ref"'),
            (b'{"source-ref": "\\ud800.jpg"}', 'line 1, has no "source-ref"'),
            (b'{"a":' * 100_000, "line 1, is no JSON"),
            (b"\xff\xd8\xff\xe0", "is no text in UTF-8"),
            (b"a.jpg\n../a.jpg", "two files named"),
        ],
    )
    def test_a_line_that_is_none(self, tmp_path, content, why):
        """What cannot be meant is named with its line."""
        with pytest.raises(BadSource, match=rf"m\.manifest.*{why}"):
            list(from_manifest(written(tmp_path / "m.manifest", content)))

    def test_a_path_that_no_system_has(self, tmp_path):
        """A zero in a path is an image that cannot be read."""
        [file] = from_manifest(written(tmp_path / "m.txt", b"a\0.jpg"))
        with pytest.raises(BadSource, match="cannot be read"):
            file.read()

    def test_that_is_not_there(self, tmp_path):
        """It is told at once."""
        for path in (tmp_path / "nowhere.txt", tmp_path):
            with pytest.raises(BadSource, match="cannot be read"):
                from_manifest(path)


class TestReadLocation:
    @pytest.mark.parametrize("name", ["a.jpg", "sub/ä b%20#?!/ü!.jpg", "a\nb.jpg"])
    def test_reads_again_what_a_source_listed(self, tmp_path, name):
        """Whatever is in the names, folders' files and zips' members are found by their location alone."""
        folder = tmp_path / "fol der!"
        written(folder / name, b"in the folder")
        path = written(tmp_path / "s!/e t#.zip", zipped((name, b"in the zip")))
        for place, data in [(folder, b"in the folder"), (path, b"in the zip")]:
            [file] = open_source(place)
            assert read_location(file.location) == data

    def test_reads_s3_by_the_callable(self):
        """The URI is handed over as it stands."""
        assert read_location("s3://bucket/ä b%20.jpg", fetch=str.encode) == "s3://bucket/ä b%20.jpg".encode()
        with pytest.raises(BadSource, match="no connection"):
            read_location("s3://bucket/a.jpg")

    def test_from_a_relative_path(self, tmp_path, monkeypatch):
        """A location is absolute: it holds when the working folder changes."""
        written(tmp_path / "a.jpg", b"a")
        monkeypatch.chdir(tmp_path)
        [file] = open_source(Path("a.jpg"))
        monkeypatch.chdir("/")
        assert read_location(file.location) == b"a"

    def test_of_a_zip_that_was_written_anew(self, tmp_path):
        """The zip is kept open while it is the same, and opened anew when it is not."""
        path = written(tmp_path / "set.zip", zipped(("a.jpg", b"old")))
        [file] = open_source(path)
        assert read_location(file.location) == b"old"
        written(path, zipped(("a.jpg", b"newer")))
        assert read_location(file.location) == b"newer"
        path.unlink()
        with pytest.raises(BadSource, match="cannot be read"):
            read_location(file.location)

    def test_keeps_few_zips_open(self, tmp_path):
        """Zips that were read long ago are closed."""
        paths = [written(tmp_path / f"{i}.zip", zipped(("a.jpg", b"a"))) for i in range(9)]
        for path in paths:
            read_location(f"zip://{path}!/a.jpg")
        gc.collect()
        assert 0 < sum(map(open_files, paths)) <= 4

    @pytest.mark.parametrize(
        ("location", "why"),
        [
            ("", "only in memory"),
            ("a.jpg", "names no place"),
            ("https://example.com/a.jpg", "names no place"),
            ("zip:///set.zip", "names no place"),
            ("file:///nowhere/a.jpg", "cannot be read"),
            ("file:///nul%00.jpg", "cannot be read"),
            ("zip:///nowhere.zip!/a.jpg", "cannot be read"),
            ("zip:///nul%00.zip!/a.jpg", "cannot be read"),
        ],
    )
    def test_that_leads_nowhere(self, location, why):
        """What was only in memory, is of another kind, or is gone, is told."""
        with pytest.raises(BadSource, match=why):
            read_location(location)

    def test_of_a_member_that_is_gone(self, tmp_path):
        """The zip is there, its member is not."""
        path = written(tmp_path / "set.zip", zipped(("a.jpg", b"a")))
        with pytest.raises(BadSource, match=r"set\.zip has no file named 'b\.jpg'"):
            read_location(f"zip://{path}!/b.jpg")


def test_a_source_made_by_hand_needs_no_closing():
    """Doors make sources of their own; to leave one is always allowed."""
    with Source("none", lambda: iter(())) as source:
        assert list(source) == []
