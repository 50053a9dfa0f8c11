"""The check of a data set before a run is paid for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from smviz.datasets.classes import joined_classes, rare_classes
from smviz.datasets.findings import SEVERITIES, Finding, first
from smviz.datasets.images import copies, joined_images
from smviz.datasets.mapping import ClassMap
from smviz.datasets.objects import doubles, unsound_boxes
from smviz.records import GroundTruth
from smviz.sources import SourceFile


@dataclass(frozen=True, slots=True)
class DataSetCheck:
    """What was found, the most serious first."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether anything can be judged: there is no error among the findings."""
        return all(finding.severity != "error" for finding in self.findings)


def check(
    images: Iterable[str | SourceFile],
    ground_truth: GroundTruth,
    class_names: Collection[str] = (),
    class_map: ClassMap | None = None,
    read: Callable[[SourceFile], bytes] | None = None,
) -> DataSetCheck:
    """Everything about a data set that can be told before the endpoint is called.

    Images and classes are joined as `evaluation.judge` joins them.

    Args:
        images: the names of the images to send, or their files.
        ground_truth: their annotations.
        class_names: the classes of the endpoint; empty where they are not known, then classes are not compared.
        class_map: what the endpoint's class names mean, as `evaluation.judge` takes it.
        read: reads a file, to find images that are there twice; only files of equal size are read. None: not looked
            for.
    """
    given = list(images)
    found = [
        *joined_images([image if isinstance(image, str) else image.name for image in given], ground_truth),
        *joined_classes(ground_truth, tuple(dict.fromkeys(class_names)), class_map or {}),
        *_skipped_records(ground_truth),
        *unsound_boxes(ground_truth),
        *doubles(ground_truth),
        *(copies([image for image in given if isinstance(image, SourceFile)], read) if read else ()),
        *rare_classes(ground_truth),
    ]
    return DataSetCheck(tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))))


def _skipped_records(ground_truth: GroundTruth) -> Iterator[Finding]:
    skipped = ground_truth.skipped
    if skipped:
        named = first((str(record).rstrip(".") for record in skipped), "; ")
        sentence = f"Records that could not be used: {len(skipped)} ({named}). What they label is not judged."
        yield Finding("skipped record", "warning", sentence, tuple(dict.fromkeys(record.file for record in skipped)))
