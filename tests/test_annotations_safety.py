"""A hostile file reaches nothing, explodes nothing and stops nothing: it is named, and the others are read."""

import time

import pytest
from annotation_sets import boxes, image, reasons, sample, truth

from smviz.errors import BadAnnotations

GOOD = {"good.xml": sample("voc_0001.xml")}
BODY = "<annotation><filename>a.jpg</filename><object><name>{}</name></object></annotation>"

DANGEROUS = {
    "a file": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + BODY.format("&x;"),
    "the network": '<!DOCTYPE a [<!ENTITY x SYSTEM "http://localhost:9/x">]>' + BODY.format("&x;"),
    "an external type": '<!DOCTYPE a SYSTEM "http://localhost:9/a.dtd">' + BODY.format("x"),
    "a parameter entity": '<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>' + BODY.format("x"),
    "laughs": '<!DOCTYPE a [<!ENTITY l "lol">'
    + "".join(f'<!ENTITY l{n} "{f"&l{n - 1 if n else str()};" * 10}">' for n in range(9))
    + "]>"
    + BODY.format("&l8;"),
    "one large entity": f'<!DOCTYPE a [<!ENTITY x "{"x" * 50_000}">]>' + BODY.format("&x;" * 50_000),
    "an empty type": "<!DOCTYPE a []>" + BODY.format("x"),
}


class TestXml:
    """XML."""

    @pytest.mark.parametrize("kind", DANGEROUS)
    @pytest.mark.parametrize("format", ["voc", "cvat"])
    def test_document_types_and_entities(self, kind, format):
        """A document that declares one is refused at once, by name."""
        start = time.monotonic()
        with pytest.raises(BadAnnotations, match="declares a document type or entities"):
            truth({"bad.xml": DANGEROUS[kind]}, format)
        assert time.monotonic() - start < 1

    def test_the_other_files_are_read(self):
        """One dangerous file in a folder costs only itself."""
        ground_truth = truth({**GOOD, "bad.xml": DANGEROUS["laughs"]})
        assert len(ground_truth) == 4
        assert reasons(ground_truth) == [
            "bad.xml: it declares a document type or entities, which are not read for safety"
        ]

    @pytest.mark.parametrize(
        ("bad", "why"),
        [
            ("<annotation>" + "<a>" * 1000, "nested more than 50 deep"),
            ("<annotation>" + "<a>" * 1_000_000, "nested more than 50 deep"),
            (BODY.format("&x;"), "undefined entity"),
            (BODY.format("x")[:-5], "no valid XML"),
            ('<?xml version="1.0" encoding="nonsense"?>' + BODY.format("x"), "no valid XML"),
            ('<?xml version="1.0" encoding="utf-8"?>' + BODY.format("x") + "more", "no valid XML"),
            ("<other/>", "not <annotation>"),
            ("", "no valid XML"),
        ],
        ids=lambda text: text[:20],
    )
    def test_broken_documents(self, bad, why):
        """They are named with what is wrong."""
        (reason,) = reasons(truth({**GOOD, "bad.xml": bad}))
        assert reason.startswith("bad.xml: ")
        assert why in reason


class TestJson:
    """JSON."""

    @pytest.mark.parametrize("depth", [2_000, 200_000])
    @pytest.mark.parametrize("key", ["images", "shapes", "imageData", "extra", "annotations"])
    def test_depth(self, key, depth):
        """Lists within lists without end are an error in words."""
        for opened in ("[", '{"a":'):
            with pytest.raises(BadAnnotations):
                truth({"a.json": f'{{"{key}": ' + opened * depth}, "labelme")
            with pytest.raises(BadAnnotations):
                truth({"a.json": f'{{"NaN": NaN, "{key}": ' + opened * depth})

    @pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 500, "NaN", "Infinity", "1" + "0" * 5000])
    def test_numbers_without_end(self, number):
        """A number too large for any type is no number; one that Python refuses makes the file no JSON."""
        files = {
            "a.json": f'{{"imagePath": "a.jpg", "shapes": [{{"label": "x", "points": [[1, 2], [3, {number}]]}}]}}',
            "b.json": '{"imagePath": "b.jpg", "shapes": [{"label": "x", "points": [[1, 2], [3, 4]]}]}',
        }
        ground_truth = truth(files, "labelme")
        assert len(ground_truth) == 1
        assert [record.file for record in ground_truth.skipped] == ["a.json"]

    def test_half_a_surrogate_pair(self):
        """A name that no screen can show is mended."""
        text = '{"imagePath": "\\ud800.jpg", "x": NaN, "shapes": [{"label": "\\udfff", "points": [[1, 2], [3, 4]]}]}'
        ground_truth = truth({"a.json": text}, "labelme")
        assert (ground_truth.image_names, ground_truth.class_names) == (("?.jpg",), ("?",))


class TestYaml:
    """data.yaml."""

    FILES = {"a.txt": "0 0.5 0.5 0.2 0.2", "a.png": image(100, 100)}

    @pytest.mark.parametrize(
        "yaml",
        [
            "names: !!python/object/apply:os.system ['exit 1']",
            "names: !!python/name:os.system",
            "!!python/object/new:tuple [[1]]",
            "names: [" * 5_000,
            "a: &a [x]\nnames: *b",
            "names: &n [*n]",
            "? [a]\n: b",
            "names: {x: dog}",
            "\t- :",
            "x: " + "y" * (1 << 20),
        ],
        ids=lambda text: text[:20],
    )
    def test_nothing_is_run_and_nothing_stops(self, yaml):
        """Tags make no objects, and a broken file only costs the names."""
        ground_truth = truth({**self.FILES, "data.yaml": yaml})
        assert list(boxes(ground_truth).values()) == [[40, 40, 20, 20]]
        assert set(ground_truth.class_names) <= {"class 0", "exit 1"}

    def test_names_that_multiply(self):
        """Aliases of aliases are not unfolded."""
        levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 12))
        start = time.monotonic()
        truth({**self.FILES, "data.yaml": f"l0: &l0 [x]\n{levels}\nnames: *l11"})
        assert time.monotonic() - start < 2


def test_names_do_not_lead_out():
    """An image's name never begins at the root or climbs."""
    for path in ("/etc/passwd", "../../etc/passwd", "a/../../passwd", r"..\..\passwd", r"C:\passwd", "C:passwd/passwd"):
        name = truth({"a.xml": f"<annotation><filename>{path}</filename><size/></annotation>"}).image_names[0]
        assert name == "passwd"
