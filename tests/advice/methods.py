"""Methods and their options, integrals, samples, memory."""

from __future__ import annotations

import re
from typing import Any
from unittest import mock

import numpy as np
from advice.advice import Advice
from advice.models import (
    SERIES,
    TABLE,
    TENSORFLOW,
    TORCH,
    WEIGHT,
    attribute,
    linear,
    module,
    perceptron,
    picture,
)

from explain.errors import (
    BaselineError,
    BaselineWarning,
    CancellationWarning,
    ConvergenceWarning,
    EngineError,
    GradientError,
    InputError,
    LayerError,
    MemoryBudgetError,
    ModelCallError,
    NoiseWarning,
    NonDeterministicWarning,
    OptionError,
    OutOfMemoryError,
    OutOfMemoryWarning,
    PlainGradientWarning,
    RelevanceWarning,
    SurrogateWarning,
    UnsupportedModelError,
    ZeroGradientWarning,
    ZeroMapWarning,
)

STEEP = 40.0
WIDE = np.random.default_rng(3).normal(size=(2, 24)).astype(np.float32) + 2
OF_NINE = np.random.default_rng(1).normal(size=(2, 9, 3)).astype(np.float32)
REFERENCES = np.random.default_rng(0).random((9, 2))

# One node of each example, in the middle of its path.
MIDDLE = np.tile([[[0.5], [1.0]]], (len(TABLE), 1, 1))


def squares(kit: Any) -> Any:
    return kit.function(lambda x: x * x)


def sharp(kit: Any) -> Any:
    """A step of the score near 0.9 of the path, which few steps miss."""
    return kit.function(lambda x: kit.sigmoid(STEEP * (kit.sum(x, 1) - 2.0)) + 0 * kit.sum(x, 1))


def stairs(kit: Any) -> Any:
    """A score with a jump that no gradient shows."""
    return kit.function(lambda x: kit.sum(x, 1) + 10 * kit.sigmoid(kit.detached(x[:, 0]) * 1e4))


def root(kit: Any) -> Any:
    """Defined above zero only: NaN at a baseline below, without a gradient at zero."""
    return kit.function(lambda x: kit.sum((x - 0.5) ** 0.5, 1))


def raised(kit: Any, dtype: str) -> Any:
    """Four features to three classes, all of which have scores far above zero, in a precision."""
    return kit.dense([(WEIGHT, np.full(3, 60.3, np.float32))], dtype=dtype)


def checkpointed(kit: Any, saves_memory: bool) -> Any:
    """A network that may run its first layer a second time for the backward pass."""
    nn, checkpoint = kit.torch.nn, kit.torch.utils.checkpoint.checkpoint

    def forward(self: Any, x: Any) -> Any:
        features = checkpoint(self.conv, x, use_reentrant=True) if saves_memory else self.conv(x)
        return self.out(kit.relu(features).mean((2, 3)))

    return kit.randomised(module(kit, forward, conv=nn.Conv2d(1, 3, 3), out=nn.Linear(3, 3)))


def without_derivative(kit: Any) -> Any:
    """Ends in an operation whose author wrote no derivative."""

    class Own(kit.torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, given: Any) -> Any:
            raise NotImplementedError("no derivative")

    return kit.function(lambda x: Own.apply(kit.matmul(x, WEIGHT)))


def dead(kit: Any) -> Any:
    return kit.function(lambda x: kit.relu(kit.matmul(x, WEIGHT) - 100))


def gate(kit: Any) -> Any:
    """A probability that is saturated at its logit of 100."""
    return kit.dense([(WEIGHT * 100, np.zeros(3))], last="softmax")


def cnn(kit: Any) -> Any:
    return kit.cnn()


def pooled(kit: Any) -> Any:
    """Its only map, scores over time, enters a softmax, so that their mean gradient is zero."""
    nn = kit.torch.nn
    return kit.randomised(
        module(
            kit,
            lambda self, x: self.head(self.scores(x).softmax(1)[:, :, 0]),
            scores=nn.Linear(3, 1),
            head=nn.Linear(9, 4),
        )
    )


