"""Measures the growth of a process's memory during a call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

# Linux records the peak resident set of a process; writing 5 to this file resets the peak.
_RESET = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


Answer = TypeVar("Answer")


def growth_during(call: Callable[[], Answer]) -> tuple[int, Answer]:
    """Run a call; give the peak growth of the resident set during the call, in bytes, and the call's result.

    On Linux the kernel records an exact high-water mark; on other systems a thread samples the resident set every
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
    """Samples the size of the resident set repeatedly."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._done = threading.Event()
        self._most = 0

    def run(self) -> None:
        """Sample until `stop` is called."""
        while not self._done.wait(0.001):
            self._most = max(self._most, self._process.memory_info().rss)

    def stop(self) -> int:
        """Stop, and give the largest sample in bytes."""
        self._done.set()
        self.join()
        return self._most
