"""The demo detectors: an ONNX network, letterboxing in front of it and non-maximum suppression behind it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image

from smviz.boxes import pairwise_iou
from smviz.errors import BadSetting

MIN_SCORE = 0.01
MAX_ROWS = 200
_MAX_CANDIDATES = 400  # per class, before suppression
_NMS_IOU = 0.5
_PAD = 114

Row = list[float]


class Detector:
    """One network file. It is loaded at the first image, once, and may be used by several threads.

    Args:
        path: an ONNX file with input "image" uint8 [1, H, W, 3] and outputs "boxes" [1, N, 4], xyxy as shares of the
            padded input, and "scores" [1, N, classes].
        threads: how many threads one image may use.

    Raises:
        BadSetting: when there is no such file.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        if not path.is_file():
            raise BadSetting(f"The model file {path.name} is missing.", "Install smviz again.")
        self._path = path
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: ort.InferenceSession | None = None

    def detect(self, image: Image.Image) -> list[Row]:
        """Find objects in an image, which is taken as it is stored: its EXIF orientation is not applied.

        Returns:
            Rows [class, score, xmin, ymin, xmax, ymax] by descending score; coordinates are shares of the image's
            width and height, 0 to 1. Scores go down to `MIN_SCORE`, and there are at most `MAX_ROWS` rows.
        """
        session = self._session()
        height, width = session.get_inputs()[0].shape[1:3]
        pixels, used = _letterbox(image, width, height)
        boxes, scores = session.run(["boxes", "scores"], {"image": pixels})
        return _rows(np.clip(boxes[0].astype(np.float64) / used, 0, 1), scores[0])

    def _session(self) -> ort.InferenceSession:
        with self._lock:
            if self._loaded is None:
                options = ort.SessionOptions()
                options.intra_op_num_threads = self._threads
                options.inter_op_num_threads = 1
                # Spinning threads would take the processor away from the page that shows the results.
                options.add_session_config_entry("session.intra_op.allow_spinning", "0")
                self._loaded = ort.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])
            return self._loaded


def _letterbox(image: Image.Image, width: int, height: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The image scaled into the top left corner, uint8 [1, H, W, 3], and the shares of the input it covers, [4]."""
    scale = min(width / image.width, height / image.height)
    w, h = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    pixels = np.full((1, height, width, 3), _PAD, np.uint8)
    rgb = image if image.mode == "RGB" else image.convert("RGB")  # a huge image is not copied
    pixels[0, :h, :w] = np.asarray(rgb.resize((w, h), Image.Resampling.BILINEAR))
    return pixels, np.array([w / width, h / height] * 2)


def _rows(boxes: NDArray[np.float64], scores: NDArray[np.float32]) -> list[Row]:
    """Suppress what overlaps within a class. `boxes` is xyxy [N, 4], `scores` is [N, classes]."""
    sides = boxes[:, 2:] - boxes[:, :2]
    hidden = sides.min(axis=1, initial=np.inf) <= 0
    rows: list[Row] = []
    for class_id, column in enumerate(np.where(hidden[:, None], 0, scores).T):
        order = np.argsort(-column, kind="stable")[:_MAX_CANDIDATES]
        order = order[column[order] >= MIN_SCORE]
        kept = order[_not_suppressed(boxes[order])]
        rows += [[float(class_id), float(column[i]), *map(float, boxes[i])] for i in kept]
    rows.sort(key=lambda row: -row[1])
    return rows[:MAX_ROWS]


def _not_suppressed(boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Greedy non-maximum suppression: which of the boxes [N, 4], given by descending score, stay; bool [N]."""
    overlaps: NDArray[np.bool_] = np.greater(pairwise_iou(boxes, boxes), _NMS_IOU)
    stays = np.ones(len(boxes), dtype=bool)
    for i in range(len(boxes)):
        if stays[i]:
            stays[i + 1 :] &= ~overlaps[i, i + 1 :]
    return stays
