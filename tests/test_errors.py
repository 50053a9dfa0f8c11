"""Every error of smviz says what happened and what to do, and belongs to one tree."""

import inspect
import re

import pytest

from smviz import errors
from smviz.errors import ModelError, SmvizError

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Exception)]


def drawn_tree():
    """Class name to its parent's name, as the module's docstring draws them."""
    parents, above = {}, []
    for line in errors.__doc__.splitlines():
        match = re.match(r"    ((?:[│ ]   )*(?:[├└]── )?)([A-Z]\w+)(?:\s|$)", line)
        if match:
            depth = len(match[1]) // 4
            above[depth:] = [match[2]]
            parents[match[2]] = above[depth - 1] if depth else "Exception"
    return parents


def made(kind):
    """An error of that kind."""
    words = ("The endpoint is not there.", "Choose another one.")
    return ModelError(*words, status=500) if kind is ModelError else kind(*words)


def test_the_drawn_tree_is_the_tree():
    """The docstring names every class, each under its parent, and nothing else."""
    assert drawn_tree() == {kind.__name__: kind.__base__.__name__ for kind in CLASSES}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
class TestEveryError:
    def test_has_message_advice_and_kind(self, kind):
        """What happened and what to do are apart, and together in its text; the kind is its class's name."""
        error = made(kind)
        assert (error.message, error.advice) == ("The endpoint is not there.", "Choose another one.")
        assert str(error) == "The endpoint is not there. Choose another one."
        assert error.kind == kind.__name__

    def test_needs_an_advice(self, kind):
        """An error that does not say what to do cannot be made."""
        with pytest.raises(TypeError):
            kind("The endpoint is not there.")

    def test_is_caught_as_one_of_smviz(self, kind):
        """One clause catches all that smviz raises on purpose."""
        with pytest.raises(SmvizError):
            raise made(kind)

    def test_says_whether_it_may_pass(self, kind):
        """Those that the tree marks "try again later" are the ones that may pass, and no others."""
        marked = set(re.findall(r"(\w+) +try again later", errors.__doc__))
        assert made(kind).passing == (kind.__name__ in marked)

    def test_is_explained(self, kind):
        """Its docstring says when it is raised."""
        assert inspect.getdoc(kind)
        assert kind.__doc__ != kind.__base__.__doc__


class TestModelError:
    def test_keeps_what_the_container_said(self):
        """The container's own status and its log's ARN are at hand; there need not be a log."""
        error = ModelError("It failed.", "Look into the log.", 503, "arn:aws:logs:x")
        assert (error.status, error.log) == (503, "arn:aws:logs:x")
        assert ModelError("It failed.", "Look.", 0).log is None
