"""Callbacks: what is checked before training, and what fails during it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from advice.advice import BOTH, Advice
from short_training import network, pictures, train

import explain
from explain.callbacks.torch import AttributionHook
from explain.errors import CallbackWarning, OptionError, PackageNotInstalledError

ONCE = ("torch",)


def trained(kit: Any, **given: Any) -> Any:
    """Train for an epoch with a callback, and give what it saved; by default in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="explain-advice-"))
    x, y = pictures(kit)
    arguments = {"method": "saliency", "folder": folder, "target": 0, **given}
    train(kit, network(kit), x, y, 1, explained=x[:2], **arguments)
    saved = folder / "epoch-0000.npz"
    return explain.load(saved) if saved.exists() else None


def with_epoch(kit: Any, epoch: Any) -> Any:
    folder = tempfile.mkdtemp(prefix="explain-advice-")
    return AttributionHook(network(kit), pictures(kit, 2)[0], "saliency", folder=folder, target=0)(epoch)


def without_tensorboard(kit: Any, **given: Any) -> Any:
    # Not by mock.patch.dict, which takes modules out again that are imported meanwhile.
    held = sys.modules.pop("tensorboard", None)
    sys.modules["tensorboard"] = None  # type: ignore[assignment]
    try:
        return trained(kit, **given)
    finally:
        del sys.modules["tensorboard"]
        if held is not None:
            sys.modules["tensorboard"] = held


def with_writer(kit: Any, **given: Any) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(tempfile.mkdtemp(prefix="explain-advice-"))
    found = trained(kit, writer=writer, **given)
    writer.close()
    return found


ADVICE = (
    Advice(" needs tensorboard, which is not installed (", PackageNotInstalledError,
           lambda kit: without_tensorboard(kit, log_dir="log"), without_tensorboard, on=BOTH),
    Advice(" are all None, so nothing would be written: ", OptionError, lambda kit: trained(kit, folder=None),
           trained, on=BOTH),
    Advice(" is no SummaryWriter: give one of torch.utils", OptionError,
           lambda kit: trained(kit, writer="runs"), with_writer, on=ONCE),
    Advice(" is no name of a folder: give a str", OptionError, lambda kit: trained(kit, folder=3), trained, on=BOTH),
    Advice(" are both given: leave log_dir out", OptionError, lambda kit: with_writer(kit, log_dir="log"), with_writer,
           on=ONCE),
    Advice(" is out of range: give a whole number, at least ", OptionError, lambda kit: with_epoch(kit, 0.5),
           lambda kit: with_epoch(kit, 1), on=ONCE),
    Advice(" is no beginning of a tag: give a text such as ", OptionError, lambda kit: trained(kit, tag=""),
           lambda kit: trained(kit, tag="ig/validation"), on=ONCE),
    Advice(" is not a sequence of names: give a str for each example", OptionError,
           lambda kit: trained(kit, names="cat"), lambda kit: trained(kit, names=["cat", "dog"]), on=ONCE),
    Advice(" examples: give one name for ", OptionError, lambda kit: trained(kit, names=["cat"]),
           lambda kit: trained(kit, names=["cat", "dog"]), on=BOTH),
    Advice(" failed, and training goes on without it. ", CallbackWarning,
           lambda kit: trained(kit, target=7), lambda kit: trained(kit, target=2), on=BOTH),
)  # fmt: skip
