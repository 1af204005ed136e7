"""Results that show themselves in a notebook, one or several of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sized
from typing import Any, cast

# How many results of a container are written.
_MOST = 12


class Shown:
    """What shows itself in a notebook, as `explain.render.show` shows it; nothing is drawn before."""

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """Give the picture or the page that a notebook shows, and text for a terminal."""
        from explain.render import show

        return show(self)._repr_mimebundle_(include, exclude)


class _OneForEachInput(Shown):
    """A container of one result for each input of a model."""

    def __getattr__(self, name: str) -> Any:
        """Say that what a single result has, these have one by one."""
        keys = list(self) if isinstance(self, Mapping) else range(len(cast("Sized", self)))
        first = next(iter(keys), None)
        if not name.startswith("_") and first is not None and hasattr(cast(Any, self)[first], name):
            raise AttributeError(
                f"{type(self).__name__} has a result for each of {len(keys)} inputs, and {name} belongs to one: take "
                f"it by its input, a[{first!r}].{name}; explain.render.show(a) shows all."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class AttributionTuple(_OneForEachInput, tuple[Any, ...]):
    """The results for a tuple of inputs: a tuple, which shows itself in a notebook.

    Examples
    --------
    >>> AttributionTuple([None]) == (None,), AttributionTuple([None])
    (True, (None,))
    """

    def __repr__(self) -> str:
        """Write each result on a line."""
        return f"({_lines(map(repr, self), len(self))}{',' if len(self) == 1 else ''})"


class AttributionList(_OneForEachInput, list[Any]):
    """The results for a list of inputs: a list, which shows itself in a notebook.

    Examples
    --------
    >>> AttributionList([None]) == [None], AttributionList([None])
    (True, [None])
    """

    def __repr__(self) -> str:
        """Write each result on a line."""
        return f"[{_lines(map(repr, self), len(self))}]"


class AttributionDict(_OneForEachInput, dict[str, Any]):
    """The results for a dict of inputs: a dict, which shows itself in a notebook.

    Examples
    --------
    >>> AttributionDict(a=None) == {"a": None}, AttributionDict(a=None)
    (True, {'a': None})
    """

    def __repr__(self) -> str:
        """Write each result on a line."""
        return f"{{{_lines((f'{name!r}: {one!r}' for name, one in self.items()), len(self))}}}"


def shown_together(results: Any) -> Any:
    """Give a tuple, a list or a dict of results as one that shows itself; a single result is given back.

    Examples
    --------
    >>> type(shown_together((None, None))).__name__, shown_together(3)
    ('AttributionTuple', 3)
    """
    if isinstance(results, Mapping):
        return AttributionDict(results)
    if isinstance(results, tuple):
        return AttributionTuple(results)
    return AttributionList(results) if isinstance(results, list) else results


def _lines(written: Iterable[str], count: int) -> str:
    lines = [line for line, _ in zip(written, range(_MOST), strict=False)]
    if count > _MOST:
        lines.append(f"… {count - _MOST:,} more")
    return ",\n ".join(lines)
