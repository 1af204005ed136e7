"""A call made again at the inputs of its result gives the same maps, for every method and however it was called."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import torch
from models.texts import WordTokenizer, classifier, decoder
from sklearn.linear_model import LogisticRegression
from torch import nn

import explain
from explain.algorithms.catalogue import find_method
from explain.errors import EvaluationError, ExplainWarning
from explain.inputs.layout import Layout
from explain.metrics.subject import Subject

# Few draws and steps: what is compared is the call with itself.
CHEAP = {
    "lime": {"n_samples": 64},
    "kernel_shap": {"n_samples": 128},
    "rise": {"n_masks": 32},
    "shapley_value_sampling": {"n_samples": 1},
    "blur_integrated_gradients": {"n_steps": 8},
    "guided_integrated_gradients": {"n_steps": 8},
    "xrai": {"n_steps": 4},
    "smoothgrad": {"n_samples": 4},
    "smoothgrad_squared": {"n_samples": 4},
    "vargrad": {"n_samples": 4},
    "expected_gradients": {"n_samples": 8},
}

# The examples out of order, some of them several times.
ROWS = np.array([2, 0, 0, 1, 2, 2])


def applying(kind, *, layers):
    """Give the methods that explain such inputs, not a layer, and whose values are no input."""
    return [
        row.name
        for row in explain.methods()
        if kind in row.kinds
        and row.drawn != "input"
        and row.layer != "must"
        and "attentions" not in row.needs
        and (layers or "layers" not in row.needs)
    ]


def subject_of(model, a, **given):
    return Subject(model, a, given)


def the_same(again, a, rows, tolerance=1e-6):
    layout = Layout(a.layout)
    found, expected = (layout.to_batch_first(one.values) for one in (again, a))
    scale = np.abs(expected).reshape(len(a), -1).max(axis=1)[rows]
    apart = np.abs(found - expected[rows]).reshape(len(rows), -1).max(axis=1)
    np.testing.assert_array_less(apart, tolerance * scale + 1e-30)
    np.testing.assert_allclose(again.scores, a.scores[rows], rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def cifar_net():
    return explain.zoo.load("cifar_net", framework="torch"), explain.zoo.samples(
        "cifar_net", framework="torch"
    )


@pytest.fixture(scope="module")
def names_rnn():
    return (
        explain.zoo.load("names_rnn", framework="tensorflow"),
        explain.zoo.samples("names_rnn", framework="tensorflow"),
    )


def compared(model, x, method, samples, rows, **arguments):
    given = {"baseline": samples.x[4:9]} if find_method(method).takes_references else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        a = explain.attribute(model, x, method, **given, **CHEAP.get(method, {}), **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        subject = subject_of(model, a, **given)
        again = subject.explained_again(rows, subject.inputs[rows])
    the_same(again, a, rows)
    return subject


@pytest.mark.parametrize("method", applying("image", layers=True))
def test_pictures(cifar_net, method):
    model, samples = cifar_net
    compared(model, samples.x[:3], method, samples, ROWS, target=[3, 8, 1])


@pytest.mark.parametrize("method", applying("sequence", layers=False))
def test_padded_sequences(names_rnn, method):
    model, samples = names_rnn
    assert len(set(samples.lengths[:3].tolist())) > 1
    compared(
        model, samples.x[:3], method, samples, ROWS, lengths=samples.lengths[:3], score="log_probability"
    )


# An image model whose parts can be named, with an argument of its own for each example.
class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x, scale=1.0, shift=None):
        found = self.head(torch.tanh(self.conv(x)).mean((2, 3)))
        found = found * (scale if isinstance(scale, float) else scale[:, None])
        return found if shift is None else found + shift


PICTURES = np.random.default_rng(3).normal(size=(4, 1, 6, 6)).astype(np.float32)
MANY = np.array([3, 3, 0, 1, 2, 2, 0])


def test_integral_has_the_steps_of_the_example(cifar_net):
    """Of other inputs the steps are not chosen anew: the nodes are those of the attribution."""
    model, samples = cifar_net
    x = samples.x[:3]
    a = explain.attribute(model, x, "ig")
    assert len(set(a.steps.tolist())) > 1
    noise = np.random.default_rng(0).uniform(-0.05, 0.05, (len(ROWS), *x.shape[1:]))
    moved = (x[ROWS] + noise).astype(np.float32)
    again = subject_of(model, a).explained_again(ROWS, moved)
    assert again.steps.tolist() == a.steps[ROWS].tolist()
    for row, one in zip(ROWS, moved, strict=True):
        how = (
            {"nodes": a.nodes[[row]]} if a.nodes is not None else {"n_steps": a.steps[[row]], "rule": a.rule}
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExplainWarning)
            alone = explain.attribute(model, one[np.newaxis], "ig", target=a.target[row], **how)
        place = int(np.flatnonzero((moved == one).reshape(len(moved), -1).all(axis=1))[0])
        np.testing.assert_allclose(
            again.values[place], alone.values[0], atol=1e-6 * np.abs(alone.values).max()
        )


def test_baseline_is_that_of_the_example():
    a = explain.attribute(Scaled(), PICTURES, "ig", baseline="blur", n_steps=8)
    again = subject_of(Scaled(), a).explained_again(MANY, PICTURES[MANY] + np.float32(0.5))
    np.testing.assert_array_equal(again.baseline, a.baseline[MANY])


def test_arguments_with_a_row_for_each_example():
    model = Scaled()
    given = {"forward_kwargs": {"scale": torch.tensor([1.0, -2.0, 3.0, 0.5]), "shift": torch.ones(3)}}
    a = explain.attribute(model, PICTURES, "saliency", target=[0, 1, 2, 0], **given)
    the_same(subject_of(model, a, **given).explained_again(MANY, PICTURES[MANY]), a, MANY)


def test_state_of_layers_goes_with_its_example():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.rnn, self.head = nn.GRU(2, 5, num_layers=2, batch_first=True), nn.Linear(5, 3)

        def forward(self, x, hx=None):
            return self.head(self.rnn(x, hx)[0][:, -1])

    generator = np.random.default_rng(0)
    x = generator.normal(size=(4, 6, 2)).astype(np.float32)
    given = {"forward_kwargs": {"hx": torch.tensor(generator.normal(size=(2, 4, 5)).astype(np.float32))}}
    a = explain.attribute(Recurrent(), x, "saliency", layout="NTC", **given)
    the_same(subject_of(Recurrent(), a, **given).explained_again(MANY, x[MANY]), a, MANY)


@pytest.mark.parametrize("shape", [(4, 1, 6, 6), (1, 1, 6, 6), (6, 6)])
@pytest.mark.parametrize("method", ["kernel_shap", "lime", "feature_ablation", "shapley_value_sampling"])
def test_feature_mask_that_was_given(method, shape):
    """A mask with a row for each example goes with the examples, any other is for all of them."""
    mask = np.random.default_rng(1).integers(0, 5, shape)
    a = explain.attribute(Scaled(), PICTURES, method, feature_mask=mask, seed=7)
    the_same(subject_of(Scaled(), a, feature_mask=mask).explained_again(MANY, PICTURES[MANY]), a, MANY)
    if len(shape) == 4 and shape[0] == 4:
        other = subject_of(Scaled(), a, feature_mask=mask[::-1].copy())
        assert np.abs(other.explained_again(MANY).values - a.values[MANY]).max() > 1e-4


def test_table_with_as_many_columns_as_examples():
    """A mask of one example, whose columns are as many as the examples, is not cut into rows."""
    x = np.random.default_rng(0).normal(size=(4, 4))
    weights = np.array([1.0, -2.0, 3.0, 0.5])

    def model(x):
        return np.tanh(x @ weights)

    mask = np.array([0, 0, 1, 2])
    a = explain.attribute(model, x, "feature_ablation", framework="numpy", feature_mask=mask)
    again = subject_of(model, a, framework="numpy", feature_mask=mask).explained_again(MANY)
    the_same(again, a, MANY)


def test_function_as_target():
    def margin(outputs):
        return outputs[:, 0] - outputs[:, 1]

    a = explain.attribute(Scaled(), PICTURES, "saliency", target=margin)
    the_same(subject_of(Scaled(), a, target=margin).explained_again(MANY), a, MANY)


def test_estimator():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(40, 5))
    model = LogisticRegression().fit(x, (x[:, :2] > 0).sum(axis=1))
    a = explain.attribute(model, x[:4], "kernel_shap", baseline="zeros", target=[0, 1, 2, 1])
    the_same(subject_of(model, a).explained_again(MANY), a, MANY)


def test_channels_last():
    """Rows stand where the model takes them, in its own layout."""

    def model(x):
        return np.tanh(x[:, :3].sum(axis=(1, 3)) * np.arange(1.0, 6.0)).sum(axis=1)

    x = np.random.default_rng(0).normal(size=(4, 6, 5, 2))
    a = explain.attribute(model, x, "occlusion", framework="numpy", layout="NHWC")
    subject = subject_of(model, a, framework="numpy")
    the_same(subject.explained_again(MANY, subject.inputs[MANY]), a, MANY)


def test_method_that_compares_examples_explains_them_together():
    """Each round has one perturbed input of every example; one that has none in a round is there as it is."""

    def model(x):
        return np.tanh(x @ np.array([1.0, -2.0, 0.5]))

    x = np.random.default_rng(0).normal(size=(4, 3))
    a = explain.attribute(model, x, "feature_permutation", framework="numpy", seed=5)
    subject = subject_of(model, a, framework="numpy")
    the_same(subject.explained_again(MANY), a, MANY)
    moved = x[[1, 3, 3]] + np.array([[0.1], [0.2], [0.3]])
    again = subject.explained_again(np.array([1, 3, 3]), moved)
    first, second = x.copy(), x.copy()
    first[[1, 3]], second[3] = moved[:2], moved[2]
    alone = [
        explain.attribute(model, one, "feature_permutation", framework="numpy", seed=5).values
        for one in (first, second)
    ]
    np.testing.assert_allclose(again.values, [alone[0][1], alone[0][3], alone[1][3]], atol=1e-6)


def test_other_targets_of_a_method_that_compares_examples():
    """A round's targets are those of its rows, and of the attribution elsewhere."""

    def model(x):
        return np.tanh(x @ np.array([[1.0, 0.5], [-2.0, 1.0], [0.5, 3.0]]))

    x = np.random.default_rng(0).normal(size=(4, 3))
    a = explain.attribute(model, x, "feature_permutation", framework="numpy", target=0)
    b = explain.attribute(model, x, "feature_permutation", framework="numpy", target=1)
    subject = subject_of(model, a, framework="numpy")
    again = subject.explained_again(np.array([2, 0, 2]), target=[1, 0, 0])
    np.testing.assert_allclose(again.values, [b.values[2], a.values[0], a.values[2]], atol=1e-6)


