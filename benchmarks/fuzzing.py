"""Broken and hostile files against everything that reads one: `python -m benchmarks.fuzzing [CASES] [SEED]`.

A case is a good file with something broken in it, or random bytes. It passes when a typed error with advice comes, or a
result that can be shown, within `MOST_SECONDS` of this process's time. The bytes of any other are kept, and the exit
code is 1. The same seed makes the same cases.
"""

from __future__ import annotations

import functools
import io
import json
import random
import re
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from smviz import presets, responses, thresholds
from smviz.annotations import (
    FORMATS,
    canonical_json,
    ground_truth_of,
    origin,
    parse_ground_truth,
    parse_results,
    propose,
)
from smviz.errors import SmvizError
from smviz.gate import Name, StoredNumbers
from smviz.images import decoded, prepare, size_of, thumbnail
from smviz.records import Detections, GroundTruth, ImageRef, Outcome, Payload, Reply
from smviz.settings import Connection, Preset, Request
from smviz.sources import from_bytes, from_manifest
from smviz.store import FILE_NAME, Store

MOST_SECONDS = 5.0
MOST_WORDS = 20_000  # characters of a message

_TESTS = Path(__file__).parent.parent / "tests"
_NASTY = (
    *(b"NaN", b"-Infinity", b"1e999", b"-1", b"0", b"1" + b"0" * 400, b"9" * 5000, b"1e308", b"0.5", b"null", b"true"),
    *(b'"\\ud800"', b'""', b"[]", b"{}", b"[[]]", b"[" * 300 + b"]" * 300, b"[" * 100_000, b'{"a":' * 2000),
    *("\u202e\u2066\0\x1b[31m\ufeff".encode(), b"\xff\xfe", b"\r\n", b"\0" * 64, b"../../etc/passwd", b"C:\\a"),
    *(b"<script>alert(1)</script>", b"=1+1", b"A" * 10_000, b"&amp;", b"<!DOCTYPE a>", b"&a *a", b"!!python/none "),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 0.5, 1e308, 10**400, float("nan"), float("inf"), "", "\ud800", "x" * 10_000, "<b>"),
    *([], {}, [[]], [None], {"a": []}, [0] * 5, [1] * 70, [0.5], "../../a", "a\0b", "1", "NaN"),
)


@dataclass(frozen=True)
class Target:
    """Something that reads a file.

    Attributes:
        name: what the report calls it.
        read: reads the bytes of one.
        seeds: good files.
        weight: its share of the cases.
    """

    name: str
    read: Callable[[bytes], object]
    seeds: Sequence[bytes]
    weight: int = 50


def targets(folder: Path) -> list[Target]:
    """Everything that reads a file; `folder` is where those are put that must be on a disk."""
    return [*_images(), *_annotations(), *_replies(), *_documents(), *_on_disk(folder)]


def case_of(target: Target, seed: int, number: int) -> bytes:
    """The bytes of one case."""
    chance = random.Random(f"{seed} {target.name} {number}")
    if chance.random() < 0.03:
        return chance.randbytes(chance.randrange(200))
    data = chance.choice(target.seeds)
    changed = _changed_json(data, chance) if chance.random() < 0.5 else b""
    for _ in range(0 if changed else chance.choice((1, 1, 1, 2, 5))):
        data = chance.choice((_cut, _flipped, _spliced, _moved, _number))(data, chance, target.seeds)
    return changed or data


def fault(target: Target, data: bytes, most_seconds: float = MOST_SECONDS) -> str:
    """What is wrong with how the target takes the bytes; "" when nothing is."""
    start = time.process_time()
    try:
        wrong = _unsound(target.read(data))
    except SmvizError as error:
        good = error.message and error.advice and len(str(error)) < MOST_WORDS
        wrong = "" if good else f"an error of {len(str(error))} characters without advice, or too long"
    except Exception as error:
        wrong = f"{type(error).__name__}: {str(error)[:200]}"
    taken = time.process_time() - start
    return wrong or (f"took {taken:.1f} s" if taken > most_seconds else "")


