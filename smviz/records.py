"""The value types that flow through smviz. Frozen; arrays are read-only; nothing here does I/O.

ImageRef -> Payload -> Reply -> Detections -> Outcome -> Run
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smviz.errors import BadResponse

Scalar = TypeVar("Scalar", bound=np.generic)


def frozen_array(values: ArrayLike, dtype: type[Scalar], columns: int = 0) -> NDArray[Scalar]:
    """A read-only copy as [N], or [N, columns] when columns > 0."""
    array: NDArray[Scalar] = np.array(values, dtype=dtype)
    array = array.reshape(-1, columns) if columns else array.reshape(-1)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True)
class ImageRef:
    """Where an image is: one of `path`, `data` and `location` is set, or none where only its name is known.

    Attributes:
        name: unique within a run.
        path: a file on this machine.
        data: the file's bytes.
        location: a URL: "file:///folder/a.jpg", "zip:///folder/a.zip!/member", both percent-encoded as
            `Path.as_uri` does, or "s3://bucket/key" as it is.
    """

    name: str
    path: Path | None = None
    data: bytes | None = None
    location: str = ""


@dataclass(frozen=True, slots=True)
class Payload:
    """The bytes that are sent, and the pixel frame that boxes refer to.

    Attributes:
        body: the encoded image.
        content_type: its MIME type.
        width, height: pixels of the image in `body`, after EXIF orientation was applied.
        sha256: hex digest of `body`.
        notes: what was done to the original file, in words for a person; empty when it was sent as it is.
    """

    body: bytes
    content_type: str
    width: int
    height: int
    sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of an endpoint: raw bytes, seconds from send to last byte, the variant that answered.

    An asynchronous endpoint does not tell the variant; its seconds count the queue and the polling too.

    Attributes:
        model: seconds that the model itself took, where the answer tells them; None otherwise.
    """

    body: bytes
    content_type: str
    latency: float
    variant: str | None
    model: float | None = None


