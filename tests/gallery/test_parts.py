"""The parts of the page: the choice of samples, words for maps, tiles, colour bars, letters."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from explain import zoo
from explain.algorithms.catalogue import find_method
from explain.gallery.computation import logits, repeated
from explain.gallery.exhibits import EXHIBITS, choose
from explain.gallery.model_results import MethodResult
from explain.gallery.pages.colour_bar import colour_bar
from explain.gallery.pages.describe import map_alt, picture_alt, where
from explain.gallery.pages.examples import drawn_example, found_for, halves
from explain.gallery.pages.letters import draw_letters, strongest_letters
from explain.gallery.pages.pictures import Pictures
from explain.gallery.pages.settings import integration_words, option_words
from explain.inputs.display import Display
from explain.render import shared_scale
from explain.render.png import image_data_uri
from explain.results.attribution import Attribution
from explain.zoo.preprocessing import ALPHABET
from explain.zoo.pretrained import PRETRAINED
from explain.zoo.seed_models import NAMES_TRANSFORMER


def pixels_of(uri):
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as picture:
        return np.asarray(picture)


def test_samples_are_one_of_each_class_while_there_are_places():
    labels = zoo.samples("cifar_net", "torch").y
    chosen = choose(labels, 8)
    assert [labels[index] for index in chosen] == sorted(set(labels))
    assert len(set(choose(labels, 20))) == 20
    assert len(choose(labels, 99)) == len(labels)


def test_samples_spread_over_many_classes():
    labels = zoo.samples("names_rnn", "torch").y
    picked = [int(labels[index]) for index in choose(labels, 12)]
    assert len(set(picked)) == 12
    assert picked[0] == 0
    assert picked[-1] == max(labels)


def test_exhibits_are_of_models_of_the_zoo():
    assert set(EXHIBITS) <= {*zoo.names(), NAMES_TRANSFORMER.name, *PRETRAINED}
    for shown in EXHIBITS.values():
        assert [find_method(name).name for name in shown.methods] == list(shown.methods)


def test_no_exhibit_chooses_the_steps_of_an_integral():
    # The tolerance does, and for every model the same one.
    for name, shown in EXHIBITS.items():
        assert not {"n_steps", "rule", "tolerance"} & set(shown.options.get("integrated_gradients", {})), name


def integral(count, **fields):
    ones = np.ones((count, 2), np.float32)
    return Attribution(ones, ones, "NC", "integrated_gradients", np.ones(count), **fields)


def test_nodes_of_its_own_are_repeated_in_place_of_steps_and_rule():
    nodes = np.full((2, 2, 1), 1.0)
    first = integral(2, steps=np.ones(2, int), rule="adaptive", nodes=nodes, batch_size=64)
    found = repeated({"tolerance": 0.01, "max_steps": 99, "seed": 3}, first)
    assert found.pop("nodes").tolist() == nodes.tolist()
    assert found == {"seed": 3, "batch_size": 64}


def test_integrals_in_words():
    steps = np.array([15, 135])
    fixed = integral(2, steps=steps, rule="fejer", options={"n_steps": [15, 135], "tolerance": 0.02})
    assert integration_words(fixed) == ["15 to 135 Fejér steps"]
    auto = replace(fixed, options={"n_steps": "auto", "tolerance": 0.005, "max_steps": 405})
    assert integration_words(auto) == [
        "15 to 135 Fejér steps",
        "chosen for a map error of at most 0.5 %",
        "at most 405 steps",
    ]
    assert option_words(auto, ": ") == []
    assert integration_words(integral(2)) == []
    # Steps that are no steps of an integral, as those of a climb, are an option like the others.
    assert option_words(integral(1, options={"n_steps": 128, "jitter": 2}), " ") == [
        "n_steps 128",
        "jitter 2",
    ]


def test_repeating_a_result():
    first = integral(3, steps=np.array([45, 45, 45]), rule="midpoint", batch_size=7)
    asked = {
        "n_steps": "auto",
        "tolerance": 0.1,
        "max_steps": 9,
        "batch_size": 64,
        "seed": 5,
        "score": "logit",
    }
    again = repeated(asked, first)
    assert again == {"n_steps": 45, "rule": "midpoint", "batch_size": 7, "seed": 5, "score": "logit"}
    assert repeated(asked, replace(first, steps=np.array([5, 45, 15])))["n_steps"] == [5, 45, 15]
    assert repeated(asked, integral(3)) == asked


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [(0, 0, "upper left"), (4, 4, "centre"), (8, 4, "lower middle"), (4, 8, "middle right")],
)
def test_where(row, column, words):
    heatmap = np.zeros((9, 9))
    heatmap[row, column] = -1
    assert where(heatmap) == words


def test_words_for_maps_and_pictures():
    assert "zero everywhere" in map_alt(np.zeros((3, 3)), "Saliency", "cat")
    assert "%" not in map_alt(np.ones((3, 3)), "Saliency", "cat", signed=False)
    assert "light" in picture_alt(np.ones((3, 3, 3)), "Input")
    assert "medium" in picture_alt(np.full((3, 3), 0.5), "Input")


def test_tiles_keep_every_pixel():
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3))
    np.testing.assert_array_equal(pixels_of(image_data_uri(picture / 255)), picture)
    assert pixels_of(image_data_uri(np.zeros((2, 3)))).shape == (2, 3, 3)


def test_colour_bars_are_honest():
    outlier = np.concatenate([np.linspace(-1, 1, 999), [50.0]])
    bar = colour_bar(shared_scale(outlier), outlier)
    assert bar.clipped
    assert pixels_of(bar.image).shape == (1, 257, 3)
    assert [tick.place for tick in bar.ticks] == [0, 25, 50, 75, 100]
    unsigned = colour_bar(shared_scale(np.array([4.0]), signed=False), np.array([4.0]))
    assert [tick.text for tick in unsigned.ticks] == ["0", "1", "2", "3", "4"]
    zero = colour_bar(shared_scale(np.zeros(3)), np.zeros(3))
    assert [tick.text for tick in zero.ticks] == ["0 everywhere"]


def test_strongest_letters_are_the_greatest_in_order():
    found = np.full((1, 2, len(ALPHABET)), 0.5, np.float32)
    found[0, 1, [ALPHABET.index(letter) for letter in "xyz"]] = 1.0, 0.7, 0.9
    a = Attribution(found, found, "NTC", "activation_maximization", np.ones(1), framework="torch")
    a = a.with_display(bounds=Display(bounds=(0, 1)).bounds)
    # Equal ones in the order of the alphabet.
    assert [[letter.name for letter in step] for step in strongest_letters(a, 0)] == [
        ["a", "b", "c"],
        ["x", "z", "y"],
    ]
    assert strongest_letters(a, 0)[1][0].value == "1"
    texts = [text.get_text() for axes in draw_letters([a, a]).axes for text in axes.texts]
    assert texts == ["a", "b", "c", "x", "z", "y"] * 2


def made(framework, values, method="saliency", **fields):
    values = np.asarray(values, np.float32)
    return Attribution(values, values, "NHW", method, np.ones(len(values)), framework=framework, **fields)


def test_a_small_picture_is_half_of_each_framework():
    both = {"torch": made("torch", np.ones((1, 4, 4))), "tensorflow": made("tensorflow", -np.ones((1, 4, 4)))}
    drawn = drawn_example(MethodResult(find_method("saliency"), both), 0)
    assert drawn.difference == 2.0
    small = halves(drawn)
    assert small.shape == (4, 4, 3)
    # Red above, of the first, and blue below, of the second: the twins differ, and it shows.
    assert (small[:2, :, 0] > small[:2, :, 2]).all()
    assert (small[2:, :, 0] < small[2:, :, 2]).all()
    alone = drawn_example(MethodResult(find_method("saliency"), {"torch": both["torch"]}), 0)
    assert np.isnan(alone.difference)
    assert (halves(alone) == alone.pixels[0]).all()


def test_a_large_picture_becomes_the_means_of_its_blocks():
    values = np.random.default_rng(0).standard_normal((1, 130, 130))
    drawn = drawn_example(MethodResult(find_method("saliency"), {"torch": made("torch", values)}), 0)
    small = halves(drawn)
    # Blocks of three; a remainder is cut off.
    assert small.shape == (43, 43, 3)
    np.testing.assert_allclose(small[0, 1], drawn.pixels[0][:3, 3:6].mean(axis=(0, 1)))


def test_a_word_has_a_row_for_each_framework_without_its_padding():
    values, mask = np.array([[[1.0], [-1.0], [0.0]]], np.float32), np.array([[True, True, False]])
    both = {
        name: Attribution(
            values, values, "NTC", "saliency", np.ones(1), framework=name, mask=mask
        ).with_display(step_names=(("a", "b"),))
        for name in ("torch", "tensorflow")
    }
    assert halves(drawn_example(MethodResult(find_method("saliency"), both), 0)).shape == (2, 2, 3)


def test_a_maximization_shows_the_class_of_the_example():
    found = made("torch", np.ones((3, 4, 4)), "activation_maximization", target=(0, 1, 2))
    result = MethodResult(find_method("maximize"), {"torch": found})
    assert found_for(result, "class 2", 0) == 2
    assert found_for(result, "another", 1) == 0
    other = MethodResult(find_method("saliency"), {"torch": made("torch", np.ones((3, 4, 4)))})
    assert [found_for(other, "class 2", one) for one in (1, 5)] == [1, 0]


def test_equal_pictures_are_one_file():
    pictures = Pictures("net")
    tiles = [pictures.add(name, np.zeros((2, 3)), "alt") for name in ("a", "b")]
    other = pictures.add("c", np.ones((2, 3)), "alt")
    assert [one.source for one in (*tiles, other)] == ["net/a.png", "net/a.png", "net/c.png"]
    assert (other.width, other.height) == (3, 2)
    assert set(pictures.files) == {"a.png", "c.png"}


def test_logits_of_names_stop_where_the_name_does():
    samples = zoo.samples("names_rnn", "torch")
    assert logits(zoo.load("names_rnn", "torch"), samples).shape == (len(samples), 18)
