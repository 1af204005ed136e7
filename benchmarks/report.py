"""Writes ``results.md`` and the plots of a run from ``results.json``: `python -m benchmarks.report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks import bar, plots

FOLDER = Path(__file__).parent
_TITLES = {"cpu": "On the CPU", "cuda": "On the GPU"}


def write(folder: Path = FOLDER) -> None:
    """Read ``results.json`` in a folder, compare it with the bar, and write the page and the plots to the folder.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of ``results.json``; the other results that have bars are read from the folder of this module.
    """
    results = json.loads((folder / "results.json").read_text())
    others = {
        name: json.loads(measured.read_text())
        for name in bar.OTHERS
        if (measured := FOLDER / f"{name}.json").exists()
    }
    sections = []
    for device, title in _TITLES.items():
        section = results[device]
        if section is None:
            continue
        section["bar"] = bar.rows(section, others if device == "cpu" else {})
        sections.append({"title": title, "plots": plots.draw(section, folder, device), **section})
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    filled = page("results.md.jinja", **results, sections=sections, rules=plots.RULES)
    (folder / "results.md").write_text(filled)


def folder_for(*, quick: bool) -> Path:
    """Give the default output folder; a quick run never overwrites the results of a full run."""
    return FOLDER / "quick" if quick else FOLDER


def page(template: str, **values: Any) -> str:
    """Fill in a template of this folder.

    Nothing is escaped: the values are our own numbers and names, and the output is Markdown.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        figure=lambda number: f"{number:.2f}",
        duration=duration,
        steps=steps,
        chunk=chunk,
        times=times,
        percent=percent,
        mebibytes=lambda count: f"{count / 2**20:.0f} MiB",
    )
    environment.globals["bar_of_method"] = bar.of_method
    return environment.get_template(template).render(**values)


def duration(spread: dict[str, Any]) -> str:
    """Write a spread of seconds as milliseconds with its quartiles.

    Examples
    --------
    >>> duration({"median": 0.2, "quartiles": [0.19, 0.25]})
    '200 (190–250)'
    """
    lower, upper = spread["quartiles"]
    return f"{_digits(1e3 * spread['median'])} ({_digits(1e3 * lower)}–{_digits(1e3 * upper)})"


def times(spread: dict[str, Any]) -> str:
    """Write a spread of ratios with its quartiles.

    Examples
    --------
    >>> times({"median": 2.0, "quartiles": [1.9, 2.25]})
    '2.00 (1.90–2.25)'
    """
    lower, upper = spread["quartiles"]
    return f"{spread['median']:.2f} ({lower:.2f}–{upper:.2f})"


def percent(part: float) -> str:
    """Write a part of one as per cent, small ones with a power of ten.

    Examples
    --------
    >>> percent(0.0123), percent(1.2e-6)
    ('1.23 %', '1.2e-04 %')
    """
    return f"{100 * part:.2f} %" if part >= 1e-4 or part == 0 else f"{100 * part:.1e} %"


def steps(contender: dict[str, Any]) -> str:
    """Give the number of steps of a contender, or their range if it chose another number for every example.

    Examples
    --------
    >>> steps({"facts": {"steps": {"least": 15, "median": 45.0, "most": 135}}, "settings": {}})
    '15–135, median 45'
    """
    found = contender["facts"].get("steps")
    if found is None:
        told = contender["settings"]
        return str(told.get("n_steps", told.get("steps", "200 samples")))
    if found["least"] == found["most"]:
        return str(found["most"])
    return f"{found['least']}–{found['most']}, median {found['median']:.0f}"


def chunk(contender: dict[str, Any]) -> str:
    """Give the number of points that a contender processes at once.

    Examples
    --------
    >>> chunk({"facts": {}, "settings": {"points_at_once": 64, "split": "prefix once"}})
    '64, prefix once'
    """
    told = {**contender["settings"], **contender["facts"]}
    points = [
        told[name] for name in ("internal_batch_size", "batch_size", "points_at_once") if told.get(name)
    ]
    return ", ".join(
        str(part) for part in (points[0] if points else "its default", told.get("split")) if part
    )


def _digits(number: float) -> str:
    """Write a number with three digits."""
    return f"{number:.0f}" if number >= 99.95 else f"{number:.3g}"


if __name__ == "__main__":
    write()
