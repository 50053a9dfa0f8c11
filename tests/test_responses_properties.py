"""Properties of smviz.responses on any input: bytes, JSON, and sample replies with something broken in them."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smviz.errors import BadResponse
from smviz.records import Detections
from smviz.responses import FORMATS, parse, parse_in_order, propose
from smviz.settings import Preset

# Derandomised: the same examples every time, so that a failure is a change in the code.
settings.register_profile(
    "responses",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("responses")

PAYLOADS = Path(__file__).parent / "payloads"
SAMPLES = [path.read_bytes() for path in sorted(PAYLOADS.glob("[a-z]*.json"))]
PRESETS = [Preset(name) for name in FORMATS]
KEYS = ["prediction", "predictions", "boxes", "scores", "labels", "outputs", "box", "score", "label", "bbox", "class"]

junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**400), 10**400),
    st.integers(-3, 700),
    st.floats(),
    st.floats(0, 1),
    st.text(st.characters(exclude_categories=()), max_size=5),
    st.sampled_from([[], {}, [[]], [[[]]], "NaN", -1, 0.5, 1e308, float("nan"), float("-inf")]),
)
values = st.recursive(
    junk,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=4)
        | st.lists(st.lists(st.floats(-2, 700), min_size=6, max_size=6), max_size=4)
    ),
    max_leaves=30,
)


def explained(error):
    """None, for an error that says what happened and what to do, in words that can be shown."""
    assert error.message
    assert error.advice
    assert len(str(error).encode()) < 4000


def read(body, preset):
    """What parse gives; None for a BadResponse. Any other exception fails the test."""
    try:
        return parse(body, 640, 480, preset)
    except BadResponse as error:
        return explained(error)


def proposed(body):
    """What propose gives; None for a BadResponse. Any other exception fails the test."""
    try:
        return propose(body, 640, 480)
    except BadResponse as error:
        return explained(error)


def check(detections):
    """What must hold of any detections."""
    assert isinstance(detections, Detections)
    assert np.isfinite(detections.xyxy).all()
    assert (detections.xyxy[:, 2:] >= detections.xyxy[:, :2]).all()
    scores = detections.confidence[~np.isnan(detections.confidence)]
    assert ((scores >= 0) & (scores <= 1)).all()
    "".join(detections.names()).encode()


def broken(sample, draw):
    """The sample with one value in it replaced, removed or doubled."""
    value = json.loads(sample)
    spots = []

    def walk(node):
        for key in node if isinstance(node, dict) else range(len(node)):
            spots.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(value)
    if not spots:
        return sample
    node, key = draw(st.sampled_from(spots))
    how = draw(st.sampled_from(["replace", "remove", "double", "rename"]))
    if how == "remove":
        del node[key]
    elif how == "double" and isinstance(node, list):
        node.insert(key, node[key])
    elif how == "rename" and isinstance(node, dict):
        node[draw(st.sampled_from(KEYS))] = node.pop(key)
    else:
        node[key] = draw(junk)
    return json.dumps(value).encode()


@st.composite
def broken_samples(draw):
    return broken(draw(st.sampled_from(SAMPLES)), draw)


@given(st.binary(max_size=60), st.sampled_from(PRESETS))
@settings(max_examples=300)
def test_any_bytes(body, preset):
    """Any bytes in any format are Detections or BadResponse, nothing else."""
    detections = read(body, preset)
    if detections is not None:
        check(detections)


@given(values, st.sampled_from(PRESETS))
@settings(max_examples=250)
def test_any_json(value, preset):
    """Any JSON, with Python's NaN and Infinity, is Detections or BadResponse in any format, and for a proposal."""
    body = json.dumps(value).encode()
    detections = read(body, preset)
    if detections is not None:
        check(detections)
    proposed(body)


@given(broken_samples())
@settings(max_examples=300)
def test_broken_samples(body):
    """A real reply with one thing broken: every format gives Detections or BadResponse; a proposal can be read."""
    for preset in PRESETS:
        detections = read(body, preset)
        if detections is not None:
            check(detections)
    proposal = proposed(body)
    if proposal is not None:
        for preset in (proposal.best, *(rival for rival, _ in proposal.rivals)):
            check(parse(body, 640, 480, preset))


@given(st.sampled_from(SAMPLES), st.data())
@settings(max_examples=150)
def test_truncated_samples(body, data):
    """A reply that is cut off is never read as fewer detections."""
    cut = body.rstrip()[: data.draw(st.integers(0, len(body.rstrip()) - 1))]
    for preset in PRESETS:
        if preset.format != "hugging-face-csv":
            assert read(cut, preset) is None


