"""One shape for all that computes with arrays: a function of an array and keyword arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.errors import UnsupportedModelError

# In the order in which an estimator's scores are worth explaining.
_METHODS = ("predict_proba", "decision_function", "predict")
_SESSION_DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


@dataclass(frozen=True)
class ArrayFunction:
    """A model as a function of arrays.

    Parameters
    ----------
    call : callable
        From an array of examples, and keyword arguments, to what the model returns.
    name : str
        What to call the model.
    dtype : numpy.dtype, optional
        The only precision that it takes.
    fixed_batch_size : int, optional
        The only batch size that it takes.
    """

    call: Callable[..., Any]
    name: str
    dtype: np.dtype[Any] | None = None
    fixed_batch_size: int | None = None


def array_function(model: Any) -> ArrayFunction:
    """Give a function of arrays for a session, an estimator, a method of one, or any callable."""
    if is_session(model):
        return _of_session(model)
    if is_estimator(model):
        name = next((one for one in _METHODS if hasattr(model, one)), None)
        if name is None:
            raise UnsupportedModelError(
                f"model, a {type(model).__name__}, has none of {', '.join(_METHODS)}: give a fitted classifier or "
                "regressor, or a function of arrays with framework='numpy'."
            )
        return ArrayFunction(getattr(model, name), f"{type(model).__name__}.{name}")
    owner = getattr(model, "__self__", None)
    own = getattr(model, "__name__", type(model).__name__)
    return ArrayFunction(model, f"{type(owner).__name__}.{own}" if is_estimator(owner) else own)


def is_estimator(model: object) -> bool:
    """Tell a scikit-learn estimator, or a class derived from one, from its class."""
    return any(
        base.__name__ == "BaseEstimator" and base.__module__.split(".")[0] == "sklearn"
        for base in type(model).__mro__
    )


def is_session(model: object) -> bool:
    """Tell an ONNX Runtime session from its class."""
    return any(
        base.__name__ == "InferenceSession" and base.__module__.split(".")[0] == "onnxruntime"
        for base in type(model).__mro__
    )


def stated_shape(model: Any) -> tuple[int | None, ...] | None:
    """Give the shape of an example that a session states, None for what states none."""
    if not is_session(model):
        return None
    sizes = model.get_inputs()[0].shape[1:]
    return tuple(size if isinstance(size, int) else None for size in sizes)


def _of_session(session: Any) -> ArrayFunction:
    first = session.get_inputs()[0]
    names = [one.name for one in session.get_outputs()]
    size = first.shape[0] if first.shape else None

    def call(x: Any, **keywords: Any) -> Mapping[str, Any]:
        return dict(zip(names, session.run(names, {first.name: x, **keywords}), strict=True))

    dtype = _SESSION_DTYPES.get(first.type)
    if dtype is None:
        raise UnsupportedModelError(
            f"model, an ONNX Runtime session, takes {first.type} as its first input {first.name!r}: only floating "
            f"point ({', '.join(_SESSION_DTYPES)}) can be explained."
        )
    return ArrayFunction(call, "InferenceSession", np.dtype(dtype), size if isinstance(size, int) else None)
