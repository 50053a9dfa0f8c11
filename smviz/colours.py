"""Colours for classes and for judgements, safe for colour-blind eyes. Pure: names in, "#rrggbb" out.

The base is the palette of Okabe and Ito, "Color Universal Design" (2008), https://jfly.uni-koeln.de/color/, with a
light grey in the place of black, which vanishes on dark pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#3D7DFF", "#D55E00", "#CC79A7", "#DDDDDD")

# Shares of white (> 0) or black (< 0) mixed into the base, one per round of eight; the first rounds differ most.
SHADES = (0.0, 0.55, -0.45, 0.3, -0.25, 0.75, -0.62, 0.42, -0.35, 0.16)

MARKS = {"tp": "#009E73", "fp": "#D55E00", "fn": "#56B4E9"}


def class_colours(class_names: Sequence[str]) -> dict[str, str]:
    """A colour for every class name, by its place in the list.

    The first 8 are told apart by colour-blind eyes too, the first 80 are different, and from there on they repeat.
    """
    return {name: _colour(place) for place, name in enumerate(dict.fromkeys(class_names))}


def text_on(colour: str) -> str:
    """The text colour, "#000000" or "#ffffff", that has the higher contrast on `colour` ("#rrggbb").

    Contrast is that of WCAG 2.2, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio.
    """
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "#ffffff"


def _colour(place: int) -> str:
    base = OKABE_ITO[place % len(OKABE_ITO)]
    shade = SHADES[place // len(OKABE_ITO) % len(SHADES)]
    target = 255 if shade > 0 else 0
    return "#" + "".join(f"{round(c + (target - c) * abs(shade)):02X}" for c in _channels(base))


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