def test_model_that_keeps_states_by_row():
    """Of a stateful layer every example stays in its own row, whose state differs from that of the others."""
    keras.utils.set_random_seed(0)
    net = keras.Sequential(
        [keras.Input((3, 2), batch_size=4), keras.layers.GRU(4, stateful=True), keras.layers.Dense(2)]
    )
    x = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
    net(x)
    a = explain.attribute(net, x, "saliency")
    alike = explain.attribute(
        net, x[[3, 3, 0, 1]], "saliency", target=[a.target[row] for row in (3, 3, 0, 1)]
    )
    assert np.abs(alike.values - a.values[[3, 3, 0, 1]]).max() > 1e-4
    the_same(subject_of(net, a).explained_again(MANY), a, MANY)


def test_argument_that_is_neither_recorded_nor_given():
    mask = np.arange(36).reshape(6, 6)
    a = explain.attribute(Scaled(), PICTURES, "feature_ablation", feature_mask=mask)
    with pytest.raises(EvaluationError, match=r"does not record feature_mask= .* give to explain.evaluate"):
        subject_of(Scaled(), a).explained_again(MANY)
    a = explain.attribute(Scaled(), PICTURES, "expected_gradients", baseline=PICTURES[:2], n_samples=4)
    with pytest.raises(EvaluationError, match="does not record baseline="):
        subject_of(Scaled(), a).explained_again(MANY)


