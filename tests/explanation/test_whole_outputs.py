"""Models without a single output, such as detectors: a callable target reads all that they return."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import explain
from explain.errors import ScoreError, SeveralOutputsError, TargetError

X = np.random.default_rng(0).normal(size=(3, 3, 8, 8)).astype(np.float32)
WEIGHT = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)


def boxes_of(scores, found):
    """Those of the places whose best class is likely: another number for each picture."""
    best = scores.max(-1)
    best = best[0] if isinstance(best, tuple) else best.values if hasattr(best, "values") else best
    keep = best > found
    return {"scores": best[keep], "boxes": scores[keep]}


class Detector(nn.Module):
    """A list of dicts, as torchvision's detectors give; it takes a list of pictures."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Conv2d(3, 6, 3, padding=1, stride=2)
        self.head = nn.Conv2d(6, 4, 1)

    def forward(self, images: Any, targets: Any = None) -> list[dict[str, Any]]:
        maps = self.head(torch.relu(self.body(torch.stack([*images])))).flatten(2).transpose(1, 2)
        return [boxes_of(one.softmax(-1), 0.32) for one in maps]


def total(found: list[dict[str, Any]]) -> torch.Tensor:
    return torch.stack([one["scores"].sum() for one in found])


def plain_gradient(model, score, x=X):
    given = torch.tensor(x, requires_grad=True)
    (slopes,) = torch.autograd.grad(score(model(given)).sum(), given)
    return slopes.numpy()


@pytest.fixture(scope="module")
def detector():
    return Detector().eval()


def test_pictures_have_other_numbers_of_boxes(detector):
    with torch.no_grad():
        assert len({len(one["scores"]) for one in detector(torch.tensor(X))}) == 3


def test_the_gradient_of_a_detector_is_that_of_plain_autograd(detector):
    a = explain.attribute(detector, X, "saliency", target=total)
    np.testing.assert_allclose(a.values, plain_gradient(detector, total), rtol=1e-5, atol=1e-7)
    with torch.no_grad():
        np.testing.assert_allclose(a.scores, total(detector(torch.tensor(X))), rtol=1e-6)
    assert (a.score, a.target) == ("output", ("total",) * 3)


def test_a_patch_of_a_detector_is_hidden_as_by_hand(detector):
    a = explain.attribute(
        detector, X, "occlusion", target=total, sliding_window_shapes=(3, 4, 4), strides=(3, 4, 4)
    )
    hidden = X.copy()
    hidden[:, :, :4, 4:] = 0
    with torch.no_grad():
        effect = total(detector(torch.tensor(X))) - total(detector(torch.tensor(hidden)))
    np.testing.assert_allclose(a.values[:, 0, 0, 4], effect, rtol=1e-5, atol=1e-6)


def test_the_map_and_the_layers_of_a_detector_are_those_of_plain_autograd(detector):
    kept = []
    hook = detector.body.register_forward_hook(lambda module, given, output: kept.append(output))
    scores = total(detector(torch.tensor(X)))
    hook.remove()
    (slopes,) = torch.autograd.grad(scores.sum(), kept)
    units = kept[0].detach()
    expected = (slopes.mean((2, 3), keepdim=True) * units).sum(1).clamp(min=0)
    a = explain.attribute(detector, X, "layer_activation", layer="body", target=total)
    np.testing.assert_allclose(a.values, units, rtol=1e-5, atol=1e-6)
    cam = explain.attribute(detector, X, "grad_cam", layer="body", target=total)
    resized = nn.functional.interpolate(expected[:, None], size=(8, 8), mode="bilinear", align_corners=False)
    # The map is spread over the channels of the picture; it is resized in another order.
    np.testing.assert_allclose(cam.values.sum(1), resized[:, 0], rtol=1e-4, atol=1e-6)


def test_the_default_map_of_a_detector_is_found(detector):
    assert explain.attribute(detector, X, "grad_cam", target=total).layer in ("body", "head")


@pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")  # Boxes come and go along the path.
def test_one_picture_may_have_a_target_of_one_number(detector):
    one = explain.attribute(detector, X[:1], "ig", target=lambda found: found[0]["scores"].sum(), n_steps=16)
    all_of_it = explain.attribute(detector, X[:1], "ig", target=total, n_steps=16)
    np.testing.assert_allclose(one.values, all_of_it.values, rtol=1e-5, atol=1e-7)


def test_a_target_of_several_pictures_gives_a_number_for_each(detector):
    with pytest.raises(TargetError, match=r"gave \(\) for outputs of type list of dict: .* of shape \(3,\)"):
        explain.attribute(detector, X, "saliency", target=lambda found: found[0]["scores"].sum())


