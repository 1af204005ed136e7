"""The end of a model: the activations that made the values of its output. The same in every framework."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from explain.backends.operations.score_graph import names

ActivationKind = Literal["softmax", "log_softmax", "sigmoid", "log_sigmoid"]
HeldKind = Literal["probability", "log_probability"]

_LOGARITHMIC = names("log_softmax log_sigmoid")
# The steps from the output back to an activation change the kind of the values at most between these.
_BY_LOGARITHMS: dict[int, HeldKind] = {0: "probability", 1: "log_probability"}


@dataclass(frozen=True)
class Step:
    """What one operation does with the values of its operands.

    Parameters
    ----------
    does : str
        ``"activates"`` a softmax or a sigmoid; ``"moves"`` each result is one value of an operand; ``"mixes"``
        computes with them; ``"exp"``, ``"log"``; ``"constant"`` depends on no input; ``"other"`` anything else.
    operands : sequence
        The values that it takes, as the reader of the graph identifies them.
    kind : str, optional
        The activation; with ``"mixes"``, the one with whose values it computes.
    label : str
        The operation, and what else decides where values go.
    """

    does: Literal["activates", "moves", "mixes", "exp", "log", "constant", "other"]
    operands: Sequence[Any] = ()
    kind: ActivationKind | None = None
    label: str = ""


OTHER, CONSTANT = Step("other"), Step("constant")


@dataclass(frozen=True)
class Ending:
    """The activations from which a model's output is computed.

    Parameters
    ----------
    kinds : tuple of str
        Their kinds, each once.
    held : str
        The kind of the values.
    moved : bool
        Whether each value of the output is one value of one activation, and so has one logit.
    activations : tuple
        The activations, as the reader of the graph identifies them.
    steps : tuple of str
        The labels of the operations after them.
    """

    kinds: tuple[ActivationKind, ...]
    held: HeldKind
    moved: bool
    activations: tuple[Any, ...] = ()
    steps: tuple[str, ...] = ()

    @property
    def activation(self) -> str:
        """The activations in words."""
        return " and a ".join(self.kinds)


def ending_of(output: Any, step_of: Callable[[Any], Step]) -> Ending | None:
    """Follow an output back to the activations that made it; None if it is made of anything else.

    Parameters
    ----------
    output : object
        The output, as the reader of the graph identifies values.
    step_of : callable
        Gives the operation that made a value.

    Examples
    --------
    Two heads of sigmoids, joined:

    >>> steps = {
    ...     "joined": Step("moves", ["a", "b"]),
    ...     "a": Step("activates", kind="sigmoid"),
    ...     "b": Step("activates", kind="sigmoid"),
    ...     "half": Step("mixes", ["joined"]),
    ... }
    >>> ending_of("joined", steps.get).moved, ending_of("half", steps.get).moved
    (True, False)
    """
    kinds: list[ActivationKind] = []
    activations: list[Any] = []
    labels: list[str] = []
    logarithms: set[int] = set()
    moved = True
    left, seen = [(output, 0)], {(output, 0)}
    while left:
        value, taken = left.pop()
        step = step_of(value)
        if step.does == "other":
            return None
        if step.kind is not None:
            activations.append(value)
            kinds.append(step.kind)
            logarithms.add(taken + (step.kind in _LOGARITHMIC))
            moved = moved and step.does == "activates"
            continue
        moved = moved and step.does == "moves"
        labels.append(step.label)
        below = taken + (step.does == "log") - (step.does == "exp")
        for operand in step.operands:
            if (operand, below) not in seen:
                seen.add((operand, below))
                left.append((operand, below))
    held = _BY_LOGARITHMS.get(logarithms.pop()) if len(logarithms) == 1 else None
    if held is None:
        return None
    return Ending(tuple(dict.fromkeys(kinds)), held, moved, tuple(activations), tuple(labels))
