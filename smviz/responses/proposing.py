"""From one live reply: which format it is in, why, and what else it could be.

Five things cannot be told from the bytes for certain: whether rows begin with the class or the box, pixels or
fractions, the order of a box's numbers, the id of the first class, and the frame that boxes refer to. So every
format reads the reply with every option that matters, and what comes out is judged: is each row a box, do the
boxes lie in the image, are they larger than a pixel? The first good reading with the fewest unusual options is the
proposal, the other good ones are its rivals, and a person decides on the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, product

import numpy as np

from smviz.errors import BadResponse
from smviz.responses.decode import decode_json, refusal
from smviz.responses.parsing import check_size
from smviz.responses.reading import Parsed, Reading, resolve
from smviz.responses.registry import FORMATS, Format
from smviz.settings import Preset

SAMPLE = 1000
"""How many rows, spread evenly, a reading is judged by."""

RESOLVED = ("coordinates", "boxes", "class-base")
"""The choices that `resolve` applies; the others concern the reader."""

COMMON = ("coordinates", "class-base")
"""The options that containers of one format often set otherwise than its default."""

NETWORK_SIDES = (320, 416, 512, 640, 800, 1024, 1280)
"""Customary sides of square network frames, in pixels."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A preset to confirm on the picture.

    Attributes:
        best: the preset that fits best; it never holds class names, which the bytes do not tell.
        reason: one sentence.
        rivals: other presets that fit, each with its reason, the likelier ones first.
        unsure: what the bytes cannot tell and the preset therefore assumes, in words for a person.
    """

    best: Preset
    reason: str
    rivals: tuple[tuple[Preset, str], ...] = ()
    unsure: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to read a reply.

    Attributes:
        form: the format.
        changes: the options that differ from the format's defaults.
        reading: what the format finds, of a sample of the rows.
        parsed: what comes out, of a sample of the rows.
        plausible: whether nearly all boxes lie in the image and are larger than a pixel.
    """

    form: Format
    changes: tuple[tuple[str, str], ...]
    reading: Reading
    parsed: Parsed
    plausible: bool

    @property
    def preset(self) -> Preset:
        return Preset(self.form.name, options=self.changes)

    @property
    def strain(self) -> tuple[bool, int]:
        """How far-fetched the reading is: containers of one format differ in some options more than in others."""
        return not self.plausible, sum(name not in COMMON for name, _ in self.changes)

    @property
    def reason(self) -> str:
        """Why the reply could be read like this; one sentence without its stop."""
        return ", ".join([f"{self.form.title}, because {self.form.because}", *_words(self.changes)])


WORDS = {
    "coordinates=pixels": "with boxes in pixels",
    "coordinates=normalised": "with boxes in fractions of the frame",
    "boxes": "with boxes as {}",
    "class-base": "with class ids from {}",
    "layout": "with the layout {}",
    "objectness": "with objectness",
    "score-scale": "with scores up to {}",
    "frame": "with boxes in a frame stretched to {}",
    "letterbox=": "with boxes in the frame that was sent",
    "letterbox": "with boxes in a padded frame of {}",
}
"""What a changed option says about the reply."""


def _words(changes: tuple[tuple[str, str], ...]) -> list[str]:
    settings = dict(changes)
    if settings.get("frame"):
        settings.pop("letterbox", None)
    return [WORDS.get(f"{name}={value}", WORDS.get(name, "")).format(value) for name, value in settings.items()]


