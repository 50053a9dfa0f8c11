"""Judge a run: join its outcomes with ground truth, match once, and read every table from the matches."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from smviz.boxes import ltwh_to_xyxy, xyxy_to_ltwh
from smviz.datasets import ClassMap
from smviz.errors import BadResponse, BadSetting
from smviz.matching import COCO, Floats, Integers, Matches, choices, match
from smviz.metrics import average_precision, coco_numbers, per_class, per_image
from smviz.names import base_name, folded
from smviz.operating import OperatingPoint, Sweep, best_f1, sweeps
from smviz.records import Detections, GroundTruth, Outcome, Predictions
from smviz.responses import parse
from smviz.settings import MatchSettings, Preset

Noted = defaultdict[str, Counter[str]]  # what happened, and to which names how often
ClassOf = Callable[[str], int]

_NAMED = 5  # how many names a note tells
_UNKNOWN, _LEFT_OUT = -1, -2  # classes that the ground truth does not have, or that nobody wants judged
_NOTHING = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), ())


@dataclass(frozen=True)
class ClassRow:
    """One class at a threshold. `ap` and `ap50` do not depend on the threshold; `best_threshold` is its F1's best."""

    class_id: int
    name: str
    objects: int
    detections: int
    ap: float
    ap50: float
    tp: int
    fp: int
    fn: int
    precision: float
    recall: float
    f1: float
    best_threshold: float


