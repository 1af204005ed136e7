"""Extensions are found through entry points: ours, and a third party's registered the same way."""

from __future__ import annotations

import json
import sys
import textwrap
import tomllib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from few_packages import run_with_only

import explain
from explain.backends.discovery import extension_for, extensions
from explain.errors import FrameworkNotInstalledError, UnsupportedModelError

REPOSITORY = Path(__file__).parents[2]

THIRD_PARTY = '''
"""A backend of somebody else's: linear models in NumPy."""
from contextlib import contextmanager, nullcontext
import numpy as np
from explain.backends import Finding, default_layout


class Linear:
    def __init__(self, weights):
        self.weights = weights


class Backend:
    name, provides, dtype = "numpy-linear", frozenset({"outputs", "gradients"}), np.dtype("float64")
    fixed_batch_size, model_name, device_name = None, "Linear", "cpu"

    def __init__(self, model):
        self.weights = model.weights

    @contextmanager
    def session(self):
        yield

    def hold(self, examples):
        return examples

    def outputs(self, examples, *, ahead=None):
        return examples.inputs[0] @ self.weights, Finding("logit")

    def reseeded(self):
        return nullcontext()

    def bytes_per_point(self, examples):
        return self.weights.nbytes

    def free_memory(self):
        return 2**30

    def is_out_of_memory(self, error):
        return isinstance(error, MemoryError)

    def synchronize(self):
        pass

    def scores(self, examples):
        outputs = self.outputs(examples)[0]
        return outputs[(np.arange(len(outputs)), *examples.target.indices.T)]

    def gradients(self, examples):
        return (self.weights.T[examples.target.indices[:, 0]],), self.scores(examples)


class Extension:
    name, accepts, reference_engine = "numpy-linear", "an acme_linear.Linear", None

    def recognises(self, model):
        return isinstance(model, Linear)

    def is_tensor(self, value):
        return False

    def to_numpy(self, tensor):
        return np.asarray(tensor)

    def version(self):
        return "9.9"

    def default_layout(self, model, ndim):
        return default_layout(ndim, "last")

    def stated_input_shape(self, model):
        return (len(model.weights),)

    def stated_bounds(self, model):
        return (0.0, 1.0)

    def open(self, model, question, like):
        return Backend(model)

    def run_reference_engine(self, problem):
        raise AssertionError("there is none")


extension = Extension()
'''


@pytest.fixture
def third_party(tmp_path, monkeypatch):
    """A package on the path, as pip would leave it, with an entry point in our group."""
    (tmp_path / "acme_linear.py").write_text(textwrap.dedent(THIRD_PARTY))
    info = tmp_path / "acme_linear-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-linear\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[explain.backends]\nnumpy-linear = acme_linear:extension\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    extensions.cache_clear()
    yield __import__("acme_linear")
    extensions.cache_clear()
    sys.modules.pop("acme_linear", None)


def test_a_checkout_that_is_not_installed_has_the_extensions_and_the_version_of_an_installation():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    registered = project["entry-points"]["explain.backends"]
    code = """
        import importlib.metadata, json, sys
        import explain
        from explain.backends.discovery import extensions
        try:
            importlib.metadata.version("explain-toolkit")
        except importlib.metadata.PackageNotFoundError:
            found = {one.name: f"{type(one).__module__}:extension" for one in extensions()}
            print(json.dumps([explain.__version__, found]))
    """
    ran = run_with_only(["numpy", "psutil"], ["-c", textwrap.dedent(code)])
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == [version("explain-toolkit"), registered]


def test_ours_are_registered():
    assert [one.name for one in extensions()] == ["jax", "numpy", "tensorflow", "torch"]


def test_third_partys_backend_is_found(third_party):
    assert [one.name for one in extensions()] == ["jax", "numpy", "numpy-linear", "tensorflow", "torch"]
    model = third_party.Linear(np.arange(6.0).reshape(3, 2))
    assert extension_for(model).name == "numpy-linear"
    x = np.ones((2, 3))
    found = explain.attribute(model, x, "saliency", target=[0, 1])
    np.testing.assert_array_equal(found.values, model.weights.T.astype(np.float32))
    assert found.framework == "numpy-linear"
    assert found.versions["numpy-linear"] == "9.9"
    # Methods that need no more than it provides come with it; the others say what is missing.
    best = explain.maximize(model, target=1, n_steps=200, l2_weight=0)
    np.testing.assert_array_equal(best.values, np.ones((1, 3), np.float32))
    with pytest.raises(UnsupportedModelError, match=r"path_gradients.*numpy-linear"):
        explain.attribute(model, x, "ig", target=0)
    with pytest.raises(UnsupportedModelError, match=r"acme_linear\.Linear"):
        explain.attribute(object(), x)


def test_engine_where_there_is_none(third_party):
    model = third_party.Linear(np.ones((3, 2)))
    with pytest.raises(explain.errors.EngineError, match="give one of 'explain'"):
        explain.attribute(model, np.ones((2, 3)), "saliency", engine="captum")


def test_unknown_framework_names_those_that_are_there():
    with pytest.raises(UnsupportedModelError, match=r"'tensorflow', 'torch'.*explain\.backends"):
        extension_for(object(), "mxnet")


@pytest.mark.parametrize("name", ["torch", "tensorflow", "jax"])
def test_framework_that_cannot_be_imported(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(FrameworkNotInstalledError, match=rf"explain-toolkit\[{name}\]") as caught:
        explain.attribute(lambda x: x, np.ones((1, 2), np.float32), framework=name)
    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize(("engine", "package"), [("captum", "captum.attr"), ("tf-explain", "tf_explain")])
def test_reference_engine_that_cannot_be_imported(engine, package, monkeypatch, request):
    kit = request.getfixturevalue("torch_kit" if engine == "captum" else "tensorflow_kit")
    for name in [name for name in sys.modules if name.split(".")[0] == package.split(".")[0]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    x = np.ones((1, *kit.picture_shape(1, 8, 8)), np.float32)
    extra = "torch" if engine == "captum" else "tensorflow"
    with pytest.raises(FrameworkNotInstalledError, match=rf"explain-toolkit\[{extra}\]"):
        explain.attribute(kit.cnn(), x, "saliency", engine=engine)
