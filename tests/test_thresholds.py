"""The file of thresholds: what is written is read, nothing broken is applied, and production needs nothing else."""

import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smviz import __version__, thresholds
from smviz.errors import BadSetting
from smviz.records import Detections
from smviz.thresholds import Threshold, Thresholds, apply, dumps, loads, values_of

ROOT = Path(__file__).parent.parent
CHOSEN = Thresholds(
    overall=Threshold(0.4, 0.35, 0.5, objects=320),
    classes={
        "truck": Threshold(0.4, objects=12, weak=True),
        "car": Threshold(0.55, 0.5, 0.6, objects=300),
        "Fußgänger": Threshold(0.3, None, 0.45, objects=8),
    },
    objective="recall>=0.9",
    iou=0.75,
    level=0.95,
    fingerprint="ab" * 32,
    images=80,
    objects=320,
    endpoint="traffic",
    config="traffic-2",
    variant="A",
    run_id="1f2e3d4c",
    run_name="Monday",
    created="2026-01-02T03:04:05+00:00",
)


def document(**changes):
    """The text of a file with some of its keys changed."""
    return json.dumps(json.loads(dumps(CHOSEN)) | changes)


def detection(name, confidence, **more):
    """As `smviz parse --json` writes one."""
    return {"class_id": 0, "class_name": name, "confidence": confidence, "xyxy": [0, 0, 1, 1], **more}


class TestDumpsAndLoads:
    def test_what_is_written_is_read(self):
        """Every field comes back, none of them being its default."""
        assert loads(dumps(CHOSEN)) == CHOSEN
        default = Thresholds(Threshold(0.5))
        unchanged = {f.name for f in fields(Thresholds) if getattr(default, f.name) == getattr(CHOSEN, f.name)}
        assert unchanged == {"smviz_version"}

    def test_the_version_that_chose_is_kept(self):
        """A file of another smviz still tells which."""
        assert json.loads(dumps(CHOSEN))["smviz_version"] == __version__
        assert loads(document(smviz_version="9.9")).smviz_version == "9.9"

    @given(
        st.dictionaries(st.text(), st.floats(0, 1).map(Threshold)),
        st.floats(0, 1),
        st.text(st.characters(exclude_categories=())),
    )
    def test_any_name_and_any_number_come_back(self, classes, overall, name):
        """Whatever characters a class or run has; to the last bit."""
        given_ = Thresholds(Threshold(overall), classes, run_name=name)
        text = dumps(given_)
        text.encode()
        assert loads(text) == given_

    def test_is_for_people_too(self):
        """A line for each value, classes by name, letters as they are."""
        lines = dumps(CHOSEN).splitlines()
        assert [line.strip() for line in lines if "{" in line and "    " in line] == [
            '"Fußgänger": {',
            '"car": {',
            '"truck": {',
        ]
        assert '      "threshold": 0.55,' in lines
        assert lines[1] == '  "smviz_thresholds": 1,'

    def test_does_not_depend_on_the_order_of_the_classes(self):
        """The same thresholds are the same text."""
        turned = replace(CHOSEN, classes=dict(reversed(CHOSEN.classes.items())))
        assert dumps(turned) == dumps(CHOSEN)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_threshold_that_is_no_number_is_not_written(self, value):
        """Nobody could apply it."""
        with pytest.raises(BadSetting, match="not a number"):
            dumps(replace(CHOSEN, overall=Threshold(value)))

    def test_passes_over_what_it_does_not_know(self):
        """A file with more in it, at every level, is read as far as it is known."""
        more = json.loads(dumps(CHOSEN)) | {"colour": "red"}
        more["classes"]["car"]["colour"] = "blue"
        more["run"]["colour"] = None
        assert loads(json.dumps(more)) == CHOSEN

    def test_needs_the_global_threshold_only(self):
        """The least file that can be applied."""
        least = loads('\ufeff{"smviz_thresholds": 1, "global": {"threshold": 1}}')
        assert (least.overall, least.classes, least.smviz_version) == (Threshold(1.0), {}, "")

    def test_refuses_a_newer_version(self):
        """It may mean what this reader does not know; the advice is to update."""
        with pytest.raises(BadSetting, match="version 2") as refused:
            loads(document(smviz_thresholds=2))
        assert "Update smviz" in refused.value.advice

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "[]",
            "null",
            "0.5",
            "{}",
            '{"presets": {}}',
            "[" * 100000,
            '{"smviz_thresholds": 1}',
            "\x00",
            '{"smviz_thresholds": ' + "1" * 5000 + "}",
        ],
    )
    def test_refuses_what_is_no_such_file(self, text):
        """Broken JSON, other JSON, too deep or too long."""
        with pytest.raises(BadSetting):
            loads(text)

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"smviz_thresholds": "1"}, "version"),
            ({"smviz_thresholds": 0}, "version"),
            ({"smviz_thresholds": True}, "version"),
            ({"global": 0.5}, "global threshold"),
            ({"global": {}}, "global threshold"),
            ({"global": {"threshold": None}}, "global threshold"),
            ({"global": {"threshold": "0.5"}}, "global threshold"),
            ({"global": {"threshold": True}}, "global threshold"),
            ({"global": {"threshold": float("nan")}}, "global threshold"),
            ({"global": {"threshold": 10**400}}, "global threshold"),
            ({"classes": []}, "classes"),
            ({"classes": {"car": 0.5}}, "car"),
            ({"classes": {"car": {"threshold": [0.5]}}}, "car"),
            ({"classes": {"car": {"threshold": 0.5, "low": "x"}}}, "low"),
            ({"classes": {"car": {"threshold": 0.5, "high": float("inf")}}}, "high"),
            ({"classes": {"car": {"threshold": 0.5, "weak": 1}}}, "weak"),
            ({"classes": {"car": {"threshold": 0.5, "objects": -1}}}, "objects"),
            ({"classes": {"car": {"threshold": 0.5, "objects": 1.5}}}, "objects"),
            ({"iou": "half"}, "IoU"),
            ({"level": []}, "level"),
            ({"objective": 1}, "objective"),
            ({"data_set": []}, "data_set"),
            ({"endpoint": "traffic"}, "endpoint"),
            ({"run": {"id": 7}}, "id"),
            ({"created": None}, "created"),
        ],
    )
    def test_refuses_what_cannot_be_and_names_it(self, changes, named):
        """The message tells which value, the advice what to do."""
        with pytest.raises(BadSetting) as refused:
            loads(document(**changes))
        assert named in refused.value.message
        assert len(refused.value.message) < 120
        assert refused.value.advice