@dataclass(frozen=True)
class ImageRow:
    """One image at a threshold; `image` is its index in the ground truth."""

    image: int
    name: str
    tp: int
    fp: int
    fn: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The matches and what pages read from them. What is costly is computed when it is first asked for."""

    matches: Matches
    _sweeps: dict[tuple[int | None, float], Sweep] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def numbers(self) -> dict[str, float]:
        """COCO's twelve numbers, as `metrics.coco_numbers` gives them."""
        return coco_numbers(self.matches)

    @cached_property
    def average_precision(self) -> Floats:
        """The AP of each IoU and class, float64 [T, K], over objects of every size."""
        return average_precision(self.matches)

    @cached_property
    def best_threshold(self) -> OperatingPoint:
        """The threshold with the best F1 over all classes together, at the lowest IoU of the settings."""
        return best_f1(self.sweep(None, self.matches.settings.ious[0]))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out or mended on the way here, in words for a person."""
        return self.matches.ground_truth.notes + self.matches.predictions.notes

    def sweep(self, class_id: int | None = None, iou: float = 0.5) -> Sweep:
        """The counts at every threshold, as `operating.sweep` gives them; computed once."""
        return self._swept((class_id,), iou)[0]

    def _swept(self, class_ids: Sequence[int | None], iou: float) -> list[Sweep]:
        missing = [class_id for class_id in class_ids if (class_id, iou) not in self._sweeps]
        for class_id, made in zip(missing, sweeps(self.matches, missing, iou) if missing else (), strict=True):
            self._sweeps[class_id, iou] = made
        return [self._sweeps[class_id, iou] for class_id in class_ids]

    def class_table(self, confidence: float, iou: float = 0.5) -> tuple[ClassRow, ...]:
        """A row for each class [K].

        Raises:
            BadSetting: when nothing was matched at the IoU.
        """
        table = per_class(self.matches, confidence, iou)
        at_half = np.isclose(self.matches.settings.ious, 0.5)
        names = self.matches.ground_truth.class_names
        return tuple(
            ClassRow(
                class_id=k,
                name=name,
                objects=int(table.objects[k]),
                detections=int(table.detections[k]),
                ap=float(self.average_precision[:, k].mean()),
                ap50=float(self.average_precision[at_half, k][0]) if at_half.any() else np.nan,
                tp=int(table.tp[k]),
                fp=int(table.fp[k]),
                fn=int(table.fn[k]),
                precision=float(table.precision[k]),
                recall=float(table.recall[k]),
                f1=float(table.f1[k]),
                best_threshold=best_f1(swept).confidence,
            )
            for k, (name, swept) in enumerate(zip(names, self._swept(range(len(names)), iou), strict=True))
        )

    def image_table(self, confidence: float, iou: float = 0.5) -> tuple[ImageRow, ...]:
        """A row for each image [I]. Raises as `class_table`."""
        table = per_image(self.matches, confidence, iou)
        columns = (table.tp, table.fp, table.fn, table.precision, table.recall, table.f1)
        rows = zip(self.matches.ground_truth.image_names, *(column.tolist() for column in columns), strict=True)
        return tuple(ImageRow(image, *row) for image, row in enumerate(rows))


def evaluate(ground_truth: GroundTruth, predictions: Predictions, settings: MatchSettings = COCO) -> Evaluation:
    """Match the predictions to the ground truth. Raises as `matching.match`."""
    return Evaluation(match(ground_truth, predictions, settings))


def predictions_from(
    outcomes: Iterable[Outcome],
    parse: Callable[[Outcome], Detections],
    ground_truth: GroundTruth,
    class_map: ClassMap | None = None,
) -> Predictions:
    """The detections of a run, joined with ground truth by image name and class name, in the order of the images.

    An image is found by its exact name, or else by its base name where the ground truth has only one of it. A class is
    found by its name, whatever the case and the blanks around it. Boxes are scaled where the frame that was sent and
    the ground truth's image differ in size; not where width and height are merely swapped, as in a rotated photo.
    What cannot be joined, has no confidence, failed or raises `BadResponse` in `parse` is left out and counted in
    `notes`, by name.

    Args:
        outcomes: of the images of a run.
        parse: reads the detections of an outcome that has a reply.
        ground_truth: what to join them with.
        class_map: what the endpoint's class names mean: a class of the ground truth, or None to leave that class's
            detections out, which is counted in `notes`. Several may mean the same class, as "car" and "van" may mean
            "vehicle". Names that are not in it are found by themselves, as without it.

    Raises:
        BadSetting: when `class_map` names a class that the ground truth does not have.
    """
    noted: Noted = defaultdict(Counter)
    joined = _joined(outcomes, parse, ground_truth, noted, class_map)
    for image, name in enumerate(ground_truth.image_names):
        if image not in joined:
            noted["images of the ground truth are not in the run; their objects count as missed"][name] += 1
    return _concatenated(joined, noted)


def _joined(
    outcomes: Iterable[Outcome],
    parse: Callable[[Outcome], Detections],
    ground_truth: GroundTruth,
    noted: Noted,
    class_map: ClassMap | None,
) -> dict[int, Predictions]:
    """The detections of each image of the ground truth that has an outcome, by its index."""
    image_of, class_of = _image_index(ground_truth), _class_table(ground_truth, class_map or {})
    joined: dict[int, Predictions] = {}
    for outcome in outcomes:
        image = image_of.get(outcome.image, image_of.get(base_name(outcome.image)))
        if image is None:
            noted["images of the run are not in the ground truth and were left out"][outcome.image] += 1
            continue
        if image in joined:
            noted["images of the run share a ground truth image; one of each was left out"][outcome.image] += 1
            if ground_truth.image_names[image] != outcome.image:
                continue
        detections = _detections(outcome, parse, noted)
        joined[image] = _join(detections, outcome, image, ground_truth, class_of, noted)
    return joined


def _concatenated(joined: dict[int, Predictions], noted: Noted) -> Predictions:
    parts = [joined[image] for image in sorted(joined)]
    return Predictions(
        image=np.concatenate([np.zeros(0, np.int64), *(part.image for part in parts)]),
        class_id=np.concatenate([np.zeros(0, np.int64), *(part.class_id for part in parts)]),
        ltwh=np.concatenate([np.zeros((0, 4)), *(part.ltwh for part in parts)]),
        confidence=np.concatenate([np.zeros(0), *(part.confidence for part in parts)]),
        notes=tuple(_sentence(text, names) for text, names in noted.items()),
    )


def _detections(outcome: Outcome, parse: Callable[[Outcome], Detections], noted: Noted) -> Detections:
    if outcome.reply is None:
        noted["images failed and have no detections"][outcome.image] += 1
        return _NOTHING
    try:
        return parse(outcome)
    except BadResponse:
        noted["replies could not be read and give no detections"][outcome.image] += 1
        return _NOTHING


def _join(
    detections: Detections,
    outcome: Outcome,
    image: int,
    ground_truth: GroundTruth,
    class_of: ClassOf,
    noted: Noted,
) -> Predictions:
    """The detections of one image, in the ground truth's terms."""
    classes = [class_of(name) for name in detections.class_names]
    class_id = np.array(classes, np.int64)[detections.class_id]
    for sort, text in (
        (_UNKNOWN, "detections are of classes that the ground truth does not have and were left out"),
        (_LEFT_OUT, "detections are of classes that are left out on purpose"),
    ):
        names = Counter(detections.class_names[k] for k in detections.class_id[class_id == sort])
        if names:
            noted[text] += names
    keep = (class_id >= 0) & ~np.isnan(detections.confidence)
    unscored = int(np.isnan(detections.confidence).sum())
    if unscored:
        noted["detections have no confidence and were left out"][outcome.image] += unscored
    return Predictions(
        image=np.full(int(keep.sum()), image),
        class_id=class_id[keep],
        ltwh=xyxy_to_ltwh(detections.xyxy[keep] * _scale(outcome, ground_truth.image_sizes[image], noted)),
        confidence=detections.confidence[keep],
    )


