"""The sections of a report, each made from the document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from smviz.intervals import COCO_NUMBERS
from smviz.metrics import MEANINGS
from smviz.reporting import charts
from smviz.reporting.markup import tag, text
from smviz.reporting.telling import Teller, figure, note, pairs, section, table, tile

TIDE_MEANS = {
    "Cls": "right place, wrong class",
    "Loc": "right class, badly placed",
    "Both": "wrong class and badly placed",
    "Dupe": "a second box on an object that was found",
    "Bkg": "nothing is there",
    "Miss": "an object that nothing found",
}
RATES = {"Precision": "precision", "Recall": "recall", "F1": "f1"}
MOST_CONFUSED = 12


def key(*items: tuple[str, str, str]) -> str:
    """What colours and dashes mean: words, shape ("line" or "bar") and style."""
    told = []
    for words, shape, style in items:
        drawn = (
            tag("path", d="M0 5H26", class_=f"line {style}") if shape == "line" else tag("rect", class_=f"bar {style}")
        )
        told.append(tag("li", tag("svg", drawn, viewBox="0 0 26 10", class_="sample", aria_hidden="true"), text(words)))
    return tag("ul", *told, class_="key")


def head(teller: Teller) -> str:
    """The title, what was judged, the headline numbers and what limits them."""
    get = teller.get
    endpoint, created = get("provenance", "endpoint"), get("report", "created")
    of = [
        text(f"{endpoint['name']} ({endpoint['region']})") if endpoint else "",
        f"{teller.number('settings', 'images')} images",
        f"{teller.number('settings', 'objects')} objects",
        f"{teller.number('settings', 'detections')} detections",
        text(f"{created[:16].replace('T', ' ')} UTC"),
    ]
    tiles = [tile(name, teller.number(name), _between(teller, "intervals", name)) for name in ("AP", "AP50", "AP75")]
    tiles += [
        tile(name, teller.number("at_confidence", rate), _between(teller, "at_confidence", "intervals", rate))
        for name, rate in RATES.items()
    ]
    return "".join(
        (
            tag("h1", text(get("report", "title"))),
            tag("p", " · ".join(part for part in of if part), class_="soft"),
            tag("div", *tiles, class_="tiles"),
            note(
                f"Precision, recall and F1 of all classes together at confidence ≥ "
                f"{teller.number('at_confidence', 'confidence')} and IoU ≥ "
                f"{teller.number('at_confidence', 'iou', digits=2)}; below each number its "
                f"{get('intervals', 'level'):.0%} interval."
            ),
            *(tag("p", text(words), class_="warn") for words in _warnings(teller)),
        )
    )


def threshold(teller: Teller) -> str:
    """The threshold to ship: where it is, how sure that is, and what it is worth on other images."""
    get, here = teller.get, ("thresholds", "global")
    if get(*here)["reason"]:
        return section("threshold", "Threshold to ship", note(text(f"No threshold: {get(*here)['reason']}")))
    objective = text(get("thresholds", "objective"))
    tiles = [
        tile("Threshold", teller.number(*here, "threshold"), f"95 % interval {teller.range(*here)}"),
        tile("Flat region", teller.range(*here, "flat"), "little changes within"),
    ]
    for name, rate in RATES.items():
        beside = "not held out"
        if "held_out" in get(*here):
            held = (*here, "held_out", rate)
            beside = f"held out {teller.number(*held, 'median')}, nine of ten {teller.range(*held)}"
        tiles.append(tile(name, teller.number(*here, rate), beside))
    chosen = get("at_confidence", "confidence")
    apart = chosen != get(*here)["threshold"]
    return section(
        "threshold",
        "Threshold to ship",
        tag("div", *tiles, class_="tiles"),
        note(
            f"Best for <code>{objective}</code>, all classes together, at IoU ≥ "
            f"{teller.number('thresholds', 'iou', digits=2)}. Held out: chosen on one half of the images and judged on "
            "the other, 20 times in both directions; the median. Within the flat region the objective's value stays "
            "within 0.01 of the best (1 % of a cost)."
            + (f" This report stands at {teller.number('at_confidence', 'confidence')}." if apart else "")
        ),
        tag(
            "div",
            figure(
                "Precision, recall and F1 against confidence",
                charts.threshold_chart(get("curves"), chosen, get("thresholds")),
                "All classes together. The shaded region is flat.",
                key(("Precision", "line", "precision"), ("Recall", "line", "recall"), ("F1", "line", "f1")),
            ),
            figure(
                "Scores",
                charts.score_chart(get("score_histogram"), chosen),
                f"How many detections there are at each confidence, at IoU ≥ {get('at_confidence', 'iou'):.2f}.",
                key(("True positives", "bar", "tp"), ("False positives", "bar", "fp")),
            ),
            class_="columns",
        ),
    )


def numbers(teller: Teller) -> str:
    """COCO's twelve numbers with intervals, and the settings that made them."""
    rows = [
        (
            f"<strong>{name}</strong>",
            text(MEANINGS[name]),
            teller.number(name),
            teller.range("intervals", name),
            charts.whisker(teller.get(name), *(teller.get("intervals", name, end) for end in ("low", "high"))),
        )
        for name in COCO_NUMBERS
    ]
    settings, intervals = teller.get("settings"), teller.get("intervals")
    ious = settings["ious"]
    return section(
        "numbers",
        "COCO's twelve numbers",
        table(("", "", "Value", "95 % interval", "0 to 1"), rows, "COCO's twelve numbers", (0, 1)),
        note(
            f"COCO's protocol: IoU {ious[0]:.2f} to {ious[-1]:.2f} in steps of 0.05, at most "
            f"{settings['max_detections'][-1]} detections per image and class, crowd regions ignored, confidence from "
            f"0. Intervals: {intervals['resamples']:,} resamples of the images, bias-corrected, seed "
            f"{intervals['seed']}."
        ),
    )


