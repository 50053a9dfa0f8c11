"""Text and tags of HTML and SVG: whatever a person, file or server called something stays text."""

from __future__ import annotations

import html
import re

_UNFIT = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]")


def text(value: object) -> str:
    """A value as text in which nothing is markup; characters that HTML and XML cannot hold become U+FFFD."""
    return html.escape(_UNFIT.sub("\ufffd", str(value)), quote=True)


def tag(name: str, *inside: str, **attributes: object) -> str:
    """An element around markup. In the names of attributes, `_` stands for `-`, and one at the end for nothing."""
    given = "".join(
        f' {key.removesuffix("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value != ""
    )
    return f"<{name}{given}>{''.join(inside)}</{name}>"


def short(value: str, most: int = 22) -> str:
    """A name that fits beside a chart."""
    return value if len(value) <= most else f"{value[: most - 1]}…"
