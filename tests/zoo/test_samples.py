"""The samples that ship with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from explain import zoo
from explain.errors import ZooError
from explain.inputs.layout import Layout
from explain.zoo.data import Split, dataset
from explain.zoo.preprocessing import ALPHABET, one_hot, plain_letters, spell
from explain.zoo.sample_inputs import choose_names, write_name_samples


@pytest.mark.parametrize(
    ("name", "framework", "shape", "layout"),
    [
        ("cifar_net", "torch", (20, 3, 32, 32), "NCHW"),
        ("cifar_net", "tensorflow", (20, 32, 32, 3), "NHWC"),
        ("cifar_keras", "torch", (20, 3, 32, 32), "NCHW"),
        ("cifar_keras", "tensorflow", (20, 32, 32, 3), "NHWC"),
        ("names_rnn", "torch", (24, 12, 57), "NTC"),
        ("names_rnn", "tensorflow", (24, 12, 57), "NTC"),
        ("fashion_rnn", "torch", (20, 28, 28), "NTC"),
        ("fashion_rnn", "tensorflow", (20, 28, 28), "NTC"),
    ],
)
def test_shape_layout_and_bounds(name: str, framework: str, shape: tuple[int, ...], layout: str) -> None:
    samples = zoo.samples(name, framework=framework)
    assert samples.x.shape == shape
    assert samples.x.dtype == np.float32
    assert samples.x.flags["C_CONTIGUOUS"]
    assert samples.layout == layout
    assert len(samples) == len(samples.y) == len(samples.x)
    low, high = samples.display.bounds
    assert low == {"cifar_net": -1}.get(name, 0)
    assert high == 1
    assert low <= samples.x.min() < 0.5 * (low + high) < samples.x.max() <= high
    assert set(samples.y) <= set(range(len(samples.classes)))
    assert samples.display.classes == samples.classes == zoo.seed_model(name).classes


@pytest.mark.parametrize("name", zoo.names())
def test_both_layouts_hold_the_same_numbers(name: str) -> None:
    first, second = (zoo.samples(name, framework=framework) for framework in ("torch", "tensorflow"))
    np.testing.assert_array_equal(
        Layout(first.layout).to_canonical(first.x), Layout(second.layout).to_canonical(second.x)
    )


def test_display_turns_an_input_back_into_the_picture() -> None:
    normalised, plain = zoo.samples("cifar_net"), zoo.samples("cifar_keras")
    display = normalised.display
    np.testing.assert_allclose(normalised.x * display.scale + display.mean, plain.x, atol=1e-6)


def test_names_carry_lengths_and_characters() -> None:
    samples = zoo.samples("names_rnn")
    assert samples.lengths is not None
    assert set(samples.y) == set(range(18))
    assert len(set(samples.lengths.tolist())) >= 5
    for row, length in enumerate(samples.lengths):
        np.testing.assert_array_equal(samples.x[row].sum(axis=1), np.arange(samples.x.shape[1]) < length)
        assert len(samples.display.step_names[row]) == length
    assert ["".join(characters) for characters in samples.display.step_names] == spell(
        samples.x, samples.lengths
    )


def test_chosen_names_cover_every_language_and_follow_the_seed() -> None:
    generator = np.random.default_rng(0)
    split = Split(np.zeros((90, 1, 57), np.uint8), generator.permutation(np.arange(90) % 18))
    chosen = choose_names(split, 24, seed=0)
    assert len(set(chosen.tolist())) == 24
    assert set(split.y[chosen]) == set(range(18))
    np.testing.assert_array_equal(chosen, choose_names(split, 24, seed=0))
    assert not np.array_equal(chosen, choose_names(split, 24, seed=1))


def test_name_samples_are_written_from_the_test_split(data_folder: Path) -> None:
    written = write_name_samples(data_folder).read_text(encoding="utf-8")
    data = dataset("names")
    assert written.count('"language"') == 24
    assert not any(f'"{name}"' in written for name in spell(data.train.x, data.train.lengths))
    assert sum(f'"{name}"' in written for name in spell(data.test.x, data.test.lengths)) == 24


def test_alphabet_and_accents() -> None:
    assert len(ALPHABET) == 57
    assert plain_letters("O'Néàl-ß ") == "O'Neal"
    steps, lengths = one_hot(["Ab"])
    assert steps[0, 0, ALPHABET.index("A")] == steps[0, 1, ALPHABET.index("b")] == 1
    assert lengths.tolist() == [2]


@pytest.mark.parametrize("name", ["", "Néàl", "a-b"])
def test_a_name_outside_the_alphabet_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="plain_letters"):
        one_hot([name])


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ZooError, match=r"Did you mean 'cifar_net'"):
        zoo.samples("cifarnet")
    with pytest.raises(ZooError, match="framework='jax' is not one of the frameworks: torch, tensorflow"):
        zoo.samples("cifar_net", framework="jax")
