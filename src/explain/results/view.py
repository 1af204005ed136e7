"""How an attribution is drawn, and the maps to draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from explain.algorithms.catalogue import methods
from explain.algorithms.method import Drawn
from explain.errors import RenderError
from explain.inputs.layout import Layout
from explain.inputs.reduction import UNSIGNED
from explain.results.attribution import Attribution
from explain.results.heatmap import ChannelRule, Floats, heatmaps

View = Literal["image", "rows", "characters", "text", "table", "volume"]


def view(attribution: Attribution) -> View:
    """Determine how an attribution is drawn, from its canonical rank and its display names.

    Parameters
    ----------
    attribution : Attribution
        Of any layout.

    Returns
    -------
    {"image", "rows", "characters", "text", "table", "volume"}
        ``"text"`` for strings, and for sequences whose ``display.step_names`` are mostly words; ``"characters"`` for
        sequences with other names, and for token ids, which are their own names; ``"rows"`` for other sequences
        (steps by features, drawn as a map); also for one spatial axis, which is drawn like time.

    Raises
    ------
    RenderError
        If there are more axes than can be drawn.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((1, 28, 28), np.float32)
    >>> view(Attribution(values=ones, inputs=ones, layout="NHW", method="saliency", scores=np.ones(1)))
    'image'
    """
    layout = attribution.layout
    axes = len(set(layout) - {"N", "C"})
    if axes == 0:
        return "table"
    if attribution.texts:
        return "text"
    if axes == 1:
        names = attribution.display.step_names
        if names:
            return "text" if _are_words(names) else "characters"
        return "characters" if has_token_ids(attribution) else "rows"
    if axes == 2:
        return "image"
    if axes == 3:
        return "volume"
    raise RenderError(
        f"layout={layout!r} has {axes} axes besides batch and channels: up to 3 can be drawn. Take a slice "
        "of values and inputs along one of them and give the layout without it."
    )


def has_token_ids(attribution: Attribution) -> bool:
    """Tell whether the inputs are sequences of token ids: whole numbers with one value for each token's vector.

    Examples
    --------
    >>> import numpy as np
    >>> values, ids = np.ones((1, 2), np.float32), np.array([[101, 2023]], np.float32)
    >>> has_token_ids(Attribution(values, ids, "NT", "saliency", np.ones(1), reduce="norm"))
    True
    """
    if not attribution.reduce or attribution.texts or set(attribution.layout) != {"N", "T"}:
        return False
    return bool(np.array_equal(attribution.inputs, np.rint(attribution.inputs)))


def step_names(attribution: Attribution) -> tuple[tuple[str, ...], ...]:
    """Give the names of the steps of every example: given ones, else tokens or token ids; empty if there are none.

    Examples
    --------
    >>> import numpy as np
    >>> values, ids = np.ones((1, 2), np.float32), np.array([[101, 2023]], np.float32)
    >>> step_names(Attribution(values, ids, "NT", "saliency", np.ones(1), reduce="norm"))
    (('101', '2023'),)
    """
    if attribution.display.step_names:
        return attribution.display.step_names
    if attribution.texts:
        return tuple(tuple(token.name for token in text.tokens) for text in attribution.texts)
    if not has_token_ids(attribution):
        return ()
    ids = Layout(attribution.layout).to_batch_first(attribution.inputs)
    return tuple(tuple(f"{number:.0f}" for number in row) for row in ids.tolist())


def drawn_as(attribution: Attribution) -> Drawn:
    """Tell what the values of an attribution represent: what its method's do, or the norms of vectors for token ids.

    Parameters
    ----------
    attribution : Attribution
        Of any method; a method that the catalogue does not contain counts as signed.

    Returns
    -------
    {"signed", "unsigned", "input"}
        Maps with two signs, maps with one sign, or the input that a maximization found.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((1, 2), np.float32)
    >>> drawn_as(Attribution(ones, ones, "NC", "saliency", np.ones(1)))
    'signed'
    """
    if attribution.reduce in UNSIGNED:
        return "unsigned"
    return next((row.drawn for row in methods() if row.name == attribution.method), "signed")


def input_name(attribution: Attribution) -> str:
    """Name the inputs of an attribution: the input of the model, or the output of a layer.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((1, 2), np.float32)
    >>> input_name(Attribution(ones, ones, "NC", "saliency", np.ones(1), layer="conv2"))
    'output of conv2'
    """
    mapped = any(row.layer == "map" for row in methods() if row.name == attribution.method)
    of_layer = attribution.layer and not mapped and not attribution.neuron
    return f"output of {attribution.layer}" if of_layer else "input"


def default_channels(attributions: Sequence[Attribution]) -> ChannelRule:
    """Give the default channel rule: it preserves signs, unless all these methods give values without sign.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((1, 2), np.float32)
    >>> default_channels([Attribution(ones, ones, "NC", "saliency", np.ones(1))])
    'sum'
    >>> default_channels([Attribution(ones, ones, "NC", "occlusion", np.ones(1))])
    'mean'
    """
    if all(drawn_as(one) == "unsigned" for one in attributions):
        return "abs_sum"
    whole = {row.name for row in methods() if row.of_whole_places}
    return "mean" if all(one.method in whole for one in attributions) else "sum"


def _are_words(names: Sequence[Sequence[str]]) -> bool:
    """Tell whether most names have more than one character; those of single letters are drawn in cells."""
    lengths = [len(name) > 1 for row in names for name in row]
    return 2 * sum(lengths) > len(lengths)


def maps_of(attribution: Attribution, channels: ChannelRule) -> Floats:
    """Give the map of each example as it is drawn.

    Parameters
    ----------
    attribution : Attribution
        Of any layout.
    channels : {"sum", "mean", "abs_sum", "abs_max"}
        See `explain.render.heatmaps`.

    Returns
    -------
    numpy.ndarray of float64
        (N, H, W), (N, D, H, W), (N, T, C) for rows, (N, T) for characters and texts or (N, C) for tables; NaN at the
        steps that are padding.

    Raises
    ------
    RenderError
        If a value is NaN or infinite, `channels` is unknown, or the mask does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((1, 3, 2, 2), np.float32)
    >>> maps_of(Attribution(ones, ones, "NCHW", "saliency", np.ones(1)), "sum")
    array([[[3., 3.],
            [3., 3.]]])
    """
    how = view(attribution)
    maps = heatmaps(attribution.values, attribution.layout, channels=channels, per_feature=how == "rows")
    if attribution.mask is not None and how in ("rows", "characters", "text"):
        mask = np.asarray(attribution.mask, bool)
        if mask.shape != maps.shape[:2]:
            raise RenderError(
                f"mask has shape {mask.shape} but the sequences are (N, T) = {maps.shape[:2]}: give one flag "
                "a step."
            )
        maps[~mask] = np.nan
    return maps
