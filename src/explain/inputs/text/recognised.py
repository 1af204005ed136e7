"""Which kind of tokenizer a given object is, told by what it has."""

from __future__ import annotations

from typing import Any

from explain.errors import InputError
from explain.inputs.text.callables import OfCallable
from explain.inputs.text.encoded import Tokenizer
from explain.inputs.text.hugging_face import OfTokenizers, OfTransformers


def tokenizer_of(given: Any) -> Tokenizer:
    """Recognise a tokenizer, without importing its library.

    Parameters
    ----------
    given : object
        A tokenizer of ``transformers``, a ``tokenizers.Tokenizer``, a tokenizer or preprocessor of KerasHub, or any
        callable that maps a string to ids.

    Raises
    ------
    InputError
        If it is none of them.

    Examples
    --------
    >>> words = {"a": 0, "good": 1, "film": 2}
    >>> found = tokenizer_of(lambda text: [words[word] for word in text.split()]).encoded("a good film")
    >>> found.ids, found.spans
    ((0, 1, 2), ((0, 1), (2, 6), (7, 11)))
    """
    if _is_of_transformers(given):
        return OfTransformers(given)
    if _is_of_tokenizers(given):
        return OfTokenizers(given)
    if callable(given):
        return OfCallable(given)
    raise InputError(
        f"tokenizer is of type {type(given).__name__}, which cannot be called: give a tokenizer of transformers, "
        "tokenizers or KerasHub, or a function from a string to a list of ids."
    )


def is_tokenizer(given: Any) -> bool:
    """Tell whether an object, such as an attribute of a model, is a tokenizer of ``transformers`` or ``tokenizers``."""
    return _is_of_transformers(given) or _is_of_tokenizers(given)


def _is_of_transformers(given: Any) -> bool:
    return callable(given) and hasattr(given, "convert_ids_to_tokens") and hasattr(given, "all_special_ids")


def _is_of_tokenizers(given: Any) -> bool:
    return hasattr(given, "encode_batch") and hasattr(given, "id_to_token")