class TestValuesOf:
    def test_is_what_is_applied(self):
        """By the name as it stands, else whatever its case and blanks; a class that is not there has the global one."""
        names = ("car", " TRUCK ", "Fußgänger", "van", "")
        values = values_of(CHOSEN, names)
        assert values == {"car": 0.55, " TRUCK ": 0.4, "Fußgänger": 0.3, "van": 0.4, "": 0.4}
        for name, value in values.items():
            assert apply([detection(name, value)], CHOSEN)
            assert not apply([detection(name, value - 1e-9)], CHOSEN)


class TestApply:
    @pytest.mark.parametrize(
        ("name", "confidence", "kept"),
        [
            ("car", 0.55, True),
            ("car", 0.5499, False),
            ("truck", 0.4, True),
            ("truck", 0.39, False),
            ("bus", 0.4, True),
            ("bus", 0.39, False),
            (" CAR", 0.5, False),
            ("FUSSGÄNGER", 0.3, True),
            ("car", 1, True),
            ("car", None, True),
            ("car", float("nan"), True),
        ],
    )
    def test_keeps_what_reaches_the_threshold_of_its_class(self, name, confidence, kept):
        """The class's own, found whatever the case; else the global one; without a confidence always."""
        assert bool(apply([detection(name, confidence)], CHOSEN)) == kept

    def test_a_name_as_it_stands_goes_before_its_case(self):
        """Two classes that differ in case only each have their own threshold."""
        chosen = Thresholds(Threshold(0.5), {"Car": Threshold(0.2), "car": Threshold(0.8)})
        given_ = [detection("Car", 0.5), detection("car", 0.5)]
        assert apply(given_, chosen) == given_[:1]

    @given(st.lists(st.tuples(st.sampled_from(["car", "truck", "bus"]), st.floats(0, 1))))
    def test_keeps_the_items_themselves_in_their_order(self, rows):
        """As the definition says, item by item; from a generator and from any kind of mapping."""
        items = [MappingProxyType(detection(name, score, place=i)) for i, (name, score) in enumerate(rows)]
        of = {"car": 0.55, "truck": 0.4, "bus": 0.4}
        expected = [item for item in items if item["confidence"] >= of[item["class_name"]]]
        found = apply(iter(items), CHOSEN)
        assert len(found) == len(expected)
        assert all(a is b for a, b in zip(found, expected, strict=True))

    def test_one_global_threshold_equals_at_least(self):
        """What production keeps is what the pages show."""
        scores = [0.9, 0.4, 0.39999, 0.1]
        shown = Detections([[0, 0, 1, 1]] * 4, scores, [0] * 4, ("bus",)).at_least(0.4)
        kept = apply([detection("bus", score) for score in scores], CHOSEN)
        assert [item["confidence"] for item in kept] == shown.confidence.tolist()

    @pytest.mark.parametrize(
        "item",
        [
            {},
            {"class_name": "car"},
            {"confidence": 0.5},
            {"category": "car", "score": 0.5},
            "car",
            7,
            None,
            ["car", 0.5],
            detection(3, 0.5),
            detection("car", "0.5"),
            detection("car", True),
            detection("car", [0.5]),
        ],
    )
    def test_refuses_what_is_no_detection(self, item):
        """The message tells which one."""
        with pytest.raises(BadSetting, match="Detection 1") as refused:
            apply([detection("car", 0.5), item], CHOSEN)
        assert "class_name" in refused.value.advice


def test_needs_the_standard_library_only():
    """A fresh interpreter that applies thresholds has loaded nothing that a container would have to install."""
    script = (
        "import sys; before = set(sys.modules); from smviz import thresholds as t;"
        "chosen = t.loads(t.dumps(t.Thresholds(t.Threshold(0.5))));"
        "assert t.apply([{'class_name': 'car', 'confidence': 0.5}], chosen);"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - set(sys.stdlib_module_names) == {"smviz"}


def test_the_example_in_the_documentation(tmp_path, monkeypatch):
    """It runs as it stands."""
    monkeypatch.chdir(tmp_path)
    Path("thresholds.json").write_text(dumps(CHOSEN), encoding="utf-8")
    example = "\n".join(line[4:] for line in thresholds.__doc__.splitlines() if line.startswith("    "))
    names = {"detections": [detection("car", 0.9), detection("car", 0.1)]}
    exec(example, names)
    assert names["kept"] == [detection("car", 0.9)]
