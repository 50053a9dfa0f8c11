"""Boxes drawn into the picture, each in its own class's colour."""

import base64
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from smviz.colours import class_colours
from smviz.drawing import annotate, annotate_svg, with_grid
from smviz.images import prepare
from smviz.records import Detections
from smviz.tiling import tiles_by_count

NAMES = ("car", "van", "ute")
COLOURS = class_colours(NAMES)


def blank(width=400, height=300, mode="RGB"):
    """A mid-grey payload."""
    buffer = io.BytesIO()
    Image.new(mode, (width, height), (90, 90, 90) if mode == "RGB" else 90).save(buffer, "PNG")
    return prepare(buffer.getvalue())


def draw(payload, boxes, class_ids=None, confidence=None, names=NAMES, colours=COLOURS):
    """The annotated pixels, uint8 [H, W, 3]."""
    ids = class_ids if class_ids is not None else [0] * len(boxes)
    scores = confidence if confidence is not None else np.linspace(0.9, 0.5, len(boxes))
    png = annotate(payload, Detections(boxes, scores, ids, names), colours)
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image)


def rgb(colour):
    """The channels of "#rrggbb"."""
    return tuple(bytes.fromhex(colour[1:]))


def painted(pixels):
    """Where the picture is no longer the blank's grey, bool [H, W]."""
    return (pixels != 90).any(axis=2)