@dataclass(frozen=True, eq=False)
class Detections:
    """What a detector found in one image, columnar, sorted by descending confidence (stable).

    Attributes:
        xyxy: float64 [N, 4], left, top, right, bottom in pixels of the frame that was sent; no +1.
        confidence: float64 [N], 0 to 1; NaN where the format carries no score.
        class_id: int64 [N], 0-based index into `class_names`.
        class_names: one name for each class id that occurs, and possibly more.

    Raises:
        BadResponse: when the columns have different lengths or a class id is negative.
    """

    xyxy: NDArray[np.float64]
    confidence: NDArray[np.float64]
    class_id: NDArray[np.int64]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        xyxy = frozen_array(self.xyxy, np.float64, 4)
        confidence = frozen_array(self.confidence, np.float64)
        class_id = frozen_array(self.class_id, np.int64)
        if not len(xyxy) == len(confidence) == len(class_id):
            raise BadResponse(
                f"Boxes, scores and classes differ in number ({len(xyxy)}, {len(confidence)}, {len(class_id)}).",
                "Check the response format chosen for this endpoint.",
            )
        if len(class_id) and class_id.min() < 0:
            raise BadResponse("A class id is negative.", "Check the response format chosen for this endpoint.")
        order = np.argsort(-confidence, kind="stable")
        names = list(self.class_names)
        names += [f"class {i}" for i in range(len(names), int(class_id.max(initial=-1)) + 1)]
        object.__setattr__(self, "xyxy", frozen_array(xyxy[order], np.float64, 4))
        object.__setattr__(self, "confidence", frozen_array(confidence[order], np.float64))
        object.__setattr__(self, "class_id", frozen_array(class_id[order], np.int64))
        object.__setattr__(self, "class_names", tuple(names))

    def __len__(self) -> int:
        return len(self.confidence)

    def names(self) -> list[str]:
        """The class name of every detection, in order."""
        return [self.class_names[i] for i in self.class_id]

    def at_least(self, confidence: float) -> Detections:
        """The detections whose confidence is >= the threshold, and those that have none: no threshold judges them."""
        return self._only(~(self.confidence < confidence))

    def without(self, class_ids: Collection[int]) -> Detections:
        """The detections of all other classes."""
        return self._only(~np.isin(self.class_id, list(class_ids)))

    def _only(self, keep: NDArray[np.bool_]) -> Detections:
        return Detections(self.xyxy[keep], self.confidence[keep], self.class_id[keep], self.class_names)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an image has no detections. The words are those of a `SmvizError`.

    Attributes:
        kind, message, advice: the error's own.
        log: the ARN of the container's log stream, where the error told it.
    """

    kind: str
    message: str
    advice: str
    log: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one image in a run: a reply, or the failure; exactly one of them is set.

    Attributes:
        image: the image's name in the run.
        sha256: hex digest of the bytes that were sent; of the file's bytes when nothing could be sent.
        width, height: the frame that was sent, in pixels; 0 when nothing could be sent.
        attempts: how many calls were made.
        reused: whether the reply was known from an earlier call, so that nothing was called.
        client: seconds spent on this machine: reading, decoding and encoding the image.
    """

    image: str
    sha256: str
    width: int
    height: int
    attempts: int
    reply: Reply | None = None
    failure: Failure | None = None
    reused: bool = False
    client: float = 0.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as ListEndpoints and DescribeEndpoint tell it. Times are ISO 8601, UTC.

    Attributes:
        hosting: "real-time", "serverless" or "asynchronous"; "" where it is not told, as in a listing.
        traits: which of "A/B variants", "shadow", "multi-model", "inference components" and "multi-container" it has.
        shadows: variants that get a copy of the traffic and whose answers nobody sees.
        components: the inference components, by name; a request names one of them.
        containers: the hostnames of a multi-container endpoint that is called directly; a request names one of them.
        output_path, failure_path: where an asynchronous endpoint writes its answers and failures in S3.
        notes: what could not be found out, in words for a person.
    """

    name: str
    status: str
    created: str
    config: str = ""
    variants: tuple[Variant, ...] = ()
    failure: str = ""
    updated: str = ""
    hosting: str = ""
    traits: tuple[str, ...] = ()
    shadows: tuple[Variant, ...] = ()
    components: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    output_path: str = ""
    failure_path: str = ""
    notes: tuple[str, ...] = ()

    @property
    def answers(self) -> bool:
        """Whether an endpoint of this status takes invocations."""
        return self.status in {"InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed"}

    @property
    def kind(self) -> str:
        """The hosting and the traits in one line; "" where they are not told."""
        return ", ".join(part for part in (self.hosting, *self.traits) if part)


@dataclass(frozen=True, slots=True)
class Variant:
    """A production variant: `instance` is the instance type, "serverless", or "" where it is not told.

    Attributes:
        model: the SageMaker model's name; "" where inference components take its place.
        image: the container image as it was specified; "" where it is not told.
        memory, concurrency: MB and calls at once of a serverless variant; 0 otherwise.
    """

    name: str
    instance: str
    count: int
    weight: float
    model: str = ""
    image: str = ""
    memory: int = 0
    concurrency: int = 0


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record of an annotation file that could not be used.

    Attributes:
        file: the file's name within what was read.
        where: the line ("line 7"), the id ("annotation 41") or the place ("object 3"); "" for the whole file.
        why: what is wrong with it, in words for a person.
    """

    file: str
    where: str
    why: str

    def __str__(self) -> str:
        place = f"{self.file}, {self.where}" if self.where else self.file
        return f"{place}: {self.why}"


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The labelled boxes of a data set, columnar: I images, K classes, G objects.

    Attributes:
        image_names: unique names, [I]. `image_ids` holds the ids that the file uses for them.
        image_sizes: int64 [I, 2], width and height in pixels; 0 where the file does not tell.
        class_names: [K]. `category_ids` holds the ids that the file uses for them.
        image: int64 [G], index into `image_names`.
        class_id: int64 [G], index into `class_names`.
        ltwh: float64 [G, 4], left, top, width, height in pixels, as the file has them.
        area: float64 [G], square pixels, as the file has it (COCO: the mask's); width x height otherwise.
        crowd: bool [G], a region to ignore, not an object to find.
        ignore: bool [G], an object that need not be found though its box is exact, as Pascal VOC's "difficult"; all
            False when it is not given.
        skipped: the records that could not be used, each named.
        notes: what was skipped or mended while reading, in words for a person.
    """

    image_names: tuple[str, ...]
    image_ids: tuple[int | str, ...]
    image_sizes: NDArray[np.int64]
    class_names: tuple[str, ...]
    category_ids: tuple[int | str, ...]
    image: NDArray[np.int64]
    class_id: NDArray[np.int64]
    ltwh: NDArray[np.float64]
    area: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    notes: tuple[str, ...] = ()
    ignore: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    skipped: tuple[Skipped, ...] = ()

    def __post_init__(self) -> None:
        columns_of: tuple[tuple[str, type[np.generic], int], ...] = (
            ("image_sizes", np.int64, 2),
            ("image", np.int64, 0),
            ("class_id", np.int64, 0),
            ("ltwh", np.float64, 4),
            ("area", np.float64, 0),
            ("crowd", np.bool_, 0),
            ("ignore", np.bool_, 0),
        )
        if not len(self.ignore):
            object.__setattr__(self, "ignore", np.zeros(len(self.crowd), np.bool_))
        for name, dtype, columns in columns_of:
            object.__setattr__(self, name, frozen_array(getattr(self, name), dtype, columns))

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True, eq=False)
class Predictions:
    """The detections of a whole data set, columnar, in the order they were read: D detections.

    Attributes:
        image: int64 [D], index into the ground truth's `image_names`.
        class_id: int64 [D], index into the ground truth's `class_names`.
        ltwh: float64 [D, 4], left, top, width, height in pixels.
        confidence: float64 [D].
        notes: what was left out and why, in words for a person.
        skipped: the results that could not be read, each named.
    """

    image: NDArray[np.int64]
    class_id: NDArray[np.int64]
    ltwh: NDArray[np.float64]
    confidence: NDArray[np.float64]
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def __post_init__(self) -> None:
        columns_of: tuple[tuple[str, type[np.generic], int], ...] = (
            ("image", np.int64, 0),
            ("class_id", np.int64, 0),
            ("ltwh", np.float64, 4),
            ("confidence", np.float64, 0),
        )
        for name, dtype, columns in columns_of:
            object.__setattr__(self, name, frozen_array(getattr(self, name), dtype, columns))

    def __len__(self) -> int:
        return len(self.image)
