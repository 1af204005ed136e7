"""The command `explain report`: explanations as a page that can be filed, and whether it still holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from explain.command_line.arguments import shared_options as shared
from explain.command_line.arguments.reading_options import NO_OPTIONS, ReadingOptions
from explain.command_line.arguments.values import options_of
from explain.command_line.command import DIFFERENT, Quiet
from explain.errors import OptionError

REPORT_EXAMPLES = (
    "explain report model.keras photos/ --classes classes.txt --target cat --out report.html",
    "explain report weights.safetensors x.npy --factory nets:build --method ig --method gradcam --card card.md",
    "explain report --verify report.html --model model.keras",
)


def make_report(
    model: shared.ModelName = None,
    inputs: shared.Inputs = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="A .html, .pdf or .json file; the .json is written beside the others. Default: report.html.",
            show_default=False,
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            metavar="NAME",
            help="A name or an alias: `explain methods`; may be repeated.",
            autocompletion=shared.complete_method,
        ),
    ] = None,
    target: shared.Target = None,
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
    framework: shared.Framework = None,
    reading: ReadingOptions = NO_OPTIONS,
    count: shared.Count = 8,
    batch_size: shared.BatchSize = None,
    memory_budget: shared.MemoryBudget = None,
    seed: shared.Seed = 0,
    card: Annotated[
        Path | None,
        typer.Option("--card", metavar="FILE", help="A model card in Markdown, for a section of its own."),
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="The heading.", show_default=False)] = None,
    verify: Annotated[
        Path | None,
        typer.Option(
            "--verify",
            metavar="FILE",
            help="Check a report instead: make its calls again, and exit with status 1 if it does not hold.",
            show_default=False,
        ),
    ] = None,
    model_again: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="For --verify: the model. Default: from where the report says.",
            show_default=False,
        ),
    ] = None,
    as_json: shared.AsJson = False,
    overwrite: shared.Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Write what a model used to reach its scores as a page for an auditor, or check such a page."""
    if verify is not None:
        if inputs:
            raise OptionError(
                f"--verify {verify} takes its inputs from the report: leave {' '.join(inputs)} out."
            )
        _check(verify, model_again or model, factory, device, tokenizer, as_json=as_json)
        return
    from explain.command_line.arguments.given import given_inputs, given_model, named_or_old
    from explain.command_line.explained import explained
    from explain.reports.writing import report

    name, sources = named_or_old(model or model_again, inputs or [])
    file = out or Path("report.html")
    _check_out(file, overwrite=overwrite)
    # A wrong option is told before minutes are spent on reading.
    options_of(option or [])
    opened = given_model(name, factory, device)
    given = given_inputs(opened, sources, reading, classes=classes, count=count).in_layout(layout)
    results = [
        explained(
            opened,
            given,
            one,
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
        for one in method or ["integrated_gradients"]
    ]
    files = report(results, file, model=opened.model, source=name, factory=factory, card=card, title=title)
    if as_json:
        typer.echo(json.dumps({"files": [str(one) for one in files]}, ensure_ascii=False, indent=2))
    else:
        for one in files:
            typer.echo(one)


def _check(
    file: Path,
    model: str | None,
    factory: str | None,
    device: str | None,
    tokenizer: str | None,
    *,
    as_json: bool,
) -> None:
    from explain.command_line.arguments.given import given_model
    from explain.command_line.arguments.tokenizers import tokenizer_of
    from explain.reports.verification import verify

    arguments: dict[str, Any] = {} if tokenizer is None else {"tokenizer": tokenizer_of(tokenizer)}
    found = verify(file, None if model is None else given_model(model, factory, device).model, **arguments)
    typer.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=2) if as_json else str(found))
    if not found.passed:
        raise typer.Exit(DIFFERENT)


def _check_out(file: Path, *, overwrite: bool) -> None:
    """Refuse a place before minutes are spent on what to write there."""
    from explain.command_line.outputs import check_place
    from explain.reports.writing import SUFFIXES

    if file.suffix.lower() not in SUFFIXES:
        raise OptionError(f"--out {file} does not end in {', '.join(SUFFIXES)}: give the name of a report.")
    existing = [str(one) for one in dict.fromkeys((file, file.with_suffix(".json"))) if one.exists()]
    if existing and not overwrite:
        raise OptionError(
            f"--out {file}: {' and '.join(existing)} would be replaced: give another name, or --overwrite."
        )
    check_place(file)
