"""Arguments and options that several commands share, with their help."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

MODEL_FORMS = (
    "A file (.keras, .h5, .pt, .ts, .pt2, .onnx, .tflite, or weights with --factory), a SavedModel folder, "
    "package.module:function, or zoo:NAME@torch."
)
INPUT_FORMS = (
    "Files, folders or patterns: pictures (PNG, JPEG, WebP), .npy, .npz, .csv, .parquet, .txt, .wav; - is standard "
    "input."
)


def complete_method(incomplete: str) -> Iterator[str]:
    """Give the names of methods that begin like this, for the shell."""
    from explain.algorithms.catalogue import methods

    for row in methods():
        yield from (name for name in (row.name, *row.aliases) if name.startswith(incomplete))


def complete_model(incomplete: str) -> Iterator[str]:
    """Give the seed models and the files that begin like this, for the shell."""
    from explain.zoo import names

    for name in names():
        for framework in ("torch", "tensorflow"):
            if (text := f"zoo:{name}@{framework}").startswith(incomplete):
                yield text
    folder = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if (text := f"{path}/" if path.is_dir() else str(path)).startswith(incomplete):
                yield text


ModelName = Annotated[
    str | None,
    typer.Argument(metavar="MODEL", help=MODEL_FORMS, show_default=False, autocompletion=complete_model),
]
Inputs = Annotated[list[str] | None, typer.Argument(metavar="INPUT...", help=INPUT_FORMS, show_default=False)]
Method = Annotated[
    str,
    typer.Option(
        "--method",
        metavar="NAME",
        help="A name or an alias: `explain methods`.",
        autocompletion=complete_method,
    ),
]
Target = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        "-t",
        metavar="CLASS",
        help="A class by name or number; repeated, one for each example. Default: the prediction.",
    ),
]
Score = Annotated[
    str,
    typer.Option(
        "--score",
        metavar="KIND",
        help="logit, probability, log_probability or output.",
    ),
]
Option = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="NAME=VALUE",
        help="An option of the method, NAME=VALUE; may be repeated.",
    ),
]
Classes = Annotated[
    Path | None,
    typer.Option(
        "--classes",
        metavar="FILE",
        help="The names of the classes: a line each, or JSON.",
        show_default=False,
    ),
]
Factory = Annotated[
    str | None,
    typer.Option(
        "--factory",
        metavar="MODULE:FUNCTION",
        help="For weights: the function that builds their model, package.module:function.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="Where to run the model: cpu, cuda, cuda:1, mps, gpu:0…",
    ),
]
Layout = Annotated[
    str | None,
    typer.Option(
        "--layout",
        metavar="AXES",
        help="The axes of the input, for example NCHW or TNC.",
    ),
]
Layer = Annotated[
    str | None,
    typer.Option(
        "--layer",
        metavar="LAYER",
        help="Explain this layer's output: `explain layers`.",
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option("--baseline", metavar="BASELINE", help="A number, or zeros, mean, blur or uniform."),
]
Framework = Annotated[
    str | None,
    typer.Option(
        "--framework",
        "-f",
        metavar="NAME",
        help="Where MODEL is a function of arrays: torch, tensorflow, jax or numpy.",
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output", metavar="OUTPUT", help="Of a model with several outputs: the name or number of one."
    ),
]
Tokenizer = Annotated[
    str | None,
    typer.Option(
        "--tokenizer",
        metavar="TOKENIZER",
        help="For texts: a tokenizer.json, or package.module:name.",
        show_default=False,
    ),
]
Count = Annotated[
    int, typer.Option("--count", help="How many samples of a seed model, if no INPUT is given.", min=1)
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        metavar="N",
        help="Points in memory at once. Default: the fastest, found by trying.",
    ),
]
MemoryBudget = Annotated[
    int | None,
    typer.Option(
        "--memory-budget",
        metavar="BYTES",
        help="Bytes for these points. Default: a quarter of the free memory.",
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        help="Seed of everything random.",
        min=0,
    ),
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print the result as JSON, for programs.",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Write into a folder that has files; those of the same name are replaced.",
    ),
]
