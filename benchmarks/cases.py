"""What is measured: one case is a model, its framework, a batch of examples and the peers' default steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Case:
    """A model and its batch.

    Attributes
    ----------
    name : str
        Unique name, also of its files.
    model : str
        Which model: a seed model, ``"lstm"``, ``"resnet18"``, ``"efficientnet_lite0"`` or
        ``"convolutional"``, the network of the growth curves.
    framework : {"torch", "tensorflow"}
        In which framework.
    examples : int
        How many examples are explained in one call.
    shape : tuple of int
        Shape of one example, in the framework's layout.
    classes : int
        How many classes it has.
    rule : str
        Our rule at equal error: ``"midpoint"`` where the model has kinks, ``"gauss_legendre"`` where it is
        smooth.
    steps : int
        The peers' default number of steps.
    most_steps : int
        The most steps that we may take by ourselves.
    rounds : int
        Interleaved rounds.
    agreement : float
        Largest median relative L2 between two tools' maps of the same sum: beyond it they compute
        different things, and the case fails.
    affine : bool
        Whether the score is affine in the input, so that every rule is exact and errors say nothing.
    chunks : tuple of int
        Points at once to try for the tools that let their user choose.
    search_from : int
        The least number of steps that is tried in the search for equal error.
    sampled : bool
        Whether SHAP's sampling is timed too.
    device : str
        ``"cpu"`` or ``"cuda"``.
    width : int
        Channels of the first layer, for the network of the growth curves.
    """

    name: str
    model: str
    framework: str
    examples: int
    shape: tuple[int, ...]
    classes: int = 10
    rule: str = "midpoint"
    steps: int = 50
    most_steps: int = 405
    rounds: int = 20
    agreement: float = 1e-4
    affine: bool = False
    chunks: tuple[int, ...] = (32, 64, 128, 256, 512)
    search_from: int = 1
    sampled: bool = False
    device: str = "cpu"
    width: int = 32

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Case:
        """Rebuild a case from what `dataclasses.asdict` and JSON made of it."""
        return cls(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
        )


# Names of one length, so that no tool has to be taught about padding.
NAME_LENGTH = 7

_NAME = (NAME_LENGTH, 57)
_ROWS = (28, 28)

CASES = (
    Case("cifar_keras-torch", "cifar_keras", "torch", 32, (3, 32, 32), sampled=True),
    Case("cifar_net-torch", "cifar_net", "torch", 32, (3, 32, 32)),
    Case("names_rnn-torch", "names_rnn", "torch", 32, _NAME, 18, affine=True),
    Case("fashion_rnn-torch", "fashion_rnn", "torch", 32, _ROWS, rule="gauss_legendre", rounds=10),
    # Its gradients are smooth, but not over 1/50 of the path: midpoints do better than Gauss–Legendre nodes.
    Case("lstm-torch", "lstm", "torch", 16, _ROWS, chunks=(16, 32, 64, 128, 256)),
    Case("cifar_keras-tensorflow", "cifar_keras", "tensorflow", 32, (32, 32, 3), sampled=True),
    Case("cifar_net-tensorflow", "cifar_net", "tensorflow", 32, (32, 32, 3)),
    Case("names_rnn-tensorflow", "names_rnn", "tensorflow", 32, _NAME, 18, affine=True),
    Case("fashion_rnn-tensorflow", "fashion_rnn", "tensorflow", 32, _ROWS, rule="gauss_legendre"),
    # Deep networks in single precision: rounding alone takes kinks on other sides, in every tool.
    Case(
        "resnet18-torch",
        "resnet18",
        "torch",
        2,
        (3, 64, 64),
        1000,
        rounds=7,
        agreement=5e-2,
        chunks=(2, 4, 8, 16, 32),
        search_from=20,
    ),
    Case(
        "efficientnet_lite0-torch",
        "efficientnet_lite0",
        "torch",
        2,
        (3, 224, 224),
        1000,
        most_steps=135,
        rounds=4,
        agreement=5e-2,
        chunks=(2, 4, 8),
        search_from=20,
    ),
)


def quick(case: Case) -> Case:
    """Shrink a case to a try-out, whose figures mean nothing."""
    return replace(
        case,
        examples=2 if max(case.shape) <= 64 else 1,
        steps=5,
        most_steps=15,
        rounds=2,
        chunks=case.chunks[:1],
        search_from=3,
    )
