"""The house stays a house: imports go down, and each vendor has one door."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {
    "smviz": 0,
    "smviz.errors": 0,
    "smviz.boxes": 1,
    "smviz.colours": 1,
    "smviz.database": 1,
    "smviz.journal": 1,
    "smviz.names": 1,
    "smviz.records": 1,
    "smviz.settings": 1,
    "smviz.sources": 1,
    "smviz.thresholds": 1,
    "smviz.access": 2,
    "smviz.annotations": 2,
    "smviz.charts": 2,
    "smviz.cutoffs": 2,
    "smviz.datasets": 2,
    "smviz.diagnosis": 2,
    "smviz.deployment": 2,
    "smviz.drawing": 2,
    "smviz.exports": 2,
    "smviz.image_sets": 2,
    "smviz.images": 2,
    "smviz.intervals": 2,
    "smviz.headers": 2,
    "smviz.limiter": 2,
    "smviz.local": 2,
    "smviz.matching": 2,
    "smviz.metrics": 2,
    "smviz.operating": 2,
    "smviz.policies": 2,
    "smviz.presets": 2,
    "smviz.pricing": 2,
    "smviz.protocols": 2,
    "smviz.responses": 2,
    "smviz.sagemaker": 2,
    "smviz.snippets": 2,
    "smviz.store": 2,
    "smviz.tiling": 2,
    "smviz.choosing": 3,
    "smviz.comparing": 3,
    "smviz.deploying": 3,
    "smviz.evaluation": 3,
    "smviz.exporting": 3,
    "smviz.gate": 3,
    "smviz.guarding": 3,
    "smviz.importing": 3,
    "smviz.reviewing": 3,
    "smviz.reporting": 3,
    "smviz.runner": 3,
    "smviz.sharing": 3,
    "smviz.ui": 4,
    "smviz.viewer": 4,
    "smviz.workbench": 4,
    "smviz.cli": 5,
    "smviz.__main__": 5,
    "serve": 5,
    "streamlit_app": 5,
    "pages": 5,
}
DOORS = {"smviz.sagemaker", "smviz.store", "smviz.local"}  # these know no neighbour, and no neighbour knows them
VENDORS = {
    "streamlit": {"serve", "streamlit_app", "pages", "smviz.ui", "smviz.viewer", "smviz.workbench"},
    "boto3": {"smviz.sagemaker"},
    "botocore": {"smviz.sagemaker"},
    "sqlite3": {"smviz.database"},
    "onnxruntime": {"smviz.local"},
    "starlette": {"serve", "smviz.local"},
    "uvicorn": {"smviz.local"},
    "plotly": {"smviz.charts"},
}


def sources() -> list[Path]:
    return [*ROOT.glob("smviz/**/*.py"), ROOT / "serve.py", ROOT / "streamlit_app.py", *ROOT.glob("pages/*.py")]


def room_of(path: Path) -> str:
    """The room a file belongs to: a module of smviz, a package of it, or a page."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] != "smviz":
        return parts[0]
    return "smviz" if parts[1:] == ("__init__",) else f"smviz.{parts[1]}"


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Every module that a file imports; `from a import b` counts as a.b where that is a module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} uses a relative import"
            for alias in node.names:
                child = f"{node.module}.{alias.name}"
                is_module = any((ROOT / child.replace(".", "/")).with_suffix(s).exists() for s in (".py", ""))
                found.add(child if is_module else str(node.module))
    return found


def room_of_import(name: str) -> str:
    return ".".join(name.split(".")[:2])


@pytest.mark.parametrize("path", sources(), ids=module_of)
class TestImports:
    def test_go_down(self, path):
        """A module imports from lower floors, or from a neighbour on its own where neither is a door to the outside."""
        room = room_of(path)
        ours = {room_of_import(name) for name in imports(path) if name.split(".")[0] == "smviz"}
        upward = {other for other in ours if FLOORS[other] > FLOORS[room]}
        sideways = {other for other in ours if FLOORS[other] == FLOORS[room] and other != room}
        assert upward | {other for other in sideways if {room, other} & DOORS} == set()

    def test_reach_a_vendor_by_its_one_door(self, path):
        """Streamlit, boto3, SQLite, ONNX Runtime, the web server and Plotly are each imported in one place only."""
        room = room_of(path)
        leaks = {v for v in VENDORS if room not in VENDORS[v] and any(i.split(".")[0] == v for i in imports(path))}
        assert leaks == set()

    def test_every_room_has_a_floor(self, path):
        """A new module is given a floor before it is imported."""
        assert room_of(path) in FLOORS


def test_modules_import_each_other_in_no_circle():
    """No chain of imports leads back to where it began."""
    graph = {module_of(path): imports(path) for path in sources()}
    done: set[str] = set()

    def walk(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module not in done:
            for other in graph.get(module, set()) & set(graph):
                if other != module:
                    walk(other, (*trail, module))
            done.add(module)

    sys.setrecursionlimit(10_000)
    for module in graph:
        walk(module, ())
