"""Stub."""

from __future__ import annotations

from typing import Any

from explain.parameters import ParameterLayer


def setting_differences(a: ParameterLayer, b: ParameterLayer) -> list[tuple[str, Any, Any, str]]:
    """Stub."""
    return [
        (k, a.settings[k], b.settings[k], f"{k} is {a.settings[k]} in a and {b.settings[k]} in b.")
        for k in a.settings
        if k in b.settings and a.settings[k] != b.settings[k] and k != "activation"
    ]
