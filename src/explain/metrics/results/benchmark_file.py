"""The file of a benchmark: an ``.npz`` archive of arrays and one JSON header, without pickle."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from explain.errors import EvaluationError
from explain.metrics.results.evaluation import Evaluation
from explain.metrics.results.evaluation_file import from_parts, refuse_unread, to_parts
from explain.results.npz.kind import FileKind
from explain.results.npz.reading import Arrays, read_archive
from explain.results.npz.writing import write_archive

Made = TypeVar("Made")

KIND = FileKind(
    format="explain-benchmark",
    version=1,
    noun="benchmark",
    written_by="Benchmark.save",
    error=EvaluationError,
    error_of_name=EvaluationError,
    remedy="Give a file that Benchmark.save wrote; Evaluation.load reads an evaluation. If the file was truncated in "
    "transfer, copy it again.",
    smaller="save a benchmark of fewer methods, metrics or examples",
    picture="benchmark.plot()",
)


def write(fields: Mapping[str, Any], path: str | os.PathLike[str] | IO[bytes]) -> Path:
    """Write a benchmark to a file, whole or not at all; the attributions of its evaluations are left out.

    Parameters
    ----------
    fields : Mapping
        The fields of an `explain.metrics.results.benchmark.Benchmark` by name.
    path : str or os.PathLike
        The name of the file; the suffix ``.npz`` is added if it has none.

    Returns
    -------
    pathlib.Path
        The file. The same fields give the same bytes.

    Raises
    ------
    EvaluationError
        If the name has another suffix, or is that of a folder.

    Examples
    --------
    >>> import tempfile
    >>> from explain.metrics.results.benchmark import Benchmark
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(vars(Benchmark({"saliency": Evaluation({})})), f"{folder}/b").name
    'b.npz'
    """
    methods, arrays = [], {}
    for place, (method, one) in enumerate(fields["evaluations"].items()):
        plain, own = to_parts(vars(one), f"{place}.")
        methods.append({"method": method, "evaluation": plain})
        arrays.update(own)
    header = {**fields, "evaluations": methods}
    return cast(Path, write_archive(KIND, path, header, arrays, in_order=True))


def read(path: str | os.PathLike[str] | IO[bytes], make: Callable[..., Made]) -> Made:
    """Read the fields that `write` wrote, and make a benchmark of them.

    Parameters
    ----------
    path : str or os.PathLike
        The file; its suffix may be left out.
    make : callable
        Takes the fields by name.

    Returns
    -------
    object
        What `make` gives.

    Raises
    ------
    EvaluationError
        If the file is no archive, is damaged, has other content or a newer format.
    MissingFileError
        If there is no such file.

    Examples
    --------
    >>> import tempfile
    >>> from explain.metrics.results.benchmark import Benchmark
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     read(write(vars(Benchmark({"saliency": Evaluation({})})), f"{folder}/b"), Benchmark)
    Benchmark(methods=['saliency'], metrics=[])
    """

    def made(header: dict[str, Any], arrays: Arrays) -> Made:
        evaluations = {}
        for place, entry in enumerate(header["evaluations"]):
            method = entry["method"]
            if not isinstance(method, str) or method in evaluations:
                raise ValueError(f"{method!r} is not the name of one more method")
            evaluations[method] = Evaluation(**from_parts(entry["evaluation"], arrays, f"{place}."))
        refuse_unread(arrays)
        counts = {len(one) for one in evaluations.values() if one.measurements}
        if len(counts) > 1:
            raise ValueError(f"the methods have {sorted(counts)} examples")
        for of_method in header["reasons"].values():
            if not all(isinstance(reason, str) for reason in of_method.values()):
                raise ValueError("the reasons are damaged")
        for of_method in header["passes"].values():
            if not all(isinstance(count, int | float) for count in of_method.values()):
                raise ValueError("the numbers of passes are damaged")
        if not isinstance(header["seed"], int) or header["seed"] < 0:
            raise ValueError(f"seed is {header['seed']!r}")
        return make(**{**header, "evaluations": evaluations})

    return read_archive(KIND, path, made)
