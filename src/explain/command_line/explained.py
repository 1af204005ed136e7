"""The call of `explain.attribute` that a command line asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explain.command_line.arguments.given import GivenInputs
    from explain.models.opening import OpenedModel


def explained(
    opened: OpenedModel,
    given: GivenInputs,
    method: str,
    *,
    target: list[str] | None,
    baseline: str | None,
    output: str | None,
    tokenizer: str | None,
    option: list[str] | None,
    quiet: bool,
    **arguments: Any,
) -> Any:
    """Explain inputs that were read, with the values of options as they were typed.

    Parameters
    ----------
    opened : OpenedModel
        The model.
    given : GivenInputs
        Its inputs.
    method, target, baseline, output, tokenizer, option, quiet
        The options of the command of these names.
    **arguments
        Options that `explain.attribute` takes as they are.

    Returns
    -------
    Attribution, or several in the structure of the inputs
        What `explain.attribute` gives.
    """
    from explain.api import attribute
    from explain.command_line.arguments.tokenizers import tokenizer_of
    from explain.command_line.arguments.values import baseline_of, options_of, target_of

    return attribute(
        opened.model,
        given.x,
        method=method,
        tokenizer=tokenizer_of(tokenizer),
        target=target_of(target or []),
        baseline=baseline_of(baseline),
        output=target_of([output] if output else []),
        layout=given.layout,
        lengths=given.lengths,
        display=given.display,
        progress=False if quiet else None,
        **arguments,
        **options_of(option or []),
    )