boxes = st.lists(
    st.tuples(
        st.integers(0, 90),
        st.floats(0, 1),
        st.floats(-1, 2, width=32),
        st.floats(-1, 2, width=32),
        st.floats(0, 2, width=32),
        st.floats(0, 2, width=32),
    ).map(lambda row: [row[0], row[1], row[2], row[3], row[2] + row[4], row[3] + row[5]]),
    max_size=30,
).map(lambda rows: [row for row in rows if row[1] or any(row[2:])])


@given(boxes, st.integers(1, 5000), st.integers(1, 5000))
@settings(max_examples=100)
def test_what_is_written_is_read(rows, width, height):
    """Rows of the built-in format come back in order, on or off the frame, all of them, unchanged."""
    parsed = parse_in_order(json.dumps({"prediction": rows}).encode(), width, height, Preset("builtin-ssd"))
    expected = np.array(rows, dtype=float).reshape(-1, 6)
    assert np.array_equal(parsed.class_id, expected[:, 0])
    assert np.array_equal(parsed.confidence, expected[:, 1])
    assert np.array_equal(parsed.xyxy, expected[:, 2:] * [width, height, width, height])


@given(boxes, st.sampled_from(["320x320", "640x640", "1280x736", "640x640 top-left"]), st.booleans())
@settings(max_examples=60)
def test_frames_are_undone(rows, size, padded):
    """Boxes put into a stretched or padded frame come back to where they were, to a millionth of a pixel."""
    width, height = 640, 480
    frame = np.array([float(side) for side in size.partition(" ")[0].split("x")])
    image = np.array([width, height])
    original = np.array(rows, dtype=float).reshape(-1, 6)
    xyxy = original[:, 2:] * np.tile(image, 2)
    if padded:
        gain = (frame / image).min()
        pad = np.zeros(2) if "top" in size else (frame - image * gain) / 2
        sent, option = xyxy * gain + np.tile(pad, 2), ("letterbox", size)
    else:
        sent, option = xyxy * np.tile(frame / image, 2), ("frame", size.partition(" ")[0])
    body = json.dumps({"boxes": np.column_stack([sent, original[:, 1], original[:, 0]]).tolist()}).encode()
    kept = sent.any(axis=1) | (original[:, 1] > 0)
    parsed = parse_in_order(body, width, height, Preset("yolo-rows", options=(option,)))
    np.testing.assert_allclose(parsed.xyxy, xyxy[kept], atol=1e-6)


@given(boxes, st.permutations(["dog", "Dog", "cat", "person", "van"]), st.lists(st.sampled_from(["DOG", "cat", "bus"])))
@settings(max_examples=100)
def test_names_survive(rows, names, class_names):
    """Whatever the class list, every detection keeps its name but for the case."""
    found = [
        {
            "score": row[1],
            "label": names[row[0] % 5],
            "box": dict(zip(("xmin", "ymin", "xmax", "ymax"), row[2:], strict=True)),
        }
        for row in rows
    ]
    parsed = parse_in_order(json.dumps(found).encode(), 640, 480, Preset("hugging-face", tuple(class_names)))
    assert [parsed.class_names[i].lower() for i in parsed.class_id] == [row["label"].lower() for row in found]
    assert parsed.class_names[: len(class_names)] == tuple(class_names)


def test_a_million_rows():
    """A million rows are read, all of them."""
    body = b'{"prediction": [' + b",".join([b"[1, 0.5, 0, 0, 1, 1]"] * 1_000_000) + b"]}"
    assert len(parse(body, 640, 480, Preset("builtin-ssd"))) == 1_000_000


def test_a_proposal_from_many_rows():
    """A hundred thousand rows are judged by a sample of them."""
    body = b'{"prediction": [' + b",".join([b"[1, 0.5, 0, 0, 1, 1]"] * 100_000) + b"]}"
    assert propose(body, 640, 480).best == Preset("builtin-ssd")


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"prediction": [', b'{"predictions": [[', b"[NaN, "])
@pytest.mark.parametrize("depth", [3, 900, 200_000])
def test_deep_nesting(opening, depth):
    """Nesting of any depth, closed or not, is a BadResponse in every format."""
    closing = "".join("]" if bracket == "[" else "}" for bracket in reversed(opening.decode()) if bracket in "[{")
    for body in (opening * depth, opening * depth + b"1" + closing.encode() * depth):
        for preset in PRESETS:
            read(body, preset)
        proposed(body)


def test_more_candidates_than_nms_looks_at():
    """Of more anchors than NMS looks at, the best ones are kept, in the order of the head."""
    head = np.zeros((5, 12_000))
    head[:2] = np.arange(12_000) % 640
    head[2:4] = 2000  # all overlap, so that few stay
    head[4] = np.linspace(0.1, 0.9, 12_000)
    parsed = parse_in_order(json.dumps([head.round(6).tolist()]).encode(), 640, 640, Preset("yolo-head"))
    assert parsed.confidence.max() == 0.9
    assert (np.diff(parsed.confidence) > 0).all()
