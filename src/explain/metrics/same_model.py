"""Whether an attribution is of the model that it is evaluated with."""

from __future__ import annotations

from typing import Any

import numpy as np

from explain.errors import EvaluationError, ExplainError, ModelCallError
from explain.fingerprints import fingerprint
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject
from explain.results.attribution import Attribution

# Far above the differences of sums in another order and of single precision.
_SAME_SCORE = 1e-3


def check_fingerprint(subject: Subject) -> None:
    """Refuse an attribution that keeps the fingerprint of another model.

    Raises
    ------
    EvaluationError
        If the model has other weights than the one that was explained.
    """
    kept = subject.attribution.fingerprint
    found = fingerprint(subject.model) if kept else ""
    if found and found != kept:
        raise EvaluationError(
            f"attribution is of a model with the fingerprint {kept[:16]}…, and the model given has {found[:16]}…: its "
            "weights are others. Give the model that was explained, or explain this one."
        )


def check_scores(subject: Subject) -> None:
    """Refuse an attribution that the model, called as it says, cannot have given.

    Raises
    ------
    EvaluationError
        If the recorded scores are not those of the model.
    """
    one = subject.attribution
    recorded = np.asarray(one.scores, np.float64)
    found = scores_of(subject)
    scale = max(1.0, float(np.abs(recorded).max(initial=0)))
    apart = np.abs(found - recorded)
    worst = int(np.argmax(apart))
    if not apart[worst] <= _SAME_SCORE * scale:
        raise EvaluationError(
            f"attribution records the score {recorded[worst]:.6g} for example {worst} and target "
            f"{one.target[worst] if one.target else None!r}, but the model gives {found[worst]:.6g}: it is the "
            "explanation of another model, or of other weights, or the call had arguments that are not recorded. Give "
            "the model that was explained, and target= and forward_kwargs= as they were given to explain.attribute."
        )


def gives_the_same(subject: Subject, model: Any) -> bool:
    """Tell whether another model gives the scores that the attribution records."""
    try:
        check_scores(subject.with_model(model))
    except ExplainError:
        return False
    return True


def scores_of(subject: Subject) -> Floats:
    """Give the scores of the examples, of whole numbers as ids if the model takes them no other way."""
    try:
        with subject.opened() as model:
            return model.scores
    except ModelCallError:
        # A model that sums the vectors of its tokens itself is explained at the ids, which no result marks.
        if subject.as_ids or not _may_be_ids(subject.attribution):
            raise
    subject.as_ids = True
    with subject.opened() as model:
        return model.scores


def _may_be_ids(attribution: Attribution) -> bool:
    inputs = attribution.inputs
    is_sequence = set(attribution.layout) <= {"N", "T"} and not attribution.texts
    return is_sequence and np.array_equal(inputs, np.rint(inputs))
