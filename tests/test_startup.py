"""A command waits for no library that it does not need."""

import argparse
import importlib
import subprocess
import sys

import pytest

from smviz.cli.parser import parser
from smviz.local import SAMPLES

LARGE = {"streamlit", "boto3", "botocore", "plotly", "pandas", "onnxruntime", "starlette", "uvicorn"}
PROGRAM = """
import sys
from smviz.cli import main
try:
    status = main(sys.argv[1:])
except SystemExit as end:
    status = end.code
print(status, *sys.modules, file=sys.stderr)
"""


def imported(*arguments):
    """The exit status of a command, and the libraries that its process has imported at the end."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)
    status, *modules = ended.stderr.splitlines()[-1].split()
    return int(status), {module.split(".")[0] for module in modules}


class TestImports:
    def test_evaluate_imports_no_large_library(self, tmp_path):
        """From two files to the numbers, only what reads and computes is imported."""
        results = tmp_path / "results.json"
        results.write_text("[]")
        status, modules = imported("evaluate", "--detections", str(results), "--annotations", str(SAMPLES.annotations))
        assert status == 0
        assert "numpy" in modules
        assert modules & LARGE == set()

    @pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("evaluate", "--help")], ids=" ".join)
    def test_help_imports_not_even_numpy(self, arguments):
        """Asking what there is answers at once."""
        status, modules = imported(*arguments)
        assert status == 0
        assert modules & {*LARGE, "numpy", "PIL"} == set()

    def test_every_command_is_there(self):
        """Each command names a function that exists, though it is looked up only when it runs."""
        [commands] = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
        assert {"deploy", "detect", "endpoints", "evaluate", "parse", "serve", "teardown"} <= set(commands.choices)
        for command in commands.choices.values():
            [function] = command.get_default("command").args
            module, _, name = function.partition(".")
            assert callable(getattr(importlib.import_module(f"smviz.cli.{module}"), name)), function
