"""Reply bytes and a preset to detections."""

from __future__ import annotations

from smviz.errors import BadSetting
from smviz.records import Detections
from smviz.responses.reading import Parsed, resolve
from smviz.responses.registry import find_format, settings_of
from smviz.settings import Preset


def parse(body: bytes, width: int, height: int, preset: Preset) -> Detections:
    """The detections in a reply, sorted by descending confidence. Nothing is thresholded or clipped.

    Args:
        body: the reply, as it came.
        width: pixels of the image that was sent.
        height: pixels of the image that was sent.
        preset: the response format, its options and the class names.

    Raises:
        BadResponse: the reply does not hold what the format promises.
        BadSetting: the preset names a format, option or value that does not exist, or the size is no size.
    """
    return parse_in_order(body, width, height, preset).detections()


def parse_in_order(body: bytes, width: int, height: int, preset: Preset) -> Parsed:
    """As `parse`, in the order of the reply."""
    check_size(width, height)
    settings = settings_of(preset)
    form = find_format(preset.format)
    reading = form.reader(form.decode(body), settings)
    return resolve(reading, width, height, settings, preset.class_names)


def check_size(width: int, height: int) -> None:
    """Raises BadSetting unless both are sizes in pixels."""
    if not (1 <= width <= 1_000_000 and 1 <= height <= 1_000_000):
        raise BadSetting(f"An image cannot be {width} x {height} pixels.", "Give the size of the image that was sent.")
