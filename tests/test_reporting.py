"""The report: its numbers are those of the evaluation, its file needs nothing else, and names in it stay text."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from coco_sets import coco_json
from PIL import Image

from smviz import diagnosis
from smviz.annotations import parse_ground_truth
from smviz.choosing import choose
from smviz.errors import BadImage, BadSetting
from smviz.evaluation import judge, read_by
from smviz.intervals import Bootstrap
from smviz.operating import fingerprint, parse_objective
from smviz.records import Failure, ImageRef, Outcome, Reply
from smviz.reporting.document import images_fingerprint
from smviz.reporting.making import make_report
from smviz.reporting.numbers import At, numbers_document
from smviz.reporting.pictures import blurred, worst_rows
from smviz.reporting.subject import SHOWN, Options, Subject
from smviz.settings import Connection, Preset, Request
from smviz.store import Store

WIDTH, HEIGHT = 640, 480
NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\"'\u2028"
CLASSES = ("car", NASTY, "never seen")
IMAGES = 14
BAD_FILE = '<b onmouseover="alert(3)">&.jpg'
NAMES = (BAD_FILE, *(f"image {i}.jpg" for i in range(1, IMAGES)))
SECRET = "token-that-nobody-should-see"


def photo(seed, exif=b""):
    """A JPEG with much detail."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90, exif=exif, comment=b"a private comment")
    return buffer.getvalue()


def labels(classes=CLASSES, names=NAMES, objects=None):
    """COCO ground truth: two objects an image, of the first two classes."""
    if objects is None:
        objects = [(image, k, (60 + 200 * k, 80, 120, 90), 10_800, 0) for image in range(len(names)) for k in range(2)]
    document = coco_json(range(len(names)), len(classes), objects)
    for image, name in zip(document["images"], names, strict=True):
        image |= {"file_name": name, "width": WIDTH, "height": HEIGHT}
    for category, name in zip(document["categories"], classes, strict=True):
        category["name"] = name
    return document


def rows_of(image, rng):
    """What the endpoint found in an image, as the built-in format has it: some right, some wrong, some missed."""
    rows = []
    for k in range(2):
        if rng.random() < 0.75:
            sides = np.array([60 + 200 * k, 80, 180 + 200 * k, 170]) + rng.normal(0, 4, 4)
            rows.append([k, round(0.3 + 0.7 * rng.random(), 4), *(sides / [WIDTH, HEIGHT, WIDTH, HEIGHT]).tolist()])
    if rng.random() < 0.6:
        rows.append([int(rng.integers(0, 2)), round(0.6 * rng.random(), 4), 0.6, 0.6, 0.8, 0.8])
    return rows


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    """A stored run of an endpoint: all but two of its images were answered."""
    rng = np.random.default_rng(3)
    request = Request("traffic", "A", custom_attributes=SECRET)
    connection = Connection("eu-west-1", profile="my-profile", role="arn:aws:iam::123456789012:role/mine")
    truth = labels()
    with Store(tmp_path_factory.mktemp("ws")) as store:
        images = [ImageRef(name, data=photo(i)) for i, name in enumerate(NAMES)]
        run = store.create_run(
            f"nightly {NASTY}",
            connection,
            request,
            Preset("builtin-ssd", CLASSES),
            images,
            json.dumps(truth).encode(),
            "traffic-config",
            "s3://bucket/validation",
        )
        for i, name in enumerate(NAMES):
            if i >= IMAGES - 2:
                failure = Failure("ModelError", f"The model failed on {name}.", "Look at the log.")
                store.append(run.id, Outcome(name, "0" * 64, WIDTH, HEIGHT, 2, failure=failure))
                continue
            body = json.dumps({"prediction": rows_of(i, rng)}).encode()
            reply = Reply(body, "application/json", 0.1 + i / 100, "A", 0.05)
            store.append(run.id, Outcome(name, f"{i:064x}", WIDTH, HEIGHT, 1, reply))
        store.flush()
        run, outcomes = store.run(run.id), store.outcomes(run.id)
    truth = parse_ground_truth(json.dumps(truth).encode())
    return Subject(judge(truth, outcomes, read_by(run.preset)), run, outcomes, usd_per_hour=0.23)


