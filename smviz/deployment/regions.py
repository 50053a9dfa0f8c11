"""What differs between AWS regions: the partition, and where the built-in algorithm's image is."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any

from smviz.errors import BadSetting

REGION = r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}"
"""What the name of a region looks like."""

_REGISTRY: dict[str, Any] = json.loads(files(__package__).joinpath("object_detection_registry.json").read_text("utf-8"))

BUILT_IN_REGIONS: tuple[str, ...] = tuple(sorted(_REGISTRY["accounts"]))
"""Every region that has the image of the built-in Object Detection algorithm."""

# botocore 1.44.5, data/partitions.json; everything else is "aws"
_PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}


def partition_of(region: str) -> str:
    """The AWS partition that a region belongs to: the second word of every ARN there."""
    return next((partition for prefix, partition in _PARTITIONS.items() if region.startswith(prefix)), "aws")


def built_in_image(region: str) -> str:
    """The registry path of SageMaker's built-in Object Detection image (MXNet SSD) in a region.

    Source: the image table of aws/sagemaker-python-sdk, named in object_detection_registry.json.

    Raises:
        BadSetting: when AWS has no such image in the region.
    """
    account = _REGISTRY["accounts"].get(region)
    if account is None:
        raise BadSetting(
            f"There is no built-in Object Detection image for region {region!r}.",
            "Deploy in another region, or give the registry path of an image of your own.",
        )
    domain = next(domain for pattern, domain in _REGISTRY["domains"].items() if fnmatchcase(region, pattern))
    return str(_REGISTRY["image"]).format(account=account, region=region, domain=domain, tag=_REGISTRY["tag"])
