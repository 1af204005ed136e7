"""The operations of a trace, those of inner functions among them, and the trace run again with other results.

JAX writes a trace down as a list of equations. A call of a function that is traced on its own, such as a compiled
function or one with a gradient of its own, is one equation with a list inside.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, DropVar, Jaxpr, Literal, jaxpr_as_fun

from explain.backends.operations.score_graph import names

Path = tuple[int, ...]
"""The number of an equation, after those of the equations that it is inside of."""


@dataclass(frozen=True)
class Value:
    """A value of a trace.

    Parameters
    ----------
    path : tuple of int
        The path of the equation that made it, or a negative number for an input, a constant or a literal.
    number : int
        Its place among the results.
    shape, dtype : tuple of int, object
        Its shape and dtype.
    literal : number, optional
        Its value, if it is a number in the code.
    """

    path: Path
    number: int
    shape: tuple[int, ...] = field(compare=False)
    dtype: Any = field(compare=False)
    literal: Any = field(default=None, compare=False)

    @property
    def is_floating(self) -> bool:
        """Whether it holds floating-point numbers."""
        return bool(jnp.issubdtype(self.dtype, jnp.floating))

    @property
    def nbytes(self) -> int:
        """Its size in bytes; 0 for anything but floating-point numbers."""
        return prod(self.shape) * self.dtype.itemsize if self.is_floating else 0


@dataclass(frozen=True, eq=False)
class Operation:
    """An operation of a trace.

    Parameters
    ----------
    name : str
        The name of its kind.
    inputs, outputs : tuple of Value
        Its operands and its results.
    parameters : Mapping
        Its settings.
    callers : tuple of str
        The names of the functions inside of which it is, the outermost first.
    """

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    parameters: Mapping[str, Any]
    callers: tuple[str, ...] = ()


_INPUT, _CONSTANT, _LITERAL = -1, -2, -3
# Equations with lists inside that run more or less than once.
_LOOPS = names("scan while cond")


def inner_of(equation: Any) -> ClosedJaxpr | None:
    """Give the list inside an equation that calls a function once; None for any other equation."""
    if equation.primitive.name in _LOOPS:
        return None
    for value in equation.params.values():
        if isinstance(value, ClosedJaxpr):
            return value
        if isinstance(value, Jaxpr) and not value.constvars:
            return ClosedJaxpr(value, ())
    return None


class Graph:
    """The operations of a trace.

    Parameters
    ----------
    trace : ClosedJaxpr
        The trace.

    Attributes
    ----------
    operations : list of Operation
        In the order in which they run, those of called functions in place of the calls.
    inputs, outputs : list of Value
        The inputs and the results of the trace.
    calls : dict of Value to (str, tuple of Value)
        For each result of a called function, the name of the innermost function and what it was given.

    Examples
    --------
    >>> import jax
    >>> graph = Graph(jax.make_jaxpr(lambda x: jax.nn.relu(2 * x))(jnp.ones(3)))
    >>> [operation.name for operation in graph.operations]
    ['mul', 'max']
    """

    def __init__(self, trace: ClosedJaxpr) -> None:
        self.trace = trace
        self.operations: list[Operation] = []
        self.calls: dict[Value, tuple[str, tuple[Value, ...]]] = {}
        self._inner: dict[Value, Value] = {}
        self._literals = 0
        jaxpr = trace.jaxpr
        self.inputs = [_value((_INPUT,), place, one) for place, one in enumerate(jaxpr.invars)]
        known = dict(zip(jaxpr.invars, self.inputs, strict=True))
        self.outputs = self._flattened(jaxpr, known, (), ())
        self.made_by = {value: one for one in self.operations for value in one.outputs}

    def _flattened(
        self, jaxpr: Jaxpr, known: dict[Any, Value], path: Path, callers: tuple[str, ...]
    ) -> list[Value]:
        """Add the operations of a list; give its results."""
        constants = enumerate(jaxpr.constvars)
        known |= {one: _value((*path, _CONSTANT), place, one) for place, one in constants}
        for place, equation in enumerate(jaxpr.eqns):
            here = (*path, place)
            given = tuple(self._read(known, one) for one in equation.invars)
            own = [_value(here, number, one) for number, one in enumerate(equation.outvars)]
            inner = inner_of(equation)
            if inner is None:
                name = equation.primitive.name
                self.operations.append(Operation(name, given, tuple(own), equation.params, callers))
                results: Sequence[Value] = own
            else:
                name = str(equation.params.get("name") or inner.jaxpr.debug_info.func_name)
                variables = inner.jaxpr.invars
                arguments = dict(zip(variables, given[len(given) - len(variables) :], strict=True))
                results = self._flattened(inner.jaxpr, arguments, here, (*callers, name))
                self.calls = dict.fromkeys(results, (name, given)) | self.calls
                self._inner |= dict(zip(own, results, strict=True))
            known |= dict(zip(equation.outvars, results, strict=True))
        return [self._read(known, one) for one in jaxpr.outvars]

    def _read(self, known: Mapping[Any, Value], variable: Any) -> Value:
        if not isinstance(variable, Literal):
            return known[variable]
        self._literals += 1
        return _value((_LITERAL,), self._literals, variable)

    def dependent_on(self, sources: Container[Value], passes: Callable[[Operation], bool]) -> set[Value]:
        """Give the values that depend on some inputs through operations that pass a dependence on."""
        found = {one for one in self.inputs if one in sources}
        for operation in self.operations:
            if passes(operation) and any(one in found for one in operation.inputs):
                found.update(operation.outputs)
        return found

    def needed_for(self, result: Value, passes: Callable[[Operation], bool]) -> set[Value]:
        """Give the values that a result is computed from through operations that pass it on, and itself."""
        found, left = {result}, [result]
        while left:
            maker = self.made_by.get(left.pop())
            for one in () if maker is None or not passes(maker) else maker.inputs:
                if one not in found:
                    found.add(one)
                    left.append(one)
        return found

    def run_again(
        self, inputs: Sequence[Any], replaced: Mapping[Value, Callable[[Mapping[Value, Any]], Any]]
    ) -> Any:
        """Run the trace on its inputs, with other results of some operations; give its first result.

        Parameters
        ----------
        inputs : sequence of jax.Array
            As many as the trace has.
        replaced : Mapping of Value to callable
            For a value, a function of all values before it that gives what replaces it.
        """
        values = dict(zip(self.inputs, inputs, strict=True))
        opened = {one.path[:depth] for one in replaced for depth in range(1, len(one.path))}

        def run(own: ClosedJaxpr, given: Sequence[Any], path: Path) -> list[Any]:
            known: dict[Any, Any] = dict(zip(own.jaxpr.constvars, own.consts, strict=True))
            known |= zip(own.jaxpr.invars, given, strict=True)

            def read(variable: Any) -> Any:
                return variable.val if isinstance(variable, Literal) else known[variable]

            for place, equation in enumerate(own.jaxpr.eqns):
                here, arguments = (*path, place), [read(one) for one in equation.invars]
                inner = inner_of(equation) if here in opened else None
                if inner is None:
                    results = _run_alone(own, equation, arguments)
                else:
                    results = run(inner, arguments[len(arguments) - len(inner.jaxpr.invars) :], here)
                for number, variable in enumerate(equation.outvars):
                    made = _value(here, number, variable)
                    if made in replaced:
                        results[number] = replaced[made](values)
                    value: Value | None = made
                    while value is not None:
                        values[value] = results[number]
                        value = self._inner.get(value)
                    known[variable] = results[number]
            return [read(one) for one in own.jaxpr.outvars]

        return run(self.trace, inputs, ())[0]


def bodies_of(operation: Operation) -> Iterator[tuple[Graph, int]]:
    """Give the graphs inside a loop or a choice, and how often each runs as far as that is known."""
    if operation.name not in _LOOPS:
        return
    for value in operation.parameters.values():
        for one in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(one, ClosedJaxpr):
                yield Graph(one), int(operation.parameters.get("length", 1))


def _value(path: Path, number: int, variable: Any) -> Value:
    literal = variable.val if isinstance(variable, Literal) else None
    return Value(path, number, tuple(variable.aval.shape), variable.aval.dtype, literal)


def _run_alone(own: ClosedJaxpr, equation: Any, given: Sequence[Any]) -> list[Any]:
    """Run one equation of a list; None for a result that nothing reads."""
    variables = {
        one: value for one, value in zip(equation.invars, given, strict=True) if not isinstance(one, Literal)
    }
    results = [one for one in equation.outvars if not isinstance(one, DropVar)]
    alone = own.jaxpr.replace(constvars=(), invars=tuple(variables), outvars=results, eqns=[equation])
    made = iter(jaxpr_as_fun(ClosedJaxpr(alone, ()))(*variables.values()))
    return [None if isinstance(one, DropVar) else next(made) for one in equation.outvars]
