"""A pytest plugin: the tests that run where only one framework is installed.

``make test-torch`` and ``make test-tensorflow`` load it. Left out are test files that import at their top what is not
installed, directly or through a file of the tests, and tests that ask for the other framework: by a fixture, by a
parameter, or in their own code. What is left must pass.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType

import pytest

TESTS = Path(__file__).parents[1]
REPOSITORY = TESTS.parent
# What files need besides what they import at their top.
FURTHER_NEEDS = {
    "algorithms/backward_rules/test_attn_lrp.py": ("transformers",),
    "algorithms/backward_rules/test_pools.py": ("torch", "tensorflow"),
    "algorithms/backward_rules/test_spellings.py": ("torch", "tensorflow"),
    "algorithms/surrogate/test_lime_and_kernel_shap.py": ("captum",),
    "inputs/readers/test_array_files.py": ("torch",),
    "metrics/robustness/test_seed_stability.py": ("torch",),
    "metrics/robustness/test_sensitivity.py": ("tensorflow",),
    "results/test_exports.py": ("pandas", "xarray"),
}
NAMES = {
    "torch": {"torch", "captum", "torch_kit"},
    "tensorflow": {"tensorflow", "tf", "keras", "tf_explain", "tensorflow_kit"},
}


@cache
def is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def imported_names(file: Path) -> Iterator[str]:
    """The full names of what a file imports outside its functions."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def lacks_a_package(file: Path) -> bool:
    """Whether a file imports, itself or through other files of the repository, what is not installed."""
    for name in imported_names(file):
        first, *rest = name.split(".")
        folder = next(
            (one for one in (TESTS, REPOSITORY) if {*one.glob(f"{first}.py"), *one.glob(first)}), None
        )
        if folder is not None:
            path = folder.joinpath(first, *rest)
            own = next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.exists()), file)
            if own != file and lacks_a_package(own):
                return True
        elif not is_installed(first):
            return True
        elif name.startswith(("explain.torch_ext", "explain.tf_ext")):
            framework = "torch" if name.startswith("explain.torch_ext") else "tensorflow"
            if not is_installed(framework):
                return True
    return False


def words_of(code: CodeType) -> Iterator[str]:
    """The names and whole strings in a function and in the functions within it."""
    yield from code.co_names
    yield from code.co_varnames[: code.co_argcount]
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, tuple):
            yield from (one for one in constant if isinstance(one, str))
        elif isinstance(constant, CodeType):
            yield from words_of(constant)


def asks_for(item: pytest.Item, names: set[str]) -> bool:
    """Whether a test asks for a framework by a fixture, a parameter or in its code."""
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    asked = {*getattr(item, "fixturenames", ()), *(one for one in parameters if isinstance(one, str))}
    function = getattr(item, "function", None)
    if function is not None:
        asked |= set(words_of(function.__code__))
    return bool(asked & names)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    file = collection_path / "conftest.py" if collection_path.is_dir() else collection_path
    if file.suffix != ".py" or not file.exists():
        return None
    further = FURTHER_NEEDS.get(file.relative_to(TESTS).as_posix(), ())
    return lacks_a_package(file) or not all(map(is_installed, further)) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = set().union(*(NAMES[name] for name in NAMES if not is_installed(name)))
    left_out = [item for item in items if asks_for(item, missing)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
