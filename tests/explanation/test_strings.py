"""Strings that a Keras model looks up itself: exchanged as wholes, and by gradients at their vectors."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from models.strings import COLOURS, SIZES, beside_numbers, looking_up, of_text, of_vectors, vectorizer

import explain
from explain.errors import BaselineError, ComparisonError, HeldInputWarning, InputError

layers = keras.layers
TABLE = np.array([["red", "small"], ["blue", "pink"], ["large", "green"]])


def slopes_at(model, vectors, target=1):
    """The gradient of a class to the vectors, by a tape."""
    vectors = tf.constant(vectors)
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        score = tf.reduce_sum(of_vectors(model)(vectors)[:, target])
    return tape.gradient(score, vectors).numpy()


def vectors_of(model, lookup, strings):
    table = model.get_layer("vectors").get_weights()[0]
    return table[np.asarray(lookup(tf.constant(strings)))]


@pytest.fixture(scope="module", params=["StringLookup", "Hashing"])
def table_model(request):
    lookup = (
        layers.StringLookup(vocabulary=COLOURS + SIZES)
        if request.param == "StringLookup"
        else layers.Hashing(9)
    )
    return looking_up(lookup, 9, 2), lookup


def test_gradients_are_those_at_the_vector_of_each_string(table_model):
    model, lookup = table_model
    vectors = vectors_of(model, lookup, TABLE)
    slopes = slopes_at(model, vectors)
    for x in (TABLE, TABLE.tolist(), TABLE.astype(object), tf.constant(TABLE)):
        a = explain.attribute(model, x, "saliency", target=1)
        np.testing.assert_allclose(a.values, np.linalg.norm(slopes, axis=-1), rtol=1e-5)
    a = explain.attribute(model, TABLE, "input_x_gradient", target=1)
    np.testing.assert_allclose(a.values, (slopes * vectors).sum(-1), rtol=1e-5, atol=1e-7)
    assert a.texts[1].text == "blue pink"
    assert [name for name, _ in a.tokens(1)] == ["blue", "pink"]
    one = explain.attribute(model, TABLE[:1], "saliency", target=1)
    np.testing.assert_allclose(one.values[0], np.linalg.norm(slopes, axis=-1)[0], rtol=1e-5)


@pytest.mark.parametrize("baseline", [None, "green", np.array([["red", "large"]])])
def test_paths_begin_at_the_vectors_of_the_string_given(table_model, baseline):
    model, lookup = table_model
    a = explain.attribute(model, TABLE, "ig", target=1, baseline=baseline, n_steps=16, rule="midpoint")
    start = np.broadcast_to("" if baseline is None else baseline, TABLE.shape)
    low, high = vectors_of(model, lookup, start), vectors_of(model, lookup, TABLE)
    total = sum(slopes_at(model, low + (step + 0.5) / 16 * (high - low)) for step in range(16)) / 16
    np.testing.assert_allclose(a.values, (total * (high - low)).sum(-1), rtol=1e-5, atol=1e-6)
    if isinstance(baseline, str) or baseline is None:
        assert a.baseline_rule == {"rule": "string", "string": baseline or ""}


@pytest.mark.parametrize("baseline", ["", "green"])
def test_strings_are_exchanged_as_wholes(table_model, baseline):
    model, _ = table_model
    given = {"baseline": baseline} if baseline else {}
    a = explain.attribute(model, TABLE, "feature_ablation", target=1, **given)
    windows = explain.attribute(model, TABLE, "occlusion", target=1, sliding_window_shapes=(1,), **given)
    np.testing.assert_allclose(windows.values, a.values, rtol=1e-5, atol=1e-7)
    score = model(tf.constant(TABLE)).numpy()[:, 1]
    for place in range(2):
        other = TABLE.copy()
        other[:, place] = baseline
        np.testing.assert_allclose(
            a.values[:, place], score - model(tf.constant(other)).numpy()[:, 1], atol=1e-6
        )
    assert a.baseline_rule == {"rule": "string", "string": baseline}
    for method in ("shapley_value_sampling", "kernel_shap"):
        found = explain.attribute(model, TABLE, method, target=1, **given)
        nothing = model(tf.fill(TABLE.shape, baseline)).numpy()[:, 1]
        np.testing.assert_allclose(found.values.sum(1), score - nothing, rtol=1e-4, atol=1e-5)
    assert explain.attribute(model, TABLE, "lime", target=1, **given).values.any()


@pytest.mark.parametrize("shape", [(), (1,)])
def test_one_string_an_example(shape):
    lookup = layers.StringLookup(vocabulary=COLOURS)
    model = looking_up(lookup, 4, shape=shape)
    x = ["red", "blue", "pink"]
    slopes = slopes_at(model, vectors_of(model, lookup, np.array(x).reshape(3, *shape)))
    expected = np.linalg.norm(slopes, axis=-1).ravel()
    for given in (x, np.array(x), *([np.array(x)[:, None]] if shape else [])):
        a = explain.attribute(model, given, "saliency", target=1)
        np.testing.assert_allclose(a.values.ravel(), expected, rtol=1e-5)
        assert explain.attribute(model, given, "feature_ablation", target=1).values.shape == a.values.shape


def test_strings_beside_numbers_by_gradients():
    model = beside_numbers()
    x = {
        "colour": np.array([["red"], ["blue"]]),
        "size": np.array([["small"], ["large"]]),
        "age": np.array([[1.0], [2.0]], "float32"),
    }
    with pytest.warns(HeldInputWarning, match="'colour' has strings.*feature_ablation"):
        found = explain.attribute(model, x, "saliency", target=1)
    assert not found["colour"].values.any()
    one_hot = model.layers[[layer.name for layer in model.layers].index("vectors")]
    assert one_hot is model.get_layer("vectors")
    lookups = {layer.name: layer for layer in model.layers if isinstance(layer, layers.StringLookup)}
    colour, size = lookups.values()
    if "one_hot" not in (colour.get_config()["output_mode"],):
        colour, size = size, colour
    vectors = tf.constant(model.get_layer("vectors").get_weights()[0][np.asarray(size(x["size"]))[:, 0]])
    age = tf.constant(x["age"])
    hidden, head = (layer for layer in model.layers if isinstance(layer, layers.Dense))
    with tf.GradientTape() as tape:
        tape.watch([vectors, age])
        numbers = tf.concat([tf.cast(colour(x["colour"]), "float32"), vectors, age], 1)
        score = tf.reduce_sum(head(hidden(numbers))[:, 1])
    of_vectors, of_age = tape.gradient(score, [vectors, age])
    np.testing.assert_allclose(found["size"].values[:, 0], np.linalg.norm(of_vectors, axis=1), rtol=1e-5)
    np.testing.assert_allclose(found["age"].values, of_age.numpy(), rtol=1e-5)


def test_strings_beside_numbers_exchanged():
    model = beside_numbers()
    x = {
        "colour": np.array([["red"], ["blue"]]),
        "size": np.array([["small"], ["large"]]),
        "age": np.array([[1.0], [2.0]], "float32"),
    }
    start = {"colour": "green", "size": "small", "age": 0.5}
    found = explain.attribute(model, x, "feature_ablation", target=1, baseline=start)
    score = model({name: tf.constant(one) for name, one in x.items()}).numpy()[:, 1]
    for name, one in start.items():
        other = {**x, name: np.full(x[name].shape, one, dtype=None if name != "age" else "float32")}
        change = score - model({key: tf.constant(value) for key, value in other.items()}).numpy()[:, 1]
        np.testing.assert_allclose(found[name].values[:, 0], change, atol=1e-6)
    assert found["colour"].baseline_rule == {"rule": "string", "string": "green"}
    assert found["size"].tokens(1)[0][0] == "large"
    # The empty string is none of the sizes, and its layer raises for any other.
    with pytest.raises(Exception, match="baseline"):
        explain.attribute(model, x, "feature_ablation", target=1)


TEXTS = ["The cat ate the zebra - !", "a red ball"]
WORDS = [["the", "cat", "ate", "the", "zebra"], ["a", "red", "ball"]]


@pytest.mark.parametrize("mask_zero", [False, True])
def test_texts_by_gradients_at_the_vectors_of_words(mask_zero):
    layer = vectorizer(output_sequence_length=8)
    model = of_text(layer, mask_zero=mask_zero)
    ids = np.asarray(layer(TEXTS))
    vectors = tf.constant(model.get_layer("vectors").get_weights()[0][ids])
    *_, recurrent, head = model.layers
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        mask = {"mask": tf.constant(ids != 0)} if mask_zero else {}
        score = tf.reduce_sum(head(recurrent(vectors, **mask))[:, 1])
    slopes = np.linalg.norm(tape.gradient(score, vectors).numpy(), axis=-1)
    for x in (TEXTS, np.array(TEXTS), np.array(TEXTS)[:, None], tf.constant(TEXTS)):
        a = explain.attribute(model, x, "saliency", target=1)
        assert a.values.shape == (2, 5)
        np.testing.assert_allclose(a.values[0], slopes[0, :5], rtol=1e-5)
        np.testing.assert_allclose(a.values[1], [*slopes[1, :3], 0, 0], rtol=1e-5)
    # What is no word of its own is shown with its neighbour.
    assert [name for name, _ in a.tokens(0)] == ["The", "cat", "ate", "the", "zebra - !"]
    a.plot()
    assert "cat" in explain.render.text_html(a)


def test_texts_by_words_left_out_or_exchanged():
    model = of_text(vectorizer(output_sequence_length=8))
    score = model(tf.constant(TEXTS)[:, None]).numpy()[:, 1]
    for baseline in ("", "dog"):
        a = explain.attribute(model, TEXTS, "feature_ablation", target=1, baseline=baseline)
        for row, words in enumerate(WORDS):
            for place in range(len(words)):
                other = " ".join([*words[:place], baseline, *words[place + 1 :]])
                change = score[row] - model(tf.constant([[other]])).numpy()[0, 1]
                np.testing.assert_allclose(a.values[row, place], change, atol=1e-6)
        assert not a.values[1, 3:].any()


@pytest.mark.parametrize("mode", ["multi_hot", "count", "tf_idf"])
def test_counts_of_words_are_explained_by_words_left_out(mode):
    layer = vectorizer(output_mode=mode, ngrams=2)
    given = keras.Input((1,), dtype="string")
    model = keras.Model(given, layers.Dense(2)(layer(given)))
    a = explain.attribute(model, TEXTS, "shapley_value_sampling", target=1, n_samples=20)
    nothing = model(tf.constant([[""]])).numpy()[0, 1]
    score = model(tf.constant(TEXTS)[:, None]).numpy()[:, 1]
    np.testing.assert_allclose(a.values.sum(1), score - nothing, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match=r"no embedding.*feature_ablation"):
        explain.attribute(model, TEXTS, "ig", target=1)


def test_texts_that_the_model_pads_to_the_longest():
    model = of_text(vectorizer())
    with pytest.raises(InputError, match=r"3 to 5 tokens.*each alone"):
        explain.attribute(model, TEXTS, "saliency", target=1)
    for text, words in zip(TEXTS, WORDS, strict=True):
        assert explain.attribute(model, [text], "ig", target=1).values.shape == (1, len(words))
        # Beside no longer text, whose padding would be read.
        a = explain.attribute(model, [text], "feature_ablation", target=1, baseline="")
        for place in range(len(words)):
            other = " ".join([*words[:place], *words[place + 1 :]])
            score, low = (model(tf.constant([[one]])).numpy()[0, 1] for one in (text, other))
            np.testing.assert_allclose(a.values[0, place], score - low, atol=1e-6)
    masked = of_text(vectorizer(), mask_zero=True)
    a = explain.attribute(masked, TEXTS, "lime", target=1)
    assert a.values.shape == (2, 5)
    assert a.baseline_rule == {"rule": "string", "string": "⁇"}


def test_characters():
    layer = vectorizer(split="character", output_sequence_length=6)
    model = of_text(layer)
    a = explain.attribute(model, ["cat", "a dog"], "saliency", target=1)
    assert a.values.shape == (2, 5)
    b = explain.attribute(model, ["cat", "a dog"], "feature_ablation", target=1, baseline="t")
    score = model(tf.constant([["cat"], ["tat"]])).numpy()[:, 1]
    np.testing.assert_allclose(b.values[0, 0], score[0] - score[1], atol=1e-6)


def test_a_subclass_that_looks_up_in_its_own_code():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.lookup = layers.StringLookup(vocabulary=COLOURS)
            self.table, self.head = layers.Embedding(4, 3), layers.Dense(2)

        def call(self, strings):
            return self.head(tf.reduce_sum(self.table(self.lookup(strings)), 1) ** 2)

    keras.utils.set_random_seed(0)
    model = Own()
    x = np.array([["red", "blue"], ["pink", "red"]])
    model(tf.constant(x))
    a = explain.attribute(model, x, "ig", target=1, baseline="green", n_steps=8)
    score, low = (model(tf.constant(one)).numpy()[:, 1] for one in (x, np.full(x.shape, "green")))
    np.testing.assert_allclose(a.values.sum(1), score - low, rtol=1e-4, atol=1e-6)


def test_a_function_of_strings():
    weights = {"red": 2.0, "blue": 3.0, "": 0.5}
    keys, values = list(weights), list(weights.values())
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), 0.0)
    x = np.array([["red", "blue"], ["pink", "red"]])
    a = explain.attribute(
        lambda one: tf.reduce_sum(table.lookup(one), 1),
        x,
        "feature_ablation",
        framework="tensorflow",
        score="output",
    )
    np.testing.assert_allclose(a.values, [[1.5, 2.5], [-0.5, 1.5]])


def test_a_result_of_strings_is_saved_and_read(tmp_path, table_model):
    a = explain.attribute(table_model[0], TABLE, "ig", target=1)
    loaded = explain.load(a.save(tmp_path / "strings.npz"))
    assert loaded.texts == a.texts
    assert loaded.baseline_rule == a.baseline_rule


def test_results_are_compared_by_their_strings(table_model):
    model, _ = table_model
    a = explain.attribute(model, TABLE, "ig", target=1)
    b = explain.attribute(model, TABLE, "feature_ablation", target=1, baseline="green")
    assert np.array_equal(a.inputs, b.inputs)
    compared = explain.compare(a, b)
    assert "baseline: '' | 'green'" in str(compared)
    with pytest.raises(ComparisonError, match="inputs of example"):
        explain.compare(a, explain.attribute(model, TABLE[::-1], "ig", target=1))


@pytest.mark.parametrize(
    ("x", "given", "message"),
    [
        ([["red", 3.0]], {}, "3.0"),
        (TABLE[None], {}, r"shape \(1, 3, 2\)"),
        (TABLE, {"baseline": 0.5, "method": "feature_ablation"}, "has strings"),
        (TABLE, {"baseline": "mean", "method": "feature_ablation"}, "rule for numbers"),
    ],
)
def test_wrong_arguments_are_named(table_model, x, given, message):
    with pytest.raises((InputError, BaselineError), match=message):
        explain.attribute(table_model[0], x, **{"method": "ig", "target": 1, **given})


def test_several_words_in_the_place_of_one_are_refused():
    with pytest.raises(BaselineError, match="2 tokens"):
        explain.attribute(of_text(vectorizer()), TEXTS[:1], "ig", target=1, baseline="a dog")


def test_rules_apply_to_the_vectors(table_model):
    model, lookup = table_model
    a = explain.attribute(model, TABLE, "ig", target=1, baseline="zeros", n_steps=32)
    high = vectors_of(model, lookup, TABLE)
    change = (of_vectors(model)(high) - of_vectors(model)(0 * high)).numpy()[:, 1]
    np.testing.assert_allclose(a.values.sum(1), change, rtol=1e-4, atol=1e-5)


def test_texts_beside_strings_of_several_words_and_numbers():
    keras.utils.set_random_seed(0)
    country, text = (keras.Input((1,), dtype="string", name=name) for name in ("country", "text"))
    numbers = keras.Input((2,), name="numbers")
    lookup = layers.StringLookup(vocabulary=["new zealand", "peru"])
    places = layers.Flatten()(layers.Embedding(3, 3, embeddings_initializer="normal")(lookup(country)))
    words = layers.Embedding(40, 4, embeddings_initializer="normal")(
        vectorizer(output_sequence_length=8)(text)
    )
    joined = layers.Concatenate()([places, layers.Flatten()(words), numbers])
    model = keras.Model([country, text, numbers], layers.Dense(2)(joined))
    named = {
        "country": np.array([["new zealand"], ["peru"]]),
        "text": np.array(TEXTS),
        "numbers": np.ones((2, 2), "f4"),
    }
    ordered = [named["country"], named["text"], named["numbers"]]
    # The model is linear in the vectors: leaving a word's vector out is what its gradient says.
    start = {"country": "", "text": "", "numbers": 0.0}
    found = explain.attribute(model, named, "ig", target=1, baseline=start)
    for one, other in zip(
        found.values(),
        explain.attribute(model, ordered, "ig", target=1, baseline=list(start.values())),
        strict=True,
    ):
        np.testing.assert_allclose(one.values, other.values, rtol=1e-5)
    assert found["text"].values.shape == (2, 5)
    assert found["country"].tokens(0)[0][0] == "new zealand"
    nothing = model([np.array([[""]]), np.array([[""]]), np.zeros((1, 2), "f4")]).numpy()[0, 1]
    score = model(
        [tf.constant(one) if one.ndim > 1 else tf.constant(one)[:, None] for one in ordered]
    ).numpy()[:, 1]
    total = sum(one.values.sum(1) for one in found.values())
    np.testing.assert_allclose(total, score - nothing, rtol=1e-4, atol=1e-6)
    for method in ("feature_ablation", "lime", "occlusion"):
        found = explain.attribute(model, named, method, target=1)
        assert [one.values.shape for one in found.values()] == [(2, 1), (2, 5), (2, 2)]