def _scale(outcome: Outcome, size: Integers, noted: Noted) -> Floats:
    """What to multiply left, top, right, bottom by, float64 [4]."""
    sent = np.array([outcome.width, outcome.height])
    if (sent == size).all() or min(*sent, *size) <= 0:
        return np.ones(4)
    if (sent == size[::-1]).all():
        noted["images were sent upright but their ground truth has width and height swapped; look at these"][
            outcome.image
        ] += 1
        return np.ones(4)
    noted["images were sent in another size than the ground truth has; their boxes were scaled"][outcome.image] += 1
    return np.tile(size / sent, 2)


def _image_index(ground_truth: GroundTruth) -> dict[str, int]:
    """Where each name is, and each base name that occurs once."""
    index = {name: image for image, name in enumerate(ground_truth.image_names)}
    bases = Counter(base_name(name) for name in ground_truth.image_names)
    for image, name in enumerate(ground_truth.image_names):
        if bases[base_name(name)] == 1:
            index.setdefault(base_name(name), image)
    return index


def _class_table(ground_truth: GroundTruth, class_map: ClassMap) -> ClassOf:
    """What finds the class that a name of the endpoint means: by the map, or else by the name itself."""
    index = _class_index(ground_truth)

    def found(name: str) -> int:
        return index.get(name, index.get(folded(name), _UNKNOWN))

    mapped = {name: _LEFT_OUT if meant is None else found(meant) for name, meant in class_map.items()}
    missing = sorted({str(class_map[name]) for name, class_id in mapped.items() if class_id == _UNKNOWN})
    if missing:
        raise BadSetting(
            f"The class map names classes that the ground truth does not have: {', '.join(missing[:_NAMED])}.",
            f"It has {len(ground_truth.class_names)}, such as {', '.join(ground_truth.class_names[:_NAMED])}.",
        )
    return lambda name: mapped.get(name, found(name))


def _class_index(ground_truth: GroundTruth) -> dict[str, int]:
    """Where each class name is, as it stands and folded. Where classes share a name, it means the most frequent."""
    names = ground_truth.class_names
    frequent = np.argsort(-np.bincount(ground_truth.class_id, minlength=len(names)), kind="stable").tolist()
    index: dict[str, int] = {}
    for key in (str, folded):
        for k in frequent:
            index.setdefault(key(names[k]), k)
    return index


def _sentence(text: str, names: Counter[str]) -> str:
    first = [f"{name} ({times})" if times > 1 else name for name, times in names.most_common(_NAMED)]
    more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return f"{names.total()} {text}: {', '.join(first + more)}."


def read_by(preset: Preset) -> Callable[[Outcome], Detections]:
    """What reads the outcomes of a run, for `judge`; it raises `BadResponse` where a reply does not fit the preset."""

    def read(outcome: Outcome) -> Detections:
        if outcome.reply is None:
            raise BadResponse(f"{outcome.image} has no reply.", "Run it again.")
        return parse(outcome.reply.body, outcome.width, outcome.height, preset)

    return read


def judge(
    ground_truth: GroundTruth,
    outcomes: Iterable[Outcome],
    parse: Callable[[Outcome], Detections],
    settings: MatchSettings = COCO,
    class_map: ClassMap | None = None,
) -> Evaluation:
    """Evaluate a run on the images that have a reply: those not called yet, or failed, are not counted as misses.

    They are left out of the evaluation's ground truth and counted in `notes`, by name. A reply that cannot be read is
    a reply without detections. Joined and noted as by `predictions_from`, which also says what `class_map` is.

    Raises:
        BadSetting: as `matching.match` and `predictions_from`.
    """
    noted: Noted = defaultdict(Counter)
    replied = (outcome for outcome in outcomes if outcome.reply is not None)
    # Joined with all of the ground truth: in a part of it, other base names would be unique.
    joined = _joined(replied, parse, ground_truth, noted, class_map)
    kept = np.isin(np.arange(len(ground_truth.image_names)), list(joined))
    for name in compress(ground_truth.image_names, ~kept):
        noted["images of the ground truth have no reply and are left out of the numbers"][name] += 1
    predictions = _concatenated(joined, noted)
    place = np.cumsum(kept) - 1
    return evaluate(of_images(ground_truth, kept), replace(predictions, image=place[predictions.image]), settings)


