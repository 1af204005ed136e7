"""The commands that compute attributions: `explain attribute` and `explain maximize`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from explain.command_line.arguments import shared_options as shared
from explain.command_line.arguments.reading_options import NO_OPTIONS, ReadingOptions
from explain.command_line.arguments.values import options_of, shape_of, target_of
from explain.command_line.command import Quiet
from explain.errors import OptionError

ATTRIBUTE_EXAMPLES = (
    "explain attribute model.keras cat.png --preset imagenet --target tabby --classes imagenet.txt --out cat.svg",
    "explain attribute nets.resnet:build photos/ --size 224 --divide-by 255 --method gradcam --out results",
    "explain attribute weights.safetensors x.npy --factory nets.lstm:build --layout NTC --json",
    "explain attribute zoo:cifar_net@torch --method saliency --out samples.png",
)
MAXIMIZE_EXAMPLES = (
    "explain maximize zoo:cifar_net@tensorflow --target cat --out cat.png",
    "explain maximize model.pt --target 3 --shape 3,224,224 --bounds -1 1 --option n_steps=256 --out class3",
)

Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="PATH",
        help="A file (.npz, .png, .svg, .pdf), or a folder for results and pictures. Default: the folder "
        "explanation, or explanation-2…",
        show_default=False,
    ),
]


def make_attribution(
    model: shared.ModelName = None,
    inputs: shared.Inputs = None,
    method: shared.Method = "integrated_gradients",
    target: shared.Target = None,
    out: Out = None,
    score: shared.Score = "logit",
    baseline: shared.Baseline = None,
    layer: shared.Layer = None,
    output: shared.Output = None,
    option: shared.Option = None,
    classes: shared.Classes = None,
    tokenizer: shared.Tokenizer = None,
    layout: shared.Layout = None,
    factory: shared.Factory = None,
    device: shared.Device = None,
    reading: ReadingOptions = NO_OPTIONS,
    count: shared.Count = 8,
    batch_size: shared.BatchSize = None,
    memory_budget: shared.MemoryBudget = None,
    seed: shared.Seed = 0,
    as_json: shared.AsJson = False,
    overwrite: shared.Overwrite = False,
    quiet: Quiet = False,
    old_model: Annotated[str | None, typer.Option("--model", "-m", hidden=True)] = None,
    framework: shared.Framework = None,
    old_input: Annotated[Path | None, typer.Option("--input", hidden=True)] = None,
) -> None:
    """Explain what a model predicts for inputs from files: which parts of each input count for a class."""
    from explain.command_line.arguments.given import given_inputs, given_model, named_or_old
    from explain.command_line.explained import explained
    from explain.command_line.outputs import check_out
    from explain.command_line.written import report

    name, sources = named_or_old(model, inputs or [], old_model, framework, old_input)
    # A wrong option is told before minutes are spent on reading.
    options_of(option or [])
    if out is not None:
        check_out(out, overwrite=overwrite)
    opened = given_model(name, factory, device)
    given = given_inputs(opened, sources, reading, classes=classes, count=count).in_layout(layout)
    if out is not None:
        check_out(out, overwrite=overwrite, inputs=given.count)
    result = explained(
        opened,
        given,
        method,
        target=target,
        baseline=baseline,
        output=output,
        tokenizer=tokenizer,
        option=option,
        quiet=quiet,
        score=score,
        layer=layer,
        framework=None if opened.seed_model else framework,
        batch_size=batch_size,
        memory_budget=memory_budget,
        seed=seed,
    )
    report(result, out, as_json=as_json, quiet=quiet)


def make_maximization(
    model: shared.ModelName = None,
    target: shared.Target = None,
    out: Out = None,
    shape: Annotated[
        str | None,
        typer.Option(
            "--shape", metavar="SHAPE", help="Of one input, such as 3,32,32. Default: as the model states it."
        ),
    ] = None,
    bounds: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--bounds", help="The least and the greatest valid value, such as 0 1.", show_default=False
        ),
    ] = None,
    score: shared.Score = "logit",
    layer: shared.Layer = None,
    neuron: Annotated[
        str | None,
        typer.Option(
            "--neuron", metavar="INDEX", help="A unit of the layer, such as 3 or 3,5,5, instead of a class."
        ),
    ] = None,
    option: shared.Option = None,
    classes: shared.Classes = None,
    layout: shared.Layout = None,
    factory: shared.Factory = None,
    device: shared.Device = None,
    seed: shared.Seed = 0,
    as_json: shared.AsJson = False,
    overwrite: shared.Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Find the input that most excites a class, or a unit of a layer, starting from noise."""
    from dataclasses import replace

    from explain.api import maximize
    from explain.command_line.arguments.class_names import read_class_names
    from explain.command_line.arguments.given import given_model, known_display, named_or_old
    from explain.command_line.outputs import check_out
    from explain.command_line.written import report

    name, _ = named_or_old(model, [])
    options = options_of(option or [])
    if out is not None:
        check_out(out, overwrite=overwrite)
    opened = given_model(name, factory, device)
    display = known_display(opened)
    if classes is not None:
        display = replace(display, classes=read_class_names(classes))
    arguments: dict[str, Any] = {"layer": layer, "neuron": _unit(neuron)} if layer or neuron else {}
    result = maximize(
        opened.model,
        target_of(target or []),
        shape=shape_of("--shape", shape),
        bounds=bounds,
        score=score,
        layout=layout,
        seed=seed,
        display=display,
        progress=False if quiet else None,
        **arguments,
        **options,
    )
    report(result, out, as_json=as_json, quiet=quiet)


def _unit(text: str | None) -> int | tuple[int, ...] | None:
    """Read an index into a layer's output for one example."""
    if text is None:
        return None
    found: int | tuple[int, ...] | str = target_of([text])
    if isinstance(found, str):
        raise OptionError(
            f"--neuron {text} is no index: give whole numbers between commas, such as 3 or 3,5,5."
        )
    return found
