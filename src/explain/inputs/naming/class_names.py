"""Names of classes as targets: `target="cat"`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from explain.errors import TargetError
from explain.inputs.naming.brief import brief
from explain.inputs.naming.suggestions import nearest, plain_spelling

_HOW_TO_NAME = "display=explain.Display(classes=(...))"
_MOST_LISTED = 12


def class_names_of(model: Any) -> tuple[str, ...]:
    """Give the names of the classes that a model states, in the order of its outputs; none if it states none.

    They are stated by the configuration of a model of transformers (``id2label``), and by an estimator that was fitted
    on strings (``classes_``).

    Examples
    --------
    >>> from types import SimpleNamespace as Namespace
    >>> class_names_of(Namespace(config=Namespace(id2label={0: "bad", 1: "good"})))
    ('bad', 'good')
    """
    names = getattr(getattr(model, "config", None), "id2label", None)
    if isinstance(names, Mapping) and sorted(map(str, names)) == sorted(map(str, range(len(names)))):
        return tuple(str(names.get(number, names.get(str(number)))) for number in range(len(names)))
    # The method of an estimator, such as its predict_proba, is a model too.
    owner = model.__self__ if hasattr(type(model), "__self__") else model
    listed: Any = getattr(owner, "classes_", ())
    # Of several targets at once, an estimator has a list of arrays.
    found = listed.tolist() if getattr(listed, "ndim", 0) == 1 else ()
    return tuple(found) if found and all(isinstance(one, str) for one in found) else ()


def has_names(target: Any) -> bool:
    """Tell whether a target has names of classes.

    Examples
    --------
    >>> has_names("cat"), has_names(["cat", 3]), has_names([("cat", 4, 4)]), has_names([3, 5])
    (True, True, True, False)
    """
    if target is None or isinstance(target, (str, int)):
        return isinstance(target, str)
    listed = _listed(target)
    return isinstance(listed, (list, tuple)) and any(map(has_names, listed))


def per_example(target: Any) -> Any:
    """Give several names as a list, one per example: also a tuple or an array of them, and any other target as it is.

    Examples
    --------
    >>> per_example(("cat", "dog")), per_example(("cat", 4, 4))
    (['cat', 'dog'], ('cat', 4, 4))
    """
    if not has_names(target) or isinstance(target, str):
        return target
    listed = _listed(target)
    # A tuple of numbers and a name is one index into outputs of higher rank.
    return [*listed] if all(isinstance(one, str) for one in listed) else listed


def numbered(target: Any, names: Sequence[str], shape: Sequence[int] | None = None) -> Any:
    """Replace the names of classes in a target by their numbers.

    Parameters
    ----------
    target : str, or a list or tuple with strings, or any other target
        A name for all examples, a list with one for each, or a tuple of one name and numbers, an index into outputs
        of higher rank.
    names : sequence of str
        The names of the classes, in the order of the outputs.
    shape : sequence of int, optional
        The shape of the outputs of one example, if it is known.

    Returns
    -------
    object
        The target, without names.

    Raises
    ------
    TargetError
        If a name is unknown or is that of several classes, or if the classes are not those of the outputs.

    Examples
    --------
    >>> numbered("Cat", ("dog", "cat")), numbered(["cat", "dog"], ("dog", "cat")), numbered(3, ())
    (1, [1, 0], 3)
    """
    if not has_names(target):
        return target
    if shape is not None and names and not (len(names) in shape or _is_single(shape)):
        raise TargetError(
            f"target={brief(target)} is the name of a class, and {len(names)} classes have names, but the outputs of "
            f"one example have shape {tuple(shape)}, without an axis of that size: give the number of the class, or "
            f"the names of all classes in the order of the outputs, {_HOW_TO_NAME}."
        )
    if shape is not None and _is_single(shape):
        raise TargetError(
            f"target={brief(target)} is the name of a class, but the model has a single output per example, the same "
            "for every class: leave target out."
        )
    if isinstance(target, str):
        return _number(target, names)
    given = per_example(target)
    found = [numbered(one, names) for one in given]
    return tuple(found) if isinstance(given, tuple) else found


def _number(name: str, names: Sequence[str]) -> int:
    """Give the number of a class: of the very name, else of the only one that differs in case or underscores."""
    if not names:
        number = f"target={name.strip()}" if name.strip().isdigit() else "the number of the class"
        raise TargetError(
            f"target={name!r} is a name, but the names of the model's classes are not known: give {number}, or the "
            f"names of all classes in the order of the outputs, {_HOW_TO_NAME}; for the similarity to another text, "
            "a function."
        )
    found = [number for number, one in enumerate(names) if one == name]
    if not found:
        wanted = plain_spelling(name)
        found = [number for number, one in enumerate(names) if plain_spelling(one) == wanted]
    if len(found) > 1:
        numbers = " and ".join(map(str, found))
        raise TargetError(
            f"target={name!r} is the name of the classes {numbers}: give the number of the one that you mean, for "
            f"example target={found[0]}."
        )
    if not found:
        near = nearest(name, names)
        if near:
            wanted = f"Did you mean {' or '.join(map(repr, near))}? Or give"
        elif len(names) <= _MOST_LISTED:
            wanted = f"Give one of {', '.join(map(repr, names))}, or"
        else:
            wanted = f"Give one of the {len(names)} names in display.classes, such as {names[0]!r}, or"
        raise TargetError(
            f"target={brief(name)} is not the name of a class. {wanted} the number of the class."
        )
    return found[0]


def _is_single(shape: Sequence[int]) -> bool:
    return all(size == 1 for size in shape)


def _listed(target: Any) -> Any:
    return target.tolist() if hasattr(target, "dtype") and hasattr(target, "tolist") else target
