"""Run a problem with several inputs: all inputs together, or one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from explain.backends.embeddings.tokens import Tokens, no_vector_for_strings
from explain.backends.found import Found
from explain.errors import (
    BaselineWarning,
    HeldInputWarning,
    LayerError,
    ModelCallError,
    SharedMapWarning,
    UnsupportedInputError,
    UnusedInputWarning,
    ZeroGradientWarning,
)
from explain.explanation.arguments import check_kinds
from explain.explanation.given_inputs import GivenInput
from explain.explanation.request import Note, Notes, Request
from explain.explanation.several_inputs import MovedInput, SeveralInputs
from explain.explanation.unused import with_noise
from explain.inputs.examples import Array
from explain.inputs.joined_calls import single_calls
from explain.inputs.layer_calls import LayerCall, names_operation
from explain.inputs.packing import unpacked
from explain.public_calls.progress import counted_each
from explain.running.layer_view import at_layer, layered, resolve_layer
from explain.running.maps.reach import Reach, reach_of
from explain.running.named_calls import calls_of
from explain.running.problem import Problem

Solve = Callable[[Problem], Found]


@dataclass(frozen=True)
class Explained:
    """The solution for one input.

    Parameters
    ----------
    given : GivenInput
        The input.
    problem, found : Problem, Found
        The problem of this input and its solution; None for an input without a map.
    notes : list of (message, category)
        The warnings about this input.
    tokens : Tokens, optional
        The tokens, if the input is token ids.
    together : tuple of str
        The names of the inputs that were explained together, this one included; empty if it was explained alone.
    """

    given: GivenInput
    problem: Problem | None = None
    found: Found | None = None
    notes: Sequence[Note] = ()
    tokens: Tokens | None = None
    together: tuple[str, ...] = ()


def each_input(request: Request, view: SeveralInputs, problem: Problem, solve: Solve) -> list[Explained]:
    """Explain each input of a packed problem: all together, or one by one if the method needs the inputs' axes."""
    solved = (_together if request.method.takes_inputs_together else _one_by_one)(
        request, view, problem, solve
    )
    found = {one.given.name: one for one in solved}
    return [found.get(given.name) or _fixed(request, view, problem, given) for given in request.given.several]


def at_own_layers(request: Request, view: SeveralInputs, problem: Problem) -> dict[str, Problem]:
    """Pose a packed problem at a layer that reads each of several inputs by itself, once for each of these inputs.

    It may have a call for each, as the trunk of a siamese network, or rows for each. Empty for any other layer, and
    where the caller says which call.

    Parameters
    ----------
    request : Request
        Its layer is named.
    view : SeveralInputs
        The inputs.
    problem : Problem
        The packed problem.
    """
    layer, backend = request.layer, layered(problem)
    if isinstance(layer, tuple) or request.texts is not None:
        return {}
    operations = names_operation(layer)
    calls = calls_of(
        layer, backend.layer_calls(problem.examples, operations=operations), backend.layer_names()
    )
    reaches = reach_of(problem)
    places = [reach.place for reach in reaches if reach.own(calls, operations=operations)]
    found: dict[str, Problem] = {}
    for place in places if len(places) > 1 else ():
        name, alone = view.moved[place].given.name, view.alone(problem, place)
        try:
            call = resolve_layer(
                alone, layer, mapped=False, stated=request.layer_layout, reach=reaches[place]
            )
        except LayerError as cause:
            raise LayerError(f"For the input {name!r}: {cause}") from cause
        found[name] = at_layer(alone, call)
    return found


def each_layer(request: Request, problems: Mapping[str, Problem], solve: Solve) -> list[Explained]:
    """Explain the output of a layer for each input that it reads by itself, the others fixed; None for any other."""
    return [
        Explained(given)
        if problem is None
        else Explained(given, problem, found := solve(problem), found.warnings)
        for given in request.given.several
        for problem in (problems.get(given.name),)
    ]


def _together(request: Request, view: SeveralInputs, problem: Problem, solve: Solve) -> Iterator[Explained]:
    found = solve(problem)
    # A reference engine takes separate inputs and returns one array for each.
    is_packed = request.engine != request.extension.reference_engine
    values = unpacked(found.values[0], view.backend.parts) if is_packed else found.values
    names = tuple(one.given.name for one in view.moved)
    for place, (one, own) in enumerate(zip(view.moved, values, strict=True)):
        notes = list(found.warnings)
        if not own.any():
            notes += _without_values(view, problem, place)
        yield Explained(
            one.given, view.shown(problem, place), replace(found, values=(own,)), notes, one.tokens, names
        )


