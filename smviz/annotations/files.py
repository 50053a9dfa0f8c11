"""The files of a source, told apart: images, whose sizes can be asked for, and the others, which may be annotations."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from PIL import ExifTags, Image

from smviz.annotations.documents import Document
from smviz.annotations.fields import size
from smviz.errors import BadSource
from smviz.images import FORMATS
from smviz.records import Skipped
from smviz.sources import IMAGE_SUFFIXES, Source, SourceFile

ImageSize = Callable[[str], tuple[int, int] | None]

_SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".bmp", ".webp", ".tif", ".tiff")
_LOOKED_AT = 20  # files of each suffix that recognising a format looks at


class Images:
    """The images of a source, found by the names that annotations call them by."""

    def __init__(self, files: list[SourceFile], image_size: ImageSize | None) -> None:
        self.files = files
        self._image_size = image_size
        self._asked: dict[str, tuple[int, int] | None] = {}
        self._by_base: dict[str, list[SourceFile]] = defaultdict(list)
        self._by_stem: dict[str, list[SourceFile]] = defaultdict(list)
        for file in files:
            path = PurePosixPath(file.name)
            self._by_base[path.name].append(file)
            self._by_stem[path.stem].append(file)

    def of_stem(self, stem: str, beside: str) -> SourceFile | None:
        """The image with that name without suffix; of several the one whose folders are most like those of `beside`."""
        return _nearest(self._by_stem.get(stem, []), beside)

    def of_name(self, name: str, beside: str) -> SourceFile | None:
        """The image with that name, or with its last part; of several the one that is nearest to `beside`."""
        named = self._by_base.get(PurePosixPath(name).name, [])
        return next((file for file in named if file.name == name), None) or _nearest(named, f"{beside}{name}")

    def size(self, name: str, beside: str = "") -> tuple[int, int]:
        """Width and height in pixels of the upright image of that name; (0, 0) when nobody knows."""
        file = self.of_name(name, beside)
        return (_header_size(file) if file else None) or self._ask(name) or (0, 0)

    def name_and_size(self, stem: str, beside: str, suffix: str = ".jpg") -> tuple[str, tuple[int, int]]:
        """The name of the image that annotations know without its suffix, and its size; (0, 0) when nobody knows."""
        file = self.of_stem(stem, beside)
        if file is not None:
            base = PurePosixPath(file.name).name
            return base, _header_size(file) or self._ask(base) or (0, 0)
        for name in dict.fromkeys(stem + each for each in (suffix, *_SUFFIXES, "")):
            known = self._ask(name)
            if known:
                return name, known
        return stem + suffix, (0, 0)

    def _ask(self, name: str) -> tuple[int, int] | None:
        if self._image_size and name not in self._asked:
            known = self._image_size(name)
            self._asked[name] = known and size(*known)
        return self._asked.get(name)


class Files:
    """The files of a source.

    Attributes:
        label: what messages call the source.
        images: those that are images by their suffix.
        unreadable: the others that could not be read, each named; known after `documents` has gone through.
    """

    def __init__(self, source: Source, image_size: ImageSize | None = None) -> None:
        every = sorted(source, key=lambda file: file.name)
        self.label = source.label
        self.images = Images([file for file in every if _is_image(file)], image_size)
        self.unreadable: list[Skipped] = []
        self._others = [file for file in every if not _is_image(file)]
        self._looked_at: dict[str, Document] = {}

    def documents(self) -> Iterator[Document]:
        """Every file that is no image, in the order of their names."""
        self.unreadable.clear()
        for file in self._others:
            document = self._looked_at.get(file.name) or self._read(file)
            if document is not None:
                yield document

    def some(self) -> list[Document]:
        """A few files of each suffix, spread evenly, empty ones last: what recognising a format looks at."""
        groups: dict[str, list[SourceFile]] = defaultdict(list)
        for file in sorted(self._others, key=lambda file: file.size == 0):
            groups[PurePosixPath(file.name).suffix.lower()].append(file)
        for group in groups.values():
            for file in group[:: max(len(group) // _LOOKED_AT, 1)][:_LOOKED_AT]:
                if file.name not in self._looked_at and (document := self._read(file)):
                    self._looked_at[file.name] = document
        return list(self._looked_at.values())

    def _read(self, file: SourceFile) -> Document | None:
        try:
            return Document(file.name, file.read())
        except BadSource as error:
            self.unreadable.append(Skipped(file.name, "", error.message))
            return None


def _is_image(file: SourceFile) -> bool:
    return PurePosixPath(file.name).suffix.lower() in IMAGE_SUFFIXES


def _nearest(files: list[SourceFile], beside: str) -> SourceFile | None:
    """The file that shares the most folder names with another path, as images/val/1.jpg does with labels/val/1.txt."""
    folders = set(PurePosixPath(beside).parts[:-1])
    return max(files, key=lambda file: len(folders & set(PurePosixPath(file.name).parts[:-1])), default=None)


def _header_size(file: SourceFile) -> tuple[int, int] | None:
    """Width and height after EXIF orientation, from the header alone; None when it is no image after all."""
    try:
        image = Image.open(io.BytesIO(file.read()), formats=FORMATS)
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in range(5, 9)
    except BadSource:
        return None
    except Exception:  # Pillow lets through what its decoders meet; a broken image tells no size
        return None
    return (image.height, image.width) if turned else (image.width, image.height)
