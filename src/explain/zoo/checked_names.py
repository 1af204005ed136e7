"""Names that callers give, checked against those that are known."""

from __future__ import annotations

import difflib

from explain.errors import ZooError
from explain.inputs.naming.brief import brief
from explain.zoo.layers import Framework
from explain.zoo.model_row import FRAMEWORKS


def checked_framework(framework: str) -> Framework:
    """Check the name of a framework, and give it.

    Examples
    --------
    >>> checked_framework("torch")
    'torch'
    """
    for known in FRAMEWORKS:
        if framework == known:
            return known
    raise ZooError(one_of("framework", framework, FRAMEWORKS, "the frameworks"))


def one_of(parameter: str, value: object, valid: tuple[str, ...], what: str) -> str:
    """Give the error message for a `value` that is not among the `valid` values; it suggests the nearest valid value.

    Examples
    --------
    >>> one_of("name", "cifar", ("cifar_net",), "the seed models")
    "name='cifar' is not one of the seed models: cifar_net. Did you mean 'cifar_net'?"
    """
    nearest = difflib.get_close_matches(str(value).lower(), valid, n=1, cutoff=0.5)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return f"{parameter}={brief(value)} is not one of {what}: {', '.join(valid)}.{hint}"
