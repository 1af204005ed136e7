"""Keeps what TensorFlow logs about the machine at its start out of the error stream of a command."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Its C++ code writes these before TF_CPP_MIN_LOG_LEVEL has an effect.
_LOGGED = re.compile(
    rb"(I\d{4} \d\d:\d\d:\d\d\.|I0000 00:00:|WARNING: All log messages before absl::InitializeLog)"
)


@contextmanager
def without_start_logs() -> Iterator[None]:
    """Hold back what is written to the process's error stream, and write it at the end without TensorFlow's log lines.

    Python cannot filter this by its own streams: C++ code writes to the file descriptor.
    """
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        stream = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stream, 2)
            os.close(stream)
            held.seek(0)
            for line in held:
                if not _LOGGED.match(line):
                    os.write(2, line)
