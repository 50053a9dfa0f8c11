"""The charts of a report, each from its part of the JSON document."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from smviz.colours import class_colours
from smviz.reporting.canvas import Axis, Chart, counted, picture
from smviz.reporting.markup import short, tag, text

Part = Mapping[str, Any]

MOST_WRITTEN = 12  # classes of a confusion matrix that is drawn
_DASHES = ("", "7 4", "2 3", "9 3 2 3")  # with the colour, a second cue


def threshold_chart(curves: Part, chosen: float, thresholds: Part) -> str:
    """Precision, recall and F1 against confidence, the flat region and the threshold."""
    best = thresholds["global"]["threshold"]
    about = f"At IoU {curves['iou']:.2f}, over all classes; the line stands at the threshold {chosen:.3f}."
    chart = Chart("Precision, recall and F1 against confidence", about, Axis("Confidence"), Axis("Value"))
    if thresholds["global"]["flat"] is not None:
        low, high = thresholds["global"]["flat"]
        told = f"little changes from {low:.3f} to {high:.3f}"
        chart.bar(max(low, 0.0), min(high, 1.0), 0, 1, "flat", told)
    for rate in ("precision", "recall", "f1"):
        chart.line(curves["confidence"], curves[rate], rate)
    chart.upright(chosen, "chosen", f"threshold {chosen:.3f}")
    if best is not None and abs(best - chosen) > 0.0005:
        chart.upright(best, "best", f"best for {thresholds['objective']}: {best:.3f}", row=1)
    return chart.svg()


def precision_recall_chart(curves: Part, classes: Sequence[Part], names: Sequence[str]) -> str:
    """Precision against recall of each class, with a dot where the class stands at the threshold."""
    about = f"At IoU {curves['iou']:.2f}: the precision that average precision averages, by class."
    chart = Chart("Precision and recall", about, Axis("Recall"), Axis("Precision"))
    colours, rows = class_colours(names), {row["class_name"]: row for row in classes}
    recalls = [step / 100 for step in range(101)]
    for place, curve in enumerate(curves["precision_at_recalls"]):
        name = curve["class_name"]
        style = {"style": f"--c:{colours[name]}"}
        dash = _DASHES[place % len(_DASHES)]
        chart.line(recalls, curve["precision"], "of-class", stroke_dasharray=dash, **style)
        row = rows[name]
        if row["recall"] is not None and row["precision"] is not None:
            told = f"{name} at the threshold: recall {row['recall']:.3f}, precision {row['precision']:.3f}"
            chart.dot(row["recall"], row["precision"], told, **style)
    return chart.svg()


def class_key(curves: Part, names: Sequence[str]) -> str:
    """The key of `precision_recall_chart`."""
    colours = class_colours(names)
    items = []
    for place, curve in enumerate(curves["precision_at_recalls"]):
        name = curve["class_name"]
        dash = _DASHES[place % len(_DASHES)]
        line = tag("path", d="M0 5H26", class_="line of-class", stroke_dasharray=dash, style=f"--c:{colours[name]}")
        items.append(tag("li", tag("svg", line, viewBox="0 0 26 10", class_="sample", aria_hidden="true"), text(name)))
    return tag("ul", *items, class_="key")


def score_chart(histogram: Part, chosen: float) -> str:
    """How many detections there are at each confidence: true ones upward, false ones downward, on a log scale."""
    most = max((*histogram["tp"], *histogram["fp"], 1))
    reach = math.log10(1 + most)

    def place(count: float) -> float:
        return 0.5 + math.copysign(math.log10(1 + abs(count)) / reach / 2, count)

    powers = [10**power for power in range(0 if most < 100 else 1, 9) if 10**power <= most]
    ticks = [(0.0, "0"), *((sign * power, f"{power:,}") for power in powers for sign in (1.0, -1.0))]
    about = f"True positives upward and false positives downward, in {histogram['bins']} bins of confidence."
    y = Axis("Detections (log)", -most, most, tuple(ticks), place)
    chart = Chart("Scores", about, Axis("Confidence"), y)
    for sign, kind, words in ((1, "tp", "true"), (-1, "fp", "false")):
        for place_of, count in enumerate(histogram[kind]):
            low, high = place_of / histogram["bins"], (place_of + 1) / histogram["bins"]
            if count:
                told = f"{count:,} {words} positives from {low:.2f} to {high:.2f}"
                chart.bar(low + 0.001, high - 0.001, 0, sign * count, kind, told)
    chart.upright(chosen, "chosen", f"threshold {chosen:.3f}")
    return chart.svg()


def tide_chart(tide: Part) -> str:
    """The AP that fixing each kind of error alone would add."""
    gains = [(row["name"], row["count"], row["delta_ap"] or 0.0) for row in tide["errors"]]
    highest = max((gain for _, _, gain in gains), default=0.0)
    ticks = tuple((value, f"{value:.3g}") for value in counted(max(highest, 0.004)))
    about = f"TIDE at IoU {tide['iou']:g}: " + ", ".join(f"{name} {gain:.3f}" for name, _, gain in gains) + "."
    x = Axis("AP that fixing it alone would add", 0.0, max(highest, 0.004) * 1.25, ticks)
    chart = Chart("What errors cost", about, x, Axis("", 0.0, float(len(gains)), ()), height=250, left=56)
    for place, (name, count, gain) in enumerate(gains):
        row = len(gains) - place
        chart.bar(0.0, gain, row - 0.2, row - 0.8, f"tide {name.lower()}", f"{name}: {count:,} errors, {gain:.3f} AP")
        across, down = chart.at(gain, row - 0.5)
        chart.words(across + 6, down + 4, f"{gain:.3f}")
        chart.words(chart.left - 8, down + 4, name, "end", "name")
    return chart.svg()


def confusion_chart(confusion: Part, names: Sequence[str]) -> str:
    """A square for each pair of classes; its depth is the share of its row. Rows are labelled, columns found."""
    labels = [*names, "background"]
    counts = {(cell["labelled"], cell["found_as"]): cell["times"] for cell in confusion["cells"]}
    keys: list[str | None] = [*names, None]
    sums = {row: sum(counts.get((row, column), 0) for column in keys) for row in keys}
    side, longest = min(64.0, 420 / len(keys)), max(len(short(label, 16)) for label in labels)
    left, top, foot = 36 + 7.5 * longest, 8.0, 30 + 5.2 * longest
    size = side * len(keys)
    shapes = []
    for i, row in enumerate(keys):
        shapes.append(
            tag(
                "text", text(short(labels[i], 16)), x=left - 8, y=f"{top + (i + 0.5) * side + 4:.1f}", class_="told end"
            )
        )
        place = f"translate({left + (i + 0.5) * side + 4:.1f} {top + size + 8:.1f}) rotate(-40)"
        shapes.append(tag("text", text(short(labels[i], 16)), transform=place, class_="told end"))
        for j, column in enumerate(keys):
            times = counts.get((row, column), 0)
            depth = times / sums[row] if sums[row] else 0.0
            shapes += _cell(left + j * side, top + i * side, side, times, depth, f"{labels[i]} found as {labels[j]}")
    shapes.append(
        tag("text", "Labelled", class_="axis middle", transform=f"translate(12 {top + size / 2:.1f}) rotate(-90)")
    )
    shapes.append(
        tag("text", "Found as", class_="axis middle", x=f"{left + size / 2:.1f}", y=f"{top + size + foot:.1f}")
    )
    about = "Rows are what is labelled, columns what was found; the depth is the share of the row."
    return picture("Confusion matrix", about, left + size + 12, top + size + foot + 8, shapes, "chart matrix")


def calibration_chart(calibration: Part) -> str:
    """The precision of the detections in each bin of confidence, with the diagonal of a perfectly calibrated one."""
    bins = calibration["bins"]
    about = f"Precision at IoU {calibration['iou']:.2f} by confidence; on the diagonal, confidence means precision."
    chart = Chart("Calibration", about, Axis("Confidence"), Axis("Precision"))
    width = 1 / len(bins["count"])
    for place, (count, precision) in enumerate(zip(bins["count"], bins["precision"], strict=True)):
        if precision is not None:
            told = (
                f"{place * width:.1f} to {(place + 1) * width:.1f}: precision {precision:.3f} of {count:,} detections"
            )
            chart.bar((place + 0.04) * width, (place + 0.96) * width, 0, precision, "soft", told)
    chart.line([0, 1], [0, 1], "diagonal")
    known = [(x, y) for x, y in zip(bins["confidence"], bins["precision"], strict=True) if x is not None]
    chart.line([min(max(x, 0.0), 1.0) for x, _ in known], [y for _, y in known], "f1")
    return chart.svg()


def breakdown_chart(title: str, parts: Sequence[Part]) -> str:
    """Recall, precision and AP of each part, as bars below each other."""
    about = "; ".join(f"{part['part']}: recall {_said(part['recall'])}" for part in parts) + "."
    height = 44.0 * len(parts) + 44
    chart = Chart(
        title,
        about,
        Axis("Value", 0, 1.12),
        Axis("", 0, float(len(parts)), ()),
        height=height,
        left=150,
        top=6,
        bottom=38,
    )
    for place, part in enumerate(parts):
        row = len(parts) - place
        _, down = chart.at(0, row - 0.5)
        chart.words(chart.left - 10, down - 1, short(part["part"]), "end", "name")
        chart.words(
            chart.left - 10, down + 13, f"{part['objects']:,} object{'s' * (part['objects'] != 1)}", "end", "tick"
        )
        for line, rate in enumerate(("recall", "precision", "ap")):
            value, at = part[rate], row - 0.12 - 0.26 * line
            if value is not None:
                chart.bar(0, value, at, at - 0.22, rate, f"{part['part']}: {rate} {value:.3f}")
            across, low = chart.at(value or 0.0, at - 0.11)
            chart.words(across + 5, low + 3.5, _said(value), style="tiny")
    return chart.svg()


def latency_chart(histogram: Part, latency: Part) -> str:
    """How long the calls took."""
    edges, counts = histogram["edges"], histogram["counts"]
    about = f"Half took up to {latency['p50'] * 1000:.0f} ms, 95 % up to {latency['p95'] * 1000:.0f} ms."
    ticks = tuple((value, f"{value * 1000:,.0f}") for value in counted(edges[-1]) if value >= edges[0])
    high = tuple((value, f"{value:,.0f}") for value in counted(max(counts)))
    x = Axis("Latency, ms", edges[0], edges[-1], ticks)
    chart = Chart("Latency", about, x, Axis("Replies", 0, max(counts) * 1.08, high), height=240)
    for low, end, count in zip(edges[:-1], edges[1:], counts, strict=True):
        if count:
            gap = (end - low) * 0.04
            chart.bar(low + gap, end - gap, 0, count, "soft", f"{count:,} replies at about {low * 1000:.0f} ms")
    for row, name in enumerate(("p50", "p95")):
        if latency[name] <= edges[-1]:
            chart.upright(latency[name], "best" if row else "chosen", f"{name} {latency[name] * 1000:,.0f} ms", row)
    return chart.svg()


def whisker(value: float | None, low: float | None, high: float | None) -> str:
    """A number between 0 and 1 as a dot, and its interval as a line."""
    shapes = [tag("path", d="M2 8H298M2 3V13M150 5V11M298 3V13", class_="grid")]
    if low is not None and high is not None:
        shapes.append(tag("path", d=f"M{2 + 296 * low:.1f} 8H{2 + 296 * high:.1f}", class_="whisker"))
    if value is not None:
        shapes.append(tag("circle", cx=f"{2 + 296 * value:.1f}", cy=8, r=3, class_="point"))
    return tag("svg", *shapes, viewBox="0 0 300 16", class_="range", aria_hidden="true")


def _cell(x: float, y: float, side: float, times: int, depth: float, told: str) -> list[str]:
    title = tag("title", text(f"{told}: {times:,}, {depth:.0%} of the row"))
    size = {"x": f"{x + 1:.1f}", "y": f"{y + 1:.1f}", "width": f"{side - 2:.1f}", "height": f"{side - 2:.1f}"}
    square = tag("rect", title, rx=3, class_="cell", style=f"--share:{depth:.3f}", **size)
    if not times:
        return [square]
    place = {"x": f"{x + side / 2:.1f}", "y": f"{y + side / 2 + 4:.1f}"}
    return [square, tag("text", f"{times:,}", class_="told middle", **place)]


def _said(value: float | None) -> str:
    return "—" if value is None else f"{value:.3f}"
