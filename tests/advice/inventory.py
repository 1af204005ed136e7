"""Every message of the sources that refuses or warns, read from their syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import explain
import explain.errors

ROOT = Path(explain.__file__).parent
# What runs in `attribute`, `maximize`, `check_migration`, `port`, when a model is opened, and of a result.
FOLDERS = (
    "algorithms",
    "backends",
    "callbacks",
    "explanation",
    "inputs",
    "jax_ext",
    "keras",
    "metrics",
    "migration",
    "numpy_ext",
    "parameters",
    "preprocessing",
    "public_calls",
    "reports",
    "results",
    "running",
    "tf_ext",
    "torch_ext",
)
# The suite that other packages run on their own backend, and the seed models.
NOT_OF_A_CALL = ("running/backend_contract.py", "tf_ext/zoo/", "torch_ext/zoo/")

# Messages that no call of a user raises, with the reason.
WITHOUT_A_CALL = {
    " needs lightning, which is not installed (": "An extra that is not installed; tests/callbacks hides it.",
    " needs Keras, which cannot be imported (": "A framework that is not installed; tests/test_imports.py hides it.",
    " needs soundfile (": "An extra that is not installed; tests/inputs/readers hides it.",
    " needs pandas (": "The same.",
    " needs pyarrow (": "The same.",
    " cannot be imported (": "A framework or an engine that is not installed; every kit has its own.",
    "The jax backend has no backward rules, so no rule ": "Methods with rules are refused when they are posed.",
    " is not a rule of integration: the rules are ": "The option of each method refuses the rule before.",
    " is a function of arrays, which has no gradients.": "A method that needs gradients is refused when it is posed.",
    "before: it cannot be used as an input.": "A layer that gives another shape for the same examples.",
    " of the source has none.": "The layers of a pair have the same tensors, but for those that have a neutral value.",
    ", and that of ": "The layers of a pair have the same shapes.",
    ", and was given ": "What a port writes has the names and shapes of the target; only an own caller writes others.",
    "not the examples, so the values of one example cannot be told. ": "The rows are observed before a layer is taken.",
    " and has no parameters of floating-point numbers: ": "A metric of random weights says it in words of its own.",
    " and has no trainable variables of floating-point numbers: ": "The same.",
    " of Keras 2 (tf_keras), whose layers are not read: ": "Not installed; tests/metrics has such a class.",
    " does not change the weights of its models: ": "Only another package lacks them; tests/metrics has one.",
    "projections of one shape, not ": "The layers of a pair have the same shapes.",
}

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


def literals() -> set[str]:
    """Give every text of the sources."""
    return {text for tree in _trees().values() for text in _literals(tree)}


def sites() -> list[Site]:
    """Give every place of the sources that makes an error or a warning of `explain.errors`."""
    trees = _trees()
    functions: dict[str, list[ast.AST]] = {}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                functions.setdefault(node.name, []).append(node)
    return [site for name, tree in trees.items() for site in _sites_of(name, tree, functions)]


@cache
def _trees() -> dict[str, ast.Module]:
    names = {path: path.relative_to(ROOT).as_posix() for path in sorted(ROOT.rglob("*.py"))}
    return {
        name: ast.parse(path.read_text())
        for path, name in names.items()
        if name.startswith(tuple(f"{folder}/" for folder in FOLDERS)) and not name.startswith(NOT_OF_A_CALL)
    }


def _sites_of(name: str, tree: ast.Module, functions: dict[str, list[ast.AST]]) -> Iterator[Site]:
    scopes = dict(_scoped(tree, tree))
    for node in ast.walk(tree):
        kind, message = _made_by(node)
        if kind is not None:
            texts = _Texts(scopes[node], tree, functions)
            pieces = frozenset(piece for one in message for piece in texts.of(one))
            if pieces and not any(letter.isalpha() for piece in pieces for letter in piece):
                # It passes on the text of another error.
                continue
            yield Site(f"{name}:{node.lineno}", kind, pieces)


def _scoped(node: ast.AST, scope: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Give every node below another, with the function that it is in."""
    for inner in ast.iter_child_nodes(node):
        yield inner, scope
        yield from _scoped(inner, inner if isinstance(inner, ast.FunctionDef) else scope)


def _made_by(node: ast.AST) -> tuple[str | None, list[ast.expr]]:
    """Give the class that a node makes an error or a warning of, and the expressions of its message."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES:
        return node.func.id, [*node.args, *(one.value for one in node.keywords)]
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
        # An error whose class is an argument.
        if node.exc.func.id == "error":
            return "error", node.exc.args
        return None, []
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
    """The literal parts of a message: of its expression, else of the names and functions that it uses."""

    scope: ast.AST
    tree: ast.Module
    functions: dict[str, list[ast.AST]]

    def of(self, node: ast.AST, depth: int = 4) -> set[str]:
        own = _literals(node)
        if depth == 0 or any(len(piece.split()) >= _WORDS_OF_A_MESSAGE for piece in own):
            return own
        for one in ast.walk(node):
            if isinstance(one, ast.Name):
                for value in self._assigned(one.id):
                    own |= self.of(value, depth - 1)
            if isinstance(one, ast.Call) and isinstance(one.func, (ast.Name, ast.Attribute)):
                called = one.func.id if isinstance(one.func, ast.Name) else one.func.attr
                for function in self.functions.get(called, []):
                    within = _Texts(function, self.tree, self.functions)
                    own |= {piece for part in _returned(function) for piece in within.of(part, depth - 1)}
        return own

    def _assigned(self, name: str) -> Iterator[ast.AST]:
        for node in ast.walk(self.scope):
            if isinstance(node, ast.Assign) and name in {
                inner.id
                for target in node.targets
                for inner in ast.walk(target)
                if isinstance(inner, ast.Name)
            }:
                yield node.value


# A shorter text is a part of a message, such as a plural.
_WORDS_OF_A_MESSAGE = 4


def _returned(function: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.value


def _literals(node: ast.AST) -> set[str]:
    return {
        one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }
