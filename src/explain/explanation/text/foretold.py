"""Whether a model foretells the tokens that follow a text, before their scores are explained."""

from __future__ import annotations

from dataclasses import replace

from explain.backends.protocol import Backend
from explain.errors import TargetError
from explain.explanation.one_input import OneInput
from explain.explanation.request import Request
from explain.explanation.several_inputs import SeveralInputs
from explain.explanation.text.target import is_causal
from explain.inputs.examples import Examples
from explain.inputs.text.batch import Texts
from explain.inputs.text.continuation import not_foretold_error


def in_decoder(request: Request) -> bool:
    """Tell whether the tokens that follow are the input of a decoder of its own."""
    return "decoder_input_ids" in request.companions


def without_continuation(request: Request) -> Backend:
    """Open the model with the outputs of each token."""
    question = replace(request.question, score="output", continued=0)
    return request.extension.open(request.model, question, request.given.like)


def check_foretold(
    request: Request, texts: Texts, view: OneInput | SeveralInputs, examples: Examples
) -> None:
    """Refuse a continuation as the target of a model that does not foretell it.

    Raises
    ------
    TargetError
        If the outputs are not of tokens, have no output for an id, or depend on later tokens.
    """
    plain = view.again(without_continuation(request))
    outputs, _ = plain.outputs(examples)
    least = request.question.continued
    if outputs.ndim != 3 or outputs.shape[2] < least:
        raise not_foretold_error(outputs.shape[1:], least)
    if not in_decoder(request) and not is_causal(texts, view, plain, examples, outputs):
        raise TargetError(
            "target is a continuation, but the outputs of the model for each token depend on later tokens: they do not "
            "foretell what follows. Give a decoder, a model that reads in one direction; or, of this one, "
            "target=(place, class)."
        )