def test_warnings_are_notes_that_say_whose_they_are():
    def dead(x):
        return torch.relu(x - 100).sum((1, 2, 3))

    net = nn.Module()
    net.forward = lambda x: torch.stack([dead(x), x.square().sum((1, 2, 3))], dim=1)
    a = explain.attribute(net, PICTURES, "saliency", target=1)
    subject = subject_of(net, a)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        subject.explained_again(MANY, PICTURES[MANY], target=[1, 1, 1, 0, 0, 0, 1])
    (note,) = subject.notes
    assert note.startswith(
        "When it was explained again: The gradient is zero everywhere for examples [1, 2]:"
    )


def test_warnings_of_the_attribution_are_not_repeated():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        a = explain.attribute(Scaled(), PICTURES, "ig", baseline=PICTURES)
    assert a.notes
    subject = subject_of(Scaled(), a)
    subject.explained_again(np.arange(4))
    assert subject.notes == []


TEXTS = ["the film was good", "bad film", "a very good film"]
OUT_OF_ORDER = np.array([2, 0, 0, 1])


@pytest.mark.parametrize("method", ["lime", "saliency", "integrated_gradients", "feature_ablation"])
def test_texts(kit, method):
    """Strings go through the tokenizer again, which the caller gives again."""
    model, tokenizer = classifier(kit), WordTokenizer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        a = explain.attribute(
            model, TEXTS, method, tokenizer=tokenizer, target=[0, 1, 2], **CHEAP.get(method, {})
        )
    again = subject_of(model, a, tokenizer=tokenizer).explained_again(OUT_OF_ORDER)
    the_same(again, a, OUT_OF_ORDER)
    assert [one.text for one in again.texts] == [TEXTS[row] for row in OUT_OF_ORDER]