def _one_by_one(request: Request, view: SeveralInputs, problem: Problem, solve: Solve) -> Iterator[Explained]:
    method = request.method
    check_kinds(method, [one.given.layout for one in view.moved])
    failures: list[LayerError | UnsupportedInputError] = []
    reaches = reach_of(problem) if method.layer == "map" else ()
    for place, one in enumerate(counted_each(view.moved)):
        name, alone = one.given.name, view.alone(problem, place)
        reason = ""
        if one.given.layout.kind not in method.kinds:
            reason = f"method={method.name!r} is not for a {one.given.layout.kind}"
        elif method.layer == "map":
            try:
                stated = request.layer_layout
                reach = reaches[place]
                found_call = resolve_layer(alone, request.layer, mapped=True, stated=stated, reach=reach)
                alone = replace(alone, call=found_call)
            except LayerError as cause:
                failures.append(cause)
                reason = str(cause)
        found = None
        if not reason:
            try:
                found = solve(alone)
            except UnsupportedInputError as cause:
                # Attentions are over the tokens of one input.
                failures.append(cause)
                reason = str(cause)
        if found is None:
            text = f"The input {name!r} stays fixed and has no map (None): {reason}"
            yield Explained(one.given, notes=[(text, HeldInputWarning)])
            continue
        # An input that equals its baseline, such as segments of zeros, beside others that do not is nothing unusual.
        differ = _differ_from_baseline(problem)
        notes = [note for note in found.warnings if not (differ and issubclass(note[1], BaselineWarning))]
        call = alone.call
        if call is not None and _is_shared(call, reaches[place]):
            notes.append(_shared_map(name, call))
        if not found.values[0].any():
            notes += _without_values(view, problem, place)
        yield Explained(one.given, alone, found, notes, one.tokens)
    if len(failures) == len(view.moved):
        raise failures[0]


def _differ_from_baseline(problem: Problem) -> bool:
    """Tell whether each example, all its inputs together, differs from its baseline."""
    if problem.baselines is None:
        return False
    rows, bases = problem.examples.inputs[0], problem.baselines[0]
    return bool((rows != bases).any(axis=1).all())


def _fixed(request: Request, view: SeveralInputs, problem: Problem, given: GivenInput) -> Explained:
    """Give zeros for an input that stays fixed, and no map for an input that is None."""
    if given.host is None:
        return Explained(given)
    host = given.batch_first
    notes: Notes = []
    is_number = host.dtype.kind in "iu" and not given.is_empty
    if is_number and request.texts is None and not _is_mask(view, given):
        text = (
            f"The input {given.name!r} has dtype {host.dtype}, and no reachable embedding gives one vector for each of "
            "its numbers: it stayed fixed, and its values are zero. That is right for masks, lengths and positions "
            "(give a mask as bool to avoid this warning); if it is a quantity, give it in floating point, "
            f"{given.name}.astype('float32')."
        )
        if given.spelling is not None:
            text = (
                f"The input {no_vector_for_strings(repr(given.name))} It stayed fixed: its values are zero."
            )
        notes.append((text, HeldInputWarning))
    array = host.astype(np.float32)
    shown = replace(
        problem,
        examples=replace(problem.examples, inputs=(array,), mask=None),
        layout=given.layout.batch_first,
        baselines=None,
        parts=(),
    )
    return Explained(given, shown, Found((np.zeros_like(array),)), notes)


def _is_mask(view: SeveralInputs, given: GivenInput) -> bool:
    """Tell whether an input is called a mask, and has zeros and ones for the tokens or the places of another input."""
    host = given.batch_first
    if "mask" not in given.name.lower() or not np.isin(host, (0, 1)).all():
        return False
    return any(host.shape[1:] in (_tokens_of(one), _places_of(one)) for one in view.moved)


def _tokens_of(one: MovedInput) -> tuple[int, ...] | None:
    return None if one.tokens is None else one.tokens.ids.shape[1:]


def _places_of(one: MovedInput) -> tuple[int, ...]:
    """Give the sizes of an input's axes without examples and channels: steps, rows and columns."""
    sizes = zip(one.layout.axes[1:], one.array.shape[1:], strict=True)
    return tuple(size for letter, size in sizes if letter != "C")


def _is_shared(call: LayerCall, reach: Reach) -> bool:
    """Tell whether a layer is reached by other inputs than one too."""
    return not set(single_calls(call)) <= set(reach.alone(operations=call.is_operation))


def _shared_map(name: str, call: LayerCall) -> Note:
    return (
        f"The map of the input {name!r} is that of layer {call.label!r}, which other inputs reach too: it shows where "
        "the layer raises the score, whichever input is the reason. To tell the inputs apart, name a layer with layer= "
        f"that {name!r} alone reaches, or use method='integrated_gradients'.",
        SharedMapWarning,
    )


def _unused(name: str) -> Note:
    return (
        f"The input {name!r} has no effect that was seen: every value of its attribution is zero, and no score changed "
        "when noise was added to the input once. Another input, target or output may show one; if it should have an "
        "effect here, check that the model reads it.",
        UnusedInputWarning,
    )


def _without_values(view: SeveralInputs, problem: Problem, place: int) -> Notes:
    """Warn of an input whose values are all zero, unless the score changes when the input does."""
    name = view.moved[place].given.name
    rows = _changed(problem.examples.inputs[0], view.backend.parts[place].columns)
    before = problem.scores_at(problem.examples.inputs)
    try:
        after = problem.scores_at((rows,))
    except ModelCallError as error:
        kind = type(error.__cause__).__name__
        text = (
            f"Every value of the input {name!r} is zero, but the model reads it: it raised {kind} for other numbers "
            "there. If they are token ids or class numbers in floating point, which have no gradient, give them as "
            "whole numbers, with .astype(int): the embedding that reads them is then explained."
        )
        return [(text, ZeroGradientWarning)]
    return [_unused(name)] if np.array_equal(before, after) else []


def _changed(rows: Array, columns: slice) -> Array:
    """Give packed examples with noise on one input."""
    other = rows.copy()
    other[:, columns] = with_noise(rows[:, columns])
    return other