def read(name):
    """The file of an image, by name; that of the second one is gone."""
    if name == NAMES[1]:
        raise BadImage("The file is gone.", "Put it back.")
    return photo(NAMES.index(name))


@pytest.fixture(scope="module")
def reports(subject):
    """A report of each way to show images."""
    return {shown: make_report(subject, Options(images=shown, worst=5), read) for shown in SHOWN}


@pytest.fixture(scope="module")
def report(reports):
    return reports["crops"]


@pytest.fixture(scope="module")
def document(report):
    return json.loads(report.json)


class Page(HTMLParser):
    """A page as a browser would take it apart."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.numbers = [], [], []
        self.scripts, self.text = [], []
        self._open = []
        self.feed(html.decode())
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        self._open.append((tag, dict(attributes)))
        if tag == "script":
            self.scripts.append((dict(attributes), ""))

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        tag, attributes = self._open[-1] if self._open else ("", {})
        if tag == "script":
            self.scripts[-1] = (self.scripts[-1][0], data)
            return
        if tag != "style":
            self.text.append(data)
        if "data-of" in attributes:
            self.numbers.append((attributes["data-of"], attributes.get("value"), data))


def pointed(document, pointer):
    """What a JSON pointer names (RFC 6901)."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


def pictures(report):
    """The pixels in a report."""
    found = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", report.html.decode())
    return [Image.open(io.BytesIO(base64.b64decode(one))) for one in found]


class TestNumbers:
    def test_are_those_of_evaluate(self, subject, document):
        """The document begins with what `smviz evaluate --json --intervals --confidence` tells, in full precision."""
        at = At(document["at_confidence"]["confidence"])
        expected = numbers_document(subject.evaluation, document["notes"], Bootstrap(subject.evaluation.matches), at)
        assert {name: document[name] for name in expected} == json.loads(json.dumps(expected))
        assert list(document)[: len(expected)] == list(expected)

    def test_the_threshold_is_the_chosen_one(self, subject, document):
        """It stands at the best for the objective; its interval, flat region and hold-out are told."""
        choice = choose(subject.evaluation.matches, held_out=True)
        told = document["thresholds"]["global"]
        assert document["at_confidence"]["confidence"] == told["threshold"] == choice.pooled.interval.point
        assert told["flat"] == list(choice.pooled.flat)
        assert told["held_out"]["f1"]["median"] == choice.pooled.held_out.judged("f1").median
        assert [row["weak"] for row in document["thresholds"]["classes"]] == [True, True, True]

    def test_another_threshold(self, subject):
        """All that depends on it moves, and the chosen one is told still."""
        options = Options(parse_objective("recall>=0.5"), 0.8, 0.75, "none", 0, "Mine")
        told = json.loads(make_report(subject, options, read).json)
        counts = subject.evaluation.sweep(None, 0.75).at(0.8)
        assert (told["at_confidence"]["tp"], told["at_confidence"]["fp"]) == (counts.tp, counts.fp)
        assert told["report"]["title"] == "Mine"
        assert told["thresholds"]["objective"] == "recall>=0.5"
        assert told["thresholds"]["global"]["recall"] >= 0.5
        assert told["worst_images"] == []

    def test_curves(self, subject, document):
        """Each point holds the counts at its confidence; above the highest score precision is undefined."""
        curves = document["curves"]
        sweep = subject.evaluation.sweep(None, 0.5)
        for row, confidence in enumerate(curves["confidence"]):
            counts = sweep.at(confidence)
            assert curves["recall"][row] == (counts.recall if counts.tp + counts.fp else None)
            assert curves["precision"][row] == (counts.precision if counts.tp + counts.fp else None)
        assert [curve["class_name"] for curve in curves["precision_at_recalls"]] == list(CLASSES)
        assert np.mean(curves["precision_at_recalls"][0]["precision"]) == pytest.approx(
            document["per_class"][0]["AP50"]
        )
        assert set(curves["precision_at_recalls"][2]["precision"]) == {None}

    def test_diagnosis(self, subject, document):
        """Scores, TIDE, confusion, calibration and breakdowns are those of the diagnosis."""
        matches, at = subject.evaluation.matches, document["at_confidence"]["confidence"]
        everything = subject.evaluation.sweep(None, 0.5).at(0.0)
        assert sum(document["score_histogram"]["tp"]) == everything.tp
        assert sum(document["score_histogram"]["fp"]) == everything.fp
        tide = diagnosis.tide(matches)
        assert {row["name"]: row["delta_ap"] for row in document["tide"]["errors"]} == {
            error.name: error.delta_ap for error in tide.errors
        }
        confusion = diagnosis.confusion_matrix(matches, at)
        assert sum(cell["times"] for cell in document["confusion"]["cells"]) == confusion.counts.sum()
        assert document["calibration"]["d_ece"] == diagnosis.d_ece(matches)
        assert document["calibration"]["laece0"] == diagnosis.laece0(matches)
        sizes = diagnosis.by_size(matches, at)
        [large] = document["breakdowns"]["Size"]
        assert (large["part"], large["recall"]) == ("large", sizes.recall[2])

    def test_calls(self, document):
        """Latency in seconds, the failures by cause, and what 1,000 images cost at the price given."""
        calls = document["calls"]
        assert (calls["images"], calls["answered"], calls["failed"]) == (IMAGES, IMAGES - 2, 2)
        assert calls["latency"]["p50"] == pytest.approx(0.155)
        assert calls["usd_per_1000_images"] == pytest.approx(0.23 * 1000 * calls["latency"]["mean"] / 3600)
        assert sum(calls["histogram"]["counts"]) == IMAGES - 2
        [cause] = document["failures"]
        assert (cause["images"], cause["message"]) == (2, "The model failed on ….")

    def test_provenance(self, subject, document):
        """Who was called and what was sent, but nothing that lets a reader in."""
        told = document["provenance"]
        assert told["ground_truth"] == fingerprint(subject.evaluation.matches.ground_truth)
        assert told["images_sent"] == images_fingerprint(reversed(subject.outcomes))
        assert told["endpoint"]["config"] == "traffic-config"
        assert told["endpoint"]["request"]["variant"] == "A"
        text = json.dumps(document)
        assert not any(secret in text for secret in (SECRET, "my-profile", "123456789012"))

    def test_what_was_left_out(self, subject, document):
        """Failed images and limits that show are told in the notes, and on the page."""
        assert any("have no reply" in note for note in document["notes"])
        assert document["notes"][: len(subject.evaluation.notes)] == list(subject.evaluation.notes)


