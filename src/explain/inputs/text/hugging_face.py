"""The tokenizers of Hugging Face: those of ``transformers``, fast or not, and those of ``tokenizers``."""

from __future__ import annotations

from typing import Any

from explain.inputs.text.encoded import Encoded, kinds_of, known
from explain.inputs.text.tokens import Span, spans_by_search

# What `transformers` gives besides what a model takes for each token.
_ABOUT_TOKENS = ("input_ids", "attention_mask", "offset_mapping", "special_tokens_mask")
# How a vocabulary writes the space that a token begins with.
_SPACES = ("▁", "Ġ")


class OfTransformers:
    """A tokenizer of ``transformers``, fast or not.

    Parameters
    ----------
    given : transformers.PreTrainedTokenizerBase
        The tokenizer.
    """

    def __init__(self, given: Any) -> None:
        self._given = given
        self.padding: int | None = given.pad_token_id
        self.hidden = known(given.mask_token_id)
        self._unknown = known(given.unk_token_id)
        # Some models use one token for what is unknown and for an end: within a text it stands for a word.
        self._special = known(*given.all_special_ids) - self._unknown

    def encoded(self, text: str) -> Encoded:
        """Give a text as ids, with special tokens."""
        fast = bool(self._given.is_fast)
        # Only a fast tokenizer knows places in the text; a text is not cut, the model says if it is too long.
        found = self._given(text, return_offsets_mapping=fast, return_special_tokens_mask=fast, verbose=False)
        ids = tuple(map(int, found["input_ids"]))
        names = tuple(map(str, self._given.convert_ids_to_tokens(list(ids))))
        added = found.get("special_tokens_mask", (0,) * len(ids))
        special = [bool(one) or token in self._special for one, token in zip(added, ids, strict=True)]
        spans: list[Span | None]
        if fast:
            spans = [(int(start), int(stop)) for start, stop in found["offset_mapping"]]
        else:
            shown = [str(self._given.decode([token])) for token in ids]
            spans = spans_by_search(
                text, [None if one else piece for one, piece in zip(special, shown, strict=True)]
            )
        more = {
            name: tuple(map(int, values))
            for name, values in found.items()
            if name not in _ABOUT_TOKENS and len(values) == len(ids)
        }
        return Encoded(ids, names, tuple(spans), kinds_of(special), more)

    def pieces(self, text: str) -> tuple[int, ...]:
        """Give a text as ids, without special tokens."""
        return tuple(map(int, self._given.encode(text, add_special_tokens=False)))

    def is_unknown(self, token: int) -> bool:
        """Tell whether a token stands for any word that is not in the vocabulary."""
        return token in self._unknown

    def shown(self, token: int) -> str:
        """Give the characters that a token stands for, with the space that it begins with."""
        spelled = str(self._given.convert_ids_to_tokens([token])[0])
        return _with_space(str(self._given.decode([token])), spelled)

    def named(self, name: str) -> int | None:
        """Give the id of a token by its name in the vocabulary, None if there is no such token."""
        found = self._given.convert_tokens_to_ids(name)
        if found is None or (found in self._unknown and name != self._given.unk_token):
            return None
        return int(found)


class OfTokenizers:
    """A tokenizer of ``tokenizers``.

    Parameters
    ----------
    given : tokenizers.Tokenizer
        The tokenizer.
    """

    def __init__(self, given: Any) -> None:
        self._given = given
        named = known(given.token_to_id("[PAD]"), given.token_to_id("<pad>"))
        self.padding: int | None = given.padding["pad_id"] if given.padding else min(named, default=None)
        self.hidden = known(given.token_to_id("[MASK]"), given.token_to_id("<mask>"))

    def encoded(self, text: str) -> Encoded:
        """Give a text as ids, with special tokens."""
        found = self._given.encode(text)
        real = [place for place, one in enumerate(found.attention_mask) if one]
        ids = tuple(int(found.ids[place]) for place in real)
        special = [
            bool(found.special_tokens_mask[place]) or found.ids[place] in self.hidden for place in real
        ]
        spans = tuple((int(start), int(stop)) for start, stop in (found.offsets[place] for place in real))
        return Encoded(ids, tuple(found.tokens[place] for place in real), spans, kinds_of(special))

    def pieces(self, text: str) -> tuple[int, ...]:
        """Give a text as ids, without special tokens."""
        found = self._given.encode(text, add_special_tokens=False)
        return tuple(token for token, one in zip(found.ids, found.attention_mask, strict=True) if one)

    def is_unknown(self, token: int) -> bool:
        """Tell whether a token stands for any word that is not in the vocabulary."""
        name = getattr(self._given.model, "unk_token", None)
        return token == (getattr(self._given.model, "unk_id", None) if name is None else self.named(name))

    def shown(self, token: int) -> str:
        """Give the characters that a token stands for, with the space that it begins with."""
        spelled = str(self._given.id_to_token(token))
        return _with_space(str(self._given.decode([token], skip_special_tokens=False)), spelled)

    def named(self, name: str) -> int | None:
        """Give the id of a token by its name in the vocabulary, None if there is no such token."""
        found = self._given.token_to_id(name)
        return None if found is None else int(found)


def _with_space(decoded: str, spelled: str) -> str:
    """Give a token that was decoded alone, with the space that its spelling in the vocabulary begins with.

    Examples
    --------
    >>> _with_space("Paris", "▁Paris"), _with_space(" Paris", "ĠParis"), _with_space("", "[CLS]")
    (' Paris', ' Paris', '[CLS]')
    """
    if spelled.startswith(_SPACES) and not decoded.startswith(" "):
        return f" {decoded}"
    return decoded or spelled