def classes(teller: Teller, names: Sequence[str]) -> str:
    """A curve and a row for each class."""
    rows = []
    for place, row in enumerate(teller.get("per_class")):
        here, own = ("per_class", place), ("thresholds", "classes", place)
        chosen = teller.get(*own)
        rows.append(
            (
                text(row["class_name"]),
                *(teller.number(*here, name) for name in ("objects", "AP")),
                teller.range(*here, "AP_interval"),
                *(teller.number(*here, name) for name in ("AP50", "tp", "fp", "fn", "precision", "recall", "f1")),
                teller.number(*own, "threshold"),
                teller.range(*own),
                text(chosen["reason"] or ("weak: takes the threshold of all classes" if chosen["weak"] else "")),
            )
        )
    remarks = any(row[-1] for row in rows)
    rows = rows if remarks else [row[:-1] for row in rows]
    header = ("Class", "Objects", "AP", "95 % interval", "AP50", "TP", "FP", "FN", *RATES, "Threshold", "95 % interval")
    some = ""
    if len(names) > len(teller.get("curves", "precision_at_recalls")):
        some = f" The {len(teller.get('curves', 'precision_at_recalls'))} most frequent of {len(names)} classes."
    return section(
        "classes",
        "Classes",
        tag(
            "div",
            figure(
                "Precision and recall",
                charts.precision_recall_chart(teller.get("curves"), teller.get("per_class"), names),
                f"At IoU {teller.get('curves', 'iou'):.2f}; the dots: where each class stands at the threshold.{some}",
                charts.class_key(teller.get("curves"), names),
            ),
            _confusion(teller, names),
            class_="columns",
        ),
        "<br>",
        table((*header, *([""] if remarks else [])), rows, "Classes", (0, len(header))),
        note(
            f"TP, FP, FN, precision, recall and F1 at confidence ≥ {teller.number('at_confidence', 'confidence')}. A "
            "class with fewer than 30 objects is weak: its own threshold would be noise."
        ),
    )


