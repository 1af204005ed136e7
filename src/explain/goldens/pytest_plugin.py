"""The pytest plugin: the fixture `explain_golden` checks explanations; ``--explain-update`` writes the files."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from explain.goldens.figures import Figures
    from explain.goldens.file import Golden
    from explain.goldens.question import Explanation
    from explain.metrics.results.evaluation import Evaluation
    from explain.results.attribution import Attribution

_UPDATED = "explain golden written"
_WRITERS = pytest.StashKey["dict[Path, str]"]()
"""The goldens that were written in this run, each with its test."""
_BEGAN = pytest.StashKey[float]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin a run, in which no golden was written yet."""
    config.stash[_WRITERS], config.stash[_BEGAN] = {}, time.time()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("explain", "explanations checked against golden files")
    group.addoption(
        "--explain-update",
        action="store_true",
        help="write the golden explanations that are missing, were made for another question, or no longer pass",
    )
    group.addoption(
        "--explain-results",
        default=None,
        metavar="FOLDER",
        help="where pictures of changed explanations are written; by default .explain-results in the root folder",
    )
    parser.addini(
        "explain_pictures",
        "whether a picture is written beside every golden explanation",
        type="bool",
        default=True,
    )


class ExplainGolden:
    """Checks the explanations of one test against golden files; the value of the fixture `explain_golden`."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._node, self._config = request.node, request.config
        self._used: set[Path] = set()

    def check(
        self,
        model: Any,
        x: Any,
        method: str = "integrated_gradients",
        *,
        name: str | None = None,
        max_error: float | None = None,
        rank_correlation: float | None = None,
        top_overlap: float | None = None,
        **options: Any,
    ) -> Figures:
        """Check an explanation against its golden, ``explanations/<test>.npz`` beside the test's file.

        Parameters
        ----------
        model, x, method, **options
            As for `explain.attribute`.
        name : str, optional
            Name of the golden, by default the name of the test: for a second check in one test, and for tests that
            share a golden, such as the tests of a model and its port.
        max_error : float, optional
            The largest allowed difference of a value, as a share of the golden's largest value in that example; 0.02.
        rank_correlation : float, optional
            The smallest allowed rank correlation; 0.99.
        top_overlap : float, optional
            The smallest allowed overlap: the share of positions that are in the top tenth by size of both; 0.95.

        Returns
        -------
        Figures
            How far each example is from its golden.

        Raises
        ------
        explain.errors.ExplanationChangedError
            If the explanation has changed; the message has the figures, the pictures, and how to accept the change.
        explain.errors.GoldenError
            If there is no golden, or it was made with other inputs or options.
        """
        __tracebackhide__ = True
        from explain.goldens.question import explain_again

        return self._check(
            lambda before: explain_again(model, x, method, options, before),
            name,
            max_error=max_error,
            rank_correlation=rank_correlation,
            top_overlap=top_overlap,
        )

    def check_attribution(
        self,
        attribution: Attribution,
        *,
        name: str | None = None,
        max_error: float | None = None,
        rank_correlation: float | None = None,
        top_overlap: float | None = None,
    ) -> Figures:
        """Check an attribution against its golden.

        Prefer `check` for an integral that chooses its own steps: it repeats the steps of the golden.

        Parameters
        ----------
        attribution : Attribution
            The result of `explain.attribute`.
        name, max_error, rank_correlation, top_overlap
            As for `check`.

        Returns
        -------
        Figures
            As for `check`.

        Raises
        ------
        explain.errors.ExplanationChangedError, explain.errors.GoldenError
            As for `check`.
        """
        __tracebackhide__ = True
        from explain.goldens.question import as_explanation

        stated = {"max_error": max_error, "rank_correlation": rank_correlation, "top_overlap": top_overlap}
        return self._check(lambda before: as_explanation(attribution), name, **stated)

    def evaluate(
        self,
        model: Any,
        x: Any,
        method: str = "integrated_gradients",
        *,
        metrics: Any = None,
        masks: Any = None,
        **options: Any,
    ) -> Evaluation:
        """Explain, and measure how far the explanation can be believed, to hold it to bounds.

        ``assert explain_golden.evaluate(model, x, metrics="deletion").deletion < 0.3`` shows the worst example and
        writes its picture when it fails.

        Parameters
        ----------
        model, x, method, **options
            As for `explain.attribute`.
        metrics, masks
            As for `explain.evaluate`.

        Returns
        -------
        Evaluation
            Its means are numbers, ``evaluation.deletion``.

        Raises
        ------
        explain.errors.ExplainError
            As `explain.attribute` and `explain.evaluate` do.
        """
        __tracebackhide__ = True
        from explain.api import attribute
        from explain.metrics.evaluating import evaluate

        known = ("target", "forward_kwargs", "tokenizer", "output", "framework")
        again = {name: value for name, value in options.items() if name in known}
        if not callable(again.get("target")):
            again.pop("target", None)
        found = attribute(model, x, method, **options)
        return evaluate(
            model, found, metrics, masks=masks, seed=options.get("seed", 0), progress=False, **again
        )

    def _check(
        self,
        explain: Callable[[Golden | None], Explanation],
        name: str | None,
        **stated: float | None,
    ) -> Figures:
        """Check an explanation against its golden, or write a new golden.

        `explain` makes the explanation: from the golden if there is one, to repeat its targets and steps.
        """
        # pytest shows the user's own line and the message, not these frames.
        __tracebackhide__ = True
        from explain.errors import ExplanationChangedError, GoldenError
        from explain.goldens.check import check_against
        from explain.goldens.figures import Tolerances
        from explain.goldens.file import read_golden
        from explain.goldens.pictures import write_picture

        tolerances = Tolerances(**{key: value for key, value in stated.items() if value is not None})
        path = self._path(name)
        accept = f'pytest --explain-update "{self._node.nodeid}"'
        update = bool(self._config.getoption("explain_update"))
        if not path.exists() and not update:
            raise GoldenError(
                f"There is no golden explanation {path}. If the explanation is right as it is now, write it with: "
                f"{accept}"
            )
        before = None
        if path.exists():
            try:
                before = read_golden(path)
            except GoldenError:
                if not update:
                    raise
        other = self._writer(path) if update else None
        if other is not None and name is None:
            raise GoldenError(self._shared(path, other))
        explanation = explain(before)
        results = self._results / path.stem
        if not update:
            return check_against(path, explanation, tolerances, accept, results)
        if before is not None:
            try:
                # A golden that still passes stays the same, byte for byte.
                return check_against(path, explanation, tolerances, accept, None)
            except (GoldenError, ExplanationChangedError) as cause:
                if other is not None:
                    raise GoldenError(self._shared(path, other)) from cause
                # A new golden chooses its own steps and explains the class that is predicted now.
                explanation = explain(None)
        if self._config.getini("explain_pictures"):
            write_picture(path.with_suffix(".png"), explanation.attribution)
        explanation.golden.write(path)
        self._config.stash[_WRITERS][path] = self._node.nodeid
        self._node.user_properties.append((_UPDATED, str(path)))
        return check_against(path, explanation, tolerances, accept, None)

    def _writer(self, path: Path) -> str | None:
        """Name the other test that wrote a golden in this run; None if none did."""
        writers = self._config.stash[_WRITERS]
        if path in writers:
            return None if writers[path] == self._node.nodeid else f"by {writers[path]}"
        # With several processes, each knows its own tests only.
        is_new = path.exists() and path.stat().st_mtime >= self._config.stash[_BEGAN]
        return "by another test" if is_new else None

    def _shared(self, path: Path, other: str) -> str:
        return (
            f"The golden {path.stem!r} was already written in this run, {other}, and {self._node.nodeid} has another "
            f"explanation in the same file: give each a name of its own, for example name='{path.stem}-2'. Where two "
            f"tests should share one golden, give both name={path.stem!r}."
        )

    @property
    def _results(self) -> Path:
        return _results_of(self._config)

    def _path(self, name: str | None) -> Path:
        """Give the file of a golden; a test may use each only once."""
        __tracebackhide__ = True
        from explain.errors import GoldenError

        stem = _file_name(self._node.name if name is None else name)
        path: Path = self._node.path.parent / "explanations" / f"{stem}.npz"
        if path in self._used:
            raise GoldenError(
                f"The golden {stem!r} was already checked in this test: give each further check a name=, for example "
                "name='cat'."
            )
        self._used.add(path)
        return path


def _results_of(config: pytest.Config) -> Path:
    stated = config.getoption("explain_results")
    return Path(stated).absolute() if stated else config.rootpath / ".explain-results"


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.=+-]+", "-", text).strip("-")


def pytest_assertrepr_compare(
    config: pytest.Config, op: str, left: object, right: object
) -> list[str] | None:
    """Say of a metric that misses its bound which example is worst, and draw it."""
    # A test that compares one has imported it.
    module = sys.modules.get("explain.metrics.results.measurement")
    if module is None or not isinstance(left, module.Aggregate):
        return None
    from explain.goldens.bounds import explained_failure

    # "path::test (call)", set by pytest while a test runs.
    test = os.environ.get("PYTEST_CURRENT_TEST", "test").rpartition("::")[2].rpartition(" ")[0]
    return explained_failure(op, left, right, _results_of(config) / _file_name(test))


@pytest.fixture
def explain_golden(request: pytest.FixtureRequest) -> ExplainGolden:
    """Check explanations against golden files: ``explain_golden.check(model, x, method="ig", target=3)``."""
    return ExplainGolden(request)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List the golden explanations that any worker wrote."""
    written = sorted(
        {
            value
            for reports in terminalreporter.stats.values()
            for report in reports
            for key, value in getattr(report, "user_properties", ())
            if key == _UPDATED
        }
    )
    if written:
        terminalreporter.section("golden explanations written: look at their pictures before you commit them")
        for one in written:
            terminalreporter.write_line(one)
