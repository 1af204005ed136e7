"""What a source may be besides a model file, and what is said of anything else."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest
from models.kits_on_disk import PICTURES, torch_net

import explain
from explain.errors import (
    ExplainError,
    InputError,
    MigrationError,
    MissingFileError,
    ModelFileError,
    UnsupportedModelError,
    ZooError,
)
from explain.models.opening import opened_model


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestNames:
    @pytest.mark.parametrize("framework", ["torch", "tensorflow"])
    def test_a_seed_model(self, framework):
        for name in (f"zoo:cifar_net@{framework}", f"cifar_net@{framework}"):
            opened = opened_model(name)
            assert (opened.seed_model, opened.framework, opened.path) == ("cifar_net", framework, None)
            assert type(explain.load_model(name)) is type(explain.zoo.load("cifar_net", framework))

    def test_a_function_in_the_current_folder(self, here):
        Path("source_nets.py").write_text(
            textwrap.dedent(
                """
                import torch

                def build():
                    return torch.nn.Linear(4, 3)

                net = torch.nn.Linear(4, 2)

                class Nets:
                    small = torch.nn.Linear(4, 1)

                def broken():
                    raise ValueError("no such size")

                def nothing():
                    pass

                number = 3
                """
            )
        )
        assert explain.load_model("source_nets:build").out_features == 3
        assert explain.load_model("source_nets:net").out_features == 2
        assert explain.load_model("source_nets:Nets.small").out_features == 1
        for name, words in {
            "source_nets:broken": "raised ValueError while it built the model: no such size",
            "source_nets:nothing": "returned None: end it with a return",
            "source_nets:number": "is a int, which builds no model",
            "source_nets:absent": "cannot be imported",
            "absent_nets:build": "cannot be imported",
            ":build": "names no function",
            "source_nets:": "names no function",
        }.items():
            with pytest.raises(UnsupportedModelError, match=words):
                explain.load_model(name)

    @pytest.mark.parametrize(
        ("source", "error", "words"),
        [
            ("cifar_net", UnsupportedModelError, "zoo:cifar_net@torch or zoo:cifar_net@tensorflow"),
            ("zoo:cifar_net", UnsupportedModelError, "zoo:cifar_net@torch"),
            ("zoo:cat@torch", ZooError, "not one of the seed models"),
            ("zoo:cifar_net@mxnet", ZooError, "mxnet"),
            ("", UnsupportedModelError, "source is empty"),
            ("something", UnsupportedModelError, "names no model, and no file"),
            ("https://example.org/net.keras", UnsupportedModelError, "download the file first"),
            ("net.keras", MissingFileError, "There is no file net.keras in"),
            ("models/net", MissingFileError, "There is no file models/net"),
            ("C:\\models\\net.keras", MissingFileError, "There is no file"),
            (Path("net"), MissingFileError, "There is no file net"),
            ("a" * 5000, UnsupportedModelError, "names no model"),
            ("net\0.keras", MissingFileError, "There is no file"),
            (3, UnsupportedModelError, "source is of type int"),
        ],
    )
    def test_what_is_no_source(self, here, source, error, words):
        with pytest.raises(error, match=words):
            explain.load_model(source)

    def test_a_missing_file_is_a_file_not_found_error(self, here):
        with pytest.raises(FileNotFoundError):
            explain.load_model("net.keras")

    def test_a_factory_where_none_belongs(self, here):
        for source in ("zoo:cifar_net@torch", "some:build"):
            with pytest.raises(InputError, match="leave factory out"):
                explain.load_model(source, factory=torch_net)

    def test_a_factory_of_another_framework_than_the_weights(self, here):
        import torch

        torch.save(torch_net().state_dict(), "w.pt")
        with pytest.raises(
            ModelFileError, match=r"tensorflow cannot give weights from it: give a model file of Keras"
        ):
            explain.load_model("w.pt", factory=lambda: explain.zoo.load("cifar_net", "tensorflow"))


class TestContents:
    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            (
                "net.keras",
                b"name: net\n",
                "named like a model file of Keras, but its contents are plain text",
            ),
            ("net.h5", b"\x00\x01\x02", "of no format that is read, or damaged"),
            ("net.pt2", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
            ("net.onnx", b"\x1f\x8b\x08\x00", "packed by gzip"),
            ("net.tflite", b"text", "named like a TFLite file"),
            ("net.txt", b"text", "none of the files that are read"),
            ("net", b"\x00" * 100, "none of the files that are read"),
            ("net.keras", b"", "is empty"),
            ("net.keras", b"PK\x03\x04cut", "damaged or cut off"),
        ],
    )
    def test_files_that_hold_no_model(self, here, name, content, words):
        Path(name).write_bytes(content)
        with pytest.raises(ModelFileError, match=words):
            explain.load_model(name)

    @pytest.mark.parametrize(
        ("names", "words"),
        [(["a.npy"], "an archive of arrays"), (["word/document.xml"], "a ZIP archive and holds no model")],
    )
    def test_archives_that_hold_no_model(self, here, names, words):
        with zipfile.ZipFile("net.keras", "w") as archive:
            for name in names:
                archive.writestr(name, b"content")
        with pytest.raises(ModelFileError, match=words):
            explain.load_model("net.keras")

    def test_what_is_no_file(self, here):
        os.mkfifo("pipe.keras")
        with pytest.raises(ModelFileError, match="neither a file nor a folder"):
            explain.load_model("pipe.keras")

    def test_folders(self, here):
        with pytest.raises(ModelFileError, match=r"a folder without saved_model\.pb"):
            explain.load_model(".")
        Path("model.safetensors").write_bytes(b"x")
        with pytest.raises(ModelFileError, match=r"contains model\.safetensors: give model\.safetensors"):
            explain.load_model(".")

    @pytest.mark.parametrize(("own", "other"), [("torch", "tensorflow"), ("tensorflow", "torch")])
    def test_no_other_framework_is_imported(self, here, own, other):
        write = {
            "torch": "import torch; torch.export.save(torch.export.export(torch.nn.Linear(2, 2), "
            "(torch.ones(1, 2),)), 'net.model')",
            "tensorflow": "import keras; keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])"
            ".save('net.keras')",
        }[own]
        subprocess.run([sys.executable, "-c", write], check=True, capture_output=True)
        name = "net.model" if own == "torch" else "net.keras"
        read = (
            f"import sys, explain; explain.load_model({name!r}); assert {own!r} in sys.modules; "
            f"assert {other!r} not in sys.modules, {other!r}"
        )
        subprocess.run([sys.executable, "-c", read], check=True, capture_output=True)

    @pytest.mark.parametrize(
        ("backend", "others"), [("jax", ["tensorflow", "torch"]), ("torch", ["tensorflow"])]
    )
    def test_keras_on_another_framework(self, here, backend, others):
        code = f"""
            import sys
            import numpy as np
            import explain
            model = explain.load_model("net.keras", device="cpu")
            assert model.__class__.__name__ == "Sequential"
            x = np.ones((2, 3), np.float32)
            a = explain.attribute(model, x, "saliency", target=1)
            np.testing.assert_allclose(a.values, np.asarray(model.get_weights()[0])[None, :, 1].repeat(2, 0), atol=1e-6)
            again = explain.load_model("net.weights.h5", factory=lambda: model)
            assert again is model
            loaded = set({others!r}) & set(sys.modules)
            assert not loaded, loaded
        """
        write = """
            import keras
            net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
            net.save("net.keras")
            net.save_weights("net.weights.h5")
        """
        environment = {**os.environ, "KERAS_BACKEND": backend}
        for one in (write, code):
            ran = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(one)], env=environment, capture_output=True, text=True
            )
            assert ran.returncode == 0, ran.stderr[-2000:]


class TestPathsAsModels:
    @pytest.mark.parametrize("model", ["net.keras", Path("net.pt"), "cifar_net"])
    def test_every_function_says_to_load_it(self, model):
        net = explain.zoo.load("cifar_net")
        x = explain.zoo.samples("cifar_net").x[:1]
        for call in (
            lambda: explain.attribute(model, x),
            lambda: explain.maximize(model, 3),
            lambda: explain.layers(model),
            lambda: explain.port(model, net),
            lambda: explain.port(net, model),
            lambda: explain.check_migration(model, net, x),
            lambda: explain.check_migration(net, model, x),
        ):
            with pytest.raises(ExplainError, match=r"load it first, model = explain\.load_model\(") as caught:
                call()
            assert isinstance(caught.value, (UnsupportedModelError, MigrationError))

    def test_loaded_files_are_compared_and_explained(self, here):
        import torch

        explained = torch_net().eval()
        torch.save(explained.state_dict(), "w.pt")
        loaded = explain.load_model("w.pt", factory=torch_net)
        assert explain.check_migration(explained, loaded, PICTURES).passed
        np.testing.assert_array_equal(
            explain.attribute(loaded, PICTURES, "saliency").values,
            explain.attribute(explained, PICTURES, "saliency").values,
        )
