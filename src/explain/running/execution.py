"""Runs any expansion of examples chunk by chunk, within a memory budget. Independent of methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, TypeVar, cast

import psutil

from explain.backends.chunks import Block, blocks, blocks_in_rows, even, row_chunks
from explain.backends.protocol import Backend
from explain.errors import ExplainError, MemoryBudgetError, OutOfMemoryError
from explain.inputs.examples import Examples
from explain.public_calls.passes import uncounted
from explain.public_calls.progress import counted
from explain.running.tuning import Tuning, tuning_of

# The rest is for the caller, other processes, and memory that the estimate for a point leaves out.
SHARE_OF_FREE_MEMORY = 0.25

UNSEEN = 256
"""Estimated memory of a point, in multiples of its input, if the layers cannot be accessed: that of a deep model."""

KEPT_SHARE = 0.25
"""The share of the memory budget that gradients kept on the host may take; chunks get the rest."""

# The start of the search for the fastest chunk: for small networks on a CPU, 64 points were the fastest size
# or close to it; with more than about a million input values per chunk, activations cost more than calls.
_FIRST_SIZE = 64
_FIRST_INPUT_VALUES = 2**20

# The points of a group of examples fill as many chunks, so that the runs at the ends of its paths cost little.
_CHUNKS_OF_A_GROUP = 4


_Result = TypeVar("_Result")


def is_memory_error(error: BaseException) -> bool:
    """Recognise Python's own out-of-memory error, for backends that raise no other."""
    return isinstance(error, MemoryError)


