"""One refusal or warning of `explain`, and its advice, followed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from explain.errors import ExplainWarning

BOTH = ("torch", "tensorflow")


@dataclass(frozen=True)
class Advice:
    """A message, a call that provokes it, and the call that it advises.

    Parameters
    ----------
    says : str
        Words of the message, as they stand in the source between two formatted values.
    error : type
        The class of the error, or of the warning.
    refused, followed : callable
        Take the kit of a framework. `followed` does what the message says, and gives what is not None: attributions
        are checked to be finite and not all zero.
    on : tuple of str
        The kits to try: one where the code is the same in both frameworks.
    """

    says: str
    error: type[Exception]
    refused: Callable[[Any], Any]
    followed: Callable[[Any], Any]
    on: tuple[str, ...] = BOTH

    def check(self, kit: Any) -> None:
        """Provoke the message; follow its advice, with every warning an error."""
        if issubclass(self.error, Warning):
            with pytest.warns(self.error) as seen:
                self.refused(kit)
            messages = [str(one.message) for one in seen if one.category is self.error]
        else:
            with pytest.raises(self.error) as caught:
                self.refused(kit)
            assert type(caught.value) is self.error, caught.value
            messages = [str(caught.value)]
        assert any(self.says in message for message in messages), messages
        with warnings.catch_warnings():
            warnings.simplefilter("error", ExplainWarning)
            found = self.followed(kit)
        assert found is not None
        for values in _values_of(found):
            assert np.isfinite(values).all()
            assert values.any()


def _values_of(found: Any) -> Iterator[Any]:
    if isinstance(found, dict):
        found = list(found.values())
    for one in found if isinstance(found, (list, tuple)) else [found]:
        if hasattr(one, "values") and hasattr(one, "method"):
            yield one.values