def dark(kit: Any) -> Any:
    """A convolution whose map raises no class: the head has negative weights only."""
    return flipped(kit, -1.0)


def flipped(kit: Any, sign: float) -> Any:
    model = kit.cnn()
    if kit.name == "torch":
        with kit.torch.no_grad():
            model[-1].weight.copy_(sign * model[-1].weight.abs())
    else:
        kernel = model.layers[-1].kernel
        kernel.assign(sign * kit.tf.abs(kernel))
    return model


def noisy(kit: Any, scale: float) -> Any:
    """Draws noise in every call."""
    if kit.name == "torch":
        return kit.function(lambda x: kit.matmul(x, WEIGHT) + scale * kit.torch.randn(len(x), 3))
    return kit.function(
        lambda x: kit.matmul(x, WEIGHT) + scale * kit.tf.random.normal((kit.tf.shape(x)[0], 3))
    )


def hungry(kit: Any, most: int) -> Any:
    """Runs out of memory for more than `most` points at once."""
    torch = kit.torch

    def forward(self: Any, x: Any) -> Any:
        if len(x) > most:
            raise torch.OutOfMemoryError("out of memory")
        return self.head(x)

    return module(kit, forward, head=perceptron(kit))


def hungry_within(kit: Any, values: int) -> Any:
    """Runs out of memory for inputs of more than some values."""
    torch = kit.torch

    def forward(x: Any) -> Any:
        if x[0].numel() > values:
            raise torch.OutOfMemoryError("out of memory")
        return x

    return kit.function(forward)


def given_batch(kit: Any, model: Any) -> int:
    """The batch size that the warning names."""
    with np.testing.suppress_warnings() as seen:
        log = seen.record(OutOfMemoryWarning)
        attribute(model, TABLE, "ig", n_steps=64)
    return int(re.search(r"batch_size=(\d+)", str(log[0].message)).group(1))


def needed(kit: Any) -> int:
    try:
        attribute(perceptron(kit), memory_budget=1)
    except MemoryBudgetError as error:
        return int(re.search(r"needs about (\d+)", str(error)).group(1))
    raise AssertionError


def stopped(kit: Any, **options: Any) -> Any:
    """Fits for one round instead of thousands."""
    with mock.patch("explain.algorithms.surrogate.lime._MOST_ROUNDS", 1):
        return attribute(linear(kit), TABLE, "lime", **options)


def difference(kit: Any) -> Any:
    return kit.function(lambda x: kit.stack([x[:, 0] - x[:, 1], x[:, 0] + x[:, 1]], 1))


NEAR = np.array([[1.0, 0.9999]], np.float32)


def by_sign(kit: Any) -> Any:
    """Runs another operation where the first example is negative."""

    def forward(x: Any) -> Any:
        return kit.tanh(x) if float(x.sum()) > 0 else kit.relu(x)

    return kit.function(forward)


def in_place(kit: Any, inplace: bool) -> Any:
    nn = kit.torch.nn
    return kit.randomised(
        nn.Sequential(nn.Conv1d(2, 3, 1), nn.Flatten(), nn.ReLU(inplace=inplace), nn.Linear(12, 2))
    )


def traced_by_number(kit: Any) -> Any:
    """Gives the same by other operations each time it is traced."""
    runs: list[int] = []

    def forward(x: Any) -> Any:
        runs.append(1)
        return kit.tanh(x) if len(runs) % 2 else -kit.tanh(-x)

    return kit.function(forward)


def without_a_rule(kit: Any) -> Any:
    """Multiplies its values one after the other."""
    return kit.function(
        (lambda x: x.cumprod(1)) if kit.name == "torch" else (lambda x: kit.tf.math.cumprod(x, 1))
    )


