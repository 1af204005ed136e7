"""The command `explain gallery`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from explain.command_line.command import Quiet

GALLERY_EXAMPLES = ("explain gallery", "explain gallery --model cifar_net --method ig --out one")


def make_gallery(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pages and the pictures.")] = Path(
        "gallery-out"
    ),
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="Only this model; may be repeated.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option("--method", help="Only this method; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
    quiet: Quiet = False,
) -> None:
    """Make the gallery: every seed model, every method, both frameworks side by side; EfficientNet too.

    The first page is there within a minute, long before the rest; both frameworks run at the same time.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", style="dim"),
    )

    def announce(page: Path) -> None:
        if not quiet:
            words = f"open it now, the rest follows: {page}"
            shown.console.print(words, soft_wrap=True, markup=False, highlight=False)

    with Progress(*columns, console=Console(stderr=True), disable=quiet) as shown:
        from explain.gallery import generate

        task = shown.add_task("loading the frameworks", total=None)
        page = generate(
            out,
            models=model,
            methods=method,
            seed=seed,
            processes=True,
            first_page=announce,
            progress=lambda done, total, what: shown.update(
                task, completed=done, total=total, description=what
            ),
        )
    typer.echo(page)
