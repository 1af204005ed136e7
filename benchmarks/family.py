"""Compares every method that Captum also has with Captum: `python -m benchmarks.family`.

Both run in one process, in rounds A B A B, on the same models, examples, targets and settings: two networks, one
picture and many at once. Captum runs with its defaults and, if it has a setting for the size of its chunks, also
with the fastest tried value of that setting.
"""

from __future__ import annotations

import itertools
import json
import platform
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import captum.attr as captum
import numpy as np
import torch
from torch import Tensor, nn

import explain
from benchmarks import report
from benchmarks.cases import CASES
from benchmarks.examples import examples_of, origin
from benchmarks.interleaving import Timed, interleaved, ratio, spread
from benchmarks.models_torch import model_of
from benchmarks.path_gradients import relative

if TYPE_CHECKING:
    import typer

OURS, DEFAULT, BEST = "explain", "Captum, default", "Captum, best"
LAYERS = {"cifar_net": "conv2", "cifar_keras": "conv3"}
_COUNTS = (1, 32)
_REFERENCES = 8
_GRID = 8
_ROUNDS, _QUICK_ROUNDS = 12, 1
_SIZES = (4, 16, 64, 256)
# A call on one picture takes a millisecond: several make one timing.
_REPEATS = {1: 5}

Call = Callable[[], Any]