def loop_inside(kit: Any, loops: bool) -> Any:
    """Calls its ReLU in a loop, or without."""

    def inner(x: Any) -> Any:
        return kit.relu(kit.matmul(x, WEIGHT))

    def looped(x: Any) -> Any:
        steps = kit.tf.range(1)
        return kit.tf.map_fn(lambda _: inner(x), steps, fn_output_signature=x.dtype)[0]

    return kit.function(looped if loops else inner)


def untraceable(kit: Any) -> Any:
    """Asks for the value of a tensor, which has none in a trace."""

    def forward(x: Any) -> Any:
        return kit.relu(x) if float(kit.sum(x).numpy()) > -1e9 else x

    return kit.function(forward)


def counting(kit: Any, in_place: bool) -> Any:
    """A model that multiplies by the number of its calls."""

    class Counting(kit.torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", kit.torch.ones(1))

        def forward(self, x: Any) -> Any:
            if in_place:
                self.calls += 1
            else:
                self.calls = self.calls + 1
            return kit.torch.relu(x * self.calls)

    return Counting()


def stateful(kit: Any, carries: bool) -> Any:
    keras = kit.keras
    model = keras.Sequential([keras.Input(batch_shape=(2, 5, 4)), keras.layers.GRU(3, stateful=carries)])
    return kit.randomised(model)


def eager(kit: Any) -> Any:
    model = perceptron(kit)
    model.compile(run_eagerly=True)
    return model


def last_step(kit: Any) -> Any:
    """The last step of a recurrent layer, the only layer with a map."""
    if kit.name == "torch":
        gru = kit.torch.nn.GRU(4, 3, batch_first=True)
        return kit.randomised(module(kit, lambda self, x: self.gru(x)[0][:, -1], gru=gru))
    keras = kit.keras
    inputs = keras.Input((5, 4))
    return kit.randomised(
        keras.Model(inputs, keras.layers.GRU(3, return_sequences=True, name="gru")(inputs)[:, -1])
    )


ADVICE = [
    Advice(
        "places, as in front of a softmax over them: a class activation map would show rounding. Use ",
        LayerError,
        lambda kit: attribute(pooled(kit), OF_NINE, "grad_cam"),
        lambda kit: attribute(pooled(kit), OF_NINE, "integrated_gradients"),
        TORCH,
    ),
    # algorithms/completeness.py, example_warnings.py, reference_inputs.py
    Advice(
        "Give a baseline at which the model is defined, for example 'mean', 'blur' or a small number.",
        BaselineError,
        lambda kit: attribute(root(kit), np.abs(TABLE) + 1, "ig", target=None),
        lambda kit: [
            attribute(root(kit), np.abs(TABLE) + 1, "ig", target=None, baseline=one) for one in ("mean", 1.0)
        ],
    ),
    Advice(
        "The baseline equals the input for ",
        BaselineWarning,
        lambda kit: attribute(linear(kit), 0 * TABLE, "ig"),
        lambda kit: attribute(linear(kit), TABLE, "ig", baseline="mean"),
    ),
    Advice(
        ": the values miss the difference of the scores by up to ",
        ConvergenceWarning,
        lambda kit: attribute(sharp(kit), np.ones((2, 4), np.float32), "ig", target=None, n_steps=2),
        lambda kit: attribute(sharp(kit), np.ones((2, 4), np.float32), "ig", target=None, n_steps="auto"),
    ),
    Advice(
        ": the map says nothing there. The score may be ",
        ZeroGradientWarning,
        lambda kit: attribute(gate(kit), TABLE, score="probability", target=None),
        lambda kit: attribute(gate(kit), TABLE, score="logit", target=None),
    ),
    Advice(
        "there is no difference of scores to attribute. Leave these references out.",
        BaselineError,
        lambda kit: attribute(
            root(kit),
            np.abs(TABLE) + 1,
            "expected_gradients",
            target=None,
            baseline=np.stack([TABLE[0], TABLE[0] * 0 + 2]),
        ),
        lambda kit: attribute(
            root(kit), np.abs(TABLE) + 1, "expected_gradients", target=None, baseline=TABLE[:1] * 0 + 2
        ),
    ),
    Advice(
        "an operation has no gradient at that point (a square root or a norm at zero).",
        GradientError,
        lambda kit: attribute(root(kit), TABLE * 0 + 0.5, target=None),
        lambda kit: attribute(root(kit), TABLE * 0 + 0.6, target=None),
    ),
    # gradients and rules
    Advice(
        "PyTorch cannot differentiate the score: ",
        GradientError,
        lambda kit: attribute(checkpointed(kit, True), picture(kit)),
        lambda kit: [attribute(checkpointed(kit, False), picture(kit), one) for one in ("saliency", "lrp")],
        TORCH,
    ),
    Advice(
        " (gradient checkpointing), turn that off: it runs layers a second time, without ",
        GradientError,
        lambda kit: attribute(without_derivative(kit), TABLE),
        lambda kit: attribute(without_derivative(kit), TABLE, "feature_ablation"),
        TORCH,
    ),
    Advice(
        ": noise is a share of an example's range, so ",
        NoiseWarning,
        lambda kit: attribute(squares(kit), TABLE * 0 + 1, "smoothgrad"),
        lambda kit: [
            attribute(squares(kit), TABLE, "smoothgrad"),
            attribute(squares(kit), TABLE * 0 + 1 + np.float32(0.1) * TABLE, "smoothgrad"),
        ],
    ),
    Advice(
        "which cancel, hide the other terms. Raise epsilon, for example to 0.25, or use integrated_gradients.",
        RelevanceWarning,
        lambda kit: attribute(difference(kit), NEAR, "lrp"),
        lambda kit: [
            attribute(difference(kit), NEAR, "lrp", epsilon=0.25),
            attribute(difference(kit), NEAR, "ig"),
        ],
    ),
    Advice(
        " has nothing to change: it takes the plain gradient, that of saliency.",
        PlainGradientWarning,
        lambda kit: attribute(linear(kit), TABLE, "guided_backprop"),
        lambda kit: attribute(linear(kit), TABLE, "saliency"),
    ),
    Advice(
        "name another layer with layer=, or use a signed method such as integrated_gradients.",
        ZeroMapWarning,
        lambda kit: attribute(dark(kit), picture(kit), "grad_cam"),
        lambda kit: attribute(dark(kit), picture(kit), "ig"),
    ),
    Advice(
        "the score depends on one place only, as on the last ",
        LayerError,
        lambda kit: attribute(last_step(kit), SERIES, "grad_cam"),
        lambda kit: [
            attribute(last_step(kit), SERIES, "grad_cam", layer="gru", target=1),
            attribute(last_step(kit), SERIES, "integrated_gradients"),
        ],
    ),
    Advice(
        " has no rule for the operation ",
        UnsupportedModelError,
        lambda kit: attribute(without_a_rule(kit), TABLE, "deep_lift"),
        lambda kit: [
            attribute(without_a_rule(kit), TABLE, method) for method in ("ig", "saliency", "feature_ablation")
        ],
    ),
    Advice(
        "module with inplace=False, or use integrated_gradients, which needs no rules.",
        UnsupportedModelError,
        lambda kit: attribute(in_place(kit, True), SERIES[:, :2], "guided_backprop"),
        lambda kit: [
            attribute(in_place(kit, False), SERIES[:, :2], "guided_backprop"),
            attribute(in_place(kit, True), SERIES[:, :2], "ig"),
        ],
        TORCH,
    ),
    Advice(
        "they cannot be compared one by one. Use integrated_gradients, which needs no rules.",
        UnsupportedModelError,
        lambda kit: attribute(traced_by_number(kit), TABLE, "deep_lift"),
        lambda kit: attribute(traced_by_number(kit), TABLE, "ig", n_steps=3),
        TENSORFLOW,
    ),
    Advice(
        "or a baseline for which the model runs the same operations.",
        UnsupportedModelError,
        lambda kit: attribute(by_sign(kit), np.abs(TABLE), "deep_lift", baseline=-1.0),
        lambda kit: [
            attribute(by_sign(kit), np.abs(TABLE), "deep_lift", baseline=0.1),
            attribute(by_sign(kit), np.abs(TABLE), "ig", baseline=0.1),
        ],
        TORCH,
    ),
    Advice(
        " in place during a run, so the first cannot be differentiated any more. Assign a ",
        UnsupportedModelError,
        lambda kit: attribute(counting(kit, in_place=True), TABLE, "deep_lift"),
        lambda kit: [
            attribute(counting(kit, in_place=False), TABLE, "deep_lift"),
            attribute(counting(kit, in_place=True), TABLE, "ig"),
        ],
        TORCH,
    ),
    Advice(
        " carries a state from one run to the next",
        UnsupportedModelError,
        lambda kit: attribute(stateful(kit, True), SERIES, "deep_lift"),
        lambda kit: [
            attribute(stateful(kit, True), SERIES, "ig"),
            attribute(stateful(kit, False), SERIES, "ig"),
        ],
        TENSORFLOW,
    ),
    Advice(
        "or a loaded function, where the backward pass cannot change it. Build a recurrent layer with ",
        UnsupportedModelError,
        lambda kit: attribute(loop_inside(kit, True), TABLE, "guided_backprop", target=None),
        lambda kit: [
            attribute(loop_inside(kit, False), TABLE, "guided_backprop", target=None),
            attribute(loop_inside(kit, True), TABLE, "saliency", target=None),
            attribute(loop_inside(kit, True), TABLE, "ig", target=None),
        ],
        TENSORFLOW,
    ),
    Advice(
        " cannot be traced, and only a trace shows its operations.",
        UnsupportedModelError,
        lambda kit: attribute(untraceable(kit), TABLE, "guided_backprop"),
        lambda kit: [
            attribute(untraceable(kit), TABLE, "ig"),
            attribute(untraceable(kit), TABLE, "saliency"),
        ],
        TENSORFLOW,
    ),
    Advice(
        ", which the ",
        UnsupportedModelError,
        lambda kit: attribute(eager(kit), TABLE, "guided_backprop"),
        lambda kit: attribute(eager(kit), TABLE, "saliency"),
        TENSORFLOW,
    ),
    # maximization, paths
    Advice(
        "bounds are not known: activation maximization stays within the valid input values at every step.",
        OptionError,
        lambda kit: attribute(linear(kit), TABLE, "activation_maximization"),
        lambda kit: attribute(linear(kit), TABLE, "activation_maximization", bounds=(-1, 1), n_steps=2),
        TORCH,
    ),
    Advice(
        "bounds are not known: XRAI compares the picture with a black and a white one",
        OptionError,
        lambda kit: attribute(cnn(kit), picture(kit), "xrai"),
        lambda kit: attribute(cnn(kit), picture(kit), "xrai", bounds=(0, 1)),
        TORCH,
    ),
    Advice(
        " entries for a batch of ",
        OptionError,
        lambda kit: attribute(linear(kit), TABLE, "ig", n_steps=[1, 2, 3]),
        lambda kit: [attribute(linear(kit), TABLE, "ig", n_steps=one) for one in ([1, 2], 3, "auto")],
        TORCH,
    ),
    Advice(
        " cannot be refined to a tolerance: give n_steps a number, or rule one of ",
        OptionError,
        lambda kit: attribute(linear(kit), TABLE, "ig", rule="trapezoid"),
        lambda kit: [
            attribute(linear(kit), TABLE, "ig", rule="trapezoid", n_steps=8),
            attribute(linear(kit), TABLE, "ig", rule="midpoint"),
            attribute(linear(kit), TABLE, "ig", rule=None),
        ],
        TORCH,
    ),
    Advice(
        " chooses its nodes by the gradients, and n_steps=",
        OptionError,
        lambda kit: attribute(linear(kit), TABLE, "ig", rule="adaptive", n_steps=8),
        lambda kit: [
            attribute(linear(kit), TABLE, "ig", rule="adaptive"),
            attribute(linear(kit), TABLE, "ig", nodes=MIDDLE),
        ],
        TORCH,
    ),
    Advice(
        " are given, and each tells the steps: give one of them",
        OptionError,
        lambda kit: attribute(linear(kit), TABLE, "ig", nodes=MIDDLE, n_steps=8),
        lambda kit: [
            attribute(linear(kit), TABLE, "ig", nodes=MIDDLE),
            attribute(linear(kit), TABLE, "ig", n_steps=8),
        ],
        TORCH,
    ),
    Advice(
        "nodes are of ",
        OptionError,
        lambda kit: attribute(linear(kit), TABLE[:1], "ig", nodes=MIDDLE),
        lambda kit: attribute(linear(kit), TABLE[:1], "ig", nodes=MIDDLE[:1]),
        TORCH,
    ),
    Advice(
        "max_steps (the error falls as 1 / n_steps or faster) or tolerance",
        ConvergenceWarning,
        lambda kit: attribute(sharp(kit), np.ones((2, 4), np.float32), "ig", target=None, max_steps=9),
        lambda kit: attribute(sharp(kit), np.ones((2, 4), np.float32), "ig", target=None, max_steps=2000),
        TORCH,
    ),
    Advice(
        " is too few for rule=",
        OptionError,
        lambda kit: attribute(linear(kit), TABLE, "ig", rule="trapezoid", n_steps=1),
        lambda kit: attribute(linear(kit), TABLE, "ig", rule="trapezoid", n_steps=2),
        TORCH,
    ),
    Advice(
        "over: there is nothing to attribute, and the map says nothing there.",
        BaselineWarning,
        lambda kit: attribute(cnn(kit), picture(kit) * 0 + 1, "blur_ig"),
        lambda kit: attribute(cnn(kit), picture(kit), "blur_ig", n_steps=400),
        TORCH,
    ),
    Advice(
        "more than sampling explains: more samples do not help.",
        ConvergenceWarning,
        lambda kit: attribute(
            stairs(kit),
            np.array([[2.0, 1.0]]),
            "gradient_shap",
            target=None,
            baseline=-1 - REFERENCES,
            n_samples=50,
        ),
        lambda kit: attribute(
            kit.function(lambda x: kit.sum(x, 1)),
            np.array([[2.0, 1.0]]),
            "gradient_shap",
            target=None,
            baseline=-1 - REFERENCES,
            n_samples=50,
        ),
        TORCH,
    ),
    # perturbation and surrogates
    Advice(
        "x has 1 example, but feature_permutation exchanges features between the examples of a batch",
        InputError,
        lambda kit: attribute(linear(kit), TABLE[:1], "feature_permutation"),
        lambda kit: [
            attribute(linear(kit), TABLE, "feature_permutation"),
            attribute(linear(kit), TABLE[:1], "feature_ablation"),
        ],
        TORCH,
    ),
    Advice(
        "feature_mask differs between the examples, but feature_permutation exchanges the same feature between them",
        OptionError,
        lambda kit: attribute(
            linear(kit), TABLE, "feature_permutation", feature_mask=np.array([[0, 0, 1, 1], [0, 1, 1, 1]])
        ),
        lambda kit: [
            attribute(linear(kit), TABLE, "feature_permutation", feature_mask=one)
            for one in ("elements", np.array([0, 0, 1, 1]))
        ],
        TORCH,
    ),
    Advice(
        " is larger than an example, whose shape is ",
        OptionError,
        lambda kit: attribute(linear(kit), TABLE, "occlusion", sliding_window_shapes=(5,)),
        lambda kit: attribute(linear(kit), TABLE, "occlusion", sliding_window_shapes=(4,)),
        TORCH,
    ),
    Advice(
        ") uncovered: give at most ",
        OptionError,
        lambda kit: attribute(linear(kit), TABLE, "occlusion", sliding_window_shapes=(1,), strides=(3,)),
        lambda kit: [
            attribute(linear(kit), TABLE, "occlusion", sliding_window_shapes=(1,), strides=(1,)),
            attribute(linear(kit), TABLE, "occlusion", sliding_window_shapes=(3,), strides=(3,)),
        ],
        TORCH,
    ),
    Advice(
        ": give one number for each, without the batch axis.",
        OptionError,
        lambda kit: attribute(linear(kit), TABLE, "occlusion", sliding_window_shapes=(1, 1)),
        lambda kit: attribute(linear(kit), TABLE, "occlusion", sliding_window_shapes=(1,)),
        TORCH,
    ),
    Advice(
        " has nothing to compare there. Give a baseline at which the model is defined, for ",
        ModelCallError,
        lambda kit: attribute(root(kit), np.abs(TABLE) + 1, "rise", target=None, n_masks=20),
        lambda kit: attribute(root(kit), np.abs(TABLE) + 1, "rise", target=None, n_masks=20, baseline=1.0),
        TORCH,
    ),
    Advice(
        "out; each column is then kept or not by itself.",
        OptionError,
        lambda kit: attribute(linear(kit), TABLE, "rise", grid_size=2),
        lambda kit: attribute(linear(kit), TABLE, "rise", n_masks=20),
        TORCH,
    ),
    Advice(
        "space and time: give one number for each, or one for all.",
        OptionError,
        lambda kit: attribute(cnn(kit), picture(kit), "rise", grid_size=(2, 2, 2)),
        lambda kit: [
            attribute(cnn(kit), picture(kit), "rise", n_masks=20, grid_size=one) for one in ((2, 2), 2)
        ],
        TORCH,
    ),
    Advice(
        " features: the samples do not determine a coefficient for each.",
        SurrogateWarning,
        lambda kit: attribute(linear(kit), TABLE, "lime", n_samples=2),
        lambda kit: [
            attribute(linear(kit), TABLE, "lime", n_samples=100, alpha=1e-4),
            attribute(
                linear(kit), TABLE, "lime", n_samples=40, alpha=1e-4, feature_mask=np.array([0, 0, 1, 1])
            ),
        ],
        TORCH,
    ),
    Advice(
        " from the input, so every sample has weight zero. Give kernel_width of ",
        OptionError,
        lambda kit: attribute(squares(kit), WIDE, "lime", kernel_width=1e-5, distance_mode="euclidean"),
        lambda kit: attribute(squares(kit), WIDE, "lime", kernel_width=3.0, distance_mode="euclidean"),
        TORCH,
    ),
    Advice(
        " iterations, before its coefficients converged. Raise alpha (now ",
        SurrogateWarning,
        lambda kit: stopped(kit, alpha=1e-3),
        lambda kit: [
            attribute(linear(kit), TABLE, "lime", alpha=1e-2),
            attribute(linear(kit), TABLE, "lime", alpha=1e-3, interpretable_model="ridge"),
        ],
        TORCH,
    ),
    Advice(
        "Lower alpha, which is in units of the score, or take interpretable_model=",
        SurrogateWarning,
        lambda kit: attribute(linear(kit), TABLE, "lime", alpha=1e4),
        lambda kit: [
            attribute(linear(kit), TABLE, "lime", alpha=1e-4),
            attribute(linear(kit), TABLE, "lime", interpretable_model="ridge"),
        ],
        TORCH,
    ),
    # engines
    Advice(
        "engine='captum' takes one number of steps for all examples",
        EngineError,
        lambda kit: attribute(linear(kit), TABLE, "ig", engine="captum", n_steps=[3, 4]),
        lambda kit: [
            attribute(linear(kit), TABLE, "ig", engine="captum", n_steps=4),
            attribute(linear(kit), TABLE, "ig", n_steps=[3, 4]),
        ],
        TORCH,
    ),
    Advice(
        "engine='captum' takes no nodes of each example's own",
        EngineError,
        lambda kit: attribute(linear(kit), TABLE, "ig", engine="captum", nodes=MIDDLE),
        lambda kit: [
            attribute(linear(kit), TABLE, "ig", engine="captum", n_steps=4),
            attribute(linear(kit), TABLE, "ig", nodes=MIDDLE),
        ],
        TORCH,
    ),
    Advice(
        ": the weights of Captum's riemann_trapezoid sum to (n − 1)/n, so its ",
        EngineError,
        lambda kit: attribute(linear(kit), TABLE, "ig", engine="captum", rule="trapezoid"),
        lambda kit: [
            attribute(linear(kit), TABLE, "ig", engine="captum", rule="midpoint"),
            attribute(linear(kit), TABLE, "ig", rule="trapezoid", n_steps=4),
        ],
        TORCH,
    ),
    Advice(
        " needs at least 2 steps: raise n_steps, or use ",
        EngineError,
        lambda kit: attribute(linear(kit), TABLE, "ig", engine="captum", rule="midpoint", n_steps=1),
        lambda kit: [
            attribute(linear(kit), TABLE, "ig", engine="captum", rule="midpoint", n_steps=2),
            attribute(linear(kit), TABLE, "ig", rule="midpoint", n_steps=1),
        ],
        TORCH,
    ),
    Advice(
        "engine='tf-explain' takes pictures (N, H, W, C) and one class per example",
        EngineError,
        lambda kit: attribute(linear(kit), TABLE, engine="tf-explain"),
        lambda kit: attribute(linear(kit), TABLE, engine="explain"),
        TENSORFLOW,
    ),
    Advice(
        "engine='tf-explain' casts its input to float32; the model computes in float64.",
        EngineError,
        lambda kit: attribute(kit.cnn(dtype="float64"), picture(kit), engine="tf-explain"),
        lambda kit: attribute(kit.cnn(dtype="float64"), picture(kit), engine="explain"),
        TENSORFLOW,
    ),
    # running
    Advice(
        "another part is random. The map is of one draw, and another call may give another map.",
        NonDeterministicWarning,
        lambda kit: attribute(noisy(kit, 1.0), TABLE),
        lambda kit: attribute(noisy(kit, 0.0), TABLE),
    ),
    Advice(
        ". Give memory_budget at least that, free some memory, or explain ",
        MemoryBudgetError,
        lambda kit: attribute(perceptron(kit), TABLE, memory_budget=1),
        lambda kit: attribute(perceptron(kit), TABLE, memory_budget=needed(kit)),
    ),
    Advice(
        ", or a memory_budget, to ",
        OutOfMemoryWarning,
        lambda kit: attribute(hungry(kit, 3), TABLE, "ig", n_steps=64),
        lambda kit: attribute(
            hungry(kit, 3), TABLE, "ig", n_steps=64, batch_size=given_batch(kit, hungry(kit, 3))
        ),
        TORCH,
    ),
    Advice(
        ", free other memory, move the model to a device that has more, or use a method ",
        OutOfMemoryError,
        lambda kit: attribute(hungry_within(kit, 3), TABLE),
        lambda kit: attribute(hungry_within(kit, 3), TABLE[:, :3]),
        TORCH,
    ),
    Advice(
        " their differences, of which the map consists, are rounded to steps of up to ",
        CancellationWarning,
        lambda kit: attribute(raised(kit, "bfloat16"), TABLE, "feature_ablation"),
        lambda kit: [
            attribute(raised(kit, "float32"), TABLE, "feature_ablation"),
            attribute(raised(kit, "bfloat16"), TABLE, "input_x_gradient"),
        ],
    ),
]
