"""Public names of a package that are imported at their first use, so that importing the package stays cheap."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def importer(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Give the `__getattr__` of a package's `__init__` module.

    Parameters
    ----------
    package : str
        Name of the package.
    homes : Mapping of str to str
        For each public name, the module that defines it, or the module that the name itself refers to. All of
        them are in the package's `__all__`.

    Examples
    --------
    >>> importer("explain", {"zoo": "explain.zoo"})("layer")
    Traceback (most recent call last):
    AttributeError: module 'explain' has no attribute 'layer'; it has Attribution, ...
    """

    def imported(name: str) -> Any:
        if name not in homes:
            public = ", ".join(sys.modules[package].__all__)
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {public}")
        module = importlib.import_module(homes[name])
        value = module if module.__name__ == f"{package}.{name}" else getattr(module, name)
        # Python calls `__getattr__` for a name only while the package lacks it.
        setattr(sys.modules[package], name, value)
        return value

    return imported
