"""One form for every model of arrays: a function of arrays and keyword arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from explain.backends import ScoreKind
from explain.errors import ScoreError, UnsupportedModelError
from explain.numpy_ext.interpreters import TFLiteModel, interpreter_of, is_interpreter, is_tflite_file

# The scores of an estimator's methods, in order of preference.
_METHODS: Mapping[str, ScoreKind] = {
    "predict_proba": "probability",
    "decision_function": "logit",
    "predict": "output",
    "predict_log_proba": "log_probability",
}
# The method that a score selects.
_BY_SCORE = {"probability": "predict_proba", "log_probability": "predict_log_proba"}
_SESSION_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
    **{f"tensor({name})": name for name in ("int8", "int16", "int32", "int64", "uint8", "uint16")},
}


@dataclass(frozen=True)
class ArrayFunction:
    """A model as a function of arrays.

    Parameters
    ----------
    call : callable
        Takes an array of examples and keyword arguments, and gives the model's result.
    name : str
        The model's name in messages.
    dtype : numpy.dtype, optional
        The only precision that it accepts, or the only whole numbers or booleans.
    fixed_batch_size : int, optional
        The only batch size that it accepts.
    score : str, optional
        The kind of score that it returns, if known.
    takes_several : bool
        Whether it accepts several inputs.
    session : callable
        Gives a context in which it is called, which restores the model on exit.
    """

    call: Callable[..., Any]
    name: str
    dtype: np.dtype[Any] | None = None
    fixed_batch_size: int | None = None
    score: ScoreKind | None = None
    takes_several: bool = False
    session: Callable[[], AbstractContextManager[None]] = nullcontext


def array_function(model: Any, score: ScoreKind = "logit") -> ArrayFunction:
    """Give a function of arrays for a session, an interpreter, an estimator, a method of one, or any callable.

    Parameters
    ----------
    model : object
        The model.
    score : str
        The score to explain: it selects the method of an estimator.

    Raises
    ------
    UnsupportedModelError
        If an estimator has no method that returns scores, or a session or an interpreter does not take numbers.
    ScoreError
        If an estimator has no method for the score.

    Examples
    --------
    >>> array_function(max).name
    'max'
    """
    if is_session(model):
        return _of_session(model)
    if is_interpreter(model) or is_tflite_file(model):
        return _of_interpreter(model)
    if is_estimator(model):
        return _of_method(model, _method_of(model, score), score)
    owner = getattr(model, "__self__", None)
    own = getattr(model, "__name__", type(model).__name__)
    return (
        _of_method(owner, own, score)
        if is_estimator(owner)
        else ArrayFunction(model, own, takes_several=True)
    )


def is_estimator(model: object) -> bool:
    """Recognise a scikit-learn estimator, or a class derived from one, by its class."""
    kind: Any = type(model)
    return _is_estimator(kind)


@lru_cache(maxsize=512)
def _is_estimator(kind: Any) -> bool:
    return any(
        base.__name__ == "BaseEstimator" and base.__module__.split(".")[0] == "sklearn"
        for base in kind.__mro__
    )


def is_session(model: object) -> bool:
    """Recognise an ONNX Runtime session by its class."""
    kind: Any = type(model)
    return _is_session(kind)


@lru_cache(maxsize=512)
def _is_session(kind: Any) -> bool:
    return any(
        base.__name__ == "InferenceSession" and base.__module__.split(".")[0] == "onnxruntime"
        for base in kind.__mro__
    )


def stated_shape(model: Any) -> tuple[int | None, ...] | None:
    """Give the shape of an example that a session or an interpreter states, None for any other model."""
    if is_interpreter(model) or is_tflite_file(model):
        return _tflite_model(model).stated_shape
    if not is_session(model):
        return None
    sizes = model.get_inputs()[0].shape
    # A session that accepts any rank states no sizes.
    return tuple(size if isinstance(size, int) else None for size in sizes[1:]) if sizes else None


def _method_of(model: Any, score: ScoreKind) -> str:
    """Choose the method of an estimator for a score."""
    # A regressor may have a predict_proba that gives what its predict gives, as skorch's has.
    names = ["predict"] if _is_regressor(model) else _METHODS
    there = [name for name in names if hasattr(model, name) and not _gives_classes(model, name)]
    wanted = _BY_SCORE.get(score)
    if wanted is not None:
        if wanted in there:
            return wanted
        raise ScoreError(
            f"score={score!r} is not available for a {type(model).__name__}, which has no {wanted}: "
            + (f"say score='output' to explain its {there[0]}." if there else "it has no scores at all.")
        )
    if there:
        return there[0]
    raise UnsupportedModelError(
        f"model, a {type(model).__name__}, gives no scores: it has none of predict_proba, decision_function and, where "
        "it is a regressor, predict. Give a fitted classifier or regressor (an SVC has predict_proba if it was made "
        "with probability=True), or a function of arrays with framework='numpy'."
    )


def _of_method(owner: Any, name: str, score: ScoreKind) -> ArrayFunction:
    if _gives_classes(owner, name):
        raise UnsupportedModelError(
            f"model, {type(owner).__name__}.predict, gives the names or numbers of classes, which are no scores: give "
            "the estimator itself, or its predict_proba or decision_function."
        )
    kind = _METHODS.get(name)
    if _is_regressor(owner) or (kind == "logit" and not _is_classifier(owner)):
        kind = "output"
    elif kind != score and not _is_classifier(owner) and name in _BY_SCORE.values():
        # Of what is no classifier it is what the caller says: mixtures give probabilities, a network may give anything.
        kind = None
    call = _with_columns(getattr(owner, name), getattr(owner, "feature_names_in_", None))
    return ArrayFunction(call, f"{type(owner).__name__}.{name}", score=kind)


def _with_columns(call: Callable[..., Any], names: Any) -> Callable[..., Any]:
    """Call an estimator that was fitted on a data frame with one: its steps may choose columns by their names."""
    if names is None:
        return call

    def with_columns(x: Any) -> Any:
        try:
            import pandas
        except ImportError:
            # It was fitted on one elsewhere, and takes arrays all the same.
            return call(x)
        return call(pandas.DataFrame(x, columns=names) if np.shape(x)[1:] == (len(names),) else x)

    return with_columns


def _gives_classes(estimator: Any, name: str) -> bool:
    return name == "predict" and _is_classifier(estimator)


def _is_classifier(estimator: Any) -> bool:
    # The estimator exists, so scikit-learn is already imported.
    from sklearn.base import is_classifier

    return bool(is_classifier(estimator))


def _is_regressor(estimator: Any) -> bool:
    from sklearn.base import is_regressor

    return bool(is_regressor(estimator))


def _of_session(session: Any) -> ArrayFunction:
    first = session.get_inputs()[0]
    names = [one.name for one in session.get_outputs()]
    size = first.shape[0] if first.shape else None

    inputs = [one.name for one in session.get_inputs()]

    def call(*given: Any, **keywords: Any) -> Mapping[str, Any]:
        # Some of several inputs may be None.
        by_name = {name: one for name, one in zip(inputs, given, strict=False) if one is not None}
        return dict(zip(names, session.run(names, {**by_name, **keywords}), strict=True))

    dtype = _SESSION_DTYPES.get(first.type)
    if dtype is None:
        raise UnsupportedModelError(
            f"model, an ONNX Runtime session, takes {first.type} as its first input {first.name!r}: only numbers "
            f"({', '.join(_SESSION_DTYPES)}) can be explained. Export the model with such an input, or give a "
            "function of an array with framework='numpy' that casts it and runs the session."
        )
    fixed = size if isinstance(size, int) else None
    return ArrayFunction(call, "InferenceSession", np.dtype(dtype), fixed, takes_several=True)


def _of_interpreter(model: Any) -> ArrayFunction:
    net = _tflite_model(model)
    name = Path(model).name if is_tflite_file(model) else type(model).__name__
    fixed = net.fixed_batch_size
    return ArrayFunction(net, name, net.dtype, fixed, takes_several=True, session=net.session)


def _tflite_model(model: Any) -> TFLiteModel:
    return TFLiteModel(interpreter_of(model) if is_tflite_file(model) else model)
