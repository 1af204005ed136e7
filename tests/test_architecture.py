"""The architecture, held by tests: what the contracts of import-linter in pyproject.toml do not say."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import textwrap
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from models import numpy_backend

import explain
from explain.tf_ext.backend import TensorFlowBackend
from explain.torch_ext.backend import TorchBackend

ROOT = Path(explain.__file__).parent
REPOSITORY = Path(__file__).parents[1]

# Public functions of today and of soon: a folder or module of that name in explain would hide the function.
FUNCTIONS_TO_COME = {
    "explore",
    "layers",
    "load_model",
    "methods",
    "run",
    "slices",
}

# Public names that are meant to be folders or modules.
PUBLIC_MODULES = {"callbacks", "errors", "metrics", "migration", "preprocessing", "render", "reports", "zoo"}

# What imports a module by a name that import-linter does not see, and what it imports so.
IMPORTS_BY_NAME = {
    "lazy_names": "The tables of `__init__` files: public names that are imported at their first use.",
    "backends.discovery": "The entry points of all extensions that are installed.",
    "backends.lazy_extension": "An extension's own parts, and its framework.",
    "zoo.extensions": "The part of an extension that builds seed models.",
    "models.factories": "A user's own function that builds a model.",
    "command_line.ground_truth": "Whether PyTorch is installed, for the framework of the page's networks.",
}

# What holds the name of a module as text, and what for.
NAMES_A_MODULE = {
    "": "The table of public names.",
    "callbacks": "The table of public names.",
    "goldens.pytest_plugin": "The class of a metric's mean, which a test that holds one to a bound has imported.",
    "metrics": "The table of public names.",
    "preprocessing": "The table of public names.",
    "render": "The table of what is drawn.",
    "reports": "The table of public names.",
    "running": "Its own contract suite.",
    "backends.discovery": "The group of entry points has the package's name.",
    "torch_ext.extension": "Its own folder, for `LazyExtension`.",
    "tf_ext.extension": "Its own folder, for `LazyExtension`.",
    "jax_ext.extension": "Its own folder, for `LazyExtension`.",
    "zoo.extensions": "The two extensions.",
    "zoo.sample_inputs": "Its own folder, for the data files in it.",
    "zoo.weight_files": "Its own folder, for the data files in it.",
}

# What a backend of somebody else's may import.
PATHS_OF_A_BACKEND = {"explain.backends", "explain.running", "explain.errors"}


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


@cache
def tree_of(path):
    return ast.parse(path.read_text())


def imports_of(path):
    """Full names of the modules that a file imports from, wherever in it."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield node.module


def test_the_contracts_of_import_linter_hold():
    ran = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "name", [name for name in MODULES if "." in name or MODULES[name].stem != "__init__"]
)
def test_no_module_imports_a_folder_that_it_is_in(name):
    # A circle through an __init__ file, which no contract finds. What stands above the public names may use them.
    parts = ["explain", *name.split(".")]
    folders = {".".join(parts[:count]) for count in range(1, len(parts))}
    if name.startswith(("command_line.", "gallery.")):
        folders.remove("explain")
    for node in ast.walk(tree_of(MODULES[name])):
        if isinstance(node, ast.Import):
            assert not folders & {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module in folders:
            for alias in node.names:
                module = f"{node.module}.{alias.name}".removeprefix("explain.")
                assert module in MODULES, f"{name} imports {alias.name} from {node.module}, which it is in"


def test_what_import_linter_does_not_see_was_reviewed():
    by_name = {"import_module", "__import__", "find_spec", "entry_points"}
    importing = {name for name, path in MODULES.items() if by_name & set(_called(path))}
    assert importing == set(IMPORTS_BY_NAME)
    modules = {f"explain.{name}" for name in MODULES if name}
    naming = {name for name, path in MODULES.items() if modules & set(_texts(path))}
    assert naming == set(NAMES_A_MODULE)


def _called(path):
    """Names of the functions that a file calls."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
            yield node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id


def _texts(path):
    """Strings in a file, of ``module:function`` the module."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.partition(":")[0]


def test_no_folder_or_module_hides_a_public_function():
    for found in pkgutil.walk_packages(explain.__path__, "explain."):
        importlib.import_module(found.name)
    directly_in_explain = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir()}
    functions = set(explain.__all__) - PUBLIC_MODULES | FUNCTIONS_TO_COME
    assert not directly_in_explain & functions
    # Importing a submodule sets an attribute of the package: each public name is still what it promises.
    for name in explain.__all__:
        promised = getattr(explain, name)
        if name in PUBLIC_MODULES:
            assert promised is sys.modules[f"explain.{name}"]
        else:
            assert callable(promised)
            assert promised.__name__ == name