class Executor:
    """Cuts examples, and the points they are expanded to, into chunks, and runs them.

    When memory runs out for a chunk, the executor halves it and continues from there with smaller chunks.

    Parameters
    ----------
    size : int
        The number of points per chunk; with `tuning`, the first size.
    limit : callable, optional
        Gives the largest number of points that the memory budget allows; called once, at the first cut.
    tuning : callable, optional
        Gives the search for the fastest size; called once, at the first cut. Without it the size is fixed.
    synchronize : callable
        Waits until the device has finished, so that timings are right.
    is_out_of_memory : callable
        Tells whether an error says that memory ran out.
    may_halve : bool
        Whether a smaller chunk needs less memory: False for a model that takes one batch size only.
    memory_budget : int, optional
        The number of bytes that the caller allows. None: a quarter of the free memory.

    Examples
    --------
    >>> executor = Executor(4)
    >>> [(rows.start, rows.stop) for rows, _ in executor.blocks(4, 2)]
    [(0, 2), (2, 4)]
    >>> executor.used
    4

    A chunk for which memory runs out is cut in two:

    >>> def compute(rows):
    ...     if rows.stop - rows.start > 2:
    ...         raise MemoryError
    ...     return rows.stop - rows.start
    >>> [done for _, done in executor.over_rows(8, compute)]
    [2, 2, 2, 2]
    >>> executor.halved_to
    2
    """

    def __init__(
        self,
        size: int,
        limit: Callable[[], int] | None = None,
        tuning: Callable[[], Tuning] | None = None,
        synchronize: Callable[[], None] = lambda: None,
        is_out_of_memory: Callable[[BaseException], bool] = is_memory_error,
        *,
        may_halve: bool = True,
        memory_budget: int | None = None,
    ) -> None:
        self._size = size
        self._limit = limit
        self._tuning = tuning
        self._cached_limit_and_tuning: tuple[int, Tuning | None] | None = None
        self._synchronize = synchronize
        self._is_out_of_memory = is_out_of_memory
        self._may_halve = may_halve
        self._memory_budget = memory_budget
        self._kept = 0.0
        # The points of the work, or of all its groups: they decide which sizes can be filled.
        self._points, self._in_group = 0, False
        self.used: int | None = None
        """The last chunk size, None if no work was cut."""
        self.halved_to: int | None = None
        """The largest number of points per chunk since memory ran out, None if it never did."""

    @property
    def size(self) -> int:
        """The number of points per chunk now."""
        limit, tuning = self._limit_and_tuning()
        if self._limit is not None:
            limit = max(1, int(limit * (1 - self._kept)))
        if tuning is not None and tuning.most is not None:
            limit = min(limit, tuning.most)
        if self.halved_to is not None:
            limit = min(limit, self.halved_to)
        self.used = min(self._size, limit) if tuning is None else tuning.size(self._size, limit, self._points)
        return self.used

    def keep(self, least: int, size: int) -> int:
        """Give how many arrays of `size` bytes may be kept on the host, at the cost of chunks; 0 if under `least`."""
        budget = self._memory_budget or SHARE_OF_FREE_MEMORY * psutil.virtual_memory().available
        count = int(KEPT_SHARE * budget / size)
        limit, _ = self._limit_and_tuning()
        if count < least or (self._limit is not None and limit * (1 - KEPT_SHARE) < 1):
            return 0
        self._kept = KEPT_SHARE
        return count

    def rows(self, count: int) -> Iterator[slice]:
        """Cut `count` examples of one point each."""
        if count == 1:
            yield slice(0, 1)
        else:
            yield from row_chunks(count, self.size)

    def groups(self, count: int, n_points: int) -> Iterator[slice]:
        """Cut `count` examples into groups, for which some tensors stay in memory while their points are computed.

        A group has an eighth of a chunk's size: half a dozen tensors per example (the ends of its path, the
        sums and their checks) then need less memory than a chunk. If its points would fill only a few chunks, it has
        up to a quarter, since each group costs some runs of its own.
        """
        self._points = count * n_points
        start = 0
        while start < count:
            # Read anew for every group, since the search for the fastest size goes on within a group.
            size = self.size
            most = max(1, size // 8, min(size // 4, _CHUNKS_OF_A_GROUP * size // n_points))
            stop = start + even(count - start, most)
            yield slice(start, stop)
            start = stop

    def blocks(self, count: int, n_points: int, *, in_rows: bool = False) -> Iterator[Block]:
        """Cut `count` examples that are expanded to `n_points` points each; time the caller's work on each block.

        With `in_rows` every point of an example is in the example's own row of the batch.
        """
        if not self._in_group:
            self._points = count * n_points
        cut = (
            blocks_in_rows(count, n_points, self.size)
            if in_rows
            else blocks(count, n_points, lambda: self.size)
        )
        while True:
            # Read before the block is cut, since cutting reads the same value.
            size = self.size
            block = next(cut, None)
            if block is None:
                return
            rows, points = block
            began = perf_counter()
            yield rows, points
            _, tuning = self._limit_and_tuning()
            if tuning is not None:
                self._synchronize()
                tuning.record(size, _points_of(rows, points), perf_counter() - began)

    def over_rows(self, count: int, compute: Callable[[slice], _Result]) -> Iterator[tuple[slice, _Result]]:
        """Compute `count` examples of one point each, chunk by chunk: give the rows and the result of each chunk."""
        return iter((self._alone(compute),)) if count == 1 else self._over_rows(count, compute)

    def _alone(self, compute: Callable[[slice], _Result]) -> tuple[slice, _Result]:
        """Compute the only example, which has no halves: either it is done, or its error is raised."""
        with counted(1) as work:
            found = self._attempt(slice(0, 1), slice(0, 1), lambda part, _: compute(part))
            work.advance()
        return slice(0, 1), cast(tuple[_Result], found)[0]

    def _over_rows(self, count: int, compute: Callable[[slice], _Result]) -> Iterator[tuple[slice, _Result]]:
        with counted(count) as work:
            for rows in self.rows(count):
                for part, _, found in self._in_halves(rows, slice(0, 1), lambda part, _: compute(part)):
                    yield part, found
                    work.advance(part.stop - part.start)

    def over_groups(
        self, count: int, n_points: int, compute: Callable[[slice], _Result]
    ) -> Iterator[tuple[slice, _Result]]:
        """Compute `count` examples of `n_points` points group by group, as `over_rows` does chunk by chunk.

        See `groups`.
        """

        def compute_group(part: slice, _: slice) -> _Result:
            self._in_group = True
            try:
                return compute(part)
            finally:
                self._in_group = False

        with counted(count) as work:
            for rows in self.groups(count, n_points):
                work.begins(rows.stop - rows.start)
                for part, _, found in self._in_halves(rows, slice(0, 1), compute_group):
                    yield part, found
                    work.advance(part.stop - part.start)

    def over_blocks(
        self, count: int, n_points: int, compute: Callable[[slice, slice], _Result], *, in_rows: bool = False
    ) -> Iterator[tuple[slice, slice, _Result]]:
        """Compute `count` examples at `n_points` points each, block by block; see `blocks`.

        Yields rows, points and the result of finished blocks only, each point once: a caller that adds up results
        counts nothing twice, even if blocks were restarted.
        """
        with counted(count * n_points) as work:
            for rows, points in self.blocks(count, n_points, in_rows=in_rows):
                for part, of_part, found in self._in_halves(rows, points, compute):
                    yield part, of_part, found
                    work.advance(_points_of(part, of_part))

    def ran_out(self, error: BaseException) -> bool:
        """Tell whether memory ran out, also if an error of `explain` wraps the original error."""
        cause: BaseException | None = error
        while cause is not None:
            if not isinstance(cause, ExplainError) and self._is_out_of_memory(cause):
                return True
            # A block that already failed at its smallest size is not retried in smaller parts.
            cause = None if isinstance(cause, OutOfMemoryError) else cause.__cause__
        return False

    def _in_halves(
        self, rows: slice, points: slice, compute: Callable[[slice, slice], _Result]
    ) -> Iterator[tuple[slice, slice, _Result]]:
        """Compute a block, whole if memory suffices, else in parts, in their order."""
        waiting = [(rows, points)]
        while waiting:
            block = waiting.pop()
            known = self.halved_to is not None and _points_of(*block) > self.halved_to
            done = None if known and self._may_halve else self._attempt(*block, compute)
            if done is None:
                first, second = _halves(*block)
                waiting += [second, first]
            else:
                yield *block, done[0]

    def _attempt(
        self, rows: slice, points: slice, compute: Callable[[slice, slice], _Result]
    ) -> tuple[_Result] | None:
        """Compute a block; None if memory ran out and half of it may be tried.

        When this returns, the error is freed, and with it the tensors that its traceback references.
        """
        try:
            return (compute(rows, points),)
        except Exception as error:
            if not self.ran_out(error):
                raise
            count = _points_of(rows, points)
            if count == 1 or not self._may_halve:
                raise OutOfMemoryError(_no_smaller(self._may_halve, self._size)) from error
            self.halved_to = count // 2
            _, tuning = self._limit_and_tuning()
            if tuning is not None:
                tuning.most = self.halved_to
            return None

    def _limit_and_tuning(self) -> tuple[int, Tuning | None]:
        if self._cached_limit_and_tuning is None:
            limit = self._size if self._limit is None else self._limit()
            self._cached_limit_and_tuning = limit, None if self._tuning is None else self._tuning()
        return self._cached_limit_and_tuning


def _points_of(rows: slice, points: slice) -> int:
    return int((rows.stop - rows.start) * (points.stop - points.start))


def _halves(rows: slice, points: slice) -> tuple[Block, Block]:
    """Cut a block in two: between examples where there are several, else between points."""
    if rows.stop - rows.start > 1:
        middle = (rows.start + rows.stop) // 2
        return (slice(rows.start, middle), points), (slice(middle, rows.stop), points)
    middle = (points.start + points.stop) // 2
    return (rows, slice(points.start, middle)), (rows, slice(middle, points.stop))


def _no_smaller(may_halve: bool, size: int) -> str:
    if may_halve:
        what = "Memory ran out for a single point, and no batch_size is smaller than 1"
        remedy = "explain smaller inputs"
    else:
        what = f"Memory ran out for a batch of {size}, the only size that this model takes"
        remedy = "build the model for smaller batches"
    return (
        f"{what}: {remedy}, free other memory, move the model to a device that has more, or use a method "
        "that needs no gradients, such as method='occlusion'."
    )


def executor_for(
    backend: Backend,
    model: Any,
    examples: Examples,
    *,
    batch_size: int | None = None,
    memory_budget: int | None = None,
) -> Executor:
    """Give the executor for a model: with the caller's chunk size, else the fastest size that is known or found.

    Parameters
    ----------
    backend : Backend
        The opened model.
    model : object
        The model itself, the key of the cached tuning.
    examples : Examples
        The examples to explain.
    batch_size : int, optional
        The number of points in memory at once. None searches for the fastest.
    memory_budget : int, optional
        The number of bytes that the points of a chunk may need together. None takes a quarter of the free
        memory.

    Raises
    ------
    MemoryBudgetError
        If the budget is too small for a single point.
    """
    fixed = backend.fixed_batch_size

    def tuning() -> Tuning:
        shapes = tuple(array.shape[1:] for array in examples.inputs)
        return tuning_of(model, (shapes, backend.dtype, backend.device_name))

    def limit() -> int:
        known = tuning()
        if known.bytes_per_point is None:
            with uncounted():
                known.bytes_per_point = max(1, backend.bytes_per_point(examples.rows(slice(0, 1))))
        need = known.bytes_per_point
        budget = memory_budget or int(SHARE_OF_FREE_MEMORY * backend.free_memory())
        least = fixed or 1
        if budget < least * need:
            given = (
                f"memory_budget={memory_budget}"
                if memory_budget
                else f"A quarter of the free memory, {budget}"
            )
            raise MemoryBudgetError(
                f"{given} bytes are too few: the gradient of {least} example{'s' if least > 1 else ''} of this model "
                f"needs about {least * need}. Give memory_budget at least that, free some memory, or explain "
                "smaller inputs."
            )
        return budget // need

    if memory_budget is not None:
        limit()
    shared: dict[str, Any] = {
        "is_out_of_memory": backend.is_out_of_memory,
        "memory_budget": memory_budget,
    }
    if fixed is not None:
        return Executor(fixed, may_halve=False, **shared)
    if batch_size is not None:
        return Executor(batch_size, limit if memory_budget is not None else None, **shared)
    return Executor(first_size(examples), limit, tuning, backend.synchronize, **shared)


def first_size(examples: Examples) -> int:
    """Give the chunk size at which the search starts: 64, fewer if the inputs are large.

    Examples
    --------
    >>> import numpy as np
    >>> first_size(Examples((np.zeros((1, 3, 32, 32)),)))
    64
    """
    values = sum(array.size for array in examples.inputs) // len(examples)
    most = max(1, min(_FIRST_SIZE, _FIRST_INPUT_VALUES // max(1, values)))
    return int(2 ** (most.bit_length() - 1))