class TestPage:
    @pytest.mark.parametrize("shown", SHOWN)
    def test_numbers_are_those_of_the_json(self, reports, shown):
        """Each number on the page is the one that its JSON pointer names, rounded; undefined is a dash."""
        document, page = json.loads(reports[shown].json), Page(reports[shown].html)
        assert len(page.numbers) > 100
        for pointer, value, told in page.numbers:
            expected = pointed(document, pointer)
            if expected is None:
                assert (value, told) == (None, "—")
                continue
            assert float(value) == expected
            decimals = len(told.partition(".")[2])
            assert told == (f"{expected:,}" if isinstance(expected, int) else f"{expected:.{decimals}f}")

    def test_every_headline_number_is_there(self, report):
        """The twelve numbers, their intervals, and precision, recall and F1."""
        pointers = {pointer for pointer, _, _ in Page(report.html).numbers}
        for name in ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"):
            assert f"/{name}" in pointers
        assert {"/intervals/AP/low", "/at_confidence/f1", "/at_confidence/intervals/recall/high"} <= pointers
        assert {"/thresholds/global/threshold", "/thresholds/global/flat/0", "/calibration/d_ece"} <= pointers
        assert {f"/per_class/{k}/AP" for k in range(3)} <= pointers

    def test_the_json_is_inside(self, report, document):
        """One script element, which no browser runs, holds the very document."""
        [(attributes, inside)] = Page(report.html).scripts
        assert attributes == {"type": "application/json", "id": "report"}
        assert json.loads(inside) == document
        assert not set(inside) & set("<>&")

    @pytest.mark.parametrize("shown", SHOWN)
    def test_names_are_text(self, reports, shown):
        """Class, file and run names with markup are shown letter for letter, and make no element and no attribute."""
        page = Page(reports[shown].html)
        assert set(page.tags) <= TAGS
        assert not [one for one in page.attributes if one[1].startswith("on")]
        text = " ".join(page.text)
        assert "<script>alert(1)</script><img src=x onerror=alert(2)>" in text
        assert BAD_FILE in text

    @pytest.mark.parametrize("shown", SHOWN)
    def test_nothing_is_loaded(self, reports, shown):
        """No address but those inside the file, and a policy that forbids all others."""
        page = Page(reports[shown].html)
        for tag, name, value in page.attributes:
            if name in {"href", "src", "srcset", "action", "data", "poster", "xlink:href"}:
                assert value.startswith("#" if tag == "a" else "data:image/jpeg;base64,"), (tag, name, value[:80])
        style = re.search(r"<style>(.*?)</style>", reports[shown].html.decode(), re.DOTALL)[1]
        assert "url(" not in style
        assert "@import" not in style
        assert "default-src 'none'" in reports[shown].html.decode()

    def test_sections_and_their_links(self, report):
        """Each link of the menu leads to a section."""
        page = Page(report.html)
        links = {value[1:] for tag, name, value in page.attributes if (tag, name) == ("a", "href")}
        assert links == {value for tag, name, value in page.attributes if (tag, name) == ("section", "id")}
        assert len(links) == 9

    @pytest.mark.parametrize("shown", SHOWN)
    def test_charts_tell_what_they_show(self, reports, shown):
        """Every SVG is well-formed; but for samples of a key it says in words what it is."""
        found = re.findall(r"<svg.*?</svg>", reports[shown].html.decode(), re.DOTALL)
        assert len(found) > 20
        for one in found:
            root = ElementTree.fromstring(one)
            if root.get("aria-hidden") != "true":
                first, second = list(root)[:2]
                assert first.tag.endswith("title")
                assert first.text
                assert second.tag.endswith("desc")
                assert second.text

    def test_no_undefined_number_leaks(self, reports):
        """NaN is a dash on the page and null in the JSON."""
        for report in reports.values():
            assert not re.search(r"\bnan\b|\bNone\b|\bInfinity\b", " ".join(Page(report.html).text))
            assert "NaN" not in report.json.decode()

    def test_size(self, reports):
        """Without images it is small; with them it stays far below what a mail takes."""
        assert len(reports["none"].html) < 200_000
        assert all(len(report.html) < 3_000_000 for report in reports.values())


