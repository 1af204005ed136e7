"""Lines of Python that make the call again that gave a result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from explain.explanation.again.arguments import arguments_of, missing_arguments
from explain.results.attribution import Attribution


def code_of(
    results: Mapping[str, Attribution], structure: str, model: Mapping[str, Any], file: str, place: int
) -> str:
    """Write lines of Python that repeat a call from the report beside them; they run in the report's folder.

    The model is loaded if the report says from where; else it is a name that the reader sets first.

    Parameters
    ----------
    results, structure
        As for `arguments_of`.
    model : Mapping
        What the report says of the model.
    file : str
        The name of the report's JSON.
    place : int
        Which of its results.
    """
    arguments = arguments_of(results, structure)
    missing = missing_arguments(results, structure)
    lines = ["import explain", ""]
    if model["source"]:
        factory = f", factory={model['factory']!r}" if model["factory"] else ""
        lines.append(f"model = explain.load_model({model['source']!r}{factory})")
    else:
        known = f" with the fingerprint {model['fingerprint']}" if model["fingerprint"] else ""
        lines.append(f"# Set model first: the {model['class']}{known}.")
    if missing:
        lines.append(
            f"# Set {' and '.join(missing)} first, as in the first call: the report does not have them."
        )
    lines.append(f"recorded = explain.reports.read({file!r}).results[{place}]")
    lines.append("again = explain.attribute(")
    lines.append("    model,")
    lines += [f"    {name}={one.code}," for name, one in arguments.items()]
    lines += [f"    {name}={name}," for name in missing]
    lines.append(")")
    if structure == "one":
        lines.append("print(explain.compare(recorded, again))")
    return "\n".join(lines)