def _unsound(result: object) -> str:
    """What is wrong with a result; "" when it can be shown and counted with."""
    if isinstance(result, Detections):
        names, numbers = result.class_names, result.xyxy
    elif isinstance(result, GroundTruth):
        names, numbers = result.class_names + result.image_names, result.ltwh
    elif isinstance(result, Payload):
        return "" if result.body and result.width > 0 and result.height > 0 else "an empty image"
    else:
        return ""
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        return "a name that no file can take"
    return "" if np.isfinite(numbers).all() else "a box without a finite place"


def _cut(data: bytes, chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _flipped(data: bytes, chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 4, 30)) if data else 0):
        changed[chance.randrange(len(data))] = chance.choice((0, 255, chance.randrange(256)))
    return bytes(changed)


def _spliced(data: bytes, chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    at, other = chance.randrange(len(data) + 1), chance.choice(seeds)
    what = chance.choice((*_NASTY, other[chance.randrange(len(other) + 1) :]))
    return data[:at] + what + data[at + chance.choice((0, 0, len(what))) :]


def _moved(data: bytes, chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    at, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:at] + data[at:end] * chance.choice((0, 2, 3)) + data[end:]


def _number(data: bytes, chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    found = list(re.finditer(rb'"[^"]*"|[-+.\w]+', data[:100_000]))
    if not found:
        return data
    where = chance.choice(found)
    return data[: where.start()] + chance.choice(_NASTY) + data[where.end() :]


def _changed_json(data: bytes, chance: random.Random) -> bytes:
    """JSON with some of its values replaced, removed or doubled; b"" where it is none."""
    try:
        document = json.loads(data)
    except ValueError:
        return b""
    for _ in range(chance.choice((1, 1, 2, 4))):
        spots = list(_spots(document))
        if not spots:
            break
        node, key = chance.choice(spots)
        how = chance.randrange(4)
        if how == 0:
            del node[key]
        elif how == 1 and isinstance(node, list):
            node.extend([node[key]] * chance.choice((1, 70)))
        else:
            node[key] = chance.choice((*_VALUES, chance.choice(spots)[0]))
    try:
        return json.dumps(document, ensure_ascii=chance.random() < 0.9).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):  # a value was put into itself
        return b""


def _spots(node: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [node]
    while waiting and len(found) < 3000:
        node = waiting.pop()
        for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            found.append((node, key))
            waiting.append(node[key])
    return found


def _images() -> list[Target]:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 32, 3)).astype(np.uint8))
    exif = Image.Exif()
    exif[0x112] = 6
    seeds = [_encoded(noise, kind) for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF")]
    seeds += [_encoded(noise, "JPEG", exif=exif), _encoded(noise.convert("CMYK"), "JPEG")]
    seeds += [_encoded(noise.convert("RGBA"), "PNG"), _encoded(noise.convert("P"), "PNG", transparency=0)]
    seeds += [_encoded(noise, kind, save_all=True, append_images=[noise, noise]) for kind in ("GIF", "TIFF", "PNG")]
    return [
        Target(f"image {read.__name__}", read, seeds, 150)
        for read in (prepare, size_of, functools.wraps(thumbnail)(lambda data: thumbnail(data, 64)), decoded)
    ]


def _encoded(image: Image.Image, encoding: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, encoding, **options)
    return buffer.getvalue()


def _annotations() -> list[Target]:
    folder = _TESTS / "annotations"
    files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    picture = _encoded(Image.new("L", (8, 6)), "PNG")
    truth = parse_ground_truth(files["coco_instances.json"])

    def read(data: bytes, name: str, format: str | None) -> GroundTruth:
        given = [(name, data), ("0001.png", picture)]
        given += [("0001.txt", files["0001.txt"])] * (name == "data.yaml")
        return ground_truth_of(from_bytes(given), format, lambda name: (640, 480))

    ends = {"voc": "xml", "cvat": "xml", "yolo": "txt", "kitti": "txt", "openimages": "csv"}
    names = {format: f"0001.{ends.get(format, 'json')}" for format in FORMATS}
    seeds = {
        format: [
            data
            for name, data in files.items()
            if propose_or_none(name, data, picture) == format and len(data) < 50_000
        ]
        for format in FORMATS
    }
    every = list(files.values())
    found = [
        Target(
            f"annotations {format}", functools.partial(read, name=names[format], format=format), seeds[format] or every
        )
        for format in FORMATS
    ]
    anything = Target("annotations by content", functools.partial(read, name="0001.txt", format=None), every, 100)
    described = Target(
        "annotations data.yaml", functools.partial(read, name="data.yaml", format="yolo"), [files["data.yaml"]]
    )
    results = Target("COCO results", lambda data: parse_results(data, truth), [files["coco_results.json"]], 100)
    kept = Target("annotations kept", _kept, seeds["coco"], 100)
    return [*found, anything, described, results, kept]


def _kept(data: bytes) -> GroundTruth:
    source = from_bytes([("0001.json", data)])
    truth = ground_truth_of(source, "coco", lambda name: (640, 480))
    again = parse_ground_truth(canonical_json(source, truth, "coco", "set"))
    origin(data)
    if (again.image_names, again.class_names, again.ltwh.tolist()) != (
        truth.image_names,
        truth.class_names,
        truth.ltwh.tolist(),
    ):
        raise ValueError("what is kept is not what was read")
    return again


def propose_or_none(name: str, data: bytes, picture: bytes) -> str | None:
    """The format of a file by its content; None where it is in none."""
    try:
        return propose(from_bytes([(name, data), ("0001.png", picture)])).format
    except SmvizError:
        return None


def _replies() -> list[Target]:
    paths = sorted(path for path in (_TESTS / "payloads").iterdir() if path.name[0].isalpha() and path.is_file())
    every = [path.read_bytes() for path in paths if path.stat().st_size < 50_000]
    fitting: dict[str, list[bytes]] = {name: [] for name in responses.FORMATS}
    for body in every:
        for name in responses.FORMATS:
            try:
                responses.parse(body, 640, 480, Preset(name))
            except SmvizError:
                continue
            fitting[name].append(body)

    def read(body: bytes, preset: Preset) -> Detections:
        return responses.parse(body, 640, 480, preset)

    found = [
        Target(f"reply {name}", functools.partial(read, preset=Preset(name)), bodies or every, 80)
        for name, bodies in fitting.items()
    ]
    return [*found, Target("reply by content", lambda body: responses.propose(body, 640, 480), every, 60)]


def _documents() -> list[Target]:
    chosen = thresholds.Thresholds(
        thresholds.Threshold(0.5, 0.4, 0.6, 9), {"car": thresholds.Threshold(0.25), "=van": thresholds.Threshold(1)}
    )
    several = {"a": Preset("builtin-ssd", ("car", "van")), "b": Preset("records", (), (("boxes", "ltwh"),))}
    classes, rates = [{"class_name": "car", "AP": 0.4}], {"confidence": 0.5, "iou": 0.5, "f1": 0.6}
    numbers = {"AP": 0.5, "per_class": classes, "at_confidence": rates, "settings": {"images": 3}}
    zipped = _zipped({"a.jpg": b"\xff\xd8" + b"a" * 90, "b/c.json": b"{}" * 300, "d.txt": b"0 0.5 0.5 0.1 0.1"})
    return [
        Target("presets", presets.read_presets, [presets.presets_json(several)], 100),
        Target("thresholds", _thresholds, [thresholds.dumps(chosen).encode()], 100),
        Target("baseline", _baseline, [json.dumps(numbers).encode()], 100),
        Target("zip", _zip, [zipped, _zipped({"a.zip": zipped}), _zipped({})], 100),
    ]


def _zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _zip(data: bytes) -> object:
    with from_bytes([("set.zip", data)]) as source:
        return [file.read() for file in source]


def _thresholds(data: bytes) -> object:
    chosen = thresholds.loads(data.decode(errors="replace"))
    return thresholds.apply([{"class_name": "car", "confidence": 0.3}], chosen)


def _baseline(data: bytes) -> object:
    kept = StoredNumbers.read(data.decode(errors="replace"), "baseline.json")
    names = (Name("AP", "AP"), Name("f1", "f1"), Name("car.AP", "AP", 0, "car"))
    return [kept.value(name, 0.5, 0.5) for name in names]


def _on_disk(folder: Path) -> list[Target]:
    (folder / "a.jpg").write_bytes(b"a")
    lines = b'a.jpg\n{"source-ref": "a.jpg"}\n../b.jpg\ns3://bucket/set/a.jpg\n/absent/c.jpg\n'

    def manifest(data: bytes) -> object:
        path = folder / "set.manifest"
        path.write_bytes(data)
        return [(file.name, file.location, file.size) for file in from_manifest(path, lambda uri: b"")]

    return [
        Target("manifest", manifest, [lines, b'{"source-ref": "a.jpg", "label": {}}\n' * 3], 60),
        Target("workspace", functools.partial(_workspace, folder / "workspace"), [_workspace_file(folder)]),
    ]


def _workspace_file(folder: Path) -> bytes:
    place = folder / "made"
    with Store(place) as store:
        images = [ImageRef(f"{i}.png", data=b"image %d" % i) for i in range(3)]
        run = store.create_run("run", Connection("eu-west-1"), Request("e"), Preset("builtin-ssd"), images)
        for image in images:
            reply = Reply(b'{"prediction": []}', "application/json", 0.1, "A")
            store.append(run.id, Outcome(image.name, "ab" * 32, 6, 4, 1, reply=reply)).result()
        store.save_preset("e", Preset("builtin-ssd", ("car",)))
        store.save_request("e", Request("e"))
        store.set_class_map(run.id, {"car": "van"})
        store.compact()
    return (place / FILE_NAME).read_bytes()


def _workspace(place: Path, data: bytes) -> object:
    place.mkdir(exist_ok=True)
    for old in place.iterdir():
        old.unlink()
    (place / FILE_NAME).write_bytes(data)
    with Store(place) as store:
        found: list[object] = [store.preset("e"), store.request("e")]
        for run in store.runs():
            found += [store.outcomes(run.id), list(store.pending(run.id)), store.annotations(run.id)]
    return found


def main(cases: int = 100_000, seed: int = 0) -> None:
    """Run so many cases over all targets, and report."""
    kept = Path(tempfile.mkdtemp(prefix="smviz-fuzzing-"))
    faults = 0
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        every = targets(Path(folder))
        share = cases / sum(target.weight for target in every)
        for target in every:
            count, start, slowest, wrong = max(1, round(share * target.weight)), time.process_time(), 0.0, 0
            for number in range(count):
                data, case = case_of(target, seed, number), time.process_time()
                why = fault(target, data)
                slowest = max(slowest, time.process_time() - case)
                if why:
                    wrong += 1
                    file = kept / f"{target.name.replace(' ', '-')}-{seed}-{number}"
                    file.write_bytes(data)
                    print(f"  {target.name}, seed {seed}, case {number}: {why}; kept in {file}", flush=True)
            rate = count / max(time.process_time() - start, 1e-9)
            faults += wrong
            told = f"{count:7} cases {rate:8.0f} /s  slowest {slowest:6.3f} s  {wrong} faults"
            print(f"{target.name:34} {told}", flush=True)
    print(f"{'all':34} {cases:7} cases {cases / (time.monotonic() - begun):8.0f} /s  {faults} faults, seed {seed}")
    if faults:
        sys.exit(1)
    kept.rmdir()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
