"""The commands that measure explanations: `explain evaluate` and `explain benchmark`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from explain.command_line.arguments import shared_options as shared
from explain.command_line.arguments.reading_options import NO_OPTIONS, ReadingOptions
from explain.command_line.arguments.values import baseline_of, options_of, target_of
from explain.command_line.command import Quiet
from explain.errors import OptionError

if TYPE_CHECKING:
    from explain.metrics.results.benchmark import Benchmark
    from explain.metrics.results.evaluation import Evaluation

EVALUATE_EXAMPLES = (
    "explain evaluate model.keras cat.png --method ig --metrics deletion,infidelity",
    "explain evaluate model.pt photos/ --metrics pointing_game --masks masks.npy --out evaluation.html",
    "explain evaluate model.keras --attribution explanation/cat.npz --metric-option deletion.reference=blur",
)
BENCHMARK_EXAMPLES = (
    "explain benchmark model.keras photos/ --methods ig,grad_cam,occlusion --metrics deletion,sparseness",
    "explain benchmark zoo:cifar_net@torch --methods saliency,ig --out benchmark.html",
    "explain benchmark --zoo --out which-explanation.html",
)

SUFFIXES = (".npz", ".html", ".png", ".svg", ".pdf")


def complete_metric(incomplete: str) -> list[str]:
    """Give the names of metrics that begin like this, for the shell."""
    from explain.metrics.catalogue import names

    before, _, last = incomplete.rpartition(",")
    return [f"{before},{name}" if before else name for name in names() if name.startswith(last)]


Metrics = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="NAMES",
        help="Names between commas: `explain metrics`. Default: deletion, insertion and sparseness.",
        autocompletion=complete_metric,
    ),
]
MetricOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metric-option",
        metavar="METRIC.NAME=VALUE",
        help="An option of a metric, such as deletion.n_steps=16; may be repeated.",
    ),
]
Masks = Annotated[
    Path | None,
    typer.Option(
        "--masks",
        metavar="FILE",
        help="Where the objects are: a .npy file of True and False, one for each pixel, step or column.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        help=f"A file to write as well: {', '.join(SUFFIXES)}.",
        show_default=False,
    ),
]


def make_evaluation(
    model: shared.ModelName = None,
    inputs: shared.Inputs = None,
    method: shared.Method = "integrated_gradients",
    metrics: Metrics = None,
    metric_option: MetricOption = None,
    masks: Masks = None,
    attribution: Annotated[
        Path | None,
        typer.Option(
            "--attribution",
            metavar="FILE",
            help="A saved attribution, instead of INPUT.",
            show_default=False,
        ),
    ] = None,
    out: Out = None,
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
    seed: shared.Seed = 0,
    as_json: shared.AsJson = False,
    overwrite: shared.Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Measure how far an explanation can be believed."""
    from explain.command_line.arguments.given import given_inputs, given_model, named_or_old
    from explain.command_line.arguments.tokenizers import tokenizer_of
    from explain.command_line.explained import explained
    from explain.metrics.evaluating import evaluate
    from explain.results.attribution import load

    name, sources = named_or_old(model, inputs or [])
    # What is wrong is told before minutes are spent.
    chosen = _chosen(metrics, metric_option)
    _check_out(out, overwrite=overwrite)
    options_of(option or [])
    if attribution is not None and inputs:
        raise OptionError(
            f"--attribution {attribution} has its inputs: leave {' '.join(inputs)} out, or leave --attribution out."
        )
    opened = given_model(name, factory, device)
    own_framework = None if opened.seed_model else framework
    if attribution is None:
        given = given_inputs(opened, sources, reading, classes=classes, count=count).in_layout(layout)
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
            framework=own_framework,
            seed=seed,
        )
    else:
        result = load(attribution)
    found = evaluate(
        opened.model,
        result,
        chosen,
        masks=_masks(masks),
        seed=seed,
        progress=False if quiet else None,
        tokenizer=tokenizer_of(tokenizer),
        output=target_of([output] if output else []),
        framework=own_framework,
    )
    _report(found, found.to_html, out, _evaluation_fields(found) if as_json else None)


