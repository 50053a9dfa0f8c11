"""What identifies the data set that thresholds were chosen on."""

from __future__ import annotations

import hashlib

from smviz.records import GroundTruth


def fingerprint(ground_truth: GroundTruth) -> str:
    """A SHA-256 in hexadecimal of what is to be found: the same objects in any order of the file give the same.

    It covers the names and sizes of the images, the class names, and of each object its image, class, box, area, and
    whether it is a crowd or to be ignored. Ids, the order of images, classes and objects, and notes do not matter.
    """
    truth = ground_truth
    columns = (truth.ltwh.tolist(), truth.area.tolist(), truth.crowd.tolist(), truth.ignore.tolist())
    images = (truth.image_names[i] for i in truth.image)
    classes = (truth.class_names[k] for k in truth.class_id)
    sizes = zip(truth.image_names, truth.image_sizes.tolist(), strict=True)
    digest = hashlib.sha256()
    for part in (sizes, ((name,) for name in truth.class_names), zip(images, classes, *columns, strict=True)):
        for line in sorted(map(repr, part)):
            digest.update(line.encode() + b"\n")
        digest.update(b"\n")
    return digest.hexdigest()
