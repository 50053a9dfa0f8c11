"""A report from an evaluation: the HTML file, and the same numbers as JSON."""

from __future__ import annotations

from dataclasses import dataclass

from smviz.choosing import Choice
from smviz.diagnosis import CrossPairs
from smviz.intervals import Bootstrap
from smviz.reporting.document import report_document, to_json
from smviz.reporting.findings import Progress, find
from smviz.reporting.page import page
from smviz.reporting.pictures import Read, WorstImage, names_sent, worst_images, worst_rows
from smviz.reporting.subject import Options, Subject


@dataclass(frozen=True, slots=True)
class Report:
    """The two files, as they are to be written.

    Attributes:
        html: readable by itself.
        json: the same numbers, in full precision.
    """

    html: bytes
    json: bytes


def make_report(
    subject: Subject,
    options: Options,
    read: Read,
    progress: Progress = lambda share: None,
    bootstrap: Bootstrap | None = None,
    choice: Choice | None = None,
    near: CrossPairs | None = None,
) -> Report:
    """Make a report; what an image cannot be shown for stands in its place.

    Args:
        subject: what it is about.
        options: what a person chose.
        read: the bytes of an image file, by the name that the run has for it; it may raise any `SmvizError`.
        progress: called with the share of the work that is done, up to 1; what it raises ends the work.
        bootstrap: of these matches, where it is at hand; so `choice`, for the objective and IoU, and `near`.

    Raises:
        BadSetting: when nothing was matched at the IoU.
    """
    found = find(subject, options, lambda share: progress(0.9 * share), bootstrap, choice, near)
    rows = worst_rows(subject.evaluation, found.at, options.worst)
    sent = names_sent(subject.outcomes)
    worst: list[WorstImage] = []
    for one in worst_images(subject.evaluation, found.at, rows, options.images, lambda name: read(sent(name))):
        worst.append(one)
        progress(0.9 + 0.1 * len(worst) / len(rows))
    document = report_document(found, [(row.name, row.tp, row.fp, row.fn) for row in rows])
    text = page(document, found.matches.ground_truth.class_names, worst)
    progress(1.0)
    return Report(text.encode("utf-8", "replace"), to_json(document).encode("utf-8"))
