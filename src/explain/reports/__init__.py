"""Reports of explanations that can be filed, and checked later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.lazy_names import importer

if TYPE_CHECKING:
    from explain.reports.reading import Report, read
    from explain.reports.verification import CallCheck, Verification, verify

_HOME = {
    "CallCheck": "explain.reports.verification",
    "Report": "explain.reports.reading",
    "Verification": "explain.reports.verification",
    "read": "explain.reports.reading",
    "verify": "explain.reports.verification",
}

__all__ = ["CallCheck", "Report", "Verification", "read", "verify"]

__getattr__ = importer(__name__, _HOME)
