"""Ground truth put together record by record, for the formats that have a class name or id at each object."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from smviz.annotations.fields import Corners, Unusable, clean, listed
from smviz.annotations.files import Files
from smviz.errors import BadAnnotations
from smviz.records import GroundTruth, Skipped

Class = tuple[int | str | None, str | None]

_MOST_REASONS = 8


class Assembly:
    """A data set in the making.

    Images keep the order in which they are added. Classes are in the order of their ids where the format has ids, and
    of their names otherwise; where one id has several names in one set, the names are what tells classes apart.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self._records: set[str] = set()
        self._paths: dict[str, None] = {}
        self._names: list[str] = []
        self._ids: list[int | str] = []
        self._sizes: list[tuple[int, int]] = []
        self._classes: dict[Class, int] = {}
        self._image: list[int] = []
        self._class: list[int] = []
        self._ltwh: list[Corners] = []
        self._crowd: list[bool] = []
        self._ignore: list[bool] = []
        self._skipped: list[Skipped] = []
        self._notes: Counter[str] = Counter()

    def image(
        self, name: str, identity: int | str | None = None, pixels: tuple[int, int] = (0, 0), folder: str = ""
    ) -> int:
        """Add an image and give its number.

        Args:
            name: as the format has it.
            identity: what the format calls it; the name where it has nothing else.
            pixels: width and height; (0, 0) where the format does not tell, and then the image itself is asked.
            folder: what goes before the name when the set has several images of that name.

        Raises:
            Unusable: when it has been added before.
        """
        record = clean(f"{folder}/{name}" if folder else name)
        if record in self._records:
            raise Unusable("it is another record of an image; the first one counts")
        self._records.add(record)
        file = self.files.images.of_name(name, f"{folder}/")
        self._paths[file.name if file and file.name not in self._paths else record] = None
        self._names.append(clean(name))
        self._ids.append(self._names[-1] if identity is None else identity)
        self._sizes.append(pixels if all(pixels) else self.files.images.size(name, f"{folder}/"))
        return len(self._names) - 1

    def category(self, identity: int | str | None, name: str | None) -> int:
        """A class's number for `box`; it is part of the data set even when no object has it."""
        return self._classes.setdefault((identity, name), len(self._classes))

    def box(self, image: int, category: int, ltwh: Corners, crowd: bool = False, ignore: bool = False) -> None:
        """Add an object."""
        self._image.append(image)
        self._class.append(category)
        self._ltwh.append(ltwh)
        self._crowd.append(crowd)
        self._ignore.append(ignore)

    def leave_out(self, file: str, where: str, why: str) -> None:
        """Name a record that is not used."""
        self._skipped.append(Skipped(file, where, why))

    @contextmanager
    def leaving_out(self, file: str, where: str = "") -> Iterator[None]:
        """Names the record, and goes on after it, when something in it is unusable."""
        try:
            yield
        except Unusable as error:
            self.leave_out(file, where, str(error))

    def note(self, text: str) -> None:
        """Tell something about the reading; the same text again counts, and stands in the notes once as "2 text"."""
        self._notes[text] += 1

    def pixels(self, image: int) -> tuple[int, int]:
        """Width and height of an image."""
        return self._sizes[image]

    @property
    def images(self) -> int:
        """How many images there are so far."""
        return len(self._names)

    def ground_truth(self, *told: str) -> GroundTruth:
        """All that was added; `told` are notes of the format's own.

        Raises:
            BadAnnotations: when there is no image.
        """
        skipped = (*self.files.unreadable, *self._skipped)
        if not self._names:
            raise no_image(self.files.label, skipped)
        identities, names, of, notes = _classes(list(self._classes))
        names_of_images = _unique(self._names, list(self._paths))
        ltwh = np.array(self._ltwh, np.float64).reshape(-1, 4)
        return GroundTruth(
            image_names=names_of_images,
            image_ids=tuple(self._ids) if len(set(self._ids)) == len(self._ids) else names_of_images,
            image_sizes=np.array(self._sizes),
            class_names=names,
            category_ids=identities,
            image=np.array(self._image, np.int64),
            class_id=np.array(of, np.int64)[self._class] if self._class else np.zeros(0, np.int64),
            ltwh=ltwh,
            area=ltwh[:, 2] * ltwh[:, 3],
            crowd=np.array(self._crowd, np.bool_),
            ignore=np.array(self._ignore, np.bool_),
            notes=(
                *told,
                *(f"{times} {text}" for text, times in self._notes.items()),
                *notes,
                *counted(skipped),
            ),
            skipped=skipped,
        )


def no_image(label: str, skipped: Sequence[Skipped]) -> BadAnnotations:
    """What to raise when nothing of a source can be used."""
    reasons = listed((str(record) for record in skipped), most=3)
    return BadAnnotations(
        f"{label} holds no image that can be used{': ' if reasons else ''}{reasons}.",
        "Check that it is the right file and format, and that the images are with it where sizes are needed.",
    )


def counted(skipped: Sequence[Skipped]) -> tuple[str, ...]:
    """A note for each reason why records were left out, the most frequent first."""
    reasons = Counter(record.why for record in skipped).most_common()
    notes = [f"{times} records were left out: {why}." for why, times in reasons[:_MOST_REASONS]]
    rest = sum(times for _, times in reasons[_MOST_REASONS:])
    return (*notes, f"{rest} records were left out for other reasons.") if rest else tuple(notes)


def _unique(names: Sequence[str], full: Sequence[str]) -> tuple[str, ...]:
    """The names, with the folder before those that are not unique without it."""
    times, taken = Counter(names), set(full)
    return tuple(
        name if times[name] == 1 and (name == whole or name not in taken) else whole
        for name, whole in zip(names, full, strict=True)
    )


def _classes(found: list[Class]) -> tuple[tuple[int | str, ...], tuple[str, ...], list[int], list[str]]:
    """Ids, names, the place of each class that was found in them, and notes."""
    names_of: dict[int | str | None, set[str]] = defaultdict(set)
    for identity, name in found:
        names_of[identity] |= {name} if name is not None else set()
    called = [name or (min(names_of[identity], default=f"class {identity}")) for identity, name in found]
    if any(identity is None for identity, _ in found) or any(len(names) > 1 for names in names_of.values()):
        return _by_name(found, called, names_of)
    order = sorted(names_of, key=lambda identity: (isinstance(identity, str), identity))
    place = {identity: at for at, identity in enumerate(order)}
    name_of = {identity: name for (identity, _), name in zip(found, called, strict=True)}
    names = tuple(name_of[identity] for identity in order)
    nameless = listed(str(identity) for identity in order if not names_of[identity])
    repeated = len(names) - len(set(names))
    notes = [f"The set does not name these classes, which are called by their id: {nameless}."] * bool(nameless)
    notes += [f"{repeated} classes repeat a name; they stay apart."] * bool(repeated)
    return tuple(i for i in order if i is not None), names, [place[identity] for identity, _ in found], notes


def _by_name(
    found: list[Class], called: list[str], names_of: dict[int | str | None, set[str]]
) -> tuple[tuple[str, ...], tuple[str, ...], list[int], list[str]]:
    names = tuple(sorted(set(called)))
    mixed = [identity for identity, of in names_of.items() if identity is not None and len(of) > 1]
    place = {name: at for at, name in enumerate(names)}
    notes = []
    if mixed:
        example = listed(sorted(names_of[mixed[0]]))
        notes.append(
            f"{len(mixed)} class ids have several names (id {mixed[0]}: {example}); classes are told apart by name."
        )
    return names, names, [place[name] for name in called], notes