def errors(teller: Teller) -> str:
    """What kinds of errors there are, and whether confidence means precision."""
    tide, calibration = teller.get("tide"), teller.get("calibration")
    parts = []
    if tide is not None:
        means = "; ".join(f"<strong>{name}</strong> {text(TIDE_MEANS[name])}" for name in TIDE_MEANS)
        told = (
            f"TIDE at IoU {tide['iou']:g}, over all confidences: what fixing each kind alone would add to an AP of "
            f"{teller.number('tide', 'ap')}; it does not add up. {means}."
        )
        parts.append(figure("What errors cost", charts.tide_chart(tide), told))
    told = (
        f"D-ECE {teller.number('calibration', 'd_ece')} over all detections, "
        f"{teller.number('calibration', 'd_ece_kept')} from the threshold on: how far mean confidence and precision "
        f"lie apart, in 10 bins. LaECE0 {teller.number('calibration', 'laece0')}: how far confidence and the IoU "
        "that is reached lie apart. 0 is best."
    )
    parts.append(figure("Does confidence mean precision?", charts.calibration_chart(calibration), told))
    return section("errors", "Errors and calibration", tag("div", *parts, class_="columns"))


def weak(teller: Teller) -> str:
    """Recall, precision and AP by size, shape and crowding."""
    parts = teller.get("breakdowns")
    drawn = [
        tag("figure", tag("h3", text(title)), charts.breakdown_chart(title, rows))
        for title, rows in parts.items()
        if rows
    ]
    colours = key(("Recall", "bar", "recall"), ("Precision", "bar", "precision"), ("AP", "bar", "ap"))
    told = (
        f"Recall and precision at confidence ≥ {teller.number('at_confidence', 'confidence')}, AP over all, at IoU "
        f"{teller.number('at_confidence', 'iou', digits=2)}; parts without an object are left out."
    )
    empty = note("There is no object to be found.")
    inside = (colours, tag("div", *drawn, class_="columns"), note(told)) if drawn else (empty,)
    return section("weak", "Where it is weak", *inside)


def calls(teller: Teller) -> str:
    """Latency, who answered, the cost, and the images that failed."""
    made = teller.get("calls")
    if made is None:
        return ""
    latency = made["latency"]
    inside = (
        [_call_tiles(teller)] if made["timed"] else [note("No call was timed: replies were imported or known before.")]
    )
    if made["histogram"]:
        chart = charts.latency_chart(made["histogram"], latency)
        told = f"{teller.number('calls', 'timed')} calls; the slowest hundredth stands in the last bar."
        inside.append(tag("div", figure("Latency", chart, told), _cost(teller), class_="columns"))
    failures = [
        (
            teller.number("failures", place, "images"),
            text(row["kind"]),
            f"{text(row['message'])} {text(row['advice'])}",
            text(", ".join(row["first"])),
        )
        for place, row in enumerate(teller.get("failures"))
    ]
    if failures:
        inside += [tag("h3", "Failures"), table(("Images", "Kind", "Why", "First"), failures, "Failures", (1, 2, 3))]
    return section("calls", "Calls", *inside)


def left_out(teller: Teller) -> str:
    """What was left out or mended on the way to the numbers."""
    notes, skipped = teller.get("notes"), teller.get("skipped")
    if not notes and not skipped:
        return section(
            "left-out", "What was left out", note("Nothing was left out, and no limit shows in the detections.")
        )
    items = [tag("li", text(words)) for words in notes]
    shown = [f"{one['file']}, {one['where']}: {one['why']}" for one in skipped[:20]]
    more = [f"and {len(skipped) - 20:,} more records, which are in the JSON"] if len(skipped) > 20 else []
    items += [tag("li", text(words)) for words in (*shown, *more)]
    return section("left-out", "What was left out", tag("ul", *items))


def provenance(teller: Teller) -> str:
    """Whose detections these are, how they were made and read, and what identifies the data."""
    told = teller.get("provenance")
    run, endpoint, reading = told["run"] or {}, told["endpoint"] or {}, told["reading"] or {}
    made = f"{run['created'][:19].replace('T', ' ')} UTC" if run else ""
    rows = [
        ("Run", text(f"{run['name']} ({run['id']})") if run else ""),
        ("Made", text(made)),
        ("Images from", text(run.get("source") or "")),
        ("Imported from", text(run.get("imported") or "")),
        ("Note", text(run.get("note") or "")),
        ("Detections from", text(told["detections_file"] or "")),
        ("Endpoint", text(endpoint.get("name", ""))),
        ("Region", text(endpoint.get("region", ""))),
        ("Endpoint config", text(endpoint.get("config") or "")),
        ("Variants that answered", text(", ".join(endpoint.get("variants", ())))),
        ("Request", _listed(endpoint.get("request", {}))),
        ("Replies read as", text(reading.get("format", ""))),
        ("Options of it", _listed(reading.get("options", {}))),
        ("Class names", text(", ".join(reading.get("class_names", ())))),
        (
            "Class map",
            _listed({name: "left out" if to is None else to for name, to in reading.get("class_map", {}).items()}),
        ),
        ("Ground truth (SHA-256)", tag("code", text(told["ground_truth"]))),
        ("Images sent (SHA-256)", tag("code", text(told["images_sent"])) if told["images_sent"] else ""),
        ("smviz", text(teller.get("report", "smviz_version"))),
    ]
    return section("provenance", "Provenance", pairs(rows))


