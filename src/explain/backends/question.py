"""What a backend is asked, and what it finds of the model's output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from explain.inputs.examples import Array, Examples
from explain.inputs.layout import Layout
from explain.inputs.text.spelling import Spelling
from explain.inputs.wiring import State, Wiring

ScoreKind = Literal["logit", "probability", "log_probability", "output"]
SCORE_KINDS: tuple[str, ...] = get_args(ScoreKind)


@dataclass(frozen=True)
class Question:
    """The part of an explanation that is the same for every example: layout, score, output, arguments.

    Parameters
    ----------
    layout : Layout
        The axes of the first input, as the model takes it.
    score : str
        The kind of scalar that the caller wants explained.
    output : int or str, optional
        The output to explain, if there are several.
    forward_kwargs : Mapping
        Keyword arguments of the model that are the same for every example.
    wiring : Wiring, optional
        For a model of several inputs: where each comes from.
    states : tuple of State
        The keyword arguments that are states, whose tensors are among the companions of the examples.
    spellings : Mapping
        For inputs of strings, which are numbers everywhere else: their strings, by the position of the input.
    scorer : callable, optional
        For a model without a single output that is a tensor: from all that it returns to one number per example, which
        is then its output.
    continued : int
        For a model of texts whose following tokens are explained: how many tokens it must know at least. Its output is
        then the sum of the scores of those that follow, and each score. 0 for any other question.
    """

    layout: Layout
    score: ScoreKind = "logit"
    output: int | str | None = None
    forward_kwargs: Mapping[str, Any] = field(default_factory=dict)
    wiring: Wiring | None = None
    spellings: Mapping[int, Spelling] = field(default_factory=dict)
    states: tuple[State, ...] = ()

    @property
    def argument_names(self) -> tuple[str, ...]:
        """The names of the keyword arguments, of states and of those that are the same for every example."""
        return *self.forward_kwargs, *(state.name for state in self.states)

    def with_states(
        self, keywords: Mapping[str, Any], moved: Callable[[Any, int, int], Any]
    ) -> Mapping[str, Any]:
        """Give keyword arguments with each state in place of its tensors; `moved` moves an axis of a tensor."""
        for state in self.states:
            keywords = state.put_together(keywords, moved)
        return keywords

    def strings_of(self, arrays: Sequence[Array], *, moved: bool) -> list[Array]:
        """Give inputs of the model, those that methods change or the others, with strings where they stand for strings.

        Examples
        --------
        >>> import numpy as np
        >>> from explain.inputs.text.spelling import Spelling
        >>> question = Question(Layout("NT"), spellings={0: Spelling(("", "red"), ())})
        >>> question.strings_of([np.array([[1, 0]])], moved=True)[0].tolist()
        [['red', '']]
        """
        found = list(arrays)
        for place, spelling in self.spellings.items():
            source = (True, 0) if self.wiring is None else self.wiring.sources[place]
            if source is not None and source[0] == moved and source[1] < len(found):
                found[source[1]] = spelling.strings(found[source[1]])
        return found

    scorer: Callable[[Any], Any] | None = None
    continued: int = 0

    def runs_a_function(self, examples: Examples) -> bool:
        """Tell whether a function of the caller, which may do anything, computes the scores of examples."""
        return self.scorer is not None or examples.target.function is not None


@dataclass(frozen=True)
class Finding:
    """The properties of the score that a backend found when it first called the model.

    Parameters
    ----------
    score : str
        The kind of scalar that is actually explained.
    reason : str
        Why it is not the requested kind; empty if it is.
    opaque : bool
        True if the model could not be searched for a terminal activation.
    transformed : bool
        True if the output was treated as logits and a softmax or sigmoid was applied to it.
    mixed : str, optional
        The kind of the values of activations with which the model computes its output: only the values of the output
        show whether they still are of that kind.
    made_by : str
        Those activations in words.
    """

    score: ScoreKind
    reason: str = ""
    opaque: bool = False
    transformed: bool = False
    mixed: ScoreKind | None = None
    made_by: str = ""