TAGS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "div", "nav", "a", "main", "section"),
    *("figure", "figcaption", "svg", "desc", "path", "rect", "line", "circle", "text", "image", "ul", "li", "table"),
    *("thead", "tbody", "tr", "th", "td", "dl", "dt", "dd", "data", "span", "strong", "code", "br", "footer", "script"),
}


class TestImages:
    def test_full(self, reports):
        """The images are there, without their metadata; what a file cannot be shown for stands in its place."""
        shown = pictures(reports["full"])
        document = json.loads(reports["full"].json)
        gone = sum(row["name"] == NAMES[1] for row in document["worst_images"])
        assert len(shown) == len(document["worst_images"]) - gone
        assert {one.size for one in shown} == {(WIDTH, HEIGHT)}

    def test_the_worst_come_first(self, subject, document):
        """Those with the most mistakes, of which each has one or more."""
        rows = worst_rows(subject.evaluation, At(document["at_confidence"]["confidence"]), 5)
        assert [row["name"] for row in document["worst_images"]] == [row.name for row in rows]
        mistakes = [row.fp + row.fn for row in rows]
        assert mistakes == sorted(mistakes, reverse=True)
        assert min(mistakes) > 0

    def test_a_file_that_is_gone(self, subject):
        """It is named with the reason, and the report is made."""
        told = make_report(subject, Options(images="full", worst=100), read).html.decode()
        assert "It cannot be shown: The file is gone." in told

    def test_none(self, reports):
        """No pixel is in the file."""
        assert pictures(reports["none"]) == []
        assert "<image" not in reports["none"].html.decode()

    def test_crops(self, reports):
        """One for each mistake that is shown, and nothing of the rest of the image."""
        shown = pictures(reports["crops"])
        document = json.loads(reports["crops"].json)
        readable = [row for row in document["worst_images"] if row["name"] != NAMES[1]]
        assert len(shown) == sum(row["fp"] + row["fn"] for row in readable)
        assert {one.size for one in shown} == {(200, 200)}
        assert reports["crops"].html.decode().count('class="box tp"') == 0

    def test_boxes_say_what_they_are(self, subject):
        """As many lines of each kind as there are at the threshold, each told by its name and kind."""
        made = make_report(subject, Options(confidence=0.6, images="full", worst=100), read)
        html, document = made.html.decode(), json.loads(made.json)
        readable = [row for row in document["worst_images"] if row["name"] != NAMES[1]]
        for kind in ("tp", "fp", "fn"):
            assert html.count(f'class="box {kind}"') == sum(row[kind] for row in readable)
        assert re.search(r"<title>.* 0\.[6-9]\d, true positive</title>", html)
        assert "missed</title>" in html

    def test_no_metadata(self, subject):
        """Neither EXIF nor comments of a photo get into the report."""
        exif = Image.Exif()
        exif[0x010F] = "Camera of Ms Miller"
        data = photo(0, exif.tobytes())
        assert b"Ms Miller" in data
        for shown in ("full", "crops", "blurred"):
            for one in pictures(make_report(subject, Options(images=shown, worst=3), lambda name: data)):
                assert not one.getexif()
                assert "comment" not in one.info

    def test_a_large_image_is_scaled(self, subject):
        """A report stays small whatever the camera had."""
        buffer = io.BytesIO()
        Image.new("RGB", (4000, 3000), "grey").save(buffer, "JPEG")
        made = make_report(subject, Options(images="full", worst=2), lambda name: buffer.getvalue())
        assert {max(one.size) for one in pictures(made)} == {1100}

    @pytest.mark.parametrize("size", [(4000, 3000), (640, 480), (100, 900), (16, 16), (7, 3), (1, 1)])
    def test_blurring_cannot_be_undone(self, size):
        """Two images that are the same on average in a few large blocks, and differ in every pixel, blur to one."""
        rng = np.random.default_rng(0)
        width, height = size
        few = max(1, min(24, max(size) // 16))
        across, down = max(1, round(width * few / max(size))), max(1, round(height * few / max(size)))
        cells = [(width * x // across, height * y // down) for x in range(across) for y in range(down)]
        whole = (width // across * across == width) and (height // down * down == height)
        one = rng.integers(0, 256, (height, width, 3), np.uint8)
        other = one.copy()
        if whole:
            for left, top in cells:
                block = other[top : top + height // down, left : left + width // across]
                shuffled = rng.permutation(block.reshape(-1, 3))
                block[:] = shuffled.reshape(block.shape)
            assert min(size) < 8 or (one != other).mean() > 0.5
        first, second = (np.asarray(blurred(Image.fromarray(pixels)), int) for pixels in (one, other))
        assert np.abs(first - second).max() <= 1
        # What is left has no more detail than the few blocks had.
        left = Image.fromarray(first.astype(np.uint8)).resize((across, down), Image.Resampling.BOX)
        again = left.resize(first.shape[1::-1], Image.Resampling.BICUBIC)
        assert np.abs(np.asarray(again, int) - first).mean() < 6

    def test_text_is_gone(self, reports):
        """In a report the blurred image has next to nothing of the noise that the original is full of."""
        for one in pictures(reports["blurred"]):
            pixels = np.asarray(one.convert("L"), float)
            assert np.abs(np.diff(pixels, axis=1)).mean() < 2
            assert np.abs(np.diff(np.asarray(Image.open(io.BytesIO(photo(0))).convert("L"), float), axis=1)).mean() > 40

    def test_image_files_by_another_path(self, subject):
        """An image that the run has in a folder is read by the run's name for it."""
        outcomes = tuple(replace(one, image=f"folder/{one.image}") for one in subject.outcomes)
        asked = []

        def folder(name):
            asked.append(name)
            return photo(0)

        make_report(replace(subject, outcomes=outcomes), Options(images="full", worst=2), folder)
        assert len(asked) == 2
        assert all(name.startswith("folder/") for name in asked)


def found_nothing(names=NAMES[:3]):
    return {name: [] for name in names}


EMPTY = {
    "no detections": (labels(names=NAMES[:3]), found_nothing()),
    "no objects": (labels(names=NAMES[:3], objects=[]), {name: [[0, 0.9, 0.1, 0.1, 0.3, 0.3]] for name in NAMES[:3]}),
    "nothing at all": (labels(names=NAMES[:3], objects=[]), found_nothing()),
    "one image": (labels(names=NAMES[:1]), {NAMES[0]: [[0, 0.9, 0.1, 0.1, 0.3, 0.3]]}),
    "80 classes": (
        labels([f"kind {k}" for k in range(80)], NAMES, [(k % 14, k, (50, 50, 99, 99), 9801, 0) for k in range(80)]),
        {name: [[k, 0.5 + k / 200, 0.08, 0.1, 0.23, 0.31] for k in range(i, 80, 7)] for i, name in enumerate(NAMES)},
    ),
    "one score": (labels(names=NAMES[:3]), {name: [[0, 1.0, 0.1, 0.17, 0.28, 0.35]] for name in NAMES[:3]}),
}


class TestNearlyNothing:
    @pytest.mark.parametrize("case", EMPTY)
    @pytest.mark.parametrize("shown", ["full", "crops"])
    def test_a_report_is_made(self, case, shown, tmp_path):
        """With nearly nothing to judge it says what there is; numbers are those of the JSON, and nothing is NaN."""
        truth, found = EMPTY[case]
        names = tuple(category["name"] for category in truth["categories"])
        outcomes = tuple(
            Outcome(
                name,
                "0" * 64,
                WIDTH,
                HEIGHT,
                1,
                Reply(json.dumps({"prediction": rows}).encode(), "application/json", 0.1, None),
            )
            for name, rows in found.items()
        )
        ground_truth = parse_ground_truth(json.dumps(truth).encode())
        evaluation = judge(ground_truth, outcomes, read_by(Preset("builtin-ssd", names)))
        made = make_report(Subject(evaluation, file="found.json"), Options(images=shown), lambda name: photo(1))
        document, page = json.loads(made.json), Page(made.html)
        assert document["calls"] is None
        for pointer, value, _ in page.numbers:
            expected = pointed(document, pointer)
            assert value is None if expected is None else float(value) == expected
        assert not re.search(r"\bnan\b|\bNone\b", " ".join(page.text))
        for one in re.findall(r"<svg.*?</svg>", made.html.decode(), re.DOTALL):
            assert "nan" not in one.split("base64")[0]
            ElementTree.fromstring(one)

    def test_a_file_of_detections(self, subject):
        """There is no run to tell of: no calls, no endpoint, and the file stands in the provenance."""
        made = make_report(Subject(subject.evaluation, file="results.json"), Options(images="none", worst=1), read)
        told = json.loads(made.json)["provenance"]
        assert (told["run"], told["endpoint"], told["detections_file"]) == (None, None, "results.json")
        assert 'id="calls"' not in made.html.decode()

    def test_an_iou_that_was_not_matched(self, subject):
        """It is told, as everywhere."""
        with pytest.raises(BadSetting, match="IoU"):
            make_report(subject, Options(iou=0.42), read)


class TestProgress:
    def test_it_rises_to_one(self, subject):
        """The share never falls and ends at 1."""
        shares = []
        make_report(subject, Options(images="crops", worst=2), read, shares.append)
        assert shares == sorted(shares)
        assert (shares[0] < 0.5, shares[-1]) == (True, 1.0)

    def test_it_can_be_stopped(self, subject):
        """What the callback raises ends the work."""

        class Stop(Exception):
            pass

        def stop(share):
            if share > 0.3:
                raise Stop

        with pytest.raises(Stop):
            make_report(subject, Options(), read, stop)

    def test_what_is_at_hand_is_used(self, subject, report):
        """With the bootstrap, the choice and the near pairs that a page has, the numbers are the same."""
        matches = subject.evaluation.matches
        bootstrap = Bootstrap(matches)
        choice = choose(matches, held_out=True, bootstrap=bootstrap)
        near = diagnosis.near_pairs(matches, 0.1)
        again = make_report(subject, Options(worst=5), read, bootstrap=bootstrap, choice=choice, near=near)
        told, expected = json.loads(again.json), json.loads(report.json)
        told["report"]["created"] = expected["report"]["created"]
        assert told == expected
