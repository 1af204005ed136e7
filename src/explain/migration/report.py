"""The report of a migration check: plain data, with a verdict, the first divergence and its likely cause."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from explain.errors import MigrationError
from explain.files.atomic_write import replace_file
from explain.files.json_text import read_json
from explain.inputs.display import shortened
from explain.public_calls.callers_line import at_callers_line
from explain.results.shown import Shown

if TYPE_CHECKING:
    from explain.results.attribution import Attribution

Stage = Literal["outputs", "classes", "layers", "attributions"]
STAGES: tuple[Stage, ...] = get_args(Stage)

FILE_FORMAT = 1


@dataclass(frozen=True)
class Tolerances:
    """The greatest differences of two models that pass.

    Parameters
    ----------
    outputs : float
        Greatest relative L2 of the outputs of all examples, ``‖a − b‖ / max(‖a‖, ‖b‖)``.
    classes : float
        Greatest share of examples whose predicted class differs and is not tied.
    layers : float
        Greatest relative L2 of the outputs of a layer.
    attributions : float
        Greatest median over the examples of the relative L2 of two maps.
    """

    outputs: float = 1e-4
    classes: float = 0.0
    layers: float = 1e-4
    attributions: float = 0.02


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    stage : {"outputs", "classes", "layers", "attributions"}
        What was compared.
    a, b : str
        The two names: of layers, or twice the name of a method; empty for a single output and its classes.
    error : float, optional
        The difference of the two, in the measure of the stage's tolerance; None if they could not be compared.
    tolerance : float
        The greatest difference that passes.
    passed : bool, optional
        None if they could not be compared, or if the next layers compensate the difference, which is no failure.
    note : str
        A remark, for example why they could not be compared.
    figures : Mapping of str to float
        Further figures by name: ``"greatest difference"``, ``"rank correlation"``, ``"top 10 %"``…; an undefined figure
        is None.
    """

    stage: Stage
    a: str
    b: str
    error: float | None
    tolerance: float
    passed: bool | None
    note: str = ""
    figures: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Divergence:
    """The first place at which two models differ.

    Attributes
    ----------
    layer_a, layer_b : str
        The layer of either model; ``"input"`` if they differ before the first layer, ``"output"`` if after the last.
    error : float
        Relative L2 of their outputs; infinite if the shapes differ.
    before : float, optional
        Relative L2 of their inputs; None if they cannot be compared.
    """

    layer_a: str
    layer_b: str
    error: float
    before: float | None = None


@dataclass(frozen=True)
class MigrationReport(Shown):
    """Whether two models return the same outputs, from the same layer outputs, with the same attributions.

    Attributes
    ----------
    model_a, model_b : str
        Class and framework of the two models.
    passed : bool
        Whether every row passed.
    first_divergence : Divergence, optional
        The first place at which they differ; None if they do not.
    cause : str, optional
        The likely cause, one of `explain.migration.CAUSES`; None if they do not differ.
    evidence : str
        The findings that indicate the cause, with figures.
    remedy : str
        How to fix it.
    rows : tuple of Row
        Every comparison, in the order outputs, classes, layers, attributions.
    count : int
        The number of examples that were compared.
    tolerances : Tolerances
        The tolerances of the comparisons.
    notes : tuple of str
        Remarks that are no failure, for example that only one of the models ends in a softmax.
    versions : Mapping of str to str
        Versions of the frameworks and of explain.
    attributions : Mapping of str to (Attribution, Attribution)
        The maps of both models by method, for the page; not written to JSON.
    """

    model_a: str
    model_b: str
    passed: bool
    first_divergence: Divergence | None
    cause: str | None
    evidence: str
    remedy: str
    rows: tuple[Row, ...]
    count: int
    tolerances: Tolerances = field(default_factory=Tolerances)
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    attributions: Mapping[str, tuple[Attribution, Attribution]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def of_stage(self, stage: Stage) -> tuple[Row, ...]:
        """Give the rows of one stage."""
        return tuple(row for row in self.rows if row.stage == stage)

    def __repr__(self) -> str:
        """Name the models and the verdict; `str` writes every row as a table."""
        first = self.first_divergence
        where = "" if first is None else f", first_divergence={shortened((first.layer_a, first.layer_b))}"
        cause = f", cause={shortened(self.cause)}" if self.cause else ""
        models = f"{shortened(self.model_a)}, {shortened(self.model_b)}, passed={self.passed}"
        return f"MigrationReport({models}{where}{cause}, rows={len(self.rows)}, count={self.count})"

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """Give the verdict, the cause and the rows that differ as a notebook shows them; `to_html` writes the page."""
        from explain.migration.presentation.notebook import report_bundle

        return report_bundle(self, include, exclude)

    def __str__(self) -> str:
        """Write the verdict and every row as a table for a terminal."""
        from explain.migration.presentation.table import as_text

        return as_text(self)

    def to_json(self) -> dict[str, Any]:
        """Give everything but the maps as data for JSON."""
        plain = {name: value for name, value in vars(self).items() if name != "attributions"}
        plain |= {
            "format": FILE_FORMAT,
            "tolerances": asdict(self.tolerances),
            "first_divergence": None if self.first_divergence is None else asdict(self.first_divergence),
            "rows": [asdict(row) for row in self.rows],
            "notes": list(self.notes),
            "versions": dict(self.versions),
        }
        written: dict[str, Any] = _without_infinities(plain)
        return written

    def save(self, path: str | Path) -> Path:
        """Write the report to a JSON file, whole or not at all."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        replace_file(path, text.encode())
        return path

    def to_html(self, path: str | Path) -> Path:
        """Write an HTML page that needs no other file: the verdict, every row, and the maps in pairs."""
        from explain.migration.presentation.page import as_html

        path = Path(path)
        page = as_html(self).encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, page)
        return path


@at_callers_line
def load_report(path: str | Path) -> MigrationReport:
    """Read a report that `MigrationReport.save` wrote; its maps were not saved.

    Raises
    ------
    MigrationError
        If the file is not such a report.
    """
    try:
        plain = read_json(Path(path).read_text(encoding="utf-8"))
        if plain.pop("format") != FILE_FORMAT:
            raise ValueError("it has another format")
        first = plain.pop("first_divergence")
        return MigrationReport(
            tolerances=Tolerances(**_with_infinities(plain.pop("tolerances"))),
            first_divergence=None
            if first is None
            else Divergence(**_with_infinities(first, "error", "before")),
            rows=tuple(_row(row) for row in plain.pop("rows")),
            notes=tuple(plain.pop("notes")),
            **plain,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise MigrationError(
            f"{path} is no migration report that can be read ({cause}): write one with MigrationReport.save."
        ) from cause


def _row(plain: dict[str, Any]) -> Row:
    if plain["stage"] not in STAGES:
        raise ValueError(f"no row is of the stage {plain['stage']!r}")
    numbers = _with_infinities(plain, "error", "tolerance")
    return Row(**{**numbers, "figures": _with_infinities(plain["figures"])})


def _without_infinities(value: Any) -> Any:
    """Convert numbers that JSON does not support (infinite, NaN) to strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _without_infinities(one) for name, one in value.items()}
    return [_without_infinities(one) for one in value] if isinstance(value, (list, tuple)) else value


def _with_infinities(plain: dict[str, Any], *numbers: str) -> dict[str, Any]:
    """Convert such strings to numbers, in the given fields or in all; a layer may have the name ``nan``."""
    return {
        name: float(value) if name in (numbers or plain) and value is not None else value
        for name, value in plain.items()
    }