@dataclass(frozen=True)
class Entry:
    """One method in both libraries.

    Parameters
    ----------
    options : Mapping
        Our options.
    captums : callable
        Calls Captum with the model, the inputs, the targets and the setting for the size of chunks.
    cut : str
        Captum's setting for the size of its chunks; empty if it has none.
    random : bool
        Whether both draw random numbers, with different generators.
    """

    captums: Callable[[nn.Module, Tensor, list[int], dict[str, int]], Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    cut: str = ""
    random: bool = False


def entries(x: Tensor, references: Tensor, layer: str) -> dict[str, Entry]:
    """Give the methods to measure, by their names in `explain`."""
    grid = torch.arange(_GRID * _GRID).reshape(_GRID, _GRID)
    grid = grid.repeat_interleave(32 // _GRID, 0).repeat_interleave(32 // _GRID, 1)
    mask = grid[None, None].repeat(1, x.shape[1], 1, 1).to(x.device)
    ours = {"feature_mask": mask.cpu().numpy()}
    window = (x.shape[1], 4, 4)

    def plain(kind: Any, **arguments: Any) -> Any:
        return lambda model, x, target, cut: kind(model).attribute(x, target=target, **arguments, **cut)

    def at_layer(kind: Any, **arguments: Any) -> Any:
        return lambda model, x, target, cut: kind(model, getattr(model, layer)).attribute(
            x, target=target, **arguments, **cut
        )

    def noisy(model: nn.Module, x: Tensor, target: list[int], cut: dict[str, int]) -> Any:
        tunnel = captum.NoiseTunnel(captum.Saliency(model))
        return tunnel.attribute(
            x, nt_type="smoothgrad", nt_samples=50, stdevs=0.15, target=target, abs=False, **cut
        )

    steps = {"n_steps": 50}
    return {
        "saliency": Entry(plain(captum.Saliency, abs=False)),
        "input_x_gradient": Entry(plain(captum.InputXGradient)),
        "smoothgrad": Entry(noisy, cut="nt_samples_batch_size", random=True),
        "integrated_gradients": Entry(
            plain(captum.IntegratedGradients, **steps), steps, cut="internal_batch_size"
        ),
        "expected_gradients": Entry(
            plain(captum.GradientShap, baselines=references, n_samples=50),
            {"n_samples": 50, "baseline": references.cpu().numpy()},
            random=True,
        ),
        "guided_backprop": Entry(plain(captum.GuidedBackprop)),
        "deconvolution": Entry(plain(captum.Deconvolution)),
        "deep_lift": Entry(plain(captum.DeepLift)),
        "deep_lift_shap": Entry(
            plain(captum.DeepLiftShap, baselines=references), {"baseline": references.cpu().numpy()}
        ),
        "conductance": Entry(
            at_layer(captum.LayerConductance, **steps), {**steps, "layer": layer}, cut="internal_batch_size"
        ),
        "grad_cam": Entry(at_layer(captum.LayerGradCam), {"layer": layer}),
        "guided_grad_cam": Entry(
            at_layer(captum.GuidedGradCam, interpolate_mode="bilinear"), {"layer": layer}
        ),
        "occlusion": Entry(
            plain(captum.Occlusion, sliding_window_shapes=window, strides=(1, 2, 2)),
            {"sliding_window_shapes": window, "strides": (1, 2, 2)},
            cut="perturbations_per_eval",
        ),
        "feature_ablation": Entry(
            plain(captum.FeatureAblation, feature_mask=mask), ours, cut="perturbations_per_eval"
        ),
        "shapley_value_sampling": Entry(
            plain(captum.ShapleyValueSampling, feature_mask=mask, n_samples=5),
            {**ours, "n_samples": 5},
            cut="perturbations_per_eval",
            random=True,
        ),
        "lime": Entry(
            plain(captum.Lime, feature_mask=mask, n_samples=200),
            {**ours, "n_samples": 200},
            cut="perturbations_per_eval",
            random=True,
        ),
        "kernel_shap": Entry(
            plain(captum.KernelShap, feature_mask=mask, n_samples=200),
            {**ours, "n_samples": 200},
            cut="perturbations_per_eval",
            random=True,
        ),
    }


def measure(name: str, entry: Entry, model: nn.Module, x: Tensor, target: list[int], rounds: int) -> Any:
    """Time one method in both libraries, and give the distance of their maps unless the method is random."""
    ours = partial(explain.attribute, model, x.cpu().numpy(), name, target=target, **entry.options)

    def captums(**cut: int) -> Any:
        # On the host, as ours are; that waits until a GPU has finished.
        return entry.captums(model, x, target, cut).detach().cpu()

    agreement = None
    if not entry.random and name != "grad_cam":
        found, expected = ours().values, captums().numpy()
        agreement = float(np.median(relative(np.broadcast_to(expected, found.shape), found)))
    contenders = {OURS: Timed(ours), DEFAULT: Timed(captums)}
    best = ""
    if entry.cut:
        timed = {size: Timed(partial(captums, **{entry.cut: size})).seconds() for size in _SIZES}
        size = min(timed, key=lambda one: timed[one])
        contenders[BEST] = Timed(partial(captums, **{entry.cut: size}))
        best = f"{entry.cut}={size}"
    ours()
    seconds = interleaved(contenders, rounds, name, repeats=_REPEATS.get(len(x), 1))
    return {
        "agreement": agreement,
        "random": entry.random,
        "best": best,
        "seconds": {one: spread(spent) for one, spent in seconds.items()},
        "ratios": {one: ratio(seconds, one, OURS) for one in contenders if one != OURS},
    }


def measured(network: str, count: int, only: list[str] | None, rounds: int) -> dict[str, Any]:
    """Measure the methods on a number of pictures at once."""
    case = next(one for one in CASES if one.name == f"{network}-torch")
    x, references = (
        torch.from_numpy(examples_of(replace(case, examples=many))) for many in (count, _REFERENCES)
    )
    model = model_of(case)
    with torch.no_grad():
        target = model(x).argmax(1).tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            name: measure(name, entry, model, x, target, rounds)
            for name, entry in entries(x, references, LAYERS[network]).items()
            if not only or name in only
        }


def main(
    quick: Annotated[bool, typer.Option(help="A short trial run; its figures are meaningless.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Methods to measure.")] = None,
    networks: Annotated[list[str] | None, typer.Option(help="Networks.")] = None,
    examples: Annotated[list[int] | None, typer.Option(help="Numbers of pictures at once.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output folder; by default the folder of this file.")
    ] = None,
) -> None:
    """Measure every method and write ``family.json`` and its table; what is left out stays as it was."""
    folder = out or report.folder_for(quick=quick)
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / "family.json"
    partly = bool(only or networks or examples) and written.exists()
    tables = json.loads(written.read_text())["tables"] if partly else []
    for network, count in itertools.product(networks or LAYERS, examples or _COUNTS):
        found = measured(network, count, only, _QUICK_ROUNDS if quick else _ROUNDS)
        kept = [one for one in tables if (one["network"], one["count"]) == (network, count)]
        if kept:
            kept[0]["methods"] |= found
        else:
            tables.append({"network": network, "count": count, "methods": found})
        results = {
            "quick": quick,
            "examples": origin(),
            "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}, "
            f"Captum {version('captum')}",
            "tables": tables,
        }
        # After every table, so that an interrupted run is not lost.
        written.write_text(json.dumps(results, indent=1) + "\n")
        (folder / "family.md").write_text(report.page("family.md.jinja", **results))


if __name__ == "__main__":
    # A machine on which `benchmarks.cuda` runs may lack it.
    import typer

    typer.run(main)
