"""What an annotation format is to the rest of this package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from smviz.annotations.documents import Document
from smviz.annotations.files import Files
from smviz.records import GroundTruth


@dataclass(frozen=True, slots=True)
class Format:
    """An annotation format.

    Attributes:
        name: what it is called, in kebab-case.
        doc: one line for a person.
        content: by what in its content it is recognised, one line for a person.
        one_file: whether one file holds the whole data set; else there is a file for each image.
        recognise: why a document looks like this format, in words for a person; None when it does not.
        read: the ground truth in the files of a source; raises `BadAnnotations` when no image in it can be used.
    """

    name: str
    doc: str
    content: str
    one_file: bool
    recognise: Callable[[Document], str | None]
    read: Callable[[Files], GroundTruth]
