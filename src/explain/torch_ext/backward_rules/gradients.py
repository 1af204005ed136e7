"""The result of a rule's backward pass at the inputs of a PyTorch model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from explain.backends.found import RuleGradients
from explain.backends.protocol import Rule
from explain.backends.scoring import no_gradient_reason
from explain.errors import GradientError, UnsupportedModelError
from explain.inputs.examples import Arrays, Examples
from explain.torch_ext.backward_rules.backward import backward
from explain.torch_ext.backward_rules.deep_lift import rescaled
from explain.torch_ext.backward_rules.guided import rectified
from explain.torch_ext.backward_rules.relevance import shared_out
from explain.torch_ext.backward_rules.tape import Run, Tape, unfused_for
from explain.torch_ext.model.opened import OpenedModel
from explain.torch_ext.model.transfer import to_host

# PyTorch's words for a graph that needs a value which is no longer there.
_CHANGED = "modified by an inplace operation"


def rule_gradients(
    opened: OpenedModel, examples: Examples, rule: Rule, baselines: Arrays | None = None, epsilon: float = 0.0
) -> RuleGradients:
    """Give the result of a rule's backward pass at the inputs."""
    padded = opened.padded(examples)
    if rule in ("guided", "deconvolution"):
        last = opened.taken_pass(padded)
        found, changed = rectified(opened, padded, last, deconvolution=rule == "deconvolution")
        return RuleGradients(_of_examples(found, examples), changed)
    tape = Tape()
    with unfused_for(tape, opened):
        run = _announced(opened, padded) or Run.on(tape, opened, padded)
        if not run.scores.requires_grad:
            raise GradientError(no_gradient_reason(opened.model_name))
        if rule == "rescale":
            assert baselines is not None, "the rule compares with a baseline"
            rules = rescaled(run, opened.padded(examples.with_inputs(baselines)))
        else:
            rules = shared_out(run, epsilon, plus=rule == "epsilon_plus")
    try:
        gradients, changed = backward(run.scores, run.points, rules, opened.model_name)
    except GradientError as error:
        if rule == "rescale" and _CHANGED in str(error.__cause__):
            raise _changed_between(opened.model_name, opened.kept_state()) from error
        raise
    arrays = _of_examples(gradients, examples)
    other = None if rules.beside is None else to_host(rules.beside[0][: len(examples)])
    return RuleGradients(arrays, changed, other)


def _of_examples(gradients: Sequence[Tensor], examples: Examples) -> Arrays:
    """Give gradients on the host, without the rows that fill a fixed batch."""
    return tuple([np.ascontiguousarray(to_host(one)[: len(examples)]) for one in gradients])


def _changed_between(model_name: str, kept: tuple[str, ...]) -> UnsupportedModelError:
    """Give the error for a model whose state, restored before the second run, is part of the graph of the first."""
    return UnsupportedModelError(
        f"method='deep_lift' compares a run of the model at the input with a run at the baseline, and {model_name} "
        f"changes {' and '.join(kept) or 'a tensor that it keeps'} in place during a run, so the first cannot be "
        "differentiated any more. Assign a new tensor there instead, or use integrated_gradients, which differentiates "
        "each run before the next."
    )


def _announced(opened: OpenedModel, padded: Examples) -> Run | None:
    """Give the run that `outputs` recorded on a tape, None if there is none."""
    last = opened.taken_pass(padded)
    if last is None or last.tape is None:
        return None
    return Run.to_scores(last.tape, opened, padded, last.points, last.explained)
