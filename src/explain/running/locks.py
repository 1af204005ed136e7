"""One explanation runs at a time, in whichever thread."""

from __future__ import annotations

import threading

ONE_CALL_AT_A_TIME = threading.RLock()
"""Locked during a call.

One lock for all models: two models may share layers, and every call restores the random states of Python, NumPy and
the frameworks, which belong to the process.
"""
