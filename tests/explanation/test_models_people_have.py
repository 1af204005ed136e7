"""Kinds of model with numbers of their own: what no table of twins can show."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
from models import kinds
from torch import nn
from torch.nn.utils.rnn import pack_sequence

import explain
from explain.errors import ExplainError, InputError, LayerError, UnsupportedModelError

KINDS = {kind.title: kind for kind in kinds.KINDS}
FRAMEWORKS = ("torch", "tensorflow")

pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")


def of(title, framework="torch"):
    kind = KINDS[title]
    return kind.model(framework), kind.inputs(framework), kind.arguments(framework)


@pytest.mark.parametrize("method", ["saliency", "ig"])
def test_a_small_vision_transformer_is_captums(method):
    model, x, asked = of("small ViT (attention, layer norm, GELU)")
    kind = {"saliency": captum.attr.Saliency, "ig": captum.attr.IntegratedGradients}[method]
    options = {"saliency": {"abs": False}, "ig": {"n_steps": 20}}[method]
    expected = kind(model).attribute(torch.tensor(x), target=1, **options).detach().numpy()
    ours = {"n_steps": 20} if method == "ig" else {}
    found = explain.attribute(model, x, method, **asked, **ours)
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_class_over_a_region_is_the_sum_of_its_pixels(framework):
    model, x, asked = of("segmentation, a class over a region", framework)
    whole = explain.attribute(model, x, "saliency", **asked)
    parts = [
        explain.attribute(
            model, x, "saliency", target=(1, row, column) if framework == "torch" else (row, column, 1)
        ).values.astype(np.float64)
        for row in range(3)
        for column in range(3)
    ]
    np.testing.assert_allclose(whole.values, sum(parts), rtol=1e-5, atol=1e-8)
    if framework == "torch":
        captums = captum.attr.Saliency(lambda points: model(points)[:, 1, :3, :3].sum(dim=(1, 2)))
        expected = captums.attribute(torch.tensor(x), abs=False).numpy()
        np.testing.assert_allclose(whole.values, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_step_and_a_class(framework):
    """A step's output in an RNN depends on no later step; the sum of both classes' maps is the map of the sum."""
    model, x, _ = of("a step of a sequence of outputs (step, class)", framework)
    maps = [explain.attribute(model, x, "saliency", target=(1, label)).values for label in (0, 2)]
    for values in maps:
        assert not values[:, 2].any()
        assert values[:, :2].any()
    both = explain.attribute(model, x, "saliency", target=lambda o: o[:, 1, 0] + o[:, 1, 2])
    np.testing.assert_allclose(both.values, maps[0] + maps[1], rtol=1e-5, atol=1e-8)


def test_sequences_packed_in_the_model_are_those_read_alone():
    model, x, asked = of("padded: packed in PyTorch, masked in Keras")
    for method, options in (("saliency", {}), ("ig", {"n_steps": 20}), ("occlusion", {})):
        together = explain.attribute(model, x, method, **asked, **options)
        assert not together.values[0, 2:].any()
        for row, length in enumerate([2, 3]):
            alone = explain.attribute(
                model,
                x[row : row + 1, :length],
                method,
                target=1,
                forward_kwargs={"lengths": np.array([length])},
                **options,
            )
            np.testing.assert_allclose(together.values[row, :length], alone.values[0], rtol=1e-5, atol=1e-9)


def test_a_packed_sequence_given_as_x_is_refused():
    model = nn.RNN(3, 2, batch_first=True)
    packed = pack_sequence([torch.ones(3, 3), torch.ones(2, 3)])
    with pytest.raises(InputError, match=r"PackedSequence.*pad_packed_sequence.*lengths="):
        explain.attribute(model, packed, "saliency", target=(0, 0), output=0)


def test_a_layer_that_packs_is_refused_with_another():
    model, x, asked = of("padded: packed in PyTorch, masked in Keras")
    with pytest.raises(LayerError, match=r"gives no tensor.*it calls: head"):
        explain.attribute(model, x, "activation", layer="rnn", **asked)


# The relative size of half a unit in the last place, 2⁻⁹ and 2⁻¹², and room for a few layers of roundings.
PRECISION = {"bfloat16 (mixed in Keras)": 16 * 2**-9, "float16 (mixed in Keras)": 16 * 2**-12}


@pytest.mark.parametrize("method", ["saliency", "ig", "occlusion", "deep_lift", "lrp", "smoothgrad"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("title", PRECISION)
def test_less_precision_is_near_the_whole(title, framework, method):
    options = {"ig": {"n_steps": 8}, "smoothgrad": {"n_samples": 4}}.get(method, {})
    kind, whole = KINDS[title], KINDS["plain CNN"]
    found = explain.attribute(kind.model(framework), kind.inputs(framework), method, target=1, **options)
    expected = explain.attribute(whole.model(framework), whole.inputs(framework), method, target=1, **options)
    apart = np.linalg.norm(found.values - expected.values) / np.linalg.norm(expected.values)
    # Occlusion is the difference of two rounded scores, in which their leading digits cancel.
    assert apart < PRECISION[title] * (4 if method == "occlusion" else 1)
    assert found.values.dtype == np.float32


# --- faults that the table of tests/explanation/test_support.py has found ------------------------------------------


def test_vectors_of_tokens_lie_alike_in_both_frameworks():
    """Keras's embedding has its vectors last: what was done along axes of places was done along theirs."""
    for method, options in (("occlusion", {}), ("smoothgrad", {"n_samples": 3}), ("feature_ablation", {})):
        maps = [
            explain.attribute(model, x, method, **asked, **options).values
            for model, x, asked in (of("token ids (embedding)", framework) for framework in FRAMEWORKS)
        ]
        np.testing.assert_allclose(*maps, rtol=1e-5, atol=1e-8)
        assert maps[0].shape == (2, 5)
    # A window over a token is that token's whole vector: hidden, it is the embedding of nothing.
    model, ids, _ = of("token ids (embedding)", "tensorflow")
    found = explain.attribute(model, ids, "occlusion", target=1, baseline=0)
    for place in range(5):
        hidden = ids.copy()
        hidden[:, place] = 0
        lost = (model(ids) - model(hidden)).numpy()[:, 1]
        np.testing.assert_allclose(found.values[:, place], lost, rtol=1e-5, atol=1e-8)


