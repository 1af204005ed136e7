"""Checks of arguments that need only the argument, the method and the extension."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, cast

from explain.algorithms.catalogue import methods
from explain.algorithms.method import Method
from explain.backends.protocol import Extension
from explain.backends.question import SCORE_KINDS, ScoreKind
from explain.errors import EngineError, OptionError, ScoreError, UnsupportedInputError
from explain.inputs.layout import Layout
from explain.inputs.naming.brief import brief
from explain.inputs.naming.suggestions import suggestion

OWN_ENGINE = "explain"


def engine_of(engine: str, row: Method, extension: Extension) -> str:
    """Refuse an engine that this framework or method does not have."""
    reference = extension.reference_engine
    if isinstance(engine, str) and engine == OWN_ENGINE:
        return engine
    if not isinstance(engine, str) or engine != reference:
        known = ", ".join(repr(name) for name in (OWN_ENGINE, reference) if name)
        raise EngineError(
            f"engine={brief(engine)} does not exist for a {extension.name} model: give one of {known}."
        )
    if engine not in row.reference_engines:
        reason = row.refused_engines.get(engine, "it has no such method")
        raise EngineError(
            f"engine={engine!r} cannot be used for {row.name}: {reason}. Use engine={OWN_ENGINE!r}."
        )
    return engine


def layer_layout_of(layer_layout: Any, layer: Any) -> Layout | None:
    """Give the stated axes of a layer's output, None if none are stated."""
    if layer_layout is None:
        return None
    if layer is None:
        raise OptionError(
            f"layer_layout={brief(layer_layout)} is given, but layer is not: say of which layer, for "
            "example layer='conv2'."
        )
    if not isinstance(layer_layout, (str, Layout)):
        raise OptionError(
            f"layer_layout={brief(layer_layout)} is not a layout: give one letter per axis of the layer's output, for "
            "example layer_layout='NCHW'."
        )
    return layer_layout if isinstance(layer_layout, Layout) else Layout(layer_layout)


def check_neuron(row: Method, layer: Any, target: Any) -> None:
    """Refuse a neuron without a layer, together with a target, or for a method that takes none."""
    if row.layer != "may" and not row.through_neuron:
        takers = ", ".join(one.name for one in methods() if one.layer == "may" or one.through_neuron)
        raise OptionError(f"neuron is not used by {row.name}: leave it out, or take one of {takers}.")
    if layer is None:
        raise OptionError("neuron is given without layer: say of which layer, for example layer='conv2'.")
    if target is not None and not row.through_neuron:
        raise OptionError(
            "target and neuron are both given: a neuron takes the place of the target; leave one out."
        )


def score_of(score: str) -> ScoreKind:
    """Refuse an unknown kind of score."""
    if not isinstance(score, str) or score not in SCORE_KINDS:
        raise ScoreError(
            f"score={brief(score)} is not a kind of score: give one of {', '.join(map(repr, SCORE_KINDS))}."
            f"{suggestion(score, SCORE_KINDS)}"
        )
    return cast(ScoreKind, score)


def score_of_tokens(score: ScoreKind) -> ScoreKind:
    """Give the kind of score of tokens that follow a text: the logarithm of their probability, whose sum is one."""
    if score not in ("logit", "log_probability"):
        raise ScoreError(
            f"score={score!r} is not for a continuation, whose score is the logarithm of its probability: leave score "
            "out."
        )
    return "log_probability"


def output_of(output: Any) -> int | str | None:
    """Refuse what is neither a position nor a name of an output; a name may be any key of a dict."""
    if isinstance(output, Integral) and not isinstance(output, bool):
        return int(output)
    try:
        hash(output)
        # Tensors of PyTorch are hashable.
        is_name = not hasattr(output, "__array__")
    except TypeError:
        is_name = False
    if not is_name:
        raise ScoreError(
            f"output={brief(output)} is neither a position nor a name: give a whole number, or the key under which the "
            "model returns the output."
        )
    return cast("int | str | None", output)


def optional_count(name: str, value: int | None) -> int | None:
    """Refuse anything but None and a whole number of at least 1."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise OptionError(
            f"{name}={brief(value)} is out of range: give a whole number of at least 1, or None."
        )
    return int(value)


def seed_of(seed: int) -> int:
    """Refuse anything but a whole number of at least 0."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise OptionError(f"seed={brief(seed)} is out of range: give a whole number of at least 0.")
    return int(seed)


def check_kinds(method: Method, layouts: Sequence[Layout]) -> None:
    """Refuse a method that applies to none of the inputs."""
    if any(layout.kind in method.kinds for layout in layouts):
        return
    *others, last = (f"{kind}s" for kind in method.kinds)
    applies = f"{', '.join(others)} and {last}" if others else last
    kinds = " and ".join(f"by layout={layout.axes!r} an example is a {layout.kind}" for layout in layouts)
    raise UnsupportedInputError(
        f"method={method.name!r} is for {applies}, but {kinds}: "
        "take another method; or, if x is one of these all the same, say which axis is which with layout=, for "
        'example layout="NHW" for pictures without channels.'
    )