def make_benchmark(
    model: shared.ModelName = None,
    inputs: shared.Inputs = None,
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods",
            metavar="NAMES",
            help="Names between commas: `explain methods`. Default: every method that explains an input.",
        ),
    ] = None,
    metrics: Metrics = None,
    metric_option: MetricOption = None,
    masks: Masks = None,
    out: Out = None,
    target: shared.Target = None,
    score: shared.Score = "logit",
    baseline: shared.Baseline = None,
    layer: shared.Layer = None,
    output: shared.Output = None,
    classes: shared.Classes = None,
    tokenizer: shared.Tokenizer = None,
    layout: shared.Layout = None,
    factory: shared.Factory = None,
    device: shared.Device = None,
    framework: shared.Framework = None,
    reading: ReadingOptions = NO_OPTIONS,
    count: shared.Count = 8,
    seed: shared.Seed = 0,
    zoo: Annotated[
        bool,
        typer.Option(
            "--zoo",
            help="Compare all methods on networks whose reasons are known, and write the page benchmark.html.",
        ),
    ] = False,
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="With --zoo: all examples for every metric, which takes several times as long."
        ),
    ] = False,
    as_json: shared.AsJson = False,
    overwrite: shared.Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Compare methods on a model and its inputs, by metrics."""
    if zoo:
        given_too = [*([model] if model else []), *(inputs or [])]
        if given_too or metrics or masks or target:
            raise OptionError(
                "--zoo has models, inputs, metrics and masks of its own: leave the others out, or leave --zoo out."
            )
        from explain.command_line.ground_truth import make_page

        file = out or Path("benchmark.html")
        if file.suffix.lower() != ".html":
            raise OptionError(f"--out {file}: --zoo writes a page: give a name that ends in .html.")
        _check_out(file, overwrite=overwrite)
        make_page(file, framework, _names(methods), seed, full=full, quiet=quiet)
        return
    if full:
        raise OptionError("--full is for --zoo: give --zoo too, or leave it out.")
    from explain.command_line.arguments.given import given_inputs, given_model, named_or_old
    from explain.command_line.arguments.tokenizers import tokenizer_of
    from explain.metrics.benchmarking import benchmark

    name, sources = named_or_old(model, inputs or [])
    chosen = _chosen(metrics, metric_option)
    _check_out(out, overwrite=overwrite)
    opened = given_model(name, factory, device)
    given = given_inputs(opened, sources, reading, classes=classes, count=count).in_layout(layout)
    found = benchmark(
        opened.model,
        given.x,
        _names(methods),
        chosen,
        masks=_masks(masks),
        seed=seed,
        progress=False if quiet else None,
        target=target_of(target or []),
        score=score,
        baseline=baseline_of(baseline),
        layer=layer,
        output=target_of([output] if output else []),
        tokenizer=tokenizer_of(tokenizer),
        layout=given.layout,
        lengths=given.lengths,
        display=given.display,
        framework=None if opened.seed_model else framework,
    )
    _report(found, found.to_html, out, _benchmark_fields(found) if as_json else None)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _chosen(metrics: str | None, options: Sequence[str] | None) -> Any:
    """Give the metrics with their options, as `explain.evaluate` takes them; checked."""
    from explain.metrics.catalogue import find
    from explain.metrics.chosen import DEFAULT_METRICS, chosen_metrics

    names = list(DEFAULT_METRICS) if metrics is None else _names(metrics) or []
    found: dict[str, dict[str, Any]] = {find(name).name: {} for name in names}
    for text in options or []:
        metric, dot, rest = text.partition(".")
        if not dot or "=" not in rest:
            raise OptionError(f"--metric-option {text}: give METRIC.NAME=VALUE, such as deletion.n_steps=16.")
        row = find(metric)
        if row.name not in found:
            raise OptionError(
                f"--metric-option {text}: {row.name} is not measured. Add it to --metrics, which has "
                f"{', '.join(found)}."
            )
        found[row.name].update(options_of([rest]))
    chosen_metrics(found)
    return found


def _masks(file: Path | None) -> Any:
    if file is None:
        return None
    from explain.errors import MissingFileError
    from explain.inputs.readers.array_files import read_npy

    if not file.is_file():
        raise MissingFileError(f"--masks {file}: there is no such file. Give a .npy file of True and False.")
    with file.open("rb") as stream:
        return read_npy(stream, str(file), file.stat().st_size)


def _check_out(out: Path | None, *, overwrite: bool) -> None:
    """Refuse a place before minutes are spent on what to write there."""
    from explain.command_line.outputs import check_place

    if out is None:
        return
    if out.suffix.lower() not in SUFFIXES:
        raise OptionError(f"--out {out} does not end in {', '.join(SUFFIXES)}: give such a name.")
    if out.exists() and not overwrite:
        raise OptionError(f"--out {out} would be replaced: give another name, or --overwrite.")
    check_place(out)


def _report(found: Evaluation | Benchmark, page: Any, out: Path | None, fields: Any) -> None:
    """Write the file that was asked for, and print the table or the JSON."""
    from explain.command_line.outputs import picture_of
    from explain.files.atomic_write import replace_file

    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        suffix = out.suffix.lower()
        if suffix == ".npz":
            found.save(out)
        elif suffix == ".html":
            page(out)
        else:
            replace_file(out, picture_of(found.plot(), suffix))
    if fields is None:
        typer.echo(str(found))
    else:
        typer.echo(json.dumps(fields, indent=2, ensure_ascii=False))


def _evaluation_fields(found: Evaluation) -> dict[str, Any]:
    return {
        "method": found.method,
        "model": found.model,
        "framework": found.framework,
        "score": found.score,
        "target": list(found.target),
        "seed": found.seed,
        "metrics": {name: _measured(found, name) for name in found},
        "notes": list(found.notes),
    }


def _measured(found: Evaluation, name: str) -> dict[str, Any]:
    one, mean = found[name], found.means[name]
    return {
        "mean": _number(mean),
        "interval": [_number(mean.low), _number(mean.high)],
        "better": one.better,
        "values": [_number(value) for value in one.values.tolist()],
        "left_out": {str(example): reason for example, reason in one.left_out.items()},
        "options": dict(one.options),
    }


def _benchmark_fields(found: Benchmark) -> dict[str, Any]:
    reasons: Mapping[str, Any] = found.reasons
    return {
        "seed": found.seed,
        "methods": {name: _evaluation_fields(found[name]) for name in found},
        "reasons": {method: dict(own) for method, own in reasons.items()},
    }


def _number(value: float) -> float | None:
    """Give a number as JSON has it, which knows no NaN."""
    return None if math.isnan(value) else float(value)
