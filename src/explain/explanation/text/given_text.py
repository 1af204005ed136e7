"""From strings and a tokenizer to the ids and the keyword arguments that a model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from explain.backends.protocol import Extension
from explain.errors import InputError, TargetError
from explain.explanation.text.one_mapping import takes_mapping
from explain.inputs.layout import Layout
from explain.inputs.text.batch import Texts, strings_of, texts_of
from explain.inputs.text.continuation import FOLLOWING, continuations_of, with_following
from explain.inputs.text.recognised import is_tokenizer, tokenizer_of
from explain.inputs.wiring import parameters_of

# The inputs of KerasHub's models of texts.
_TOKENS, _PADDING_MASK, _SEGMENTS = "token_ids", "padding_mask", "segment_ids"

_IDS, _MASK = "input_ids", "attention_mask"
_DECODER_IDS = "decoder_input_ids"


@dataclass(frozen=True)
class ReadInput:
    """The input of a model, after strings are read.

    Parameters
    ----------
    x : object
        The input: token ids where the caller gave strings.
    forward_kwargs : Mapping, optional
        Further arguments of the model, with those that the tokenizer gives.
    lengths : object
        The number of tokens of each text, for each input; else as the caller gave it.
    texts : Texts, optional
        The texts, if the input is strings.
    """

    x: Any
    forward_kwargs: Mapping[str, Any] | None
    lengths: Any = None
    texts: Texts | None = None


def parts_of_pipeline(model: Any) -> tuple[Any, Any]:
    """Give the model and the tokenizer of a pipeline of ``transformers``; any other model, and its own or None.

    Examples
    --------
    >>> parts_of_pipeline(3)
    (3, None)
    """
    if not any(
        base.__name__ == "Pipeline" and base.__module__.startswith("transformers.")
        for base in type(model).__mro__
    ):
        own = getattr(model, "tokenizer", None)
        return model, own if is_tokenizer(own) else None
    return model.model, getattr(model, "tokenizer", None)


def read_input(
    model: Any,
    x: Any,
    tokenizer: Any,
    own_tokenizer: Any,
    extension: Extension,
    forward_kwargs: Mapping[str, Any] | None,
    lengths: Any,
    layout: Any,
    target: Any,
) -> ReadInput:
    """Read strings with a tokenizer; any other input remains as it is.

    Parameters
    ----------
    model, x, tokenizer, forward_kwargs, lengths, layout, target : object
        As for `explain.attribute`.
    own_tokenizer : object
        The tokenizer of a pipeline or of a model, used if the caller gives none.
    extension : Extension
        The extension of the model's framework.

    Raises
    ------
    InputError
        If there are strings without a tokenizer, a tokenizer without strings, or strings that cannot be read.
    """
    if tokenizer is None and own_tokenizer is None and _reads_strings(model, extension):
        # The model itself looks them up.
        is_plain = isinstance(x, tuple) and all(isinstance(one, str) for one in x)
        return ReadInput(list(x) if is_plain else x, forward_kwargs, lengths)
    tokenized = tokenizer is not None or own_tokenizer is not None
    strings, continuations = strings_of(x, tokenized=tokenized), continuations_of(target)
    if strings is not None and tokenizer is not None and _looks_up(model, extension):
        raise InputError(
            f"tokenizer is given, but {type(model).__name__} takes strings, which it looks up itself: leave tokenizer "
            "out."
        )
    if strings is None and continuations is not None:
        raise TargetError(
            f"target is a continuation, but x is of type {type(x).__name__}: give strings, with tokenizer=; for token "
            "ids give target=(place, id)."
        )
    if strings is None:
        if tokenizer is not None:
            raise InputError(
                f"tokenizer is given, but x is of type {type(x).__name__}: give one string or a list of strings; or "
                "token ids, without tokenizer."
            )
        return ReadInput(x, forward_kwargs, lengths)
    tokenizer = own_tokenizer if tokenizer is None else tokenizer
    if tokenizer is None:
        raise InputError(
            f"x has strings, such as {strings[0][:40]!r}, but tokenizer is not given: give tokenizer= the tokenizer "
            "of the model, or any function from a string to a list of token ids."
        )
    if lengths is not None:
        raise InputError(
            "lengths is given, but x has strings: the tokenizer tells how many tokens each has; leave lengths out."
        )
    stated = extension.stated_input_shape(model)
    steps = stated[0] if stated is not None and len(stated) == 1 else None
    texts = texts_of(strings, tokenizer_of(tokenizer), steps)
    counts = texts.mask.sum(axis=1).tolist()
    mask, follows = texts.mask.astype(np.int64), None
    start = _decoder_start(model) if _takes(model, _DECODER_IDS) else None
    if continuations is not None:
        followed = with_following(texts, continuations, in_decoder=start is not None, steps=steps)
        texts, mask, follows = followed.texts, followed.present, followed.following
        forward_kwargs = {**(forward_kwargs or {}), FOLLOWING: follows}
    named = _named_inputs(model)
    if named:
        given = {_TOKENS: texts.ids, _PADDING_MASK: mask, _SEGMENTS: np.zeros_like(texts.ids), **texts.more}
        x = {name: given[name] for name in named}
        return _by_name(x, forward_kwargs, counts, texts)
    together = {_IDS: texts.ids, _MASK: mask, **texts.more}
    if not set(forward_kwargs or ()) - {FOLLOWING} and takes_mapping(model, extension, together):
        return _by_name(together, forward_kwargs, counts, texts)
    added = {name: values for name, values in texts.more.items() if _takes(model, name)}
    if _takes(model, _MASK):
        added[_MASK] = mask
    if start is not None:
        # The next token is then the first that the decoder writes.
        before = [] if follows is None else [follows[:, :-1, 1]]
        added[_DECODER_IDS] = np.concatenate([np.full((len(texts), 1), start, np.int64), *before], axis=1)
    time_first = isinstance(layout, (str, Layout)) and getattr(layout, "axes", layout) == "TN"
    ids = texts.ids.T if time_first else texts.ids
    return ReadInput(ids, {**added, **(forward_kwargs or {})}, counts, texts)


def _reads_strings(model: Any, extension: Extension) -> bool:
    """Tell whether a model takes strings; extensions of other packages need not know."""
    readers = getattr(extension, "string_readers", None)
    return readers is not None and readers(model) is not None


def _looks_up(model: Any, extension: Extension) -> bool:
    """Tell whether a model has layers that look strings up: of a plain function this is not known."""
    return hasattr(model, "layers") and _reads_strings(model, extension)


def _by_name(
    x: Mapping[str, Any], forward_kwargs: Mapping[str, Any] | None, counts: Sequence[int], texts: Texts
) -> ReadInput:
    """Give texts as several inputs by name, the ids first, of which masks have no padding of their own."""
    (ids, *_), masks = x, (_PADDING_MASK, _MASK)
    lengths = {name: None if name in masks else counts for name in x}
    return ReadInput(x, forward_kwargs, lengths, replace(texts, input_name=ids))


def takes_mask(model: Any, texts: Texts) -> bool:
    """Tell whether a model takes a mask of the tokens that are no padding."""
    return _takes(model, _MASK) or bool(texts.input_name)


def _named_inputs(model: Any) -> tuple[str, ...]:
    """Give the names of the inputs of a Keras model that takes token ids by name, as those of KerasHub do."""
    names = getattr(model, "input", None) if hasattr(model, "input_spec") else None
    if not isinstance(names, Mapping) or not {_TOKENS, _PADDING_MASK} <= set(names):
        return ()
    return tuple(names) if set(names) <= {_TOKENS, _PADDING_MASK, _SEGMENTS} else ()


def _takes(model: Any, name: str) -> bool:
    """Tell whether a model has a parameter of a name."""
    return name in parameters_of(model)


def _decoder_start(model: Any) -> int | None:
    """Give the id with which the decoder of an encoder and a decoder begins, None for other models."""
    config = getattr(model, "config", None)
    start = getattr(config, "decoder_start_token_id", None)
    return int(start) if getattr(config, "is_encoder_decoder", False) and start is not None else None
