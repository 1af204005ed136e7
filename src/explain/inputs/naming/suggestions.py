"""Near misses: what a caller may have meant by a name that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

_MOST = 3


def plain_spelling(name: str) -> str:
    """Give a name without case, and with spaces where others write underscores or hyphens.

    Examples
    --------
    >>> plain_spelling("Tiger_Cat")
    'tiger cat'
    """
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def nearest(given: str, known: Iterable[str]) -> list[str]:
    """Give at most three known names that are like the given one, the most alike first.

    Names that contain the given one count as like it, after those that are spelled alike.

    Examples
    --------
    >>> nearest("conv22", ["conv1", "conv2", "fc"]), nearest("CAT", ["dog", "tiger cat", "Egyptian cat"])
    (['conv2', 'conv1'], ['tiger cat', 'Egyptian cat'])
    """
    spelled: dict[str, list[str]] = {}
    for name in known:
        spelled.setdefault(plain_spelling(name), []).append(name)
    wanted = plain_spelling(given)
    alike = difflib.get_close_matches(wanted, spelled, n=_MOST, cutoff=0.6)
    containing = [one for one in spelled if len(wanted) > 2 and wanted in one and one not in alike]
    found = [name for one in (*alike, *sorted(containing, key=len)) for name in spelled[one]]
    return [*dict.fromkeys(found)][:_MOST]


def suggestion(given: object, known: Iterable[str], meaning: Mapping[str, str] | None = None) -> str:
    """Say which known names the caller may have meant; begins with a space, and is empty if none is like it.

    Parameters
    ----------
    given : object
        What the caller gave.
    known : iterable of str
        The names that exist.
    meaning : Mapping of str to str, optional
        Where several names mean the same: what each means. Each meaning is said once.

    Examples
    --------
    >>> suggestion("salincy", ["saliency", "lime"]), suggestion(3, ["saliency"])
    (" Did you mean 'saliency'?", '')
    """
    if not isinstance(given, str):
        return ""
    near = list({(meaning or {}).get(one, one): one for one in reversed(nearest(given, known))}.values())[
        ::-1
    ]
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
