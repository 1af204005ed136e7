"""Finds the calls of a layer that a caller names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from explain.errors import LayerError
from explain.inputs.layer_calls import LayerCall, LayerLike
from explain.inputs.naming.brief import brief
from explain.inputs.naming.suggestions import suggestion

Join = Callable[[Sequence[LayerCall]], Sequence[LayerCall]]
"""From the calls that a name stands for to those that are meant: one, if they are one."""


def find_call(
    layer: LayerLike, calls: Sequence[LayerCall], names: Mapping[int, str], join: Join | None = None
) -> LayerCall:
    """Find a call by the layer's name, or by the layer itself, whose output has a part for each example.

    Parameters
    ----------
    layer : str, (str, int) or object
        A name, a name and which call, or the layer itself.
    calls : sequence of LayerCall
        All calls of the model.
    names : Mapping of int to str
        The names of the layers by the `id` of the layer.
    join : callable, optional
        Makes one call of several.

    Raises
    ------
    LayerError
        If there is no such layer, the model never calls it, or `layer` does not select one of several calls; or if
        which part of its output belongs to which example is not known.

    Examples
    --------
    >>> calls = [LayerCall("relu", call, (4,), True, is_only_call=False) for call in (0, 1)]
    >>> find_call(("relu", 1), calls, {}).label
    'relu[1]'
    """
    own = calls_of(layer, calls, names)
    found = own if join is None else join(own)
    if len(found) > 1:
        name, last = found[0].name, found[-1].call
        which = (
            ""
            if len(found) == len(own)
            else f", and this input reaches the calls {', '.join(str(one.call) for one in found)}"
        )
        raise LayerError(
            f"layer={name!r} is called {len(own)} times{which}: say which call, for example layer=({name!r}, {last}) "
            "for the last."
        )
    call = found[0]
    if not call.has_examples:
        raise LayerError(
            f"The rows of layer={call.label!r} are not the examples: one example gives another number of rows, and "
            "which rows belong to it cannot be told, since not some of them alone change with it. Name a layer before "
            "the examples are mixed or after they are apart again; an embedding of positions, or a layer that sees "
            "all examples at once, has no values of one example."
        )
    return call


def calls_of(layer: LayerLike, calls: Sequence[LayerCall], names: Mapping[int, str]) -> tuple[LayerCall, ...]:
    """Give the calls of a layer, or the one that is selected, by the layer's name, or by the layer itself.

    Parameters
    ----------
    layer, calls, names
        As for `find_call`.

    Raises
    ------
    LayerError
        If there are none.
    """
    name, call = layer if isinstance(layer, tuple) and len(layer) == 2 else (layer, None)
    if not isinstance(name, str):
        # Of another object the comparison with a name may be no truth value, as that of an array.
        name = names.get(id(name))
    own = [one for one in calls if one.name == name]
    if not own and isinstance(name, str):
        # The last part of a nested layer's name suffices, if it is unique.
        inner = {one.name for one in calls if one.name.endswith((f".{name}", f"/{name}"))}
        own = [one for one in calls if len(inner) == 1 and one.name in inner]
    if not own:
        called = list(dict.fromkeys(one.name for one in calls))
        hint = suggestion(name, called)
        known = name in names.values()
        what = (
            "is never called by the model, or gives no tensor whose axes are known (it packs its sequences, or its "
            "steps run backwards)"
            if known
            else "is not a layer of the model"
        )
        raise LayerError(
            f"layer={brief(layer)} {what}.{hint} Name another with layer=; it calls: {_listed(called)}."
        )
    if call is None:
        return tuple(own)
    if isinstance(call, bool) or not isinstance(call, int) or not -len(own) <= call < len(own):
        raise LayerError(
            f"layer={brief(layer)}: {name!r} is called {len(own)} time{'s' if len(own) > 1 else ''}, so the call "
            f"should be a number from 0 to {len(own) - 1}."
        )
    return (own[call],)


def _listed(names: Sequence[str], most: int = 12) -> str:
    """List names of layers; of a deep model the first and the last."""
    if len(names) <= most:
        return ", ".join(names) or "none"
    half = most // 2
    return f"{', '.join(names[:half])}, ... {', '.join(names[-half:])} (explain.layers(model) lists all {len(names)})"
