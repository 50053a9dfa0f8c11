"""Raw replies of endpoints to detections: a registry of formats, and a proposal of the one that fits.

    from smviz.responses import parse, propose

    preset = propose(body, width, height).best
    detections = parse(body, width, height, preset)

`FORMATS` names every format; `Preset.options` overrides the defaults of its options.
"""

from __future__ import annotations

# Importing a family registers its formats; a proposal tries them in this order, `usual` last.
from smviz.responses import columns, files, records, rows, tensors, usual  # noqa: F401
from smviz.responses.parsing import parse, parse_in_order
from smviz.responses.proposing import Proposal, propose
from smviz.responses.reading import Parsed
from smviz.responses.registry import FORMATS, Format, Option, find_format, settings_of

__all__ = [
    "FORMATS",
    "Format",
    "Option",
    "Parsed",
    "Proposal",
    "find_format",
    "parse",
    "parse_in_order",
    "propose",
    "settings_of",
]
