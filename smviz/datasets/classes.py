"""Do the endpoint's classes and those of the ground truth belong together?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from smviz.datasets.findings import Finding, first, told
from smviz.datasets.mapping import ClassMap
from smviz.names import folded
from smviz.records import GroundTruth

FEW_OBJECTS = 30  # below it, the 95 % interval of a recall of one half reaches further than 0.18 to either side


def rare_classes(ground_truth: GroundTruth) -> Iterator[Finding]:
    """Classes with too few objects to tell anything, and with none."""
    few = {name: count for name, count in _objects(ground_truth).items() if count < FEW_OBJECTS}
    if few:
        named = first(f"{name}: {count}" for name, count in few.items())
        sentence = f"Classes with fewer than {FEW_OBJECTS} objects: {len(few)} ({named}). Their numbers say little."
        yield Finding("few objects", "note", sentence, tuple(few))


def joined_classes(ground_truth: GroundTruth, class_names: tuple[str, ...], class_map: ClassMap) -> Iterator[Finding]:
    """Classes without a counterpart, joined as a run is: by the map, or else by name, whatever the case."""
    truth = _objects(ground_truth)
    means = _meaning(truth)
    yield from told(
        "unknown mapped class",
        "error",
        "Classes of the class map that the ground truth does not have",
        "Map to its classes, or to none.",
        sorted({other for other in class_map.values() if other is not None and means(other) is None}),
    )
    if not class_names:
        return
    meant = {name: class_map.get(name, name) for name in class_names}
    known = {name: means(other) if other is not None else None for name, other in meant.items()}
    unseen = [name for name in truth if name not in known.values()]
    if len(unseen) == len(truth):
        sentence = f"No class of the endpoint ({first(class_names)}) means one of the ground truth's ({first(truth)})."
        yield Finding("no common class", "error", sentence, class_names)
        return
    yield from told(
        "class never seen",
        "warning",
        "Classes that the endpoint does not know",
        "All their objects count as missed.",
        [name for name in unseen if truth[name]],
    )
    yield from told(
        "class not annotated",
        "note",
        "Classes of the endpoint that the ground truth lacks",
        "Their detections are left out.",
        [name for name, other in known.items() if other is None],
    )


def _objects(ground_truth: GroundTruth) -> dict[str, int]:
    """How many objects must be found of each class; classes that share a name are one."""
    counted = ground_truth.class_id[~(ground_truth.crowd | ground_truth.ignore)]
    objects: dict[str, int] = {}
    counts = np.bincount(counted, minlength=len(ground_truth.class_names)).tolist()
    for name, count in zip(ground_truth.class_names, counts, strict=True):
        objects[name] = objects.get(name, 0) + count
    return objects


def _meaning(truth: Mapping[str, int]) -> Callable[[str], str | None]:
    """What finds the ground truth's class for a name; of those alike but for the case, the most frequent."""
    known: dict[str, str] = {}
    for name in sorted(truth, key=lambda name: -truth[name]):
        known.setdefault(folded(name), name)
    return lambda name: name if name in truth else known.get(folded(name))
