"""The first step of a call: every argument checked, before the model is opened."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from explain.algorithms.catalogue import find_method
from explain.backends.discovery import check_order, extension_for, without_partial
from explain.backends.question import Question
from explain.errors import OptionError
from explain.explanation.arguments import (
    check_kinds,
    check_neuron,
    engine_of,
    layer_layout_of,
    optional_count,
    output_of,
    score_of,
    score_of_tokens,
    seed_of,
)
from explain.explanation.given_inputs import given_inputs
from explain.explanation.request import Request, kept_request, key_of
from explain.explanation.text.given_text import parts_of_pipeline, read_input
from explain.inputs.arrays import split_forward_kwargs
from explain.inputs.display import Display, display_of
from explain.inputs.naming.brief import brief
from explain.inputs.naming.columns import fitted_columns, numbers_of_frame
from explain.inputs.reduction import reduction_of
from explain.inputs.text.continuation import FOLLOWING
from explain.inputs.wiring import split_states


def checked_or_kept(
    model: Any, x: Any, method: str, *, target: Any, options: Mapping[str, Any], **arguments: Any
) -> Request:
    """Check the arguments as `checked_request` does; of a call like an earlier one only the values of `x`.

    Whoever opens the model of the request asks whether it is the same: see `explain.explanation.request.KeptFrom`.
    """
    key = key_of(x, method, target, arguments, options)
    anew = partial(checked_request, model, x, method, key=key, target=target, options=options, **arguments)
    again = None if key is None else kept_request(model, x, target, key, anew)
    return anew() if again is None else again


def checked_request(
    model: Any,
    x: Any,
    method: str,
    *,
    tokenizer: Any,
    target: Any,
    baseline: Any,
    score: str,
    output: int | str | None,
    layer: Any,
    layer_layout: Any,
    neuron: Any,
    reduce: Any,
    layout: Any,
    lengths: Any,
    forward_kwargs: Mapping[str, Any] | None,
    framework: str | None,
    engine: str,
    batch_size: int | None,
    memory_budget: int | None,
    bounds: Any,
    seed: int,
    display: Any,
    options: Mapping[str, Any],
    key: Hashable = None,
) -> Request:
    """Check the arguments of `explain.attribute`, each by itself, and copy the inputs to the host.

    The model does not run. Arguments that depend on its output or its layers (whether a target is in range, which
    layer a name refers to) are checked when the problem is posed.

    Raises
    ------
    explain.errors.ExplainError
        A subclass that names the parameter, the value, what was expected and what to do next.
    """
    row = find_method(method)
    if baseline is not None and not row.uses_baseline:
        raise OptionError(
            f"baseline is not used by {row.name}, which does not compare the input with a baseline: leave it out."
        )
    if layer is not None and row.layer == "none":
        raise OptionError(f"layer is not used by {row.name}, which explains the input: leave it out.")
    if layer is None and row.layer == "must":
        raise OptionError(
            f"layer is not given, but {row.name} explains a layer: name one, for example layer='conv2'."
        )
    reduction = reduction_of(reduce)
    if reduction is not None and layer is not None and neuron is None and row.layer != "map":
        raise OptionError(
            f"reduce={brief(reduce)} makes one number of each token's embedding vector, but layer={brief(layer)} gives "
            "every number that the layer gives: leave out one of the two."
        )
    if neuron is not None:
        check_neuron(row, layer, target)
    given_model = model
    model, own_tokenizer = parts_of_pipeline(model)
    model, forward_kwargs = without_partial(model, forward_kwargs)
    check_order(model, x)
    numbers = numbers_of_frame(model, x)
    if numbers is not None:
        x, display = numbers, _with_columns(display, fitted_columns(model))
    extension = extension_for(model, framework)
    read = read_input(model, x, tokenizer, own_tokenizer, extension, forward_kwargs, lengths, layout, target)
    given = given_inputs(
        read.x,
        extension,
        model,
        row,
        options=options,
        baseline=baseline,
        layout=layout,
        lengths=read.lengths,
        bounds=bounds,
        display=display,
    )
    count = given.x.shape[given.layout.batch_axis]
    names = (given.wiring and given.wiring.names) or ()
    states, tensors, others = split_states(read.forward_kwargs, count, extension)
    is_twice = any(state.name in names for state in states)
    common, companions = split_forward_kwargs(
        read.forward_kwargs if is_twice else others, count, extension, names
    )
    # Texts with some words left out are of several lengths.
    is_open = any(one.has_open_length for one in given.spellings.values())
    question = Question(
        given.layout, score_of(score), output_of(output), common, given.wiring, given.spellings, states
    )
    following = companions.get(FOLLOWING)
    if following is not None:
        least = int(following[..., 1].max()) + 1
        question = replace(question, score=score_of_tokens(question.score), continued=least)
    request = Request(
        model=model,
        given=given,
        method=row,
        extension=extension,
        engine=engine_of(engine, row, extension),
        question=question,
        companions={**companions, **tensors},
        reduce=reduction,
        target=target,
        baseline=given.alone.baseline if given.alone is not None else baseline,
        layer=layer,
        layer_layout=layer_layout_of(layer_layout, layer),
        neuron=neuron,
        lengths=given.alone.lengths if given.spellings and given.alone is not None else read.lengths,
        batch_size=1 if is_open and row.keeps_values else optional_count("batch_size", batch_size),
        memory_budget=optional_count("memory_budget", memory_budget),
        seed=seed_of(seed),
        texts=read.texts,
        # Of what wraps a model, such as a partial with its own arguments, the model alone does not decide.
        key=key if model is given_model else None,
    )
    if given.structure is None and given.states_layout:
        check_kinds(row, [given.layout])
    return request


def _with_columns(display: Any, names: tuple[str, ...]) -> Display:
    """Give a display with the names of columns, unless it has some."""
    shown = display_of(display)
    return shown if shown.feature_names else replace(shown, feature_names=names)
