"""Data frames from CSV and Parquet files."""

from __future__ import annotations

import csv
import io
import warnings
from pathlib import Path
from typing import IO, Any

from explain.errors import InputError, PackageNotInstalledError
from explain.inputs.readers.limits import check_bytes
from explain.inputs.readers.text_lines import decoded

SUFFIXES = (".csv", ".tsv", ".parquet")
_SEPARATORS = (",", ";", "\t", "|")
_BYTES_OF_A_CELL = 8
# What `frame.attrs` calls the columns that pandas wrote as the names of the rows, and not as values.
ROW_NAMES = "row_names"


def read_csv(content: bytes, name: str) -> Any:
    """Read a data frame from text with a header, or with numbers alone.

    The separator is the one of ``, ; tab |`` that the first line has most of; after a semicolon, numbers may have a
    comma for their point.

    Parameters
    ----------
    content : bytes
        The file.
    name : str
        What messages call it.

    Returns
    -------
    pandas.DataFrame
        Without an index of its own; columns are numbered from 0 where there is no header.

    Raises
    ------
    InputError
        If it is no table, or two columns have one name.
    PackageNotInstalledError
        If pandas is not installed.

    Examples
    --------
    >>> read_csv(b"age,height\\n3,0.9\\n4,1.1\\n", "a.csv").to_numpy().tolist()
    [[3.0, 0.9], [4.0, 1.1]]
    """
    pandas = _pandas(name)
    text = decoded(content, name)
    first = next((line for line in text.split("\n") if line.strip()), "")
    separator = max(_SEPARATORS, key=lambda one: first.count(one))
    head = [cell.strip() for cell in next(csv.reader([first], delimiter=separator), [])]
    if not head:
        raise InputError(f"{name} is an empty table. Write a line of column names, then one line per row.")
    has_names = not all(map(_is_number, head))
    cells = len(head) * (text.count("\n") + 1)
    check_bytes(_BYTES_OF_A_CELL * cells, name, f"about {cells} cells")
    if has_names:
        _check_names(head, name)
    try:
        with warnings.catch_warnings():
            # What pandas says of a row that is longer than the first; it would cut it off.
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            frame = pandas.read_csv(
                io.StringIO(text),
                sep=separator,
                header=0 if has_names else None,
                names=head if has_names else None,
                index_col=False,
                decimal="," if separator == ";" and _has_decimal_commas(text) else ".",
                skipinitialspace=True,
            )
    except (ValueError, OverflowError, pandas.errors.ParserWarning) as cause:
        raise InputError(
            f"{name} is not a table ({cause}). Every line needs as many values as the first: {len(head)}, separated "
            f"by {separator!r}."
        ) from cause
    if frame.empty:
        raise InputError(f"{name} has column names and no rows. Give a table with at least one row.")
    # pandas writes the names of the rows under no name.
    frame.attrs[ROW_NAMES] = head[:1] if has_names and head[0] in ("", "Unnamed: 0") else []
    return frame


def read_parquet(source: Path | IO[bytes], name: str) -> Any:
    """Read a data frame from a Parquet file; see `read_csv`.

    Raises
    ------
    InputError
        If it is no such file, is damaged, or is too large.
    PackageNotInstalledError
        If pandas or pyarrow is not installed.
    """
    pandas = _pandas(name)
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as cause:
        raise PackageNotInstalledError(
            f'{name} needs pyarrow ({cause}). Run pip install "explain-toolkit[tables]".'
        ) from cause
    try:
        file = parquet.ParquetFile(source)
        rows, columns = file.metadata.num_rows, file.metadata.num_columns
        # Runs of one value take no space in the file: what counts is what they become.
        needed = max(
            _BYTES_OF_A_CELL * rows * columns,
            sum(file.metadata.row_group(one).total_byte_size for one in range(file.num_row_groups)),
        )
        check_bytes(needed, name, f"{rows} rows of {columns} columns")
        frame = file.read().to_pandas(ignore_metadata=True)
    except InputError:
        raise
    except (ArrowException, OSError, ValueError) as cause:
        raise InputError(
            f"{name} cannot be read as Parquet ({cause}). Write it with frame.to_parquet(path)."
        ) from cause
    if frame.empty or not isinstance(frame, pandas.DataFrame):
        raise InputError(f"{name} has no rows or no columns. Give a table with at least one row.")
    frame.columns = [str(column) for column in frame.columns]
    _check_names(list(frame.columns), name)
    written = (file.schema_arrow.pandas_metadata or {}).get("index_columns", [])
    frame.attrs[ROW_NAMES] = [one for one in written if one in list(frame.columns)]
    return frame


def _pandas(name: str) -> Any:
    try:
        import pandas
    except ImportError as cause:
        raise PackageNotInstalledError(
            f'{name} needs pandas ({cause}). Run pip install "explain-toolkit[tables]".'
        ) from cause
    return pandas


def _check_names(names: list[str], name: str) -> None:
    twice = next((one for one in names if names.count(one) > 1), None)
    if twice is not None:
        raise InputError(f"{name} has the column {twice!r} twice. Give every column a name of its own.")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    # A column may be called "nan" or "inf", and no value of a table is.
    return any(sign.isdigit() for sign in cell)


def _has_decimal_commas(text: str) -> bool:
    """Tell whether the first rows hold numbers such as 1,5 between semicolons."""
    cells = [cell.strip() for line in text.split("\n")[:50] for cell in line.split(";")]
    return any(
        cell.count(",") == 1 and "." not in cell and _is_number(cell.replace(",", ".")) for cell in cells
    )
