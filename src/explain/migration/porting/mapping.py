"""The caller's mapping in `explain.port`: layers that it pairs, and layers that it leaves out."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from explain.errors import PortError
from explain.migration.porting.fitting import Layers, Pair, description, fits
from explain.parameters.canonical import ParameterLayer


def mapped_pairs(
    source: Layers, target: Layers, mapping: Mapping[str, str | None]
) -> tuple[list[Pair], list[ParameterLayer]]:
    """Pair the layers that a mapping names.

    Parameters
    ----------
    source, target : sequence of ParameterLayer
        The layers of the two models, in order.
    mapping : Mapping of str to str or None
        From layer names of the source to layer names of the target; None leaves a layer out.

    Returns
    -------
    (list of Pair, list of ParameterLayer)
        The pairs; the layers that are left out.

    Raises
    ------
    PortError
        If the mapping names a layer that does not exist, or two that do not fit each other.
    """
    pairs: list[Pair] = []
    left_out: list[ParameterLayer] = []
    for name, other in mapping.items():
        if other is None:
            named = _named(name, [*source, *target], "of either model")
            left_out.extend(named)
            continue
        sources, targets = _named(name, source, "of the source"), _named(other, target, "of the target")
        if len(sources) != len(targets) or not all(map(fits, sources, targets)):
            raise PortError(
                f"mapping={{{name!r}: {other!r}}}: they do not fit each other. {description(sources)} in the source, "
                f"and {description(targets)} in the target."
            )
        pairs += [Pair(one, two, "mapping") for one, two in zip(sources, targets, strict=True)]
    twice = [pair.target.label for pair in pairs if sum(pair.target is one.target for one in pairs) > 1]
    if twice:
        raise PortError(
            f"mapping gives {twice[0]!r} of the target to several layers of the source: name it once."
        )
    return pairs, left_out


def _named(name: str, layers: Layers, where: str) -> list[ParameterLayer]:
    found = [one for one in layers if name in (one.name, one.label)]
    if not found:
        names = list(dict.fromkeys(one.name for one in layers))
        close = difflib.get_close_matches(str(name), names, 3)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are {', '.join(names)}."
        raise PortError(f"mapping names {name!r}, which is no layer {where} that holds parameters: {hint}")
    return found
