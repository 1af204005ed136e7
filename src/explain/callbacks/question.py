"""What a callback asks at every epoch: checked once, before training, as far as that needs no run of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from explain.algorithms.catalogue import find_method
from explain.api import attribute
from explain.errors import ModelNotBuiltError, OptionError
from explain.explanation.again.call import request_of
from explain.inputs.naming.brief import brief


@dataclass(frozen=True)
class Question:
    """The arguments of `explain.attribute` besides the model.

    Parameters
    ----------
    x : object
        The examples, the same at every epoch.
    method : str
        A name or alias from `explain.methods`.
    arguments : Mapping
        All other arguments.
    """

    x: Any
    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def method_name(self) -> str:
        """The name of the method in the catalogue, for an alias too.

        Raises
        ------
        MethodError
            If there is no such method.
        """
        return find_method(self.method).name

    def answer(self, model: Any) -> Any:
        """Explain the examples: what `explain.attribute` returns."""
        # A bar would be drawn into that of the training.
        return attribute(model, self.x, self.method, **{"progress": False, **self.arguments})

    def check(self, model: Any, names: Sequence[str] | None) -> None:
        """Refuse what can be refused without running the model, so that no epoch is trained for nothing.

        Parameters
        ----------
        model : object
            The model that is trained.
        names : sequence of str, optional
            The names of the examples.

        Raises
        ------
        explain.errors.ExplainError
            If an argument is wrong, as `explain.attribute` says it, or there is not one name for each example.
        """
        # What does not belong to the question itself.
        asked = {name: value for name, value in self.arguments.items() if name not in ("progress", "checks")}
        try:
            request = request_of(model, self.x, self.method, asked)
        except ModelNotBuiltError:
            # The first batch builds it.
            return
        count = request.given.x.shape[request.given.layout.batch_axis]
        if names is not None and len(names) != count:
            raise OptionError(
                f"names={brief(list(names))} has {len(names)} names but x has {count} examples: give one name for "
                "each, in order."
            )


def checked_names(names: Any) -> tuple[str, ...] | None:
    """Give the names of the examples as a tuple, or None.

    Raises
    ------
    OptionError
        If these are not names.

    Examples
    --------
    >>> checked_names(["cat", "dog"])
    ('cat', 'dog')
    """
    if names is None:
        return None
    is_sequence = hasattr(names, "__iter__") and not isinstance(names, str | bytes | Mapping)
    found = tuple(names) if is_sequence else ()
    if not found or not all(isinstance(one, str) and one for one in found):
        raise OptionError(
            f"names={brief(names)} is not a sequence of names: give a str for each example, in order, for example "
            'names=["cat", "dog"].'
        )
    return found
