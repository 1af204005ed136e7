"""The cases to measure: a case is a model, its framework, a batch of examples and the peers' default steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Case:
    """A model and its batch.

    Attributes
    ----------
    name : str
        Unique name, also used for file names.
    model : str
        The model: a seed model, ``"lstm"``, ``"resnet18"``, ``"efficientnet_lite0"`` or
        ``"convolutional"``, the network of the growth curves.
    framework : {"torch", "tensorflow"}
        The framework of the model.
    examples : int
        The number of examples explained in one call.
    shape : tuple of int
        Shape of one example, in the framework's layout.
    classes : int
        The number of classes.
    rule : str
        Our rule at equal error: ``"midpoint"`` for a model with kinks, ``"gauss_legendre"`` for a smooth
        model.
    steps : int
        The peers' default number of steps.
    most_steps : int
        The largest number of steps for our automatic choice; by default that of the call.
    rounds : int
        The number of interleaved rounds.
    agreement : float
        Largest allowed median relative L2 distance between two tools' maps of the same sum. Above it they
        compute different things, and the case fails.
    affine : bool
        Whether the score is affine in the input, so that every rule is exact and errors are meaningless.
    chunks : tuple of int
        Numbers of points at once to try for tools with such an option.
    search_from : int
        The number of steps at which the search for equal error starts.
    sampled : bool
        Whether to time SHAP's sampling too.
    by_tolerance : bool
        Whether to time `tolerance=` at the peer's error too.
    device : str
        ``"cpu"`` or ``"cuda"``.
    width : int
        Channels of the first layer of the network of the growth curves.
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
    by_tolerance: bool = False
    device: str = "cpu"
    width: int = 32

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Case:
        """Rebuild a case from the JSON form of `dataclasses.asdict`."""
        return cls(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
        )


# All names have the same length, so that no tool has to handle padding.
NAME_LENGTH = 7

_NAME = (NAME_LENGTH, 57)
_ROWS = (28, 28)

CASES = (
    Case("cifar_keras-torch", "cifar_keras", "torch", 32, (3, 32, 32), sampled=True),
    Case("cifar_net-torch", "cifar_net", "torch", 32, (3, 32, 32)),
    Case("names_rnn-torch", "names_rnn", "torch", 32, _NAME, 18, affine=True),
    Case("fashion_rnn-torch", "fashion_rnn", "torch", 32, _ROWS, rule="gauss_legendre", rounds=10),
    # Its gradients are smooth, but not on the scale of 1/50 of the path: the midpoint rule is more accurate than
    # Gauss–Legendre.
    Case("lstm-torch", "lstm", "torch", 16, _ROWS, chunks=(16, 32, 64, 128, 256)),
    Case("cifar_keras-tensorflow", "cifar_keras", "tensorflow", 32, (32, 32, 3), sampled=True),
    Case("cifar_net-tensorflow", "cifar_net", "tensorflow", 32, (32, 32, 3)),
    Case("names_rnn-tensorflow", "names_rnn", "tensorflow", 32, _NAME, 18, affine=True),
    Case("fashion_rnn-tensorflow", "fashion_rnn", "tensorflow", 32, _ROWS, rule="gauss_legendre"),
    # Deep networks in single precision: in every tool, rounding alone moves points to the other side of kinks.
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
        rounds=4,
        agreement=5e-2,
        chunks=(2, 4, 8),
        search_from=20,
        by_tolerance=True,
    ),
)


def quick(case: Case) -> Case:
    """Shrink a case to a short trial run, whose figures are meaningless."""
    return replace(
        case,
        examples=2 if max(case.shape) <= 64 else 1,
        steps=5,
        most_steps=15,
        rounds=2,
        chunks=case.chunks[:1],
        search_from=3,
    )
