"""By how much a process grows while something runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

# Linux keeps the most that a process ever held; writing 5 here starts that anew.
_RESET = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


Answer = TypeVar("Answer")


def growth_during(call: Callable[[], Answer]) -> tuple[int, Answer]:
    """Run a call; give the most by which the resident set grew meanwhile, in bytes, and what the call gave.

    On Linux by the kernel's own high-water mark, which misses nothing; elsewhere by looking every
    millisecond.
    """
    process = psutil.Process()
    before = process.memory_info().rss
    if _RESET.exists():
        _RESET.write_text("5")
        answer = call()
        return _high_water_mark() - before, answer
    watch = _Watch(process)
    watch.start()
    answer = call()
    return watch.stop() - before, answer


def _high_water_mark() -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


class _Watch(threading.Thread):
    """Looks at the resident set again and again."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._done = threading.Event()
        self._most = 0

    def run(self) -> None:
        """Look until told to stop."""
        while not self._done.wait(0.001):
            self._most = max(self._most, self._process.memory_info().rss)

    def stop(self) -> int:
        """Stop and give the most that was seen."""
        self._done.set()
        self.join()
        return self._most
