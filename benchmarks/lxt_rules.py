"""The backward rules of lxt 2.1 (``lxt.efficient``), put into transformers and taken out again.

lxt replaces methods of classes, some of them PyTorch's own, for good. Here they are replaced for the length of a
``with``, so that unchanged models run in the same process.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from torch import nn


def modeling(family: str) -> ModuleType:
    """Import the module of transformers that defines the models of a family, such as ``"bert"``."""
    return importlib.import_module(f"transformers.models.{family}.modeling_{family}")


@contextmanager
def lxt_rules(family: str) -> Iterator[ModuleType]:
    """Patch the models of a family with lxt's default rules for the length of the ``with``.

    Parameters
    ----------
    family : str
        The name of the family in transformers.

    Yields
    ------
    types.ModuleType
        The patched module. lxt has BERT classes of its own, which this module holds: make a model from them.
    """
    # Imported first, for transformers asks whether torchvision is there.
    module = modeling(family)
    efficient = _lxt_without_torchvision()
    places: list[Any] = [module, nn.LayerNorm, nn.Dropout]
    places += [one for one in vars(module).values() if isinstance(one, type) and one not in places]
    before = [dict(vars(place)) for place in places]
    with warnings.catch_warnings():
        # A table of lxt may hold one class under two names: it warns that the second is patched already.
        warnings.simplefilter("ignore")
        efficient.monkey_patch(module)
    patched = [
        (place, name, held.get(name))
        for place, held in zip(places, before, strict=True)
        for name, value in vars(place).items()
        if held.get(name) is not value
    ]
    try:
        yield module
    finally:
        for place, name, value in patched:
            if value is None:
                delattr(place, name)
            else:
                setattr(place, name, value)


def _lxt_without_torchvision() -> Any:
    """Import ``lxt.efficient``, which imports torchvision for a model that nobody asks for here."""
    if "lxt.efficient" in sys.modules:
        return sys.modules["lxt.efficient"]
    names = ("torchvision", "torchvision.models", "torchvision.models.vision_transformer")
    stand_ins = {name: ModuleType(name) for name in names}
    for name, stand_in in stand_ins.items():
        stand_in.__spec__ = ModuleSpec(name, None)
    stand_ins[names[1]].vision_transformer = stand_ins[names[2]]  # type: ignore[attr-defined]
    stand_ins[names[2]].nn = nn  # type: ignore[attr-defined]
    absent = {name: stand_in for name, stand_in in stand_ins.items() if name not in sys.modules}
    sys.modules.update(absent)
    try:
        with warnings.catch_warnings():
            # It warns that zennit, which its vision transformers need, is not there.
            warnings.simplefilter("ignore")
            return importlib.import_module("lxt.efficient")
    finally:
        for name in absent:
            del sys.modules[name]