class TestAnnotate:
    def test_full_resolution(self):
        """The PNG has the size of the image that was sent."""
        assert draw(blank(1234, 567), [[10, 10, 50, 50]]).shape == (567, 1234, 3)

    def test_no_detections(self):
        """Without detections not one pixel is changed."""
        assert not painted(draw(blank(), np.empty((0, 4)))).any()

    def test_every_box_in_its_own_colour(self):
        """Each box has the colour of its own class, not that of the box that was drawn last."""
        boxes = [[20, 100, 100, 200], [150, 100, 230, 200], [280, 100, 360, 200]]
        pixels = draw(blank(), boxes, class_ids=[0, 1, 2])
        for (left, top, right, bottom), name in zip(boxes, NAMES, strict=True):
            edges = [(150, left), (150, right - 1), (top, (left + right) // 2), (bottom - 1, (left + right) // 2)]
            assert {tuple(int(c) for c in pixels[y, x]) for y, x in edges} == {rgb(COLOURS[name])}

    def test_box_edges(self):
        """A box covers the pixels from left to right - 1 and from top to bottom - 1, and leaves its inside alone."""
        mask = painted(draw(blank(), [[50, 100, 150, 200]]))
        assert mask[199, 50:150].all()
        assert not mask[200:, :].any()
        assert mask[101:199, 149].all()
        assert not mask[102:, 150:].any()
        assert not mask[103:197, 53:147].any()

    @pytest.mark.parametrize(
        "box",
        [[-50, -50, 60, 60], [350, 250, 900, 900], [-1e9, -1e9, 1e9, 1e9], [0, 0, 400, 300], [500, 500, 600, 600]],
    )
    def test_beyond_the_frame(self, box):
        """A box that leaves the frame is drawn along its border, with its label inside the picture."""
        mask = painted(draw(blank(), [box]))
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert len(rows) >= 12, "the label is visible"
        assert len(columns) >= 30

    @pytest.mark.parametrize("box", [[100, 100, 50, 50], [60, 60, 60, 60], [60.4, 60.4, 60.5, 60.5]])
    def test_odd_boxes(self, box):
        """Boxes inside out, or without area, are drawn rather than a reason to fail."""
        assert painted(draw(blank(), [box])).any()

    def test_infinite_and_undefined_coordinates(self):
        """An infinite coordinate ends at the frame; a box with an undefined one is left out, and the others stay."""
        assert painted(draw(blank(), [[20, 20, np.inf, np.inf]])).any()
        assert not painted(draw(blank(), [[np.nan, 20, 30, 30]])).any()
        both = draw(blank(), [[np.nan, 20, 30, 30], [50, 100, 150, 200]], class_ids=[0, 1])
        np.testing.assert_array_equal(both, draw(blank(), [[50, 100, 150, 200]], class_ids=[1], confidence=[0.5]))

    def test_label_above_or_inside(self):
        """The label stands above the box; at the upper border it moves inside."""
        above = painted(draw(blank(), [[50, 100, 350, 200]]))
        assert above[85:100, 50:80].any()
        inside = painted(draw(blank(), [[50, 0, 350, 200]]))
        assert inside[5:12, 52:80].any()

    def test_a_label_makes_room_for_one_more_confident(self):
        """The label of the less confident of two boxes side by side stands below it, where it covers nothing."""
        boxes = [[50, 100, 80, 200], [60, 100, 90, 200]]
        pixels = draw(blank(), boxes, class_ids=[0, 1])
        assert (pixels[90, 52:60] == rgb(COLOURS["car"])).all(axis=1).any()
        assert (pixels[205, 60:110] == rgb(COLOURS["van"])).all(axis=1).any()

    def test_label_text_contrasts(self):
        """Label text is black on light colours and white on dark ones."""
        for colour, text in (("#F0E442", (0, 0, 0)), ("#0072B2", (255, 255, 255))):
            pixels = draw(blank(), [[50, 100, 350, 200]], colours={"car": colour})
            assert (pixels[80:100, 50:150] == text).all(axis=2).any()

    def test_most_confident_on_top(self):
        """Where boxes overlap, the more confident one is seen."""
        pixels = draw(blank(), [[50, 100, 150, 200]] * 2, class_ids=[1, 0], confidence=[0.3, 0.8])
        assert tuple(pixels[199, 100]) == rgb(COLOURS["car"])

    def test_scales_with_the_image(self):
        """Lines of a large image are thicker, so that they are seen when it is shown small."""
        small = painted(draw(blank(400, 300), [[100, 100, 300, 250]]))[200].sum()
        large = painted(draw(blank(4000, 3000), [[1000, 1000, 3000, 2500]]))[2000].sum()
        assert large >= 4 * small

    def test_tiny_image(self):
        """An image smaller than a label is no problem."""
        assert draw(blank(3, 2), [[0, 0, 3, 2]]).shape == (2, 3, 3)

    def test_grey_image(self):
        """Boxes have their colours on a grey image too."""
        assert tuple(draw(blank(mode="L"), [[50, 100, 150, 200]])[199, 100]) == rgb(COLOURS["car"])

    def test_class_without_colour(self):
        """A class that the mapping does not know is drawn in grey."""
        assert tuple(draw(blank(), [[50, 100, 150, 200]], colours={})[199, 100]) == (0xDD, 0xDD, 0xDD)

    def test_undefined_confidence(self):
        """Where the format carries no score the label is the name alone, hence narrower."""
        width_with = painted(draw(blank(), [[50, 100, 60, 110]], confidence=[0.5]))[90].sum()
        width_without = painted(draw(blank(), [[50, 100, 60, 110]], confidence=[np.nan]))[90].sum()
        assert 0 < width_without < width_with

    @pytest.mark.parametrize("name", ["", "Fußgänger", "自転車", "a\nb", "x" * 500, "\U0001f697", "\0"])
    def test_any_name(self, name):
        """Whatever a class is called, the box is drawn."""
        assert painted(draw(blank(), [[50, 100, 150, 200]], names=(name,), colours={name: "#D55E00"}))[199, 100]


SVG = "{http://www.w3.org/2000/svg}"


def svg(payload, boxes, class_ids=None, confidence=None, names=NAMES, colours=COLOURS):
    """The root of the annotated picture's XML."""
    ids = class_ids if class_ids is not None else [0] * len(boxes)
    scores = confidence if confidence is not None else np.linspace(0.9, 0.5, len(boxes))
    return ElementTree.fromstring(annotate_svg(payload, Detections(boxes, scores, ids, names), colours))


def outlines(root):
    """Every box's outer left, top, right and bottom, and its colour, the most confident last."""
    group = next(g for g in root.iter(f"{SVG}g") if g.get("fill") == "none")
    line = float(group.get("stroke-width"))
    for rect in group.iter(f"{SVG}rect"):
        x, y, width, height = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
        edges = (x - line / 2, y - line / 2, x + width + line / 2, y + height + line / 2)
        yield edges, rect.get("stroke")


class TestAnnotateSvg:
    def test_holds_the_very_image_that_was_sent(self):
        """The picture inside is the payload's bytes, shown pixel for pixel, and nothing is loaded from elsewhere."""
        payload = blank(1234, 567)
        root = svg(payload, [[10, 10, 50, 50]])
        assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("1234", "567", "0 0 1234 567")
        (image,) = root.iter(f"{SVG}image")
        kind, data = image.get("href").split(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data) == payload.body

    def test_boxes_are_where_the_png_has_them(self):
        """Lines cover the same pixels as in the PNG, each in its class's colour, the most confident on top."""
        boxes = [[20, 100, 100, 200], [150, 100, 230, 200]]
        drawn = list(outlines(svg(blank(), boxes, class_ids=[0, 1])))
        assert drawn == [((150, 100, 230, 200), COLOURS["van"]), ((20, 100, 100, 200), COLOURS["car"])]

    def test_labels_are_text(self):
        """A label is text, with its class and confidence, and fits its background whatever the font."""
        (text,) = svg(blank(), [[50, 100, 150, 200]]).iter(f"{SVG}text")
        assert text.text == "car 0.90"
        assert float(text.get("textLength")) > 0

    @pytest.mark.parametrize(
        "name",
        [
            "<script>alert(1)</script>",
            '"/><image href="http://x/"/>',
            "a & b",
            "]]>",
            "\0\x1b\ud800",
            "Fußgänger 自転車 🚗",
        ],
    )
    def test_names_are_never_markup(self, name):
        """Whatever a class is called, the file is valid XML with just the elements that were drawn."""
        root = svg(blank(), [[50, 100, 150, 200]], names=(name,), colours={name: "#D55E00"}, confidence=[np.nan])
        assert {element.tag for element in root.iter()} <= {
            f"{SVG}{t}" for t in ("svg", "image", "g", "rect", "title", "text")
        }
        (text,) = root.iter(f"{SVG}text")
        if name.isprintable():
            assert text.text == name

    @pytest.mark.parametrize("box", [[-1e9, -1e9, 1e9, 1e9], [60.4, 60.4, 60.5, 60.5], [100, 100, 50, 50]])
    def test_odd_boxes(self, box):
        """Boxes beyond the frame end with it, and tiny or turned ones are drawn; no side is negative."""
        for rect in svg(blank(), [box]).iter(f"{SVG}rect"):
            assert float(rect.get("width")) >= 0
            assert float(rect.get("height")) >= 0

    def test_undefined_boxes_are_left_out(self):
        """A box with a coordinate that is no number is not in the file."""
        assert list(outlines(svg(blank(), [[np.nan, 20, 30, 30]]))) == []


class TestWithGrid:
    def test_borders_and_overlaps(self):
        """Borders of tiles are drawn where they are at the picture's scale, and overlaps are lighter."""
        picture = np.asarray(
            Image.open(io.BytesIO(with_grid(blank(400, 300).body, 800, tiles_by_count(800, 600, 1, 2, 0.2))))
        )
        assert picture.shape == (300, 400, 3)
        row = picture[150, :, 0].astype(int)
        tile = tiles_by_count(800, 600, 1, 2, 0.2)[1]
        assert row[round(tile.left / 2)] > 200
        assert abs(row[50] - 90) < 8
        assert row[200] > 105, "what two tiles have in common"

    def test_grey_pictures(self):
        """A grey picture takes a grid as well."""
        assert (
            Image.open(io.BytesIO(with_grid(blank(mode="L").body, 400, tiles_by_count(400, 300, 2, 2, 0)))).mode
            == "RGB"
        )
