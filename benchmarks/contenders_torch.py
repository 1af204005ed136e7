"""The tools for PyTorch, each as a function from host arrays to host arrays."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks import bare_torch
from benchmarks.cases import Case
from benchmarks.models_torch import logits_of, model_of

Array = npt.NDArray[Any]
Call = Callable[[], tuple[Array, dict[str, Any]]]

# So large that nearly all the time of a matrix product is arithmetic.
_SIDE = 2048


def versions() -> dict[str, Any]:
    """Give the version of PyTorch, its number of threads and its GPU."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"torch": torch.__version__, "threads": torch.get_num_threads(), "cuda device": device}


def predicted(case: Case, x: Array) -> Array:
    """Give the predicted class of every example."""
    with torch.no_grad():
        logits = logits_of(case, model_of(case))(torch.from_numpy(x).to(case.device))
    found: Array = logits.argmax(1).cpu().numpy()
    return found


def call(contender: str, case: Case, x: Array, targets: Array, settings: Mapping[str, Any]) -> Call:
    """Prepare the call to time; everything that a user does only once happens here.

    Parameters
    ----------
    contender : str
        ``"explain"``, ``"captum"``, ``"captum saliency"``, ``"shap"``, ``"bare"`` or ``"bare saliency"``.
    case : Case
        The case to measure.
    x, targets : numpy.ndarray
        The examples and the class to explain for each.
    settings : Mapping
        The settings of the contender.

    Returns
    -------
    callable
        Gives the map on the host, and facts about it.
    """
    model = model_of(case)
    if contender == "explain":
        from benchmarks.own import explained

        return explained(model, x, targets, settings)
    logits = with_gradients(logits_of(case, model), case)
    points = torch.from_numpy(x).to(case.device)
    indices = torch.from_numpy(targets).to(case.device)
    return _CALLS[contender](case, logits, points, indices, dict(settings))


def with_gradients(model: nn.Module, case: Case) -> nn.Module:
    """Copy a recurrent model for a GPU to the mode in which cuDNN gives gradients, as its users must.

    There is no dropout in the measured models, so the mode changes no number. `explain` needs no such step.
    """
    if case.device == "cpu" or not any(isinstance(one, nn.RNNBase) for one in model.modules()):
        return model
    model = copy.deepcopy(model)
    for one in model.modules():
        if isinstance(one, nn.RNNBase):
            one.train()
            # A copy lost the order in memory that cuDNN needs, and would be put in order at each call.
            one.flatten_parameters()
    return model


def profile(run: Call) -> dict[str, Any]:
    """Count multiplications and additions of a call, and give the self time of every operation in seconds."""
    with _Work() as counted:
        run()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiled:
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
    return {
        "flops": counted.flops,
        "seconds": seconds,
        "operations": {event.key: event.self_cpu_time_total / 1e6 for event in profiled.key_averages()},
    }


class _Work(TorchDispatchMode):
    """Counts multiplications and additions with PyTorch's own formulas for expensive operations."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        return result


def peak_rate(device: str) -> float:
    """Give the multiplications and additions per second of a large matrix product, the best of ten runs."""
    square = torch.rand(_SIDE, _SIDE, device=device)
    best = 0.0
    for _ in range(10):
        start = time.perf_counter()
        torch.mm(square, square).sum().item()
        best = max(best, 2 * _SIDE**3 / (time.perf_counter() - start))
    return best


def _host(found: torch.Tensor) -> tuple[Array, dict[str, Any]]:
    array: Array = found.detach().cpu().numpy()
    return array, {}


def _captum(case: Case, model: Any, x: torch.Tensor, targets: torch.Tensor, settings: dict[str, Any]) -> Call:
    from captum.attr import IntegratedGradients

    tool = IntegratedGradients(model)
    return lambda: _host(tool.attribute(x, target=targets, **settings))


def _captum_saliency(
    case: Case, model: Any, x: torch.Tensor, targets: torch.Tensor, settings: dict[str, Any]
) -> Call:
    from captum.attr import Saliency

    tool = Saliency(model)
    # Set it once here: otherwise Captum sets it at every call, with a warning.
    x.requires_grad_()
    return lambda: _host(tool.attribute(x, target=settings.get("target", targets), abs=False))


def _shap(case: Case, model: Any, x: torch.Tensor, targets: torch.Tensor, settings: dict[str, Any]) -> Call:
    import shap

    tool = shap.GradientExplainer(model, torch.zeros_like(x[:1]))

    def run() -> tuple[Array, dict[str, Any]]:
        values, _ = tool.shap_values(x, ranked_outputs=1, rseed=0, **settings)
        return np.asarray(values)[..., 0].astype(np.float32), {}

    return run


def _bare(case: Case, model: Any, x: torch.Tensor, targets: torch.Tensor, settings: dict[str, Any]) -> Call:
    split = bare_torch.splits(case, model)[settings["split"]]
    arguments = (settings["n_steps"], settings["points_at_once"])
    return lambda: _host(bare_torch.integrated_gradients(split, x, targets, *arguments))


def _bare_saliency(
    case: Case, model: Any, x: torch.Tensor, targets: torch.Tensor, settings: dict[str, Any]
) -> Call:
    run = bare_torch.saliency(case, model)
    return lambda: _host(run(x, targets))


_CALLS: Mapping[str, Callable[..., Call]] = {
    "captum": _captum,
    "captum saliency": _captum_saliency,
    "shap": _shap,
    "bare": _bare,
    "bare saliency": _bare_saliency,
}
