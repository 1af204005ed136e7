"""What an import costs and needs: each framework alone, and neither. One fresh interpreter a question."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import explain


def fresh(code, *arguments, **environment):
    """Run code in a fresh interpreter, and give what it printed."""
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture
def saved(tmp_path):
    ones = np.ones((1, 2), np.float32)
    return explain.Attribution(ones, 2 * ones, "NC", "saliency", ones[:, 0], framework="torch").save(
        tmp_path / "a"
    )


def test_import_loads_no_framework_and_is_quick():
    # CPU time of the process, which other work on the machine does not lengthen; the best of three.
    code = """
        import sys, time
        before = time.process_time()
        import explain
        taken = time.process_time() - before
        heavy = {"torch", "tensorflow", "jax", "keras", "matplotlib", "captum", "tf_explain", "scipy"}
        heavy |= {"skimage", "sklearn"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        print(taken)
    """
    assert min(float(fresh(code)) for _ in range(3)) < 0.5


def test_callbacks_load_what_they_are_asked_for():
    code = """
        import sys
        import explain
        explain.callbacks
        heavy = {"torch", "tensorflow", "jax", "keras", "lightning", "matplotlib", "tensorboard"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        explain.callbacks.torch.AttributionHook
        assert not {"tensorflow", "keras", "lightning", "tensorboard"} & set(sys.modules)
        print("done")
    """
    assert fresh(code) == "done\n"


def test_callbacks_of_keras_need_keras():
    code = """
        import sys
        sys.modules["keras"] = None
        import explain
        try:
            from explain.callbacks.keras import AttributionCallback
        except explain.errors.FrameworkNotInstalledError as error:
            assert "pip install 'explain-toolkit[tensorflow]'" in str(error)
            print("done")
    """
    assert fresh(code) == "done\n"


def test_neither_framework(saved):
    # Loading, comparing and the errors that name the extras; no framework can be imported at all.
    code = """
        import sys
        for name in ("torch", "tensorflow", "jax", "keras", "captum", "tf_explain"):
            sys.modules[name] = None
        import numpy as np
        import explain
        a = explain.load(sys.argv[1])
        assert (a.values == 1).all() and (a.inputs == 2).all() and a.framework == "torch"
        assert [row.name for row in explain.methods()][0] == "saliency"
        for framework in ("torch", "tensorflow", "jax"):
            try:
                explain.attribute(lambda x: x, np.ones((1, 2), np.float32), framework=framework)
            except explain.errors.FrameworkNotInstalledError as error:
                assert f"pip install 'explain-toolkit[{framework}]'" in str(error)
                assert isinstance(error, ImportError)
            else:
                raise AssertionError(framework)
        try:
            explain.attribute(3, np.ones((1, 2), np.float32))
        except explain.errors.UnsupportedModelError:
            print("done")
    """
    assert fresh(code, saved) == "done\n"


def test_torch_without_tensorflow(saved, tmp_path):
    code = """
        import sys
        for name in ("tensorflow", "keras", "tf_explain"):
            sys.modules[name] = None
        import numpy as np, torch
        import explain
        model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Softmax(dim=1))
        x = np.ones((2, 3), np.float32)
        weight = model[0].weight.detach().numpy()
        a = explain.attribute(model, x, "ig", target=1)
        assert a.score == "logit"
        np.testing.assert_allclose(a.values, x * weight[1], rtol=1e-5)
        theirs = explain.attribute(model, x, "ig", target=1, engine="captum")
        np.testing.assert_allclose(theirs.values, a.values, rtol=1e-5)
        assert explain.maximize(model, target=1, shape=(3,), bounds=(0, 1), n_steps=2).values.shape == (1, 3)
        b = explain.load(a.save(sys.argv[2]))
        assert (b.values == a.values).all()
        assert explain.load(sys.argv[1]).method == "saliency"
        print("done")
    """
    assert fresh(code, saved, tmp_path / "b.npz") == "done\n"


def test_keras_without_torch(saved, tmp_path):
    # Not by a None in sys.modules: Keras imports scikit-learn where it is there, whose SciPy looks for torch in them.
    code = """
        import sys

        class Absent:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in ("torch", "captum"):
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        sys.meta_path.insert(0, Absent())
        import numpy as np, keras
        import explain
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
        x = np.ones((2, 3), np.float32)
        weight = model.get_weights()[0]
        a = explain.attribute(model, x, "ig", target=1)
        assert a.score == "logit"
        np.testing.assert_allclose(a.values, x * weight[:, 1], rtol=1e-5)
        assert explain.maximize(model, target=1, bounds=(0, 1), n_steps=2).values.shape == (1, 3)
        b = explain.load(a.save(sys.argv[2]))
        assert (b.values == a.values).all()
        print("done")
    """
    assert fresh(code, saved, tmp_path / "b.npz") == "done\n"


def test_keras_on_torch_goes_to_the_torch_extension():
    # Taken off the softmax, masks held, hooks and layers left as they were; by hand in NumPy.
    code = """
        import sys
        import numpy as np, keras, torch
        assert keras.backend.backend() == "torch"
        import explain
        rng = np.random.default_rng(0)
        first, bias, last, end = (rng.normal(size=shape) for shape in ((4, 6), 6, (6, 3), 3))
        dense = keras.layers.Dense(3, activation="softmax")
        hidden = keras.layers.Dense(6, activation="tanh")
        model = keras.Sequential([keras.Input((4,)), hidden, dense])
        model.set_weights([first, bias, last, end])
        x = rng.normal(size=(2, 4)).astype("float32")
        before = dense.activation, sorted(dense.__dict__), model.get_weights()
        a = explain.attribute(model, x, "saliency", target=[2, 0])
        assert a.framework == "torch" and a.score == "logit" and a.layout == "NC"
        hidden = np.tanh(x @ first + bias)
        np.testing.assert_allclose(a.scores, (hidden @ last + end)[[0, 1], [2, 0]], rtol=1e-5)
        gradient = ((1 - hidden**2) * last.T[[2, 0]]) @ first.T
        np.testing.assert_allclose(a.values, gradient, rtol=1e-5, atol=1e-6)
        b = explain.attribute(model, x, "ig", target=[2, 0], baseline=0.5, n_steps=50)
        change = hidden @ last - np.tanh(np.full_like(x, 0.5) @ first + bias) @ last
        np.testing.assert_allclose(b.values.sum(axis=1), change[[0, 1], [2, 0]], rtol=1e-5, atol=1e-5)
        assert before[:2] == (dense.activation, sorted(dense.__dict__))
        assert all((one == other).all() for one, other in zip(before[2], model.get_weights()))

        inputs = keras.Input((5, 3))
        layer, head = keras.layers.GRU(4), keras.layers.Dense(2)
        masked = keras.Model(inputs, head(layer(keras.layers.Masking()(inputs))))
        mask = np.arange(5) < np.array([[3], [5]])
        x = rng.normal(size=(2, 5, 3)).astype("float32") * mask[..., None]
        c = explain.attribute(masked, x, "ig", target=1, n_steps=50)
        def score(x):
            return head(layer(torch.tensor(x), mask=torch.tensor(mask)))[:, 1].detach().numpy()
        # Fifteen single-precision values, each a sum over fifty nodes, against a difference of two scores.
        np.testing.assert_allclose(c.values.sum(axis=(1, 2)), score(x) - score(0 * x), rtol=1e-4, atol=1e-5)
        assert (c.values[0, 3:] == 0).all() and (c.mask == mask).all()
        print("done")
    """
    assert fresh(code, KERAS_BACKEND="torch") == "done\n"
