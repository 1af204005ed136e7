"""Weight files and cards: what is in them, and what a damaged one is answered with."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
import pytest

from explain import zoo
from explain.errors import DataError, FrameworkNotInstalledError, ZooError
from explain.zoo import weight_files
from explain.zoo.cards import write_card
from explain.zoo.seed_models import SEED_MODELS, seed_model
from explain.zoo.weight_files import read_metadata, read_weights, shipped, weights_for, write_weights

CIFAR_NET = SEED_MODELS["cifar_net"]
MADE = ("shapes_honest", "shapes_shortcut", "motifs_honest", "motifs_shortcut")
SHIPPED = (*zoo.names(), "names_transformer", *MADE)


def fail_to_find(*_: object) -> Traversable:
    return Path("/nowhere/at/all.safetensors")


def test_names() -> None:
    assert zoo.names() == ("cifar_net", "cifar_keras", "names_rnn", "fashion_rnn")


@pytest.mark.parametrize("name", SHIPPED)
def test_cards_state_what_the_weight_file_says_and_it_is_enough(name: str) -> None:
    row = seed_model(name)
    metadata = read_metadata(shipped(row, ".safetensors").read_bytes(), name)
    assert metadata["name"] == name
    assert metadata["epochs"] == row.recipe.epochs
    assert metadata["test_accuracy"] >= row.required_accuracy
    card = zoo.card(name)
    stated = re.search(r"\*\*([\d.]+) %\*\* on ([\d,]+) test examples", card)
    assert stated is not None
    assert stated[1] == f"{100 * metadata['test_accuracy']:.2f}"
    assert int(stated[2].replace(",", "")) == metadata["test_examples"]
    assert card == write_card(row, metadata)
    for section in ("Licence:", "Cite:", "## Training", "## Intended use", "## Limits", metadata["command"]):
        assert section in card


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_finite_float32(name: str) -> None:
    for framework in ("torch", "tensorflow"):
        for tensor in weights_for(seed_model(name), framework).values():
            assert tensor.dtype == np.float32
            assert np.isfinite(tensor).all()


def test_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    tensors = weights_for(CIFAR_NET, "torch")
    metadata = {"seed": 1, "name": "cifar_net", "epochs": 2}
    for number in range(2):
        write_weights(tmp_path / f"{number}.safetensors", CIFAR_NET, tensors, metadata)
    first, second = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert first == second
    assert read_metadata(first, "file") == metadata
    for name, tensor in read_weights(CIFAR_NET, first, "file").items():
        np.testing.assert_array_equal(tensor, tensors[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv1.weight": None}, "conv1.weight is missing"),
        ({"conv9.weight": np.zeros(1, np.float32)}, "conv9.weight does not belong there"),
        ({"conv1.bias": np.zeros(7, np.float32)}, r"conv1.bias has shape \(7,\), not \(6,\)"),
        ({"conv1.bias": np.zeros(6)}, "conv1.bias is float64, not float32"),
    ],
    ids=["missing", "extra", "shape", "dtype"],
)
def test_other_tensors_are_refused_by_name(
    tmp_path: Path, change: dict[str, np.ndarray | None], message: str
) -> None:
    from safetensors.numpy import save

    tensors = {
        name: tensor
        for name, tensor in (weights_for(CIFAR_NET, "torch") | change).items()
        if tensor is not None
    }
    with pytest.raises(DataError, match=message):
        read_weights(CIFAR_NET, save(tensors), "file")
    with pytest.raises(DataError, match=message):
        write_weights(tmp_path / "x.safetensors", CIFAR_NET, tensors, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 something else", b"\x10" + bytes(40)])
def test_foreign_files_are_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="file is not a safetensors file"):
        read_weights(CIFAR_NET, content, "file")
    with pytest.raises(DataError, match="file does not say how its weights were trained"):
        read_metadata(content, "file")


def test_a_truncated_file_is_refused() -> None:
    content = shipped(CIFAR_NET, ".safetensors").read_bytes()
    with pytest.raises(DataError, match="not a safetensors file"):
        read_weights(CIFAR_NET, content[:-4], "file")


def test_missing_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_files, "shipped", fail_to_find)
    monkeypatch.setattr(zoo, "shipped", fail_to_find)
    with pytest.raises(DataError, match=r"is missing\. Install explain-toolkit again"):
        weights_for(CIFAR_NET, "torch")
    with pytest.raises(DataError, match=r"is missing\. Install explain-toolkit again"):
        zoo.card("cifar_net")


def test_missing_samples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        zoo.samples("cifar_net")
    (tmp_path / "sample_data" / "cifar10").mkdir(parents=True)
    with pytest.raises(DataError, match="no picture"):
        zoo.samples("cifar_net")


def test_unknown_requests_name_what_is_valid() -> None:
    with pytest.raises(ZooError, match=r"name='cifar-net' .* names_rnn.* Did you mean 'cifar_net'\?"):
        zoo.load("cifar-net")
    with pytest.raises(ZooError, match=r"framework='tf' is not one of the frameworks: torch, tensorflow\."):
        zoo.load("cifar_net", framework="tf")
    with pytest.raises(ZooError, match="dtype='float16' is not one of the precisions: float32, float64"):
        zoo.load("cifar_net", dtype="float16")
    with pytest.raises(ZooError, match="name='resnet'"):
        zoo.card("resnet")


@pytest.mark.parametrize(
    ("framework", "package"), [("torch", "torch"), ("tensorflow", "tensorflow"), ("tensorflow", "keras")]
)
def test_a_framework_that_is_not_installed(
    framework: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(module: str) -> None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(FrameworkNotInstalledError, match=rf'pip install "explain-toolkit\[{framework}\]"'):
        zoo.load("cifar_net", framework=framework)


def test_an_import_error_of_another_package_is_not_blamed_on_the_framework(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(module: str) -> None:
        raise ModuleNotFoundError("No module named 'typing_extensions'", name="typing_extensions")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="typing_extensions"):
        zoo.load("cifar_net")


def test_the_zoo_and_its_samples_need_no_framework() -> None:
    code = (
        "import sys; sys.modules.update(torch=None, tensorflow=None, keras=None)\n"
        "from explain import zoo\n"
        "for name in (*zoo.names(), 'names_transformer', 'shapes_honest', 'motifs_shortcut'):\n"
        "    zoo.samples(name, framework='tensorflow'), zoo.card(name)\n"
        "try: zoo.load('cifar_net', framework='torch')\n"
        "except ImportError as error: print(type(error).__name__, error)\n"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.startswith("FrameworkNotInstalledError")
    assert 'pip install "explain-toolkit[torch]"' in finished.stdout
