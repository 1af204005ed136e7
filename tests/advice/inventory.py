"""Every message of the sources that refuses or warns, read from their syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import explain
import explain.errors

ROOT = Path(explain.__file__).parent
# What runs in `attribute`, `maximize`, `check_migration`, `port`, and when a model is opened.
FOLDERS = (
    "algorithms",
    "backends",
    "explanation",
    "inputs",
    "keras",
    "migration",
    "numpy_ext",
    "parameters",
    "running",
    "tf_ext",
    "torch_ext",
)
# The suite that other packages run on their own backend, and the seed models.
NOT_OF_A_CALL = ("running/backend_contract.py", "tf_ext/zoo/", "torch_ext/zoo/")

CLASSES = {name for name, value in vars(explain.errors).items() if isinstance(value, type)} | {"Complaint"}


@dataclass(frozen=True)
class Site:
    """A place that makes an error or a warning.

    Parameters
    ----------
    where : str
        File and line.
    kind : str
        The class.
    pieces : frozenset of str
        The literal parts of its message, between formatted values.
    """

    where: str
    kind: str
    pieces: frozenset[str]

    @property
    def file(self) -> str:
        return self.where.partition(":")[0]

    def has(self, words: str) -> bool:
        return any(words in piece for piece in self.pieces)


def sites() -> list[Site]:
    """Give every place of the sources that makes an error or a warning of `explain.errors`."""
    trees: dict[str, ast.Module] = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.split("/")[0] in FOLDERS and not name.startswith(NOT_OF_A_CALL):
            trees[name] = ast.parse(path.read_text())
    functions: dict[str, list[ast.AST]] = {}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                functions.setdefault(node.name, []).append(node)
    return [site for name, tree in trees.items() for site in _sites_of(name, tree, functions)]


def _sites_of(name: str, tree: ast.Module, functions: dict[str, list[ast.AST]]) -> Iterator[Site]:
    scopes: dict[ast.AST, ast.AST] = {}
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.Module)):
            # Inner functions come later and win.
            scopes.update(dict.fromkeys(ast.walk(function), function))
    for node in ast.walk(tree):
        kind, message = _made_by(node)
        if kind is not None:
            texts = _Texts(scopes[node], tree, functions)
            pieces = frozenset(piece for one in message for piece in texts.of(one))
            yield Site(f"{name}:{node.lineno}", kind, pieces)


def _made_by(node: ast.AST) -> tuple[str | None, list[ast.expr]]:
    """Give the class that a node makes an error or a warning of, and the expressions of its message."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES:
        return node.func.id, [*node.args, *(one.value for one in node.keywords)]
    if isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.elts[1], ast.Name):
        category = node.elts[1].id
        if category in CLASSES and category.endswith("Warning"):
            return category, [node.elts[0]]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "warn":
        named = [one.id for one in node.args[1:] if isinstance(one, ast.Name) and one.id in CLASSES]
        if named:
            return named[0], node.args[:1]
    return None, []


@dataclass
class _Texts:
    """The literal parts of an expression, through the names and functions that it uses."""

    scope: ast.AST
    tree: ast.Module
    functions: dict[str, list[ast.AST]]

    def of(self, node: ast.AST, depth: int = 3) -> set[str]:
        found = _literals(node)
        if depth == 0:
            return found
        for one in ast.walk(node):
            if isinstance(one, ast.Name):
                for value in self._assigned(one.id):
                    found |= self.of(value, depth - 1)
            if isinstance(one, ast.Call):
                called = one.func.id if isinstance(one.func, ast.Name) else getattr(one.func, "attr", "")
                # A method of a common name, such as `join`, is not ours.
                for function in self.functions.get(called, [])[:1]:
                    found |= _Texts(function, self.tree, self.functions).of_body(function, depth - 1)
        return found

    def of_body(self, function: ast.AST, depth: int) -> set[str]:
        assert isinstance(function, ast.FunctionDef)
        found: set[str] = set()
        for statement in function.body:
            if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                found |= self.of(statement, depth)
        return found

    def _assigned(self, name: str) -> Iterator[ast.AST]:
        for scope in (self.scope, *self.tree.body):
            for node in ast.walk(scope):
                if isinstance(node, ast.Assign) and any(
                    isinstance(inner, ast.Name) and inner.id == name
                    for target in node.targets
                    for inner in ast.walk(target)
                ):
                    yield node.value


def _literals(node: ast.AST) -> set[str]:
    return {
        one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }
