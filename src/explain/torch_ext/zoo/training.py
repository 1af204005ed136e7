"""The PyTorch part of `explain.zoo.training.loop`; `explain.tf_ext.zoo.training` is the TensorFlow part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from explain.torch_ext.zoo.seed_models import NamesRNN, build
from explain.zoo.model_row import SeedModel
from explain.zoo.training.batches import Batch
from explain.zoo.training.steps import output_of_each_step

TITLE = "PyTorch"


def has_gpu() -> bool:
    """Tell whether PyTorch finds a CUDA device."""
    return torch.cuda.is_available()


def versions() -> dict[str, str]:
    """Give the versions of the packages used for training, by name."""
    return {"torch": torch.__version__}


@contextmanager
def started(
    model: SeedModel, seed: int, device: str
) -> Iterator[tuple[nn.Module, Callable[[Batch], Tensor]]]:
    """Build an untrained model and its optimiser; see `explain.zoo.training.loop.FrameworkTraining.started`."""
    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(model.name).to(device).train()
        optimizer = torch.optim.AdamW(network.parameters(), weight_decay=model.recipe.weight_decay)

        def update(batch: Batch) -> Tensor:
            for group in optimizer.param_groups:
                group["lr"] = batch.learning_rate
            optimizer.zero_grad()
            labels = torch.from_numpy(batch.y).to(device)
            # Cross-entropy applies a log-softmax, which does not change log-probabilities.
            loss = nn.functional.cross_entropy(_outputs(network, batch), labels)
            # This PyTorch method has no type annotations.
            loss.backward()  # type: ignore[no-untyped-call]
            if model.recipe.clip_norm is not None:
                nn.utils.clip_grad_norm_(network.parameters(), model.recipe.clip_norm)
            optimizer.step()
            return loss.detach()

        yield network, update
    network.cpu().eval()


@torch.no_grad()
def predict(model: nn.Module, batch: Batch) -> npt.NDArray[np.floating]:
    """Give the outputs of a seed model; see `explain.zoo.training.loop.FrameworkTraining.predict`."""
    result: npt.NDArray[np.floating] = _outputs(model, batch).cpu().numpy()
    return result


def _outputs(model: nn.Module, batch: Batch) -> Tensor:
    device = next(model.parameters()).device
    x = torch.from_numpy(batch.x).to(device)
    if not isinstance(model, NamesRNN) or batch.lengths is None:
        result: Tensor = model(x)
        return result
    last = torch.from_numpy(batch.lengths).to(device) - 1
    return torch.stack(output_of_each_step(model, x), dim=1)[torch.arange(len(x), device=device), last]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run on one thread: the weights do not depend on the number of cores, and small networks are no slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
