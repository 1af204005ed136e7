"""Archives of `torch.export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def read_exported(path: Path) -> Any:
    """Read an archive."""
    return torch.export.load(path).module()
