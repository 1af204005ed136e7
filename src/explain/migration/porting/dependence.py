"""Which layers depend on which: the layer that a norm follows, and layers that follow each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from explain.parameters.canonical import ParameterLayer

Layers = Sequence[ParameterLayer]

_OWNERS = ("convolution", "transposed_convolution", "dense")


def channels_of(layer: ParameterLayer) -> int | None:
    """Give the number of channels, or features, in the output of a layer.

    Examples
    --------
    >>> import numpy as np
    >>> channels_of(ParameterLayer("fc", "dense", {"kernel": np.zeros((3, 2))}))
    2
    """
    tensors = layer.tensors
    if layer.kind == "transposed_convolution":
        return int(tensors["kernel"].shape[-1]) * int(layer.settings.get("groups", 1))
    if layer.kind in ("simple_rnn", "lstm", "gru"):
        return int(tensors["recurrent_kernel"].shape[0])
    for name in ("kernel", "embeddings", "output_kernel"):
        if name in tensors:
            return int(tensors[name].shape[-1])
    return next((int(tensor.shape[-1]) for tensor in tensors.values()), None)


def owners(layers: Layers) -> dict[int, ParameterLayer]:
    """Give, by the identity of a norm, the convolution or dense layer whose output it normalises.

    If the model does not state this layer, it is the previous one, provided that it has as many channels.

    Examples
    --------
    >>> import numpy as np
    >>> convolution = ParameterLayer("conv", "convolution", {"kernel": np.zeros((3, 3, 1, 4))})
    >>> norm = ParameterLayer("bn", "batch_normalization", {"gamma": np.zeros(4)})
    >>> owners([convolution, norm])[id(norm)].name
    'conv'
    """
    last = {one.name: one for one in layers}
    found: dict[int, ParameterLayer] = {}
    for place, layer in enumerate(layers):
        if not layer.kind.endswith("normalization"):
            continue
        if "after" in layer.settings:
            before = [last[name] for name in layer.settings["after"] if name in last]
        else:
            before = [
                one for one in layers[max(place - 1, 0) : place] if channels_of(one) == channels_of(layer)
            ]
        if len(before) == 1 and before[0].kind in _OWNERS:
            found[id(layer)] = before[0]
    return found


def follow_each_other(some: Layers, layers: Layers) -> bool:
    """Tell whether each of some layers depends on the previous one, so that only one order is possible.

    Parameters
    ----------
    some : sequence of ParameterLayer
        In order.
    layers : sequence of ParameterLayer
        All layers of the model.

    Examples
    --------
    >>> a, b = (ParameterLayer(name, "dense", {}, {"after": after}) for name, after in (("a", ()), ("b", ("a",))))
    >>> follow_each_other([a, b], [a, b]), follow_each_other([b, a], [a, b])
    (True, False)
    """
    after = {one.name: one.settings.get("after", ()) for one in layers}
    for first, second in itertools.pairwise(some):
        reached: set[str] = set()
        left = list(after[second.name])
        while left:
            name = left.pop()
            if name not in reached:
                reached.add(name)
                left.extend(after.get(name, ()))
        if first.name not in reached:
            return False
    return True


def contradict(pairs: Iterable[tuple[ParameterLayer, ParameterLayer]]) -> bool:
    """Tell whether pairs contradict each other: a layer follows a different layer than its partner does.

    Examples
    --------
    >>> a, b, c = (ParameterLayer(name, "dense", {}, {"after": after}) for name, after in zip("abc", ((), "a", "a")))
    >>> contradict([(a, a), (b, b), (c, c)]), contradict([(a, b), (b, a)])
    (False, True)
    """
    together = list(pairs)
    partners = {here.name: there.name for here, there in together}
    back = {there.name: here.name for here, there in together}
    for here, there in together:
        first, second = here.settings.get("after", ()), there.settings.get("after", ())
        if len(first) == len(second) == 1 and partners.get(first[0], second[0]) != second[0]:
            return True
        # The partner of a first layer must not follow a layer that is paired.
        if "after" in there.settings and not second and any(name in partners for name in first):
            return True
        if "after" in here.settings and not first and any(name in back for name in second):
            return True
    return False
