"""The page of a report: one file, nothing else is loaded, and it can be read without any script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from smviz import __version__
from smviz.reporting import sections
from smviz.reporting.markup import tag, text
from smviz.reporting.pictures import WorstImage
from smviz.reporting.style import STYLE
from smviz.reporting.subject import Shown
from smviz.reporting.telling import Teller, note, section

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_LINKS = {
    "threshold": "Threshold",
    "numbers": "Numbers",
    "classes": "Classes",
    "errors": "Errors",
    "weak": "Where it is weak",
    "images": "Images",
    "calls": "Calls",
    "left-out": "What was left out",
    "provenance": "Provenance",
}
_SHOWN: dict[Shown, str] = {
    "full": "The images themselves, scaled down where they are large.",
    "crops": "The surest false positives and the largest misses of each image; the rest of it is not in this file.",
    "blurred": "The images are averaged to a few pixels and blurred for good; the boxes are sharp.",
    "none": "No image is in this file.",
}


def page(document: dict[str, Any], class_names: Sequence[str], worst: Sequence[WorstImage]) -> str:
    """The whole HTML file.

    Args:
        document: of `document.report_document`; it is in the page too, under the id "report".
        class_names: in the order of the ground truth, which gives them their colours.
        worst: the images to show.
    """
    teller = Teller(document)
    parts = (
        sections.threshold(teller),
        sections.numbers(teller),
        sections.classes(teller, class_names),
        sections.errors(teller),
        sections.weak(teller),
        _images(teller, worst),
        sections.calls(teller),
        sections.left_out(teller),
        sections.provenance(teller),
    )
    links = {anchor: words for anchor, words in _LINKS.items() if any(f'<section id="{anchor}"' in p for p in parts)}
    menu = tag("nav", *(tag("a", words, href=f"#{anchor}") for anchor, words in links.items()), aria_label="Sections")
    title = text(document["report"]["title"])
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="smviz {text(__version__)}">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"{sections.head(teller)}\n{menu}\n<main>\n{chr(10).join(filter(None, parts))}\n</main>\n{_foot()}\n"
        f'<script type="application/json" id="report">{embedded(document)}</script>\n</body>\n</html>\n'
    )


def embedded(document: dict[str, Any]) -> str:
    """The document as JSON in which nothing can end the element that it stands in."""
    told = json.dumps(document, allow_nan=False)  # ASCII only
    return told.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _foot() -> str:
    words = (
        "Rounded numbers stand for exact ones: the JSON at the end of this file has them all, under the same names as "
        "smviz evaluate --json. This file loads nothing and runs nothing."
    )
    return tag("footer", f"{words} Made with smviz {text(__version__)}.")


def _images(teller: Teller, worst: Sequence[WorstImage]) -> str:
    if not worst:
        return section("images", "Worst images", note("No image has a mistake at this threshold, or none was wanted."))
    shown: Shown = teller.get("report", "images")
    lines = {"tp": ("True positives", "solid"), "fp": ("false positives", "dotted"), "fn": ("missed objects", "dashed")}
    keys = ", ".join(f"{tag('span', words, class_=f'kind {kind}')} {look}" for kind, (words, look) in lines.items())
    whole = "" if shown in {"crops", "none"} else " whole"
    told = note(
        f"Most mistakes first, at confidence ≥ {teller.number('at_confidence', 'confidence')} and IoU ≥ "
        f"{teller.number('at_confidence', 'iou', digits=2)}. {_SHOWN[shown]}"
    )
    blocks = [_image(teller, place, one, shown) for place, one in enumerate(worst)]
    return section(
        "images",
        "Worst images",
        told,
        "" if shown == "none" else note(f"{keys}."),
        tag("div", *blocks, class_=f"worst{whole}"),
    )


def _image(teller: Teller, place: int, one: WorstImage, shown: Shown) -> str:
    counts = " · ".join(
        f"{teller.number('worst_images', place, kind)} {words}"
        for kind, words in (("tp", "right"), ("fp", "false"), ("fn", "missed"))
    )
    name = tag("h3", text(one.row.name), " ", tag("span", counts, class_="soft"))
    figures = "".join(one.figures) if shown != "crops" else tag("div", *one.figures, class_="crops")
    trouble = note(text(f"It cannot be shown: {one.trouble}")) if one.trouble else ""
    return tag("div", name, figures if one.figures else "", trouble)