def test_continuation_of_a_text_goes_with_its_text(kit):
    model, tokenizer = decoder(kit), WordTokenizer()
    targets = ["good", "bad", "very"]
    a = explain.attribute(model, TEXTS, "saliency", tokenizer=tokenizer, target=targets)
    again = subject_of(model, a, tokenizer=tokenizer, target=targets).explained_again(OUT_OF_ORDER)
    the_same(again, a, OUT_OF_ORDER)


def test_token_ids(kit):
    model = classifier(kit, takes_mask=False)
    ids = np.array([[2, 3, 4, 5], [6, 3, 2, 4], [7, 9, 5, 3]])
    a = explain.attribute(model, ids, "integrated_gradients", target=[0, 1, 2], n_steps=8)
    subject = subject_of(model, a)
    the_same(subject.explained_again(OUT_OF_ORDER, subject.inputs[OUT_OF_ORDER]), a, OUT_OF_ORDER)


class TimeFirst(nn.Module):
    """A recurrent network whose inputs have the steps first, (T, N, C)."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.rnn, self.head = nn.GRU(2, 5), nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.rnn(x)[0][-1])


def test_batch_axis_that_is_not_the_first():
    x = np.random.default_rng(0).normal(size=(6, 4, 2)).astype(np.float32)
    model = TimeFirst()
    a = explain.attribute(model, x, "ig", layout="TNC", n_steps=8)
    subject = subject_of(model, a)
    the_same(subject.explained_again(MANY, subject.inputs[MANY]), a, MANY)
    moved = subject.inputs[[1, 3]] + np.float32(0.1)
    again = subject.explained_again(np.array([1, 3]), moved)
    alone = explain.attribute(
        model,
        x[:, [1, 3]] + np.float32(0.1),
        "ig",
        layout="TNC",
        n_steps=8,
        target=[a.target[1], a.target[3]],
    )
    np.testing.assert_allclose(again.values, alone.values, atol=1e-6)


def test_other_engine(cifar_net):
    """Captum has one number of steps for all examples."""
    model, samples = cifar_net
    a = explain.attribute(model, samples.x[:3], "ig", engine="captum", n_steps=10, rule="gauss_legendre")
    again = subject_of(model, a).explained_again(ROWS)
    assert again.engine == "captum"
    the_same(again, a, ROWS)
