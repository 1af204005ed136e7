"""Calls a seed model that takes one step at a time on whole sequences."""

from __future__ import annotations

from typing import Any, Protocol


class StepwiseModel(Protocol):
    """A model that takes one step of a sequence and a hidden state: `names_rnn`, in either framework."""

    def __call__(self, input: Any, hidden: Any) -> tuple[Any, Any]:
        """Take one step.

        Parameters
        ----------
        input : tensor, shape (N, 57)
            One character of each name, one-hot.
        hidden : tensor, shape (N, 128)
            The hidden state after the previous characters.

        Returns
        -------
        output : tensor, shape (N, 18)
            Log-probabilities of the languages, given the characters so far.
        hidden : tensor, shape (N, 128)
            The next hidden state.
        """

    def init_hidden(self, batch_size: int = 1) -> Any:
        """Give the hidden state before the first character: zeros, shape (N, 128)."""


def output_of_each_step(model: StepwiseModel, x: Any) -> list[Any]:
    """Call a model on a sequence, step by step.

    Parameters
    ----------
    model : StepwiseModel
        The model.
    x : tensor, shape (N, T, 57)
        Names, one-hot.

    Returns
    -------
    list of tensor, shape (N, 18)
        The outputs of the T steps.
    """
    hidden = model.init_hidden(len(x))
    outputs = []
    for step in range(x.shape[1]):
        output, hidden = model(x[:, step], hidden)
        outputs.append(output)
    return outputs
