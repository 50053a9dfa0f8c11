"""Colours that can be told apart, and text that can be read on them."""

import itertools

import numpy as np
import pytest

from smviz.colours import MARKS, class_colours, text_on

# Linear RGB as seen with full deficiency: Machado, Oliveira and Fernandes 2009, severity 1.0.
DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def rgb(colour):
    """The channels of "#rrggbb", 0 to 1."""
    return np.array(list(bytes.fromhex(colour[1:]))) / 255


def seen_with(deficiency, colour):
    """The colour as such an eye sees it, in CIE L*a*b*."""
    c = rgb(colour)
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(DEFICIENCIES[deficiency]) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    f = np.cbrt(xyz / [0.9505, 1.0, 1.089])
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


class TestClassColours:
    def test_deterministic(self):
        """The same list gives the same colours, and a longer list does not change the earlier ones."""
        names = [f"class {i}" for i in range(30)]
        assert class_colours(names) == class_colours(names)
        assert list(class_colours(names).items())[:9] == list(class_colours(names[:9]).items())

    def test_eighty_classes(self):
        """The eighty classes of COCO have eighty colours."""
        colours = class_colours([str(i) for i in range(80)])
        assert len({c.lower() for c in colours.values()}) == 80

    def test_more_classes_than_colours(self):
        """Open-ended class lists get a valid colour each."""
        colours = class_colours([str(i) for i in range(1203)])
        assert len(colours) == 1203
        assert all(len(c) == 7 and rgb(c).max() <= 1 for c in colours.values())

    def test_repeated_name(self):
        """A name that occurs twice has one colour and uses up one place."""
        assert class_colours(["car", "van", "car", "ute"]) == class_colours(["car", "van", "ute"])

    def test_no_classes(self):
        """No class, no colour."""
        assert class_colours([]) == {}

    @pytest.mark.parametrize("deficiency", DEFICIENCIES)
    def test_first_eight_for_colour_blind_eyes(self, deficiency):
        """The first eight colours stay apart with each kind of colour blindness: CIE76 difference of 15 or more."""
        seen = [seen_with(deficiency, c) for c in class_colours("abcdefgh").values()]
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) >= 15

    @pytest.mark.parametrize("deficiency", DEFICIENCIES)
    def test_marks_for_colour_blind_eyes(self, deficiency):
        """True positive, false positive and missed stay well apart: CIE76 difference of 15 or more."""
        seen = [seen_with(deficiency, c) for c in MARKS.values()]
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) >= 15


class TestTextOn:
    def test_extremes(self):
        """Text is black on white and white on black."""
        assert text_on("#ffffff") == "#000000"
        assert text_on("#000000") == "#ffffff"

    def test_green_is_lighter_than_blue(self):
        """Pure green takes black text, pure blue white: luminance decides, not the mean of the channels."""
        assert text_on("#00ff00") == "#000000"
        assert text_on("#0000FF") == "#ffffff"

    def test_readable_on_every_class_colour(self):
        """Every class colour gives its text at least WCAG AA's contrast of 4.5 to 1."""
        for colour in class_colours([str(i) for i in range(80)]).values():
            light, dark = sorted((luminance(colour), luminance(text_on(colour))), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, colour


def luminance(colour):
    """WCAG's relative luminance."""
    c = rgb(colour)
    return float(np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])
