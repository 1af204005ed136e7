"""The tools for TensorFlow, each as a function from host arrays to host arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from benchmarks import bare_tensorflow
from benchmarks.cases import Case
from explain import zoo

Array = npt.NDArray[Any]
Call = Callable[[], tuple[Array, dict[str, Any]]]


def versions() -> dict[str, Any]:
    """Give the versions of TensorFlow and Keras, and the numbers of threads; 0 if TensorFlow chooses."""
    threading = tf.config.threading
    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "intra_op_threads": threading.get_intra_op_parallelism_threads(),
        "inter_op_threads": threading.get_inter_op_parallelism_threads(),
    }


@lru_cache(maxsize=4)
def model_of(case: Case) -> Any:
    """Load the model of a case, once for all its contenders."""
    return zoo.load(case.model, framework="tensorflow")


def predicted(case: Case, x: Array) -> Array:
    """Give the predicted class of every example."""
    logits = bare_tensorflow.logits_of(case, model_of(case))(x, training=False)
    found: Array = tf.argmax(logits, axis=1).numpy()
    return found


def call(contender: str, case: Case, x: Array, targets: Array, settings: Mapping[str, Any]) -> Call:
    """Prepare the call to time; everything that a user does only once happens here.

    Parameters
    ----------
    contender : str
        ``"explain"``, ``"xplique"``, ``"xplique saliency"``, ``"tf-explain saliency"``,
        ``"tf-keras-vis saliency"``, ``"shap"``, ``"bare"`` or ``"bare saliency"``.
    case, x, targets, settings
        As in `benchmarks.contenders_torch.call`.

    Returns
    -------
    callable
        Gives the map on the host, and facts about it.
    """
    model = model_of(case)
    if contender == "explain":
        from benchmarks.own import explained

        return explained(model, x, targets, settings)
    return _CALLS[contender](case, model, x, targets, dict(settings))


def _xplique(case: Case, model: Any, x: Array, targets: Array, settings: dict[str, Any]) -> Call:
    from xplique.attributions import IntegratedGradients

    tool = IntegratedGradients(bare_tensorflow.logits_of(case, model), reducer=None, **settings)
    one_hot = np.eye(case.classes, dtype=np.float32)[targets]
    return lambda: (tool.explain(x, one_hot).numpy(), {})


def _xplique_saliency(case: Case, model: Any, x: Array, targets: Array, settings: dict[str, Any]) -> Call:
    from xplique.attributions import Saliency

    tool = Saliency(bare_tensorflow.logits_of(case, model), reducer=None)
    one_hot = np.eye(case.classes, dtype=np.float32)[targets]
    return lambda: (tool.explain(x, one_hot).numpy(), {})


def _tf_explain_saliency(case: Case, model: Any, x: Array, targets: Array, settings: dict[str, Any]) -> Call:
    from tf_explain.core.vanilla_gradients import VanillaGradients

    (label,) = set(targets.tolist())
    return lambda: (VanillaGradients.compute_gradients(tf.constant(x), model, label).numpy(), {})


def _tf_keras_vis_saliency(
    case: Case, model: Any, x: Array, targets: Array, settings: dict[str, Any]
) -> Call:
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    tool, score = Saliency(model), CategoricalScore(targets.tolist())
    # By default it takes the absolute value and the largest channel and normalises each map, which is not comparable.
    signed = {"keepdims": True, "gradient_modifier": None, "normalize_map": False}
    return lambda: (np.asarray(tool(score, x, **signed)), {})


def _shap(case: Case, model: Any, x: Array, targets: Array, settings: dict[str, Any]) -> Call:
    import shap

    tool = shap.GradientExplainer(bare_tensorflow.logits_of(case, model), np.zeros_like(x[:1]))

    def run() -> tuple[Array, dict[str, Any]]:
        values, _ = tool.shap_values(x, ranked_outputs=1, rseed=0, **settings)
        return np.asarray(values)[..., 0].astype(np.float32), {}

    return run


def _bare(case: Case, model: Any, x: Array, targets: Array, settings: dict[str, Any]) -> Call:
    split = bare_tensorflow.splits(case, model)[settings["split"]]
    run = bare_tensorflow.integrated_gradients(case, split, settings["points_at_once"])
    points, indices = tf.constant(x), tf.constant(targets, tf.int32)
    return lambda: (run(points, indices, settings["n_steps"]).numpy(), {})


def _bare_saliency(case: Case, model: Any, x: Array, targets: Array, settings: dict[str, Any]) -> Call:
    run = bare_tensorflow.saliency(case, model)
    points, indices = tf.constant(x), tf.constant(targets, tf.int32)
    return lambda: (run(points, indices).numpy(), {})


_CALLS: Mapping[str, Callable[..., Call]] = {
    "xplique": _xplique,
    "xplique saliency": _xplique_saliency,
    "tf-explain saliency": _tf_explain_saliency,
    "tf-keras-vis saliency": _tf_keras_vis_saliency,
    "shap": _shap,
    "bare": _bare,
    "bare saliency": _bare_saliency,
}
