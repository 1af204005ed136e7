"""Names of classes as targets, wherever a target is given: they stand for the numbers of the classes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import sklearn.linear_model
from advice.models import WEIGHT, added

import explain
from explain import Display
from explain.errors import TargetError

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

_generator = np.random.default_rng(3)
LAYERS = [(_generator.normal(size=(4, 3)), _generator.normal(size=3))]
X = _generator.normal(size=(2, 4)).astype(np.float32)
NAMES = Display(classes=("dog", "tiger cat", "bird"))
TWICE = Display(classes=("crane", "cat", "crane"))


@pytest.mark.parametrize(
    ("target", "numbers"),
    [
        ("dog", (0, 0)),
        ("Tiger_Cat", (1, 1)),
        (["bird", "dog"], (2, 0)),
        (("bird", "dog"), (2, 0)),
        (np.array(["bird", "dog"]), (2, 0)),
        (["bird", 1], (2, 1)),
    ],
)
def test_a_name_is_its_number(kit, target, numbers):
    model = kit.dense(LAYERS)
    named = explain.attribute(model, X, "input_x_gradient", target=target, display=NAMES)
    assert named.target == numbers
    # By hand: the gradient of a linear score is the column of its weights.
    np.testing.assert_allclose(named.values, X * LAYERS[0][0].T[list(numbers)], rtol=1e-6)


def test_the_very_spelling_goes_before_another_case(kit):
    a = explain.attribute(
        kit.dense(LAYERS), X, "saliency", target="Crane", display=Display(classes=("crane", "CRANE", "Crane"))
    )
    assert a.target == (2, 2)


@pytest.mark.parametrize(
    ("target", "display", "says"),
    [
        ("crane", TWICE, r"target='crane' is the name of the classes 0 and 2: give the number"),
        ("tigr cat", NAMES, r"is not the name of a class\. Did you mean 'tiger cat'\?"),
        ("cat", NAMES, r"Did you mean 'tiger cat'\?"),
        ("xyz", NAMES, r"Give one of 'dog', 'tiger cat', 'bird', or the number"),
        ("xyz", Display(classes=tuple(f"class {n}" for n in range(1000))), "Give one of the 1000 names"),
        ("cat", None, r"display=explain\.Display\(classes="),
        ("2", None, r"give target=2, or"),
        (["dog", "dgo"], NAMES, r"target='dgo' .*'dog'"),
        (["dog"], NAMES, "1 entries for a batch of 2"),
        ("dog", Display(classes=("dog", "cat")), r"2 classes have names, but the outputs .*\(3,\)"),
    ],
)
def test_names_that_select_no_class(kit, target, display, says):
    with pytest.raises(TargetError, match=says) as caught:
        explain.attribute(kit.dense(LAYERS), X, "saliency", target=target, display=display)
    assert len(str(caught.value)) < 500


def test_a_name_is_one_axis_of_an_index(kit):
    """Outputs of higher rank, such as those of a segmentation."""
    model = kit.function(lambda x: kit.stack([x, 2 * x, 3 * x], 1))
    a = explain.attribute(model, X, "saliency", target=("bird", 1), display=NAMES)
    assert a.target == ((2, 1), (2, 1))
    np.testing.assert_allclose(a.values, [[0, 3, 0, 0]] * 2)


def test_maximize(kit):
    found = explain.maximize(
        kit.dense(LAYERS), ("bird", "dog"), shape=(4,), bounds=(-1, 1), n_steps=2, display=NAMES
    )
    numbers = explain.maximize(kit.dense(LAYERS), [2, 0], shape=(4,), bounds=(-1, 1), n_steps=2)
    assert found.target == (2, 0)
    np.testing.assert_array_equal(found.values, numbers.values)


def test_migration(kit):
    model = kit.dense(LAYERS)
    report = explain.check_migration(model, model, X, methods="saliency", target="bird", display=NAMES)
    assert report.attributions["saliency"][0].target == (2, 2)
    with pytest.raises(TargetError, match="Did you mean 'bird'"):
        explain.check_migration(model, model, X, target="brid", display=NAMES)


def test_several_inputs(kit):
    """Also where the display is given for each input."""
    for display in (NAMES, {"a": None, "b": NAMES}, {"classes": NAMES.classes}):
        x = {"a": X, "b": X}
        found = explain.attribute(added(kit), x, "saliency", target=["bird", "dog"], display=display)
        assert [one.target for one in found.values()] == [(2, 0), (2, 0)]
        np.testing.assert_allclose(found["a"].values, WEIGHT.T[[2, 0]], rtol=1e-6)


def test_layers(kit):
    model = kit.dense([*LAYERS, (np.eye(3), np.zeros(3))])
    layer = "0" if kit.name == "torch" else model.layers[0].name
    a = explain.attribute(model, X, "conductance", layer=layer, target="bird", display=NAMES)
    assert a.target == (2, 2)


def test_names_of_the_model_itself(kit):
    """As the models of transformers have them; they are also those of the result."""
    model = kit.dense(LAYERS)
    model.config = SimpleNamespace(id2label={0: "dog", 1: "cat", 2: "bird"})
    a = explain.attribute(model, X, "saliency", target="cat")
    assert a.target == (1, 1)
    assert a.display.classes == ("dog", "cat", "bird")
    given = explain.attribute(
        model, X, "saliency", target="poodle", display={"classes": ("x", "y", "poodle")}
    )
    assert (given.target, given.display.classes) == ((2, 2), ("x", "y", "poodle"))
    model.config = SimpleNamespace(id2label={0: "yes", 1: "no"})
    assert explain.attribute(model, X, "saliency", target=1).display.classes == ()


def test_names_of_an_estimator():
    labels = ["cat", "dog", "bird", "dog", "cat", "bird"]
    x = _generator.normal(size=(6, 2))
    estimator = sklearn.linear_model.LogisticRegression().fit(x, labels)
    a = explain.attribute(estimator, x, "occlusion", target="dog", score="probability")
    assert a.target == (2,) * 6
    assert a.display.classes == ("bird", "cat", "dog")
