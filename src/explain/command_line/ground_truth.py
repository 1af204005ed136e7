"""What `explain benchmark --zoo` does: the page that compares all methods on networks whose reasons are known."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import typer


def make_page(
    file: Path, framework: str | None, methods: Sequence[str] | None, seed: int, *, full: bool, quiet: bool
) -> None:
    """Write the page, with a bar that says how long the rest takes."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", style="dim"),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as shown:
        from explain.benchmark_page.writing import write_page

        task = shown.add_task("loading the framework", total=None)
        page = write_page(
            file,
            framework=framework or ("torch" if find_spec("torch") is not None else "tensorflow"),
            methods=methods,
            seed=seed,
            full=full,
            progress=lambda done, total, what: shown.update(
                task, completed=done, total=total, description=what
            ),
        )
    typer.echo(page)
