"""Methods that read attentions."""

from __future__ import annotations

from typing import Any

from advice.advice import Advice
from advice.models import SERIES, TABLE, WEIGHT, attribute, perceptron

from explain.errors import GradientError, OptionError, UnsupportedInputError, UnsupportedModelError

OTHERS = ("integrated_gradients", "input_x_gradient", "occlusion")


def attended(kit: Any, x: Any) -> Any:
    """Each token takes from all others."""
    turned = x.transpose(1, 2) if kit.name == "torch" else kit.tf.transpose(x, (0, 2, 1))
    return kit.softmax(x @ turned) @ x


def plain(kit: Any) -> Any:
    return kit.function(lambda x: attended(kit, x)[:, 0])


def dead(kit: Any) -> Any:
    """The ReLU behind its attention is off for these series, and they reach the score past it."""
    return kit.function(lambda x: kit.relu(attended(kit, x)[:, 0] - 100) + x[:, 0])


def of_sums(kit: Any) -> Any:
    """Each of its tokens is a sum of all columns of a table."""

    def forward(x: Any) -> Any:
        tokens = kit.stack([kit.matmul(x, number * WEIGHT) for number in (1, 2, 3)], 1)
        return attended(kit, tokens)[:, 0]

    return kit.function(forward)


ADVICE = [
    Advice(
        " examples: give one number per example, or a single one for all.",
        OptionError,
        lambda kit: attribute(plain(kit), SERIES, "rollout", token=[1]),
        lambda kit: [
            attribute(plain(kit), SERIES, "rollout", token=[1, 2]),
            attribute(plain(kit), SERIES, "rollout", token=1),
        ],
    ),
    Advice(
        " tokens, so give numbers from ",
        OptionError,
        lambda kit: attribute(plain(kit), SERIES, "rollout", token=5),
        lambda kit: [attribute(plain(kit), SERIES, "rollout", token=one) for one in (-5, 4)],
    ),
    Advice(
        "Name the token, for example token=0 for the first, ",
        GradientError,
        lambda kit: attribute(dead(kit), SERIES, "rollout"),
        lambda kit: [attribute(dead(kit), SERIES, "rollout", token=one) for one in (0, -1)],
    ),
    Advice(
        "method='input_x_gradient' or method='occlusion', which take an input as it is.",
        UnsupportedInputError,
        lambda kit: attribute(of_sums(kit), TABLE, "rollout"),
        lambda kit: [attribute(of_sums(kit), TABLE, method) for method in OTHERS],
    ),
    Advice(
        "method='input_x_gradient' or method='occlusion', which do not read attentions.",
        UnsupportedModelError,
        lambda kit: attribute(perceptron(kit), TABLE, "rollout"),
        lambda kit: [attribute(perceptron(kit), TABLE, method) for method in OTHERS],
    ),
]
