"""Points taken through the affine prefix of a TensorFlow model, and gradients pulled back through it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from explain.inputs.examples import Examples
from explain.keras.model.tracing import Beside
from explain.public_calls.passes import takes_passes
from explain.tf_ext.affine_prefix.cut import ModuleCut, SourceCut
from explain.tf_ext.model.forward_pass import TensorFlowForwardPass, repeating
from explain.tf_ext.model.opened import OpenedModel


def images_of(opened: OpenedModel, cut: ModuleCut | SourceCut, examples: Examples, points: Any) -> Any:
    """Give the value at the cut for points, one for each of some examples."""
    found = opened.replayed(examples, points, cut.recorded)
    return opened.run(_prefix, examples, (points,), static=(cut,)) if found is None else found


def pulled_back(
    opened: OpenedModel, cut: ModuleCut | SourceCut, examples: Examples, points: Any, arriving: Any
) -> Any:
    """Pull gradients to the value at the cut, one for each of some examples, back to the points."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(points)
        entering = opened.replayed(examples, points, cut.recorded)
    if entering is None:
        return opened.run(_pulled_back, examples, points, arriving, static=(cut,))
    return tf.convert_to_tensor(tape.gradient(entering, points, output_gradients=arriving))


@repeating
@takes_passes(forward=0, backward=0)
def _prefix(
    forward: TensorFlowForwardPass, cut: ModuleCut | SourceCut, points: tuple[Any, ...], beside: Beside
) -> Any:
    return cut.prefix(forward, points, beside)[0]


@repeating
@takes_passes(forward=0, backward=0)
def _pulled_back(
    forward: TensorFlowForwardPass, cut: ModuleCut | SourceCut, points: Any, arriving: Any, beside: Beside
) -> Any:
    with forward.tape() as tape:
        tape.watch(points)
        entering, _ = cut.prefix(forward, (points,), beside)
    return tf.convert_to_tensor(tape.gradient(entering, points, output_gradients=arriving))