def test_folders_are_small():
    counts = Counter(path.parent for path in MODULES.values() if path.stem != "__init__")
    for folder, count in counts.items():
        assert count <= 15, f"{folder.relative_to(ROOT)} has {count} files: is it two things?"


@pytest.mark.parametrize("name", [name for name in MODULES if "." in name])
def test_no_file_repeats_the_name_of_its_folder(name):
    *_, folder, file = name.split(".")
    assert file != folder
    assert not file.startswith(f"{folder}_")


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_short(name):
    lines = len(MODULES[name].read_text().splitlines())
    assert lines <= 400, f"{name} has {lines} lines: is it two things?"


@pytest.mark.parametrize(
    "path",
    [Path(numpy_backend.__file__), *sorted((ROOT / "numpy_ext").glob("*.py"))],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_a_backend_of_somebody_else_needs_three_paths_alone(path):
    # The backend of the contract's tests, and numpy_ext, which is written as one would be.
    for module in imports_of(path):
        if module.split(".")[0] == "explain" and not module.startswith("explain.numpy_ext"):
            assert module in PATHS_OF_A_BACKEND


def test_what_a_backend_imports_loads_neither_pytest_nor_the_contract():
    code = """
        import sys
        import explain.backends, explain.errors, explain.running
        loaded = {"pytest", "explain.running.backend_contract", "torch", "tensorflow", "keras"} & set(sys.modules)
        assert not loaded, loaded
        assert explain.running.BackendContract.__module__ == "explain.running.backend_contract"
        for package in (explain.backends, explain.running):
            for name in package.__all__:
                assert hasattr(package, name), name
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def test_the_page_of_the_architecture_is_short_and_names_every_folder():
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert len(page.splitlines()) <= 150
    lines = re.findall(r"^\| (\d+) \| (`.*?`) \|", page, re.MULTILINE)
    on_page = [(int(floor), folder) for floor, folders in lines for folder in re.findall(r"`(\w+)`", folders)]
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (contract["layers"] for contract in settings["contracts"] if contract["id"] == "floors")
    in_contract = [
        (floor, folder) for floor, line in enumerate(reversed(layers), 1) for folder in line.split(" | ")
    ]
    assert sorted(on_page) == sorted(in_contract)
    # import-linter sees no folder without Python files, so the folders themselves are compared too.
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders <= {folder for _, folder in on_page}


def test_every_method_is_there_in_both_frameworks_and_in_the_docs():
    docs = REPOSITORY / "docs"
    pages = (docs / "conventions.md", *(docs / "conventions").glob("*.md"))
    conventions = "\n".join(page.read_text() for page in pages)
    for row in explain.methods():
        assert callable(row.function())
        assert row.function().__doc__
        for backend in (TorchBackend, TensorFlowBackend):
            assert row.needs <= backend.provides, f"{backend.name} lacks what {row.name} needs"
        assert f"`{row.name}`" in conventions
        for option in row.options:
            assert f"`{option.name}" in conventions, f"{row.name}'s {option.name} is not in docs/conventions"


def test_every_dependency_is_accounted_for():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    account = (REPOSITORY / "docs" / "dependencies.md").read_text()
    listed = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    for requirement in listed:
        name = requirement.split("[")[0].split(">")[0]
        assert name == "explain-toolkit" or name in account, f"{name} is not in docs/dependencies.md"
