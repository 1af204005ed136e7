"""Train a seed model from scratch and write its weights and its card.

python gallery/train.py cifar_net
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from explain.errors import ExplainError
from explain.zoo.training.run import train_and_write

_SHIPPED = Path(__file__).parents[1] / "src" / "explain" / "zoo" / "weights"


def main(
    name: Annotated[
        str,
        typer.Argument(
            help="cifar_net, cifar_keras, names_rnn, fashion_rnn, names_transformer, shapes_honest, shapes_shortcut, "
            "motifs_honest or motifs_shortcut."
        ),
    ],
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of initial weights, order and augmentation.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training set; by default the recipe's number.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the weight file and the card.")] = _SHIPPED,
) -> None:
    """Train seed model NAME on its data set and write NAME.safetensors and NAME.md."""
    console = Console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
    )
    try:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(name, total=None, loss=float("nan"))
            result = train_and_write(
                name,
                out,
                device=device,
                seed=seed,
                epochs=epochs,
                progress=lambda done, steps, loss: bar.update(task, completed=done, total=steps, loss=loss),
            )
    except ExplainError as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error
    console.print(f"{name}: {100 * result.test_accuracy:.2f} % of the test set; wrote {result.path}")
    if result.test_accuracy < result.required_accuracy:
        console.print(f"[red]This is below the required {100 * result.required_accuracy:.0f} %.[/red]")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
