"""What canonical ground truth tells of the file that it was read from."""

import json

import pytest
from coco_sets import coco_json

from smviz.annotations import Origin, ground_truth_json, origin, parse_ground_truth
from smviz.records import Skipped

TRUTH = coco_json(range(2), 1, [(0, 0, [1, 2, 3, 4], 12, 0), (1, 0, [5, 5, 0, 0], 0, 0)])


@pytest.fixture
def truth():
    """Ground truth of which one annotation was left out."""
    return parse_ground_truth(json.dumps(TRUTH).encode(), "labels.json")


class TestCanonical:
    def test_keeps_notes_and_skipped_records(self, truth):
        """Read again, and again, they are the same: nothing is lost and nothing is told twice."""
        assert len(truth.notes) == len(truth.skipped) == 1
        again = parse_ground_truth(ground_truth_json(truth, "voc", "labels.zip"))
        assert (again.notes, again.skipped) == (truth.notes, truth.skipped)
        third = parse_ground_truth(ground_truth_json(again))
        assert (third.notes, third.skipped) == (truth.notes, truth.skipped)

    def test_tells_format_and_source(self, truth):
        """So a run can say what its labels were read from."""
        told = origin(ground_truth_json(truth, "voc", "labels.zip"))
        assert told == Origin("voc", "labels.zip", truth.notes, truth.skipped)

    def test_has_no_info_where_there_is_nothing_to_tell(self):
        """Sound ground truth is written as COCO's tools would."""
        sound = parse_ground_truth(json.dumps(coco_json(range(1), 1, [(0, 0, [1, 2, 3, 4], 12, 0)])).encode())
        assert "info" not in json.loads(ground_truth_json(sound))

    def test_its_own_notes_come_after_those_of_before(self, truth):
        """A canonical file that somebody broke tells both."""
        broken = json.loads(ground_truth_json(truth))
        broken["annotations"].append({"id": 9, "image_id": 77, "category_id": 0, "bbox": [0, 0, 1, 1]})
        again = parse_ground_truth(json.dumps(broken).encode(), "broken.json")
        assert [record.file for record in again.skipped] == ["labels.json", "broken.json"]
        assert again.notes[0] == truth.notes[0]
        assert len(again.notes) == 2


@pytest.mark.parametrize(
    "info",
    [
        None,
        7,
        "made by hand",
        [],
        {"description": "COCO 2017", "year": 2017},
        {"smviz": 3},
        {"smviz": {"notes": "one", "skipped": {"a": 1}, "format": 5}},
        {"smviz": {"notes": [1, None], "skipped": [["a"], ["a", "b", 3], "abc"]}},
    ],
)
class TestInfoOfOthers:
    def test_is_passed_over(self, info):
        """Anybody may write an info block; the file reads as without it."""
        file = TRUTH | {"info": info}
        truth, plain = (parse_ground_truth(json.dumps(each).encode(), "labels.json") for each in (file, TRUTH))
        assert (truth.notes, truth.skipped) == (plain.notes, plain.skipped)
        assert origin(json.dumps(file).encode()) == Origin()


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff\xfe", b'{"info": {"smviz": {"format": "\xc3"}}}'])
def test_what_is_no_coco_file_tells_nothing(data):
    """Asking costs no error: the reader of the file tells what is wrong with it."""
    assert origin(data) == Origin()


def test_a_skipped_record_reads_as_it_did():
    """Its sentence is the same before and after."""
    truth = parse_ground_truth(json.dumps(TRUTH).encode(), "labels.json")
    again = parse_ground_truth(ground_truth_json(truth))
    assert [str(record) for record in again.skipped] == [str(Skipped(*_parts(truth.skipped[0])))]


def _parts(record):
    return record.file, record.where, record.why
