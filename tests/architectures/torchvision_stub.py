"""A stand-in for torchvision while packages that import it are imported: its real enum, and names without content.

torchvision itself does not load beside the CPU build of torch. timm and segmentation-models-pytorch import names
from it that the architectures here never call; transformers asks whether it is installed. So the stand-in is in
``sys.modules`` only while the importing lasts.
"""

from __future__ import annotations

import enum
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class InterpolationMode(enum.Enum):
    """The members and values of ``torchvision.transforms.InterpolationMode``."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


class _StubModule(ModuleType):
    """A module in which every public name is the enum or an empty class of that name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = InterpolationMode if name == "InterpolationMode" else _empty_class(name)
        setattr(self, name, made)
        return made


def _empty_class(name: str) -> type:
    import torch

    return type(name, (torch.nn.Module,), {})


class _StubFinder(MetaPathFinder, Loader):
    """Finds ``torchvision`` and whatever is asked for below it."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] != "torchvision":
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StubModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__version__"] = "0.28.0"


@contextmanager
def torchvision_stub() -> Iterator[None]:
    """While this lasts, ``import torchvision`` finds the stand-in; afterwards no trace of it is left."""
    finder = _StubFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]


def imported(name: str) -> ModuleType:
    """Import a module that imports torchvision."""
    with torchvision_stub():
        return importlib.import_module(name)
