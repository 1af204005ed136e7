"""Whether a model foretells the tokens that follow a text, before their scores are explained."""

from __future__ import annotations

from dataclasses import replace

from explain.errors import TargetError
from explain.explanation.one_input import OneInput
from explain.explanation.request import Request
from explain.explanation.several_inputs import SeveralInputs
from explain.explanation.text.target import is_causal
from explain.inputs.examples import Examples
from explain.inputs.text.batch import Texts
from explain.inputs.text.continuation import not_foretold_error


def check_foretold(
    request: Request, texts: Texts, view: OneInput | SeveralInputs, examples: Examples
) -> None:
    """Refuse a continuation as the target of a model that does not foretell it.

    Raises
    ------
    TargetError
        If the outputs are not of tokens, have no output for an id, or depend on later tokens.
    """
    question = replace(request.question, score="output", continued=0)
    plain = view.again(request.extension.open(request.model, question, request.given.like))
    outputs, _ = plain.outputs(examples)
    least = request.question.continued
    if outputs.ndim != 3 or outputs.shape[2] < least:
        raise not_foretold_error(outputs.shape[1:], least)
    # The outputs of a decoder with ids of its own follow these.
    if outputs.shape[1] == texts.ids.shape[1] and not is_causal(texts, view, plain, examples, outputs):
        raise TargetError(
            "target is a continuation, but the outputs of the model for each token depend on later tokens: they do not "
            "foretell what follows. Give a decoder, a model that reads in one direction; or, of this one, "
            "target=(place, class)."
        )
