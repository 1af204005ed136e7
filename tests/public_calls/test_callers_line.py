"""Errors and warnings show the caller's line, and the lines of the caller's model, not those of this package."""

from __future__ import annotations

import inspect
import traceback
import warnings
from pathlib import Path

import numpy as np
import pytest
from advice.models import linear, module

import explain
from explain.errors import ExplainError, InputError, ModelCallError

X = np.ones((2, 4), np.float32)
PACKAGE = str(Path(explain.__file__).parent)
RESULT = explain.Attribution(values=X, inputs=X, layout="NC", method="saliency", scores=np.ones(2))

CALLS = {
    "attribute": lambda kit, model: explain.attribute(model, X[:, :3], "ig", target=0),
    "maximize": lambda kit, model: explain.maximize(model, 9, shape=(4,), bounds=(0, 1), n_steps=2),
    "check_migration": lambda kit, model: explain.check_migration(model, model, X, methods="none"),
    "port": lambda kit, model: explain.port(model, kit.dense([(np.ones((9, 9)), np.ones(9))])),
    "compare": lambda kit, model: explain.compare(X, X),
    "zoo": lambda kit, model: explain.zoo.load("none"),
    "load": lambda kit, model: explain.load("none"),
    "load_model": lambda kit, model: explain.load_model("none.keras"),
    "layers": lambda kit, model: explain.layers(model, X[:, :3]),
    "read": lambda kit, model: explain.preprocessing.read("none.png"),
    "preset": lambda kit, model: explain.preprocessing.preset("no such"),
    "pictures": lambda kit, model: explain.preprocessing.Preprocessing()(X),
    "plot_pair": lambda kit, model: explain.render.plot_pair(X, X),
    "show": lambda kit, model: explain.render.show(X),
    "load_report": lambda kit, model: explain.migration.load_report(__file__),
    "index": lambda kit, model: RESULT["none"],
    "save": lambda kit, model: RESULT.save("a.png"),
    "plot": lambda kit, model: RESULT.plot(plane="H"),
    "kind": lambda kit, model: explain.render.plot_waterfall(RESULT),
    "tokens": lambda kit, model: RESULT.tokens(),
}


def frames(error):
    return traceback.extract_tb(error.__traceback__)


@pytest.mark.parametrize("name", CALLS)
def test_an_error_ends_at_the_callers_line(kit, name):
    with pytest.raises(ExplainError) as caught:
        CALLS[name](kit, linear(kit))
    *own, last = frames(caught.value)
    assert all(frame.filename == __file__ for frame in own)
    assert own[-1].name == "<lambda>"
    assert last.filename.startswith(PACKAGE)
    assert "EXPLAIN_FULL_TRACEBACK=1 shows all frames" in last.line


def test_every_frame_on_request(kit, monkeypatch):
    monkeypatch.setenv("EXPLAIN_FULL_TRACEBACK", "1")
    with pytest.raises(ExplainError) as caught:
        CALLS["attribute"](kit, linear(kit))
    assert sum(frame.filename.startswith(PACKAGE) for frame in frames(caught.value)) > 2


def test_the_lines_of_the_callers_model_stay(kit):
    def forward(self, x):
        raise KeyError("of the model")

    with pytest.raises(ModelCallError) as caught:
        explain.attribute(module(kit, forward), X, "saliency", target=0)
    cause = caught.value.__cause__
    while cause.__cause__ is not None:
        cause = cause.__cause__
    shown = frames(cause)
    assert (shown[-1].filename, shown[-1].name) == (__file__, "forward")
    assert not shown[0].filename.startswith(PACKAGE)
    assert "of the model" in "".join(traceback.format_exception(caught.value))


def test_other_errors_keep_every_frame(torch_kit):
    """A fault of this package should be reported with its frames."""

    class Odd:
        @property
        def dtype(self):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        explain.attribute(linear(torch_kit), X, "saliency", target=Odd())
    assert sum(frame.filename.startswith(PACKAGE) for frame in frames(caught.value)) > 1


def test_a_warning_is_at_the_callers_line(kit):
    model = kit.dense([(np.zeros((4, 2)), np.zeros(2))])
    for call in (
        lambda: explain.attribute(model, X, "saliency", target=0),
        lambda: explain.maximize(model, 0, shape=(4,), bounds=(0, 1), n_steps=1, l2_weight=0),
    ):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            call()
        own = [one for one in seen if issubclass(one.category, explain.errors.ExplainWarning)]
        assert all(one.filename == __file__ for one in own)
    with pytest.warns(explain.errors.ZeroGradientWarning):
        explain.attribute(model, X, "saliency", target=0)


def test_signatures_and_names_stay():
    parameters = inspect.signature(explain.attribute).parameters
    assert [*parameters][:3] == ["model", "x", "method"]
    assert explain.attribute.__name__ == "attribute"
    assert explain.attribute.__module__ == "explain.api"
    assert "Attribute the score" in explain.attribute.__doc__


def test_errors_are_of_their_class(kit):
    with pytest.raises(InputError) as caught:
        explain.attribute(linear(kit), X * np.nan, "saliency", target=0)
    assert type(caught.value) is InputError
