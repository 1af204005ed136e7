"""Training on tiny data sets: reproducible by seed, better than chance, written whole."""

from __future__ import annotations

import functools
import importlib
import math
import runpy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from explain.errors import OptionError
from explain.zoo.data import Split, dataset
from explain.zoo.model_row import Recipe
from explain.zoo.seed_models import SEED_MODELS
from explain.zoo.training import batches, loop
from explain.zoo.training import run as training
from explain.zoo.weight_files import read_metadata, read_weights

EXTENSION = {"torch": "explain.torch_ext", "tensorflow": "explain.tf_ext"}


def weights_of(extension: str, name: str, split: Split, seed: int) -> dict[str, np.ndarray]:
    model = loop.train(name, split, epochs=1, seed=seed, device="cpu")
    return importlib.import_module(f"{extension}.zoo.weights").parameters(model)


@pytest.mark.parametrize("name", ["cifar_net", "cifar_keras", "names_rnn"])
def test_the_same_seed_gives_the_same_weights(name: str, data_folder: Path) -> None:
    row = SEED_MODELS[name]
    split = dataset(row.dataset).train
    first, again = (weights_of(EXTENSION[row.native], name, split, seed) for seed in (3, 3))
    for key, tensor in first.items():
        np.testing.assert_array_equal(tensor, again[key])


def test_another_seed_gives_other_weights(data_folder: Path) -> None:
    split = dataset("names").train
    first, other = (weights_of(EXTENSION["torch"], "names_rnn", split, seed) for seed in (3, 4))
    assert not np.array_equal(first["i2h.weight"], other["i2h.weight"])


@pytest.mark.parametrize("extension", EXTENSION.values())
def test_accuracy_steps_names_to_their_own_last_character(extension: str, data_folder: Path) -> None:
    from explain import zoo

    framework = "torch" if extension == EXTENSION["torch"] else "tensorflow"
    model = zoo.load("names_rnn", framework)
    split = dataset("names").test.take(np.arange(0, 36, 8))
    together = loop.accuracy("names_rnn", framework, model, split)
    alone = [
        loop.accuracy("names_rnn", framework, model, split.take(np.array([row]))) for row in range(len(split))
    ]
    assert together == pytest.approx(np.mean(alone))


@pytest.mark.parametrize("framework", EXTENSION)
def test_devices(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert loop.choose_device(framework, "cpu") == "cpu"
    with pytest.raises(OptionError, match=r"device='gpu' is unknown"):
        loop.choose_device(framework, "gpu")
    if loop.choose_device(framework, "auto") == "cpu":
        with pytest.raises(OptionError, match="finds no CUDA device"):
            loop.choose_device(framework, "cuda")


def test_training_learns_a_simple_task_and_the_same_each_time() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, size=640)
    pictures = np.zeros((640, 28, 28), np.uint8)
    for row, label in enumerate(labels):
        pictures[row, :, 2 * label : 2 * label + 3] = 255
    split = Split(pictures, labels)
    runs: list[list[float]] = [[], []]
    for losses in runs:
        report = functools.partial(lambda losses, *step: losses.append(step[-1]), losses)
        model = loop.train("fashion_rnn", split, epochs=4, progress=report)
    assert runs[0] == runs[1]
    assert len(runs[0]) == 20
    assert runs[0][-1] < 0.7 * runs[0][0]
    assert loop.accuracy("fashion_rnn", "tensorflow", model, split) > 0.5


def test_train_and_write(data_folder: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int, float]] = []
    result = training.train_and_write(
        "names_rnn", tmp_path / "out", seed=5, epochs=2, progress=lambda *step: seen.append(step)
    )
    content = result.path.read_bytes()
    read_weights(SEED_MODELS["names_rnn"], content, "file")
    metadata = read_metadata(content, "file")
    assert metadata["seed"] == 5
    assert metadata["epochs"] == 2
    assert metadata["test_accuracy"] == result.test_accuracy
    assert metadata["command"] == "python gallery/train.py names_rnn --seed 5 --epochs 2"
    assert metadata["command"] in result.path.with_suffix(".md").read_text(encoding="utf-8")
    assert [step[:2] for step in seen] == [(1, 2), (2, 2)]


@pytest.fixture
def command() -> Iterator[object]:
    import typer

    application = typer.Typer()
    script = Path(__file__).parents[2] / "gallery" / "train.py"
    application.command()(runpy.run_path(str(script))["main"])
    return application


def test_the_command_trains_and_says_when_a_run_falls_short(
    command: object, data_folder: Path, tmp_path: Path
) -> None:
    result = CliRunner().invoke(command, ["names_rnn", "--epochs", "1", "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "below the required 75 %" in " ".join(result.output.split())
    assert (tmp_path / "out" / "names_rnn.safetensors").exists()


def test_the_command_words_errors(command: object) -> None:
    result = CliRunner().invoke(command, ["cifarnet"])
    assert result.exit_code == 1
    assert "Did you mean 'cifar_net'?" in " ".join(result.output.split())


def test_learning_rate_warms_up_and_ends_at_zero() -> None:
    recipe = Recipe(epochs=1, learning_rate=0.1)
    rates = [batches.learning_rate(recipe, step, 200) for step in range(200)]
    assert max(rates) == pytest.approx(0.1)
    assert rates.index(max(rates)) == 9
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 1e-4


def test_every_epoch_sees_each_example_at_most_once() -> None:
    model = replace(SEED_MODELS["fashion_rnn"], recipe=Recipe(epochs=1, batch_size=4))
    split = Split(np.zeros((10, 28, 28), np.uint8), np.arange(10))
    drawn = list(batches.training_batches(model, split, epochs=2, seed=0))
    assert len(drawn) == batches.steps_of(10, model.recipe, 2) == 4
    for epoch in (drawn[:2], drawn[2:]):
        assert len(set(np.concatenate([batch.y for batch in epoch]).tolist())) == 8


def test_augmentation_mirrors_and_shifts_whole_pictures() -> None:
    picture = np.zeros((1, 32, 32, 3), np.uint8)
    picture[0, 16, 10] = 255
    found = set()
    for seed in range(60):
        changed = batches.augmented(picture, np.random.default_rng(seed))
        rows, columns = np.nonzero(changed[0, :, :, 0])
        assert len(rows) == 1
        found.add((int(rows[0]), int(columns[0])))
    assert {row for row, _ in found} <= set(range(12, 21))
    # Column 10, or its mirror image 21, each moved by up to four.
    assert {column for _, column in found} <= set(range(6, 15)) | set(range(17, 26))
    assert min(column for _, column in found) < 10 < 21 < max(column for _, column in found)
    assert math.isclose(float(changed.sum()), 3 * 255)
