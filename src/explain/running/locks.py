"""Explanations take turns, whichever thread they come from."""

from __future__ import annotations

import threading

ONE_CALL_AT_A_TIME = threading.RLock()
"""Held for the length of a call.

One lock for all models: two models may share layers, and the random states of Python, NumPy and the frameworks,
which every call puts back, belong to the process.
"""
