"""What a model of the made data does when the shortcut is right, absent, wrong, or says nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from explain.zoo.data import Split
from explain.zoo.extensions import extension
from explain.zoo.model_row import SeedModel
from explain.zoo.synthetic.drawn import SHORTCUTS
from explain.zoo.synthetic.sets import SETS_OF_MODELS, held_out
from explain.zoo.training.batches import evaluation_batches
from explain.zoo.training.loop import FrameworkTraining


def shortcut_figures(model: SeedModel, trained: Any) -> dict[str, Any]:
    """Measure how often a model is right with each kind of shortcut, and how often it follows a misleading one.

    Parameters
    ----------
    model : SeedModel
        The model's row of the table of seed models.
    trained : torch.nn.Module or keras.Model
        The model, in its native framework.

    Returns
    -------
    dict
        ``accuracies``, by the kind of shortcut; and ``follows_shortcut``, the share of the examples with a misleading
        shortcut that are given its class.
    """
    of = SETS_OF_MODELS[model.dataset].of
    accuracies, follows = {}, 0.0
    for kind in SHORTCUTS:
        examples = held_out(of, kind)
        classes = _classes(model, trained, Split(examples.x, examples.y))
        accuracies[kind] = float((classes == examples.y).mean())
        if kind == "misleading":
            follows = float((classes == examples.shortcut_class).mean())
    return {"accuracies": accuracies, "follows_shortcut": follows}


def _classes(model: SeedModel, trained: Any, split: Split) -> npt.NDArray[np.int64]:
    training: FrameworkTraining = extension(model.native, "training")
    batches = evaluation_batches(model, split)
    return np.concatenate([training.predict(trained, batch).argmax(axis=1) for batch in batches])
