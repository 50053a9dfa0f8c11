"""Do images and annotations belong together?"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

from smviz.datasets.findings import Finding, first, told
from smviz.errors import SmvizError
from smviz.names import base_name
from smviz.records import GroundTruth
from smviz.sources import SourceFile


def joined_images(names: Sequence[str], ground_truth: GroundTruth) -> Iterator[Finding]:
    """Images without annotations, and the reverse, joined as a run is: by name, or base name where it is unique."""
    truth_names = ground_truth.image_names
    if not names:
        yield Finding("no images", "error", "There are no images to send.", ())
        return
    place = _joined(names, truth_names)
    sent, annotated = {at for at in place if at >= 0}, set(ground_truth.image.tolist())
    if not sent:
        such = f"such as {names[0]!r}; it has {first(truth_names) or 'none at all'}"
        sentence = f"The ground truth has none of the {len(names)} images, {such}."
        yield Finding("no common image", "error", sentence, tuple(names))
        return
    yield from told(
        "image without annotations",
        "warning",
        "Images that the ground truth does not list",
        "They are not judged.",
        [name for name, at in zip(names, place, strict=True) if at < 0],
    )
    yield from told(
        "annotations without image",
        "warning",
        "Annotated images without a file",
        "Their objects are not judged.",
        [truth_names[at] for at in sorted(annotated - sent)],
    )
    yield from told(
        "image without objects",
        "note",
        "Images without an object",
        "Whatever is detected there counts as wrong.",
        [truth_names[at] for at in sorted(sent - annotated)],
    )
    yield from _same_base_names(names, place, truth_names)


def copies(files: Sequence[SourceFile], read: Callable[[SourceFile], bytes]) -> Iterator[Finding]:
    """Images that are there twice under different names; only files of equal size are read."""
    times = Counter(file.size for file in files)
    groups: defaultdict[bytes, list[str]] = defaultdict(list)
    unreadable = []
    for file in files:
        if file.size >= 0 and times[file.size] > 1:
            try:
                groups[hashlib.sha256(read(file)).digest()].append(file.name)
            except SmvizError:
                unreadable.append(file.name)
    yield from told(
        "same image",
        "warning",
        "Images that are there more than once, byte for byte",
        "Each is called and counted.",
        [name for group in groups.values() if len(group) > 1 for name in group],
    )
    yield from told("unreadable", "warning", "Images that cannot be read", "They will fail.", unreadable)


def _joined(names: Sequence[str], truth_names: Sequence[str]) -> list[int]:
    """The image of the ground truth that each name means; -1 where it has none."""
    index = {name: at for at, name in enumerate(truth_names)}
    times = Counter(map(base_name, truth_names))
    bases = {base_name(name): at for at, name in enumerate(truth_names) if times[base_name(name)] == 1}
    return [index.get(name, bases.get(base_name(name), -1)) for name in names]


def _same_base_names(names: Sequence[str], place: Sequence[int], truth_names: Sequence[str]) -> Iterator[Finding]:
    times = Counter(map(base_name, names))
    repeated = [(name, at) for name, at in zip(names, place, strict=True) if times[base_name(name)] > 1]
    exact = all(at >= 0 and truth_names[at] == name for name, at in repeated)
    yield from told(
        "same base name",
        "note" if exact else "warning",
        "Images that share a base name in different folders",
        "The ground truth tells them apart."
        if exact
        else "The ground truth cannot tell them apart: name its images with their folders.",
        [name for name, _ in repeated],
    )
