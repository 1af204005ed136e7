"""Imports the framework-specific modules of the zoo on first use."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from explain.errors import FrameworkNotInstalledError
from explain.zoo.layers import Framework

_PACKAGES: Mapping[Framework, str] = {"torch": "explain.torch_ext", "tensorflow": "explain.tf_ext"}
_NEEDS: Mapping[Framework, tuple[str, ...]] = {"torch": ("torch",), "tensorflow": ("tensorflow", "keras")}


def extension(framework: Framework, module: str) -> Any:
    """Import a module of a framework's extension.

    Parameters
    ----------
    framework : {"torch", "tensorflow"}
        The framework.
    module : {"seed_models", "weights", "training", "efficientnet"}
        The module in the extension's folder ``zoo``.

    Returns
    -------
    module
        For example `explain.torch_ext.zoo.seed_models`.

    Raises
    ------
    FrameworkNotInstalledError
        If the framework cannot be imported.
    """
    try:
        return importlib.import_module(f"{_PACKAGES[framework]}.zoo.{module}")
    except ImportError as cause:
        if (cause.name or "").split(".")[0] not in _NEEDS[framework]:
            raise
        raise FrameworkNotInstalledError(
            f'framework="{framework}" needs {" and ".join(_NEEDS[framework])}, which cannot be '
            f'imported ({cause}). Install it with: pip install "explain-toolkit[{framework}]"'
        ) from cause
