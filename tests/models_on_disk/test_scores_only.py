"""ONNX and TFLite models: scores without gradients."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from models.kits_on_disk import WEIGHTS, onnx_file, tflite_file

import explain
from explain.errors import FrameworkNotInstalledError, InputError, ModelFileError, UnsupportedModelError

X = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


WRITERS = pytest.mark.parametrize(("write", "name"), [(onnx_file, "net.onnx"), (tflite_file, "net.tflite")])


@WRITERS
class TestBoth:
    def test_ablation_of_a_linear_model_is_its_weights_times_the_input(self, here, write, name):
        write(name)
        loaded = explain.load_model(name)
        a = explain.attribute(loaded, X, "feature_ablation", target=1, score="output")
        np.testing.assert_allclose(a.values, X * WEIGHTS[:, 1], atol=1e-5)

    def test_gradients_are_refused_with_the_methods_that_work(self, here, write, name):
        write(name)
        with pytest.raises(UnsupportedModelError, match=r"needs gradients.*'feature_ablation'"):
            explain.attribute(explain.load_model(name), X, "saliency", target=1)

    def test_a_file_that_is_cut_off_or_none(self, here, write, name):
        write(name)
        whole = Path(name).read_bytes()
        for content in (b"", whole[:6], whole[: len(whole) // 2], b"just text, no model\n" * 9):
            Path(name).write_bytes(content)
            with pytest.raises(ModelFileError, match=r"again"):
                explain.load_model(name)

    def test_no_factory_and_no_other_device(self, here, write, name):
        write(name)
        with pytest.raises(ModelFileError, match="leave factory out"):
            explain.load_model(name, factory=lambda: explain.zoo.load("cifar_net"))
        with pytest.raises(InputError, match="device='tpu'"):
            explain.load_model(name, device="tpu")
        assert explain.load_model(name, device="cpu") is not None


class TestONNX:
    def test_a_fixed_batch_of_one_is_explained_row_by_row(self, here):
        onnx_file("net.onnx", rows=1)
        a = explain.attribute(explain.load_model("net.onnx"), X, "feature_ablation", target=1, score="output")
        np.testing.assert_allclose(a.values, X * WEIGHTS[:, 1], atol=1e-5)

    def test_an_operation_that_is_not_known(self, here):
        onnx_file("net.onnx", kind="OwnOperation")
        with pytest.raises(ModelFileError, match="not a readable ONNX model"):
            explain.load_model("net.onnx")

    def test_the_package_is_missing(self, here, monkeypatch):
        onnx_file("net.onnx")
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(FrameworkNotInstalledError, match="pip install onnxruntime"):
            explain.load_model("net.onnx")
