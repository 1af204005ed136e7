"""Sums of gradients along straight paths, which grow from call to call and stay where they are computed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from explain.backends.chunks import ChunkRunner
from explain.backends.protocol import Backend
from explain.inputs.examples import Array, Arrays, Examples
from explain.running.expansion import StraightPath, gradient_blocks

_Result = TypeVar("_Result")


class PrefixLostError(RuntimeError):
    """A run of the model bypassed the end of its affine prefix: form the sums anew, which then do without it."""


def with_or_without_prefix(compute: Callable[[], _Result]) -> _Result:
    """Run a computation that forms sums and adds to them; once more, if the prefix was lost on the way."""
    try:
        return compute()
    except PrefixLostError:
        return compute()


class PathSums(ABC):
    """Sums of the gradients of some examples along the straight paths to them.

    The product of each gradient with end − start, to which it adds up in a map, can be seen from a few directions as
    well. Random signs tell the size of a sum of such products, or of the difference of two, without the products
    themselves (Johnson & Lindenstrauss, "Extensions of Lipschitz mappings into a Hilbert space", 1984).
    """

    @abstractmethod
    def add(self, alphas: Array, weights: Array, becomes: npt.NDArray[np.intp] | None = None) -> Array:
        """Add the weighted gradients at more points of the paths.

        Parameters
        ----------
        alphas : numpy.ndarray
            The positions on the paths, from 0 at the start to 1 at the end, shape (K,), in the backend's dtype.
        weights : numpy.ndarray
            The weights of the gradients in each sum, shape (M, K).
        becomes : numpy.ndarray of int, optional
            For each sum so far, the sum that it is added to; None begins anew.

        Returns
        -------
        numpy.ndarray
            The sums of gradient × (end − start) × signs, over all inputs, shape (K, N, R).
        """

    @abstractmethod
    def combined(self, shares: Array, which: Array) -> Arrays:
        """Combine the sums of some examples, one array per input.

        Parameters
        ----------
        shares : numpy.ndarray
            The share of each sum, shape (S, M).
        which : numpy.ndarray of int
            The examples, shape (N',).

        Returns
        -------
        tuple of numpy.ndarray
            Shape (S, N', ...).
        """

    @abstractmethod
    def finish(self, shares: Array, which: Array) -> None:
        """Combine the sums of some examples once, with the shares of shape (M,), for `finished`."""

    @abstractmethod
    def finished(self) -> Arrays:
        """Give all combinations of `finish`, in their order, one array per input of shape (N', ...)."""

    @abstractmethod
    def keep(self, order: Array) -> None:
        """Go on with some of the examples in another order, shape (N',): as many as possible stay where they are."""


class OfExamples(PathSums):
    """Sums that have their examples at hand.

    Parameters
    ----------
    examples : Examples
        The ends of the paths, N examples.
    starts : tuple of numpy.ndarray
        Their starts, one array per input, shape (N, ...).
    signs : tuple of numpy.ndarray
        1 or −1, shape (R, ...), one array per input; R may be 0.
    """

    def __init__(self, examples: Examples, starts: Arrays, signs: Arrays) -> None:
        self._examples, self._starts, self._signs = examples, starts, signs
        self.n_directions = len(signs[0])
        # All examples, and which of them are left.
        self._every, self._left = examples, np.arange(len(examples))
        self._finished: list[tuple[Array, tuple[Any, ...]]] = []

    def __len__(self) -> int:
        """Give the number of examples."""
        return len(self._examples)

    def combined(self, shares: Array, which: Array) -> Arrays:
        """Combine the sums of some examples, one array per input of shape (S, N', ...)."""
        rows = self._examples.rows(np.tile(which, len(shares)))
        found = self.pulled(tuple(one.reshape(-1, *one.shape[2:]) for one in self.mixed(shares, which)), rows)
        return tuple(one.reshape(len(shares), len(which), *one.shape[1:]) for one in found)

    def finish(self, shares: Array, which: Array) -> None:
        """Combine the sums of some examples once, for `finished`."""
        mixed = self.mixed(shares[np.newaxis], which)
        self._finished.append((self._left[which], tuple(one[0] for one in mixed)))

    def finished(self) -> Arrays:
        """Give all combinations of `finish`, in their order."""
        rows, mixed = zip(*self._finished, strict=True)
        joined = tuple(map(self.joined, zip(*mixed, strict=True)))
        return self.pulled(joined, self._every.rows(np.concatenate(rows)))

    def keep(self, order: Array) -> None:
        """Go on with some of the examples in another order."""
        self._examples = self._examples.rows(order)
        self._starts = tuple(one[order] for one in self._starts)
        self._left = self._left[order]

    @abstractmethod
    def mixed(self, shares: Array, which: Array) -> tuple[Any, ...]:
        """Combine the sums of some examples where they are, shape (S, N', ...)."""

    @staticmethod
    @abstractmethod
    def joined(parts: Sequence[Any]) -> Any:
        """Put arrays of combinations behind one another."""

    @abstractmethod
    def pulled(self, mixed: tuple[Any, ...], examples: Examples) -> Arrays:
        """Give combinations of the sums, one for each of some examples, as gradients to the inputs."""


class OnHost(OfExamples):
    """Sums in host memory, each with one array per input of shape (N, ...)."""

    _sums: Sequence[Arrays] = ()

    def begun(
        self, n_sums: int, becomes: npt.NDArray[np.intp] | None, shapes: Sequence[tuple[int, ...]]
    ) -> list[Arrays]:
        """Give the sums as they are before gradients are added: of zeros, or of the sums so far, which they replace.

        Parameters
        ----------
        n_sums : int
            Their number, M.
        becomes : numpy.ndarray of int, optional
            See `add`.
        shapes : sequence of tuple of int
            The shape of a gradient of one example, for each input.
        """
        dtype = self._starts[0].dtype
        sums: list[Arrays | None] = [None] * n_sums
        for before, after in zip(self._sums, [] if becomes is None else becomes.tolist(), strict=False):
            there = sums[after]
            if there is None:
                sums[after] = before
                continue
            for total, part in zip(there, before, strict=True):
                total += part
        return [
            tuple(np.zeros((len(self), *shape), dtype) for shape in shapes) if there is None else there
            for there in sums
        ]

    def mixed(self, shares: Array, which: Array) -> Arrays:
        """Combine the sums of some examples, shape (S, N', ...)."""
        found = tuple(np.zeros((len(shares), len(which), *one.shape[1:]), one.dtype) for one in self._sums[0])
        for one, of_combinations in zip(self._sums, shares.T.tolist(), strict=True):
            for total, part in zip(found, one, strict=True):
                asked = part[which]
                for combination, share in zip(total, of_combinations, strict=True):
                    if share:
                        combination += share * asked
        return found

    @staticmethod
    def joined(parts: Sequence[Any]) -> Any:
        """Put arrays of combinations behind one another."""
        return np.concatenate(parts)

    def pulled(self, mixed: Arrays, examples: Examples) -> Arrays:
        """Give combinations of the sums as they are."""
        return mixed

    def keep(self, order: Array) -> None:
        """Go on with some of the examples in another order."""
        super().keep(order)
        self._sums = [tuple(part[order] for part in one) for one in self._sums]


class ExpandedSums(OnHost):
    """Sums in host memory, of the gradients that any backend gives.

    Parameters
    ----------
    backend : Backend
        The opened model.
    executor : ChunkRunner
        Cuts the work into chunks.
    in_rows : bool
        Whether every point of an example must be in the example's own row of the batch.
    """

    def __init__(
        self,
        backend: Backend,
        examples: Examples,
        starts: Arrays,
        signs: Arrays,
        executor: ChunkRunner,
        *,
        in_rows: bool = False,
    ) -> None:
        super().__init__(examples, starts, signs)
        self._backend, self._executor, self._in_rows = backend, executor, in_rows

    def add(self, alphas: Array, weights: Array, becomes: npt.NDArray[np.intp] | None = None) -> Array:
        """Add the weighted gradients at more points of the paths."""
        ends, starts = self._examples.inputs, self._starts
        sums = self.begun(len(weights), becomes, [end.shape[1:] for end in ends])
        products = np.zeros((len(alphas), len(self), self.n_directions))
        path = StraightPath(
            starts, tuple(end - start for end, start in zip(ends, starts, strict=True)), alphas
        )
        blocks = gradient_blocks(self._backend, self._examples, path, self._executor, in_rows=self._in_rows)
        for rows, points, gradients in blocks:
            for place, gradient in enumerate(gradients):
                flat = gradient.reshape(*gradient.shape[:2], -1)
                # Not as a product of matrices: see `explain.algorithms.path.integral.weighted_sum`.
                found = np.einsum("mk,nkd->mnd", weights[:, points], flat)
                for total, part in zip(sums, found, strict=True):
                    total[place][rows] += part.reshape(total[place][rows].shape)
                moved = path.differences[place][rows].reshape(len(flat), 1, -1)
                signs = self._signs[place].reshape(self.n_directions, flat.shape[-1])
                products[points, rows] += np.einsum("nkd,rd->knr", flat * moved, signs)
        self._sums = sums
        return products


class DeviceSums(OfExamples):
    """Sums on a device: those of the gradients at the end of the model's affine prefix, if it has one.

    The affine prefix maps a straight path to a straight path. So it is run at the two ends only, the gradients are
    taken and summed at its end, and a combination of the sums is pulled back through it once. A product of a gradient
    with a direction is the same on both sides of the prefix, if the direction is taken through it.

    Parameters
    ----------
    opened : object
        The extension's opened model.
    cut : object, optional
        The end of the model's affine prefix, None if it has none.
    """

    def __init__(
        self,
        opened: Any,
        cut: Any,
        examples: Examples,
        starts: Arrays,
        signs: Arrays,
        executor: ChunkRunner,
    ) -> None:
        super().__init__(examples, starts, signs)
        self._opened, self._cut, self._executor = opened, cut, executor
        self._begin()

    def _begin(self) -> None:
        """Take the paths to the cut; to the input, if there is none or if the paths are not straight there."""
        if self._cut is not None:
            try:
                straight = self._guarded(self.begin_at_cut)
            except PrefixLostError:
                straight = False
            if not straight:
                self._lose_cut()
        if self._cut is None:
            self.begin_at_input()

    def _lose_cut(self) -> None:
        """Go on without the cut, also in the sums that the model is opened for next."""
        self._cut = None
        self._opened.lost_cut = True

    def add(self, alphas: Array, weights: Array, becomes: npt.NDArray[np.intp] | None = None) -> Array:
        """Add the weighted gradients at more points of the paths."""
        return self._guarded(lambda: self.added(alphas, weights, becomes))

    def combined(self, shares: Array, which: Array) -> Arrays:
        """Combine the sums of some examples, one array per input of shape (S, N', ...)."""
        return self._guarded(lambda: super(DeviceSums, self).combined(shares, which))

    def finished(self) -> Arrays:
        """Give all combinations of `finish`, in their order."""
        return self._guarded(super().finished)

    def _guarded(self, attempt: Callable[[], _Result]) -> _Result:
        """Give the result of an attempt; raise `PrefixLostError` if it fails with a cut and memory is not the reason.

        If the cut is not the cause, the whole model fails with the same error.
        """
        if self._cut is None:
            return attempt()
        try:
            return attempt()
        except self.lost as error:
            if self._executor.ran_out(error):
                raise
            self._lose_cut()
            raise PrefixLostError from error

    lost: tuple[type[Exception], ...]
    """The errors that may say that a run of the model bypassed the cut."""

    @abstractmethod
    def begin_at_cut(self) -> bool:
        """Take the paths and the directions to the cut; False if the paths are not straight there."""

    @abstractmethod
    def begin_at_input(self) -> None:
        """Take the paths and the directions to the device, as they are."""

    @abstractmethod
    def added(self, alphas: Array, weights: Array, becomes: npt.NDArray[np.intp] | None) -> Array:
        """Add the weighted gradients, where the paths are; see `add`."""


class ArrangedSums(PathSums):
    """Sums of a model whose inputs are arranged in another way.

    Parameters
    ----------
    inner : PathSums
        The sums of the model itself.
    arranged : callable
        From combinations of them, one array per input of the model, to the outer arrangement.
    """

    def __init__(self, inner: PathSums, arranged: Callable[[Arrays], Arrays]) -> None:
        self._inner, self._arranged = inner, arranged

    def add(self, alphas: Array, weights: Array, becomes: npt.NDArray[np.intp] | None = None) -> Array:
        """Add the weighted gradients at more points of the paths."""
        return self._inner.add(alphas, weights, becomes)

    def combined(self, shares: Array, which: Array) -> Arrays:
        """Combine the sums of some examples."""
        return self._arranged(self._inner.combined(shares, which))

    def finish(self, shares: Array, which: Array) -> None:
        """Combine the sums of some examples once, for `finished`."""
        self._inner.finish(shares, which)

    def finished(self) -> Arrays:
        """Give all combinations of `finish`, in their order."""
        return self._arranged(self._inner.finished())

    def keep(self, order: Array) -> None:
        """Go on with some of the examples in another order."""
        self._inner.keep(order)
