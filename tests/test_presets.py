"""Named presets in a file that can be shared."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smviz.errors import BadSetting
from smviz.presets import presets_json, read_presets
from smviz.responses import FORMATS
from smviz.settings import Preset

FORMAT = next(iter(FORMATS))
WITH_CHOICE = next(f for f in FORMATS.values() if any(o.choices for o in f.options))
CHOICE = next(o for o in WITH_CHOICE.options if o.choices)
SOME = {
    "cars, rear view": Preset(FORMAT, ("car", "van", "ute", "truck")),
    "自転車": Preset(WITH_CHOICE.name, (), ((CHOICE.name, CHOICE.choices[-1]),)),
}


def document(presets, version=1):
    """A file with those rows."""
    return json.dumps({"smviz_presets": version, "presets": presets}).encode()


@st.composite
def any_preset(draw):
    """A valid preset of any format, some of its choices set in any order."""
    form = draw(st.sampled_from(list(FORMATS.values())))
    choices = draw(st.permutations([o for o in form.options if o.choices]))
    count = draw(st.integers(0, len(choices)))
    options = tuple((o.name, draw(st.sampled_from(o.choices))) for o in choices[:count])
    return Preset(form.name, tuple(draw(st.lists(st.text(max_size=8), max_size=4))), options)


NAMES = st.text(min_size=1, max_size=12).filter(str.strip)


class TestRoundTrip:
    @given(st.dictionaries(NAMES, any_preset(), max_size=4))
    def test_exact(self, presets):
        """What is written is read back the same, in the same order."""
        read = read_presets(presets_json(presets))
        assert read == presets
        assert list(read) == list(presets)

    def test_file(self):
        """The file is readable JSON with its version, as documented."""
        text = presets_json(SOME).decode()
        assert "自転車" in text
        assert json.loads(text) == {
            "smviz_presets": 1,
            "presets": {
                "cars, rear view": {"format": FORMAT, "class_names": ["car", "van", "ute", "truck"], "options": {}},
                "自転車": {
                    "format": WITH_CHOICE.name,
                    "class_names": [],
                    "options": {CHOICE.name: CHOICE.choices[-1]},
                },
            },
        }

    def test_every_format(self):
        """A preset of every format can be shared."""
        presets = {name: Preset(name) for name in FORMATS}
        assert read_presets(presets_json(presets)) == presets

    def test_text_that_utf8_does_not_have(self):
        """A class name with a lone surrogate survives."""
        presets = {"a": Preset(FORMAT, ("\udcff\\udcff",))}
        assert read_presets(presets_json(presets)) == presets

    def test_byte_order_mark(self):
        """A file that an editor saved with a byte order mark is read."""
        assert read_presets(b"\xef\xbb\xbf" + presets_json(SOME)) == SOME

    def test_written_by_hand(self):
        """Class names and options may be left out."""
        assert read_presets(document({"a": {"format": FORMAT}})) == {"a": Preset(FORMAT)}


class TestReadPresets:
    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"{",
            b"\xff\xfe\x00",
            b"[" * 100_000,
            b"1" * 5000,
            b"null",
            b"[]",
            b"{}",
            b'{"presets": {}}',
            b'{"smviz_presets": 1}',
            b'{"smviz_presets": 1, "presets": []}',
        ],
        ids=range(11),
    )
    def test_no_presets_file(self, data):
        """Anything else than a file of presets is refused in words."""
        with pytest.raises(BadSetting, match="presets") as caught:
            read_presets(data)
        assert caught.value.advice

    @pytest.mark.parametrize("version", [0, 2, "1", True, None, [1]])
    def test_version(self, version):
        """Another version is refused, with what to do."""
        with pytest.raises(BadSetting, match="version") as caught:
            read_presets(document({}, version))
        assert "Update smviz" in caught.value.advice

    @pytest.mark.parametrize(
        "row",
        [
            None,
            "coco",
            [],
            {},
            {"format": 1},
            {"format": "no-such-format"},
            {"format": FORMAT, "class_names": "car"},
            {"format": FORMAT, "class_names": [1]},
            {"format": FORMAT, "options": {"no-such-option": "1"}},
            {"format": WITH_CHOICE.name, "options": {CHOICE.name: "no-such-choice"}},
            {"format": WITH_CHOICE.name, "options": {CHOICE.name: 1}},
            {"format": FORMAT, "threshold": 0.5},
        ],
        ids=range(12),
    )
    def test_bad_preset(self, row):
        """A preset that is not valid is refused by its name, beside good ones."""
        with pytest.raises(BadSetting, match="The preset 'bad one'") as caught:
            read_presets(document({"good": {"format": FORMAT}, "bad one": row}))
        assert caught.value.advice

    def test_known_formats_are_named(self):
        """For an unknown format the advice names the known ones."""
        with pytest.raises(BadSetting) as caught:
            read_presets(document({"a": {"format": "no-such-format"}}))
        assert FORMAT in caught.value.advice

    def test_same_name_twice(self):
        """Two presets of one name are not silently made one."""
        row = json.dumps({"format": FORMAT})
        with pytest.raises(BadSetting, match="'cars' twice"):
            read_presets(f'{{"smviz_presets": 1, "presets": {{"cars": {row}, "cars": {row}}}}}'.encode())

    @given(st.binary(max_size=60))
    def test_any_bytes(self, data):
        """No bytes give anything but presets or a typed error."""
        with pytest.raises(BadSetting):
            read_presets(data)


class TestPresetsJson:
    @pytest.mark.parametrize(
        ("name", "preset"),
        [
            ("a", Preset("no-such-format")),
            ("a", Preset(FORMAT, (), (("no-such-option", "1"),))),
            ("a", Preset(WITH_CHOICE.name, (), ((CHOICE.name, CHOICE.choices[0]),) * 2)),
        ],
    )
    def test_bad_preset(self, name, preset):
        """A preset that could not be read back is not written."""
        with pytest.raises(BadSetting, match="The preset 'a'"):
            presets_json({name: preset})

    def test_blank_name(self):
        """A preset needs a name."""
        with pytest.raises(BadSetting, match="no name"):
            presets_json({" ": Preset(FORMAT)})

    def test_none(self):
        """No presets are a file too."""
        assert read_presets(presets_json({})) == {}
