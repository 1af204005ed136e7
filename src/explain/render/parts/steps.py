"""The named steps of a sequence: their names, their relevance, and visible signs for invisible names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explain.errors import RenderError
from explain.inputs.text.tokens import Token
from explain.results.attribution import Attribution
from explain.results.heatmap import ChannelRule, Floats
from explain.results.view import maps_of, step_names


@dataclass(frozen=True)
class Step:
    """One step of a sequence that is not padding.

    Attributes
    ----------
    name : str
        The name, e.g. the character.
    relevance : float
        The attribution of the step, with its features merged.
    """

    name: str
    relevance: float


def steps(attribution: Attribution, example: int, *, channels: ChannelRule = "sum") -> list[Step]:
    """Give the named steps of one sequence, without its padding.

    Parameters
    ----------
    attribution : Attribution
        Of sequences, with ``display.step_names``; or of texts or token ids, whose steps are tokens.
    example : int
        The index of the example.
    channels : {"sum", "mean", "abs_sum", "abs_max"}
        How the features of a step are merged, see `explain.render.heatmaps`.

    Returns
    -------
    list of Step
        In order, without the steps whose mask is False.

    Raises
    ------
    RenderError
        If there are no names, or not one for each step (or each real step).

    Examples
    --------
    >>> values = np.array([[[1.0, 1.0], [0.5, -1.0]]], np.float32)  # (N, T, C)
    >>> a = Attribution(values, values, "NTC", "saliency", np.ones(1))
    >>> steps(a.with_display(step_names=(("H", "o"),)), 0)
    [Step(name='H', relevance=2.0), Step(name='o', relevance=-0.5)]
    """
    return named_steps(attribution, example, maps_of(attribution, channels)[example])


def named_steps(attribution: Attribution, example: int, relevance: Floats) -> list[Step]:
    """Give the named steps of one sequence for the relevance of each of its steps, shape (T,), NaN for padding."""
    names = step_names(attribution)
    if example >= len(names):
        raise RenderError(
            f"display.step_names has names for {len(names)} of {len(attribution)} examples, none for example "
            f"{example}: give the names of the steps of every example, or none to draw rows over time."
        )
    return _named(names[example], relevance, example)


def shown_tokens(attribution: Attribution, example: int, relevance: Floats) -> tuple[Sequence[Token], Floats]:
    """Give the tokens of one text with the relevance of each; names of steps are words with a space before each."""
    if attribution.texts:
        return attribution.texts[example].tokens, relevance
    found = named_steps(attribution, example, relevance)
    tokens = [Token(step.name, place, space=place > 0) for place, step in enumerate(found)]
    return tokens, np.array([step.relevance for step in found])


def _named(names: Sequence[str], relevance: Floats, example: int) -> list[Step]:
    """Combine names and numbers: one name for each step, or for each step that is not padding."""
    real = ~np.isnan(relevance)
    if len(names) == len(relevance):
        chosen = [name for name, keep in zip(names, real, strict=True) if keep]
    elif len(names) == real.sum():
        chosen = list(names)
    elif len(names) < len(relevance) and real.all() and not relevance[len(names) :].any():
        # There is no mask: unnamed steps without relevance at the end are padding.
        chosen, real = list(names), np.arange(len(relevance)) < len(names)
    else:
        raise RenderError(
            f"display.step_names[{example}] has {len(names)} names but the sequence has {len(relevance)} "
            f"steps ({int(real.sum())} of them real): give a name for each."
        )
    return [Step(name, float(value)) for name, value in zip(chosen, relevance[real], strict=True)]


def visible(name: str) -> str:
    """Give the name of a step, or a visible sign if the name is invisible.

    Examples
    --------
    >>> visible("a"), visible(" "), visible("")
    ('a', '␣', '·')
    """
    if not name:
        return "·"
    return name if name.strip() else "␣"


def quoted(token: str) -> str:
    """Give a token in quotation marks, which show the spaces at its ends, with signs for line breaks.

    Examples
    --------
    >>> quoted(" Paris"), quoted("\\n")
    ('“ Paris”', '“⏎”')
    """
    return f"“{token.replace(chr(10), '⏎').replace(chr(9), '⇥')}”"