def _confusion(teller: Teller, names: Sequence[str]) -> str:
    confusion = teller.get("confusion")
    told = (
        f"At confidence ≥ {teller.number('confusion', 'confidence')} and IoU ≥ "
        f"{teller.number('confusion', 'iou', digits=2)}."
    )
    if len(names) <= charts.MOST_WRITTEN:
        return figure(
            "Confusion", charts.confusion_chart(confusion, names), f"{told} Pairs of the same class come first."
        )
    mixed = [
        (place, cell)
        for place, cell in enumerate(confusion["cells"])
        if None not in (cell["labelled"], cell["found_as"]) and cell["labelled"] != cell["found_as"]
    ]
    mixed.sort(key=lambda one: -one[1]["times"])
    rows = [
        (text(cell["labelled"]), text(cell["found_as"]), teller.number("confusion", "cells", place, "times"))
        for place, cell in mixed[:MOST_CONFUSED]
    ]
    if not rows:
        return figure("Confusion", note("No class was taken for another."), told)
    return figure("Most confused", table(("Labelled", "Found as", "Times"), rows, "Most confused", (0, 1)), told)


def _call_tiles(teller: Teller) -> str:
    here = ("calls", "latency")
    tiles = [tile(f"Latency {name}, s", teller.number(*here, name)) for name in ("p50", "p95", "p99")]
    if teller.get(*here, "model_p50") is not None:
        tiles.append(tile("In the model p50, s", teller.number(*here, "model_p50")))
    tiles.append(tile("Answered", teller.number("calls", "answered"), f"of {teller.number('calls', 'images')} images"))
    tiles.append(tile("Failed", teller.number("calls", "failed")))
    return tag("div", *tiles, class_="tiles")


def _cost(teller: Teller) -> str:
    made = teller.get("calls")
    price = made["usd_per_hour"]
    variants = ", ".join(f"{name} {count:,}" for name, count in made["variants"].items())
    cost = "unknown: there is no price per hour for this endpoint"
    if price == 0:
        cost = "The endpoint runs on this machine and costs nothing."
    elif price is not None:
        cost = (
            f"{teller.number('calls', 'usd_per_1000_images', digits=4)} USD, one call after another, at "
            f"{teller.number('calls', 'usd_per_hour')} USD an hour"
        )
    idle = f"{teller.number('calls', 'usd_per_idle_day', digits=2)} USD until the endpoint is deleted" if price else ""
    rows = [
        ("Answered by", text(variants)),
        ("Known before", f"{teller.number('calls', 'reused')} replies" if made["reused"] else ""),
        ("1,000 images cost", cost),
        ("An idle day costs", idle),
    ]
    return tag("div", tag("h3", "Who answered, and the cost"), pairs(rows))


def _warnings(teller: Teller) -> list[str]:
    """What a reader must know before believing the numbers."""
    words = list(teller.get("notes")[-len(teller.get("limits")) :]) if teller.get("limits") else []
    made = teller.get("calls")
    if made and made["answered"] < made["images"]:
        words.append(
            f"{made['images'] - made['answered']:,} of {made['images']:,} images have no reply and are left out."
        )
    return words


def _between(teller: Teller, *path: str) -> str:
    return "no interval" if teller.get(*path, "low") is None else teller.range(*path)


def _listed(values: dict[str, Any]) -> str:
    return text(", ".join(f"{name}: {value}" for name, value in values.items()))