def propose(body: bytes, width: int, height: int) -> Proposal:
    """The preset that fits one reply best, with its reason and its rivals.

    Args:
        body: the reply, as it came; one with several boxes tells most.
        width: pixels of the image that was sent.
        height: pixels of the image that was sent.

    Raises:
        BadResponse: nothing fits; the message says what was found, the advice what to do.
        BadSetting: the size is no size.
    """
    check_size(width, height)
    candidates = list(_candidates(body, width, height))
    if not candidates:
        raise refusal(body)
    order = {name: position for position, name in enumerate(FORMATS)}
    candidates.sort(key=lambda found: (*found.strain, order[found.form.name], len(found.changes)))
    best = candidates[0]
    rivals = _rivals(best, candidates)
    reason = best.reason if len(best.parsed) else f"{best.form.title}, though there is no box to check it by"
    also = f"; it could also be {rivals[0].form.title}" if rivals and rivals[0].form is not best.form else ""
    return Proposal(
        best.preset,
        f"{reason}{also}.",
        tuple((rival.preset, f"{rival.reason}.") for rival in rivals),
        tuple(_unsure(best)),
    )


def _candidates(body: bytes, width: int, height: int) -> Iterator[Candidate]:
    """Every way in which any format can read a reply. What is JSON is not tried as anything else."""
    json_first = sorted(FORMATS.values(), key=lambda form: form.decode is not decode_json)
    for decode, forms in groupby(json_first, key=lambda form: form.decode):
        try:
            reply = decode(body)
        except BadResponse:
            continue
        for form in forms:
            yield from _readings(form, reply, width, height)
        return


def _readings(form: Format, reply: object, width: int, height: int) -> Iterator[Candidate]:
    """Every way in which one format can read a reply; those that break are left out."""
    defaults = {option.name: option.default for option in form.options}
    found = False
    for reader_settings in _choices(form, resolved=False):
        if found and reader_settings.get("score-scale", "1") != "1":
            return  # Scores up to 1 could always be tiny percentages.
        try:
            reading = form.reader(reply, defaults | reader_settings)
        except BadResponse:
            continue
        sample = reading.take(np.linspace(0, len(reading) - 1, min(len(reading), SAMPLE)).astype(np.int64))
        for resolve_settings in _choices(form, resolved=True):
            for settings in _framed(sample, defaults | reader_settings | resolve_settings, width, height):
                try:
                    parsed = resolve(sample, width, height, settings)
                except BadResponse:
                    continue
                found = True
                changes = tuple((name, value) for name, value in settings.items() if value != defaults[name])
                yield Candidate(form, changes, sample, parsed, _is_plausible(parsed, width, height))


def _choices(form: Format, resolved: bool) -> Iterator[dict[str, str]]:
    """Every combination of a format's choices, the defaults first."""
    options = [option for option in form.options if option.choices and (option.name in RESOLVED) == resolved]
    values = [(option.default, *(value for value in option.choices if value != option.default)) for option in options]
    for combination in product(*values):
        yield dict(zip((option.name for option in options), combination, strict=True))


def _framed(reading: Reading, settings: dict[str, str], width: int, height: int) -> Iterator[dict[str, str]]:
    """The settings with the frames worth trying: the network's where the format speaks of it, else the one sent.

    Other frames are tried for pixels that the image that was sent cannot hold.
    """
    as_sent = settings | {name: "" for name in ("frame", "letterbox") if name in settings}
    try:
        parsed = resolve(reading, width, height, as_sent)
    except BadResponse:
        return
    default = settings.get("letterbox", "")
    normalised = settings.get("coordinates") == "normalised"
    # Fractions taken for pixels would fit any frame.
    fractions = not normalised and float(np.abs(parsed.xyxy).max(initial=0)) <= 1.5 and len(parsed) > 0
    if not default or fractions:
        yield as_sent
        if "frame" not in settings or normalised or fractions or _is_plausible(parsed, width, height):
            return
    size = default if normalised else _network_size(reading.anchors, parsed, default)
    framings = [{"letterbox": size}, {"frame": size}] if default else [{"frame": size}, {"letterbox": size}]
    yield from (as_sent | framing for framing in framings)
    if default:
        yield as_sent