def test_a_picture_without_boxes_is_said(detector):
    with pytest.raises(TargetError, match="where the model finds nothing, such as the sum of no scores"):
        explain.attribute(
            detector,
            X,
            "saliency",
            target=lambda found: torch.stack([one["scores"][one["scores"] > 2].max() for one in found]),
        )


def test_without_a_function_the_message_asks_for_one(detector):
    with pytest.raises(SeveralOutputsError, match=r"returns a list of dict: .* give target= a function"):
        explain.attribute(detector, X, "saliency")
    with pytest.raises(ScoreError, match="leave score out"):
        explain.attribute(detector, X, "saliency", target=total, score="probability")


def test_an_output_that_is_chosen_goes_alone_to_the_function():
    model = nn.Module()
    model.forward = lambda x: {"boxes": [x], "scores": x.flatten(1)}
    a = explain.attribute(model, X, "saliency", output="scores", target=lambda scores: scores[:, 5] * 2)
    assert a.values.sum() == pytest.approx(6)


def two_heads(kit: Any) -> Any:
    if kit == "torch":
        weight = torch.tensor(WEIGHT)
        return lambda x: {"line": x @ weight, "square": x**2}
    return lambda x: {"line": tf.matmul(x, WEIGHT), "square": x**2}


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize("method", ["saliency", "ig", "feature_ablation"])
def test_a_function_of_several_outputs_gets_them_all(framework, method):
    x = np.random.default_rng(2).normal(size=(4, 5)).astype(np.float32)
    a = explain.attribute(
        two_heads(framework),
        x,
        method,
        framework=framework,
        target=lambda outputs: outputs["line"][:, 1] + outputs["square"][:, 0],
        # Exact for the square, whose gradient is a line, also where a function is not known to be smooth.
        **({"rule": "midpoint"} if method == "ig" else {}),
    )
    line, square = WEIGHT[:, 1], np.eye(5)[0]
    expected = line + 2 * x * square if method == "saliency" else x * line + x**2 * square
    np.testing.assert_allclose(a.values, expected, rtol=1e-5, atol=1e-6)


def test_a_function_of_arrays_may_return_a_list_of_dicts():
    x = np.random.default_rng(2).normal(size=(4, 5)).astype(np.float32)
    a = explain.attribute(
        lambda x: [{"scores": row[row > 0]} for row in x],
        x,
        "feature_ablation",
        framework="numpy",
        target=lambda found: [one["scores"].sum() for one in found],
    )
    np.testing.assert_allclose(a.values, np.maximum(x, 0), rtol=1e-6)


@pytest.mark.filterwarnings("ignore::explain.errors.ZeroGradientWarning")
def test_a_keras_model_gives_a_list_of_dicts():
    import keras

    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(3, kernel_initializer=keras.initializers.Constant(WEIGHT))

        def call(self, x: Any) -> list[dict[str, Any]]:
            scores = self.dense(x)
            return [{"scores": tf.boolean_mask(row, row > 0)} for row in tf.unstack(scores)]

    x = np.random.default_rng(2).normal(size=(4, 5)).astype(np.float32)
    model = Model()
    model(x)
    a = explain.attribute(
        model,
        x,
        "saliency",
        target=lambda found: tf.stack([tf.reduce_sum(one["scores"]) for one in found]),
    )
    np.testing.assert_allclose(a.values, (x @ WEIGHT > 0) @ WEIGHT.T, rtol=1e-5, atol=1e-6)


def test_a_jax_function_gives_several_outputs():
    import jax.numpy as jnp

    x = np.random.default_rng(2).normal(size=(4, 5)).astype(np.float32)
    a = explain.attribute(
        lambda x: {"line": jnp.matmul(x, WEIGHT), "parts": [x, x]},
        x,
        "saliency",
        framework="jax",
        target=lambda outputs: outputs["line"][:, 2] + outputs["parts"][1].sum(1),
    )
    np.testing.assert_allclose(a.values, np.broadcast_to(WEIGHT[:, 2] + 1, x.shape), rtol=1e-6)


@pytest.mark.parametrize("framework", ["torch", "numpy", "jax", "tensorflow"])
def test_a_model_may_take_its_inputs_as_one_mapping(framework):
    x = np.random.default_rng(2).normal(size=(4, 5)).astype(np.float32)
    found = explain.attribute(
        lambda batch, **more: batch["a"] * batch["b"],
        {"a": x, "b": x + 1},
        "feature_ablation",
        framework=framework,
        target=0,
        score="output",
    )
    np.testing.assert_allclose(found["a"].values[:, 0], x[:, 0] * (x + 1)[:, 0], rtol=1e-5)
