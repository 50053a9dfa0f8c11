"""Where files come from: one file, a folder, a zip, a manifest, or bytes in hand.

They are listed as they are wanted, and read when asked for, from any thread.
"""

from smviz.sources.manifests import from_manifest
from smviz.sources.opening import from_bytes, open_source, read_location
from smviz.sources.source import IMAGE_SUFFIXES, Source, SourceFile, images_of

__all__ = [
    "IMAGE_SUFFIXES",
    "Source",
    "SourceFile",
    "from_bytes",
    "from_manifest",
    "images_of",
    "open_source",
    "read_location",
]
