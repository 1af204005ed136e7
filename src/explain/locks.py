"""One lock a model: two threads that explain the same model take turns."""

from __future__ import annotations

import threading
import weakref

_locks: weakref.WeakKeyDictionary[object, threading.RLock] = weakref.WeakKeyDictionary()
_guard = threading.Lock()
_of_what_has_no_weak_reference = threading.RLock()


def lock_of(model: object) -> threading.RLock:
    """Give the lock of a model: the same one as long as the model lives.

    Objects that cannot be referred to weakly share one lock.
    """
    with _guard:
        try:
            return _locks.setdefault(model, threading.RLock())
        except TypeError:
            return _of_what_has_no_weak_reference
