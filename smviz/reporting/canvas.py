"""A chart as inline SVG: two axes and the shapes in them. Colours are the page's, so it is light or dark as that is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from smviz.reporting.markup import tag, text


@dataclass(frozen=True, slots=True)
class Axis:
    """One side of a chart.

    Attributes:
        label: what it measures.
        low, high: the values at its ends.
        ticks: the values that are marked, each with its text.
        place: from a value to a share of the axis; linear where it is None.
    """

    label: str
    low: float = 0.0
    high: float = 1.0
    ticks: tuple[tuple[float, str], ...] = tuple((tenth / 10, f"{tenth / 10:.1f}") for tenth in range(0, 11, 2))
    place: Callable[[float], float] | None = None

    def share(self, value: float) -> float:
        """Where a value is, from 0 at the lower end to 1."""
        if self.place:
            return self.place(value)
        return (value - self.low) / ((self.high - self.low) or 1.0)


@dataclass
class Chart:
    """A chart in the making, in user units; it is as wide as its place on the page.

    Attributes:
        title, about: for those who cannot see it: what it is, and what it shows.
        left, right, top, bottom: units between the frame and the axes.
    """

    title: str
    about: str
    x: Axis
    y: Axis
    width: float = 560.0
    height: float = 320.0
    left: float = 48.0
    right: float = 14.0
    top: float = 12.0
    bottom: float = 42.0
    _shapes: list[str] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point is, in user units."""
        across, down = self.width - self.left - self.right, self.height - self.top - self.bottom
        return self.left + self.x.share(x) * across, self.height - self.bottom - self.y.share(y) * down

    def line(self, xs: Sequence[float], ys: Sequence[float | None], look: str, **more: object) -> None:
        """A line through points; it breaks where one is undefined."""
        parts, pen = [], "M"
        for x, y in zip(xs, ys, strict=True):
            if y is None or math.isnan(y):
                pen = "M"
                continue
            across, down = self.at(x, y)
            parts.append(f"{pen}{across:.1f} {down:.1f}")
            pen = "L"
        if parts:
            self._shapes.append(tag("path", d=" ".join(parts), class_=f"line {look}", **more))

    def bar(self, x0: float, x1: float, y0: float, y1: float, style: str, told: str) -> None:
        """A rectangle between two points of each axis, with words for who points at it."""
        (left, low), (right, high) = self.at(x0, y0), self.at(x1, y1)
        left, right, low, high = min(left, right), max(left, right), min(low, high), max(low, high)
        size = {"x": f"{left:.1f}", "y": f"{low:.1f}", "width": f"{right - left:.1f}", "height": f"{high - low:.1f}"}
        self._shapes.append(tag("rect", tag("title", text(told)), class_=f"bar {style}", **size))

    def dot(self, x: float, y: float, told: str, **more: object) -> None:
        """A point, with words for who points at it."""
        across, down = self.at(x, y)
        self._shapes.append(
            tag("circle", tag("title", text(told)), cx=f"{across:.1f}", cy=f"{down:.1f}", r=5, class_="dot", **more)
        )

    def upright(self, x: float, style: str, told: str = "", row: int = 0) -> None:
        """A line from bottom to top, with words beside its upper end."""
        across, _ = self.at(x, self.y.low)
        ends = {"x1": f"{across:.1f}", "x2": f"{across:.1f}", "y1": self.top, "y2": self.height - self.bottom}
        self._shapes.append(tag("line", class_=f"upright {style}", **ends))
        if told:
            beside = across < self.width * 0.6
            place = {"x": f"{across + (6 if beside else -6):.1f}", "y": self.top + 12 + 15 * row}
            self._shapes.append(
                tag("text", text(told), class_=f"told {style}", text_anchor="start" if beside else "end", **place)
            )

    def words(self, x: float, y: float, told: str, anchor: str = "start", style: str = "") -> None:
        """Text at a place in user units."""
        self._shapes.append(
            tag("text", text(told), x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=f"told {style}".strip())
        )

    def raw(self, shape: str) -> None:
        """A shape that was made elsewhere."""
        self._shapes.append(shape)

    def svg(self) -> str:
        """The whole chart."""
        return picture(self.title, self.about, self.width, self.height, (*self._axes(), *self._shapes), "chart")

    def _axes(self) -> Iterable[str]:
        foot, side = self.height - self.bottom, self.width - self.right
        for value, label in self.y.ticks:
            _, down = self.at(self.x.low, value)
            yield tag("line", x1=self.left, x2=side, y1=f"{down:.1f}", y2=f"{down:.1f}", class_="grid")
            yield tag("text", text(label), x=self.left - 8, y=f"{down + 4:.1f}", text_anchor="end", class_="tick")
        for value, label in self.x.ticks:
            across, _ = self.at(value, self.y.low)
            yield tag("line", x1=f"{across:.1f}", x2=f"{across:.1f}", y1=self.top, y2=foot, class_="grid")
            yield tag("text", text(label), x=f"{across:.1f}", y=foot + 16, text_anchor="middle", class_="tick")
        middle = (self.left + side) / 2
        yield tag("text", text(self.x.label), x=f"{middle:.1f}", y=self.height - 6, text_anchor="middle", class_="axis")
        if self.y.label:
            place = f"translate(12 {(self.top + foot) / 2:.1f}) rotate(-90)"
            yield tag("text", text(self.y.label), transform=place, text_anchor="middle", class_="axis")


def picture(title: str, about: str, width: float, height: float, shapes: Iterable[str], style: str) -> str:
    """An SVG that tells those who cannot see it what it shows."""
    return tag(
        "svg",
        tag("title", text(title)),
        tag("desc", text(about)),
        *shapes,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=f"{title}. {about}",
        class_=style,
        style=f"max-width:{width:g}px" if "matrix" in style else "",
    )


def counted(highest: float) -> tuple[float, ...]:
    """About four round values from 0 up to a count or a duration."""
    if highest <= 0:
        return (0.0,)
    step = 10.0 ** math.floor(math.log10(highest / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if highest / (factor * step) <= 5)
    return tuple(step * i for i in range(int(highest / step) + 1))