def of_images(ground_truth: GroundTruth, kept: NDArray[np.bool_]) -> GroundTruth:
    """The ground truth of some images, bool [I]; classes stay as they are, also those without an object."""
    objects = kept[ground_truth.image]
    place = np.cumsum(kept) - 1
    return replace(
        ground_truth,
        image_names=tuple(compress(ground_truth.image_names, kept)),
        image_ids=tuple(compress(ground_truth.image_ids, kept)),
        image_sizes=ground_truth.image_sizes[kept],
        image=place[ground_truth.image[objects]],
        class_id=ground_truth.class_id[objects],
        ltwh=ground_truth.ltwh[objects],
        area=ground_truth.area[objects],
        crowd=ground_truth.crowd[objects],
        ignore=ground_truth.ignore[objects],
    )


@dataclass(frozen=True, eq=False)
class JudgedImage:
    """One image with what each detection took at confidence 0, which holds at every threshold.

    Boxes are in pixels of the ground truth's image, whose size may differ from the frame that was sent.

    Attributes:
        detections: the N detections of the image that were joined with ground truth, class ids as the ground truth
            has them, sorted as `Detections` are.
        truth_xyxy: float64 [G, 4], the image's objects: left, top, right, bottom.
        truth_class_id: int64 [G].
        truth_ignored: bool [G], objects that need not be found.
        taken: int64 [N], the object that each detection took as index into the G objects, or -1.
        ignored: bool [N], detections that count neither way, those beyond the most that an image and class may have
            among them.
        choices: int64 [P, 2], what each detection may take, in the order in which it is tried, as `matching.choices`
            gives it: enough to match again without some of the detections.
        truth_crowd: bool [G], objects that any number of detections may take.
        uncounted: bool [N], detections whose size is outside the area range: they count neither way without an object.
        most: so many detections of a class are matched.
    """

    detections: Detections
    truth_xyxy: Floats
    truth_class_id: Integers
    truth_ignored: NDArray[np.bool_]
    taken: Integers
    ignored: NDArray[np.bool_]
    choices: Integers
    truth_crowd: NDArray[np.bool_]
    uncounted: NDArray[np.bool_]
    most: int

    def __post_init__(self) -> None:
        for column in vars(self).values():
            if isinstance(column, np.ndarray):
                column.setflags(write=False)


def judged_image(evaluation: Evaluation, image: int, iou: float = 0.5) -> JudgedImage:
    """What one image's detections and objects are to each other; `image` is its index in the evaluation's ground truth.

    Raises:
        BadSetting: when there is no such image, or nothing was matched at the IoU.
    """
    matches = evaluation.matches
    predictions, truth = matches.predictions, matches.ground_truth
    if not 0 <= image < len(truth.image_names):
        raise BadSetting(f"There is no image {image}.", f"Choose from 0 to {len(truth.image_names) - 1}.")
    rows = np.flatnonzero(predictions.image == image)
    rows = rows[np.argsort(-predictions.confidence[rows], kind="stable")]  # as `Detections` sorts them
    objects = np.flatnonzero(truth.image == image)
    taken = np.full(len(predictions), -1)
    ignored = np.ones(len(predictions), np.bool_)  # stays so for detections that were too many to be matched
    taken[matches.prediction], ignored[matches.prediction] = matches.taken(iou), matches.ignored(iou)
    return JudgedImage(
        detections=Detections(
            ltwh_to_xyxy(predictions.ltwh[rows]),
            predictions.confidence[rows],
            predictions.class_id[rows],
            truth.class_names,
        ),
        truth_xyxy=ltwh_to_xyxy(truth.ltwh[objects]),
        truth_class_id=truth.class_id[objects],
        truth_ignored=matches.ground_truth_ignored()[objects],
        taken=np.where(taken[rows] >= 0, np.searchsorted(objects, taken[rows]), -1),
        ignored=ignored[rows],
        choices=choices(matches, rows, objects, iou),
        truth_crowd=truth.crowd[objects],
        uncounted=_uncounted(matches, rows),
        most=matches.settings.max_detections[-1],
    )


def _uncounted(matches: Matches, rows: Integers) -> NDArray[np.bool_]:
    _, low, high = matches.settings.areas[0]
    area = matches.predictions.ltwh[rows, 2] * matches.predictions.ltwh[rows, 3]
    uncounted: NDArray[np.bool_] = (area < low) | (area > high)
    return uncounted