def _network_size(anchors: int, parsed: Parsed, default: str) -> str:
    """The frame of a network: told by its anchors, or else a customary square that holds the boxes.

    A square network with strides of 8, 16 and 32 pixels has (4 x 4 + 2 x 2 + 1) cells for each square of 32 pixels,
    and one or three anchors a cell.
    """
    for a_cell in (1, 3):
        blocks = round((anchors / 21 / a_cell) ** 0.5)
        if blocks >= 4 and blocks**2 * 21 * a_cell == anchors:
            return f"{32 * blocks}x{32 * blocks}"
    reach = float(parsed.xyxy.max(initial=0)) * 0.98
    least = max(reach, float(default.partition("x")[0] or 0))
    side = next((side for side in NETWORK_SIDES if side >= least), int(min(-(-reach // 32) * 32, 99_968)))
    return f"{side}x{side}"


def _is_plausible(parsed: Parsed, width: int, height: int) -> bool:
    """Whether 90 % of the boxes lie in the image, give or take 5 %, and half of them are larger than a pixel."""
    if not len(parsed):
        return True
    low, high = parsed.xyxy[:, :2], parsed.xyxy[:, 2:]
    size = np.array([width, height], dtype=np.float64)
    inside = ((low >= -0.05 * size) & (high <= 1.05 * size)).all(axis=1)
    large = (high - low > 1.5).any(axis=1)
    return bool(inside.mean() >= 0.9 and large.mean() >= 0.5)


def _rivals(best: Candidate, candidates: list[Candidate]) -> list[Candidate]:
    """The best reading of every other format, then those of the same format that differ in one option.

    A format that can find the very same boxes is no rival, but the same by another name.
    """
    good = [found for found in candidates if found.plausible or not best.plausible]
    seen = {best.form.name} | {found.form.name for found in good if _same_boxes(found.parsed, best.parsed)}
    rivals: list[Candidate] = []
    for found in good:
        if found.form.name not in seen:
            seen.add(found.form.name)
            rivals.append(found)
    if len(best.parsed):
        rivals += [found for found in good if found.form is best.form and _differing(best, found) == 1]
    told = [best]
    for rival in rivals:
        if not any(_same(rival.parsed, other.parsed) for other in told):
            told.append(rival)
    return told[1:]


def _differing(one: Candidate, other: Candidate) -> int:
    return len({name for name, _ in set(one.changes) ^ set(other.changes)})


def _same_boxes(one: Parsed, other: Parsed) -> bool:
    """Whether two readings find the same boxes with the same scores. Without boxes there is nothing to tell."""
    same_scores = np.array_equal(one.confidence, other.confidence, equal_nan=True)
    return len(one) > 0 and same_scores and np.array_equal(one.xyxy, other.xyxy)


def _same(one: Parsed, other: Parsed) -> bool:
    return _same_boxes(one, other) and _names(one) == _names(other)


def _names(parsed: Parsed) -> list[str]:
    return [parsed.class_names[index] for index in parsed.class_id]


def _unsure(best: Candidate) -> Iterator[str]:
    settings = {option.name: option.default for option in best.form.options} | dict(best.changes)
    if not len(best.parsed):
        yield "The reply holds no box: propose again from an image in which the model finds something."
        return
    if not best.plausible:
        yield "The boxes do not lie well in the image: look for the frame and the box order on the picture."
    if all(name.startswith("class ") for name in _names(best.parsed)):
        yield "The reply names no classes: give the class list."
    if best.reading.ids is not None and best.reading.names is None and "class-base" in settings:
        yield f"Class ids are taken to start at {settings['class-base']}."
    if settings.get("letterbox"):
        yield f"The network's frame is taken to be {settings['letterbox']}, with the image centred in it."
    elif settings.get("frame"):
        yield f"The image is taken to have been stretched to {settings['frame']}."
    elif "frame" in settings and not best.reading.frame and settings.get("coordinates") != "normalised":
        yield "Boxes are taken to be in pixels of the image that was sent, not of a copy resized on the way."
    if best.reading.scores is None:
        yield "The reply holds no scores: there is no threshold to choose."