def test_the_map_of_a_bidirectional_layer_does_not_run_backwards():
    maps = []
    for framework in FRAMEWORKS:
        model, x, asked = of("bidirectional GRU", framework)
        found = explain.attribute(model, x, "layer_cam", **asked)
        assert found.layer == "rnn"
        maps.append(found.values)
    np.testing.assert_allclose(*maps, rtol=1e-5, atol=1e-8)


def test_a_layer_whose_steps_run_backwards_has_no_map(tensorflow_kit):
    layers = tensorflow_kit.keras.layers
    model = kinds.built(
        (4, 3),
        lambda x: layers.Flatten()(layers.GRU(2, go_backwards=True, return_sequences=True, name="back")(x)),
    )
    x = np.ones((1, 4, 3), np.float32)
    with pytest.raises(LayerError, match="No layer of the model gives a map"):
        explain.attribute(model, x, "gradcam", target=0)
    with pytest.raises(LayerError, match="steps run backwards"):
        explain.attribute(model, x, "activation", target=0, layer="back")


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam_plus_plus", "layer_cam", "score_cam"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_map_of_one_place_is_refused(framework, method):
    model, x, asked = of("LSTM", framework)
    with pytest.raises(LayerError, match="use method='integrated_gradients'"):
        explain.attribute(model, x, method, **asked)
    if framework == "torch":
        named = explain.attribute(model, x, "layer_cam", layer="rnn", **asked)
        assert named.layer == "rnn"


def test_deep_lift_is_refused_where_a_state_is_kept():
    model, x, asked = of("stateful RNN, fixed batch", "tensorflow")
    with pytest.raises(UnsupportedModelError, match=r"stateful=False.*integrated_gradients"):
        explain.attribute(model, x, "deep_lift", **asked)
    # A model whose state is not kept has no such trouble.
    model, x, asked = of("SimpleRNN", "tensorflow")
    assert (explain.attribute(model, x, "deep_lift", **asked).relative_delta < 1e-6).all()


# --- a model whose parts are on different devices ----------------------------------------------------------------


class Split(nn.Module):
    """Its second half is elsewhere; `forward` brings what it needs there, as such models do."""

    def __init__(self, elsewhere):
        super().__init__()
        self.first = nn.Linear(4, 5)
        self.second = nn.Linear(5, 3).to(elsewhere)
        self.elsewhere = elsewhere

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)).to(self.elsewhere))


def test_a_model_with_a_part_on_a_device_without_values_is_refused():
    """No second device can be had here but "meta", which has no values; it must not end in a framework's error."""
    with pytest.raises(ExplainError, match="meta"):
        explain.attribute(Split("meta"), np.ones((2, 4), np.float32), "saliency", target=0)
