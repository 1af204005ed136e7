"""Training the seed models that are native to PyTorch. `explain.tf_ext.zoo.training` mirrors this file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from explain.errors import OptionError
from explain.torch_ext.zoo.seed_models import ARCHITECTURES, NamesRNN
from explain.zoo.batches import Batch, evaluation_batches, steps_of, training_batches
from explain.zoo.data import Split
from explain.zoo.seed_models import seed_model


def train(
    name: str,
    split: Split,
    *,
    epochs: int | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Callable[[int, int, float], None] | None = None,
) -> nn.Module:
    """Train a seed model from scratch.

    Parameters
    ----------
    name : {"cifar_net", "names_rnn"}
        Which seed model.
    split : Split
        The training set.
    epochs : int, optional
        Passes over it; by default as many as the model's recipe says.
    seed : int
        Seed of the initial weights, of the order and of the augmentation. On one machine's CPU, the same
        seed gives the same weights.
    device : {"auto", "cpu", "cuda"}
        Where to train; ``"auto"`` is a GPU where there is one.
    progress : callable, optional
        Called after every step with the steps done, the steps in all and the loss of the step.

    Returns
    -------
    torch.nn.Module
        The trained model, in evaluation mode, on the CPU.

    Raises
    ------
    OptionError
        If the device is unknown or there is none.
    """
    model_row = seed_model(name)
    where = choose_device(device)
    epochs = model_row.recipe.epochs if epochs is None else epochs
    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ARCHITECTURES[name]("float32").to(where).train()
        optimizer = torch.optim.AdamW(model.parameters(), weight_decay=model_row.recipe.weight_decay)
        steps = steps_of(len(split), model_row.recipe, epochs)
        for step, batch in enumerate(training_batches(model_row, split, epochs, seed), start=1):
            for group in optimizer.param_groups:
                group["lr"] = batch.learning_rate
            optimizer.zero_grad()
            labels = torch.from_numpy(batch.y).to(where)
            # Cross-entropy of log-probabilities is that of the logits: a log-softmax changes nothing twice.
            loss = nn.functional.cross_entropy(outputs(model, batch), labels)
            # PyTorch leaves this one method untyped.
            loss.backward()  # type: ignore[no-untyped-call]
            if model_row.recipe.clip_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), model_row.recipe.clip_norm)
            optimizer.step()
            if progress is not None:
                progress(step, steps, float(loss.detach()))
    return model.cpu().eval()


def accuracy(name: str, model: nn.Module, split: Split) -> float:
    """Give the share of a split that a seed model classifies correctly.

    Parameters
    ----------
    name : str
        Which seed model it is.
    model : torch.nn.Module
        The model.
    split : Split
        Usually the test set.

    Returns
    -------
    float
        In [0, 1].
    """
    correct = 0
    with torch.no_grad():
        for batch in evaluation_batches(seed_model(name), split):
            predicted = outputs(model, batch).argmax(dim=1).cpu().numpy()
            correct += int((predicted == batch.y).sum())
    return correct / len(split)


def outputs(model: nn.Module, batch: Batch) -> Tensor:
    """Run a seed model on a batch, character by character where it takes one at a time.

    Parameters
    ----------
    model : torch.nn.Module
        A seed model.
    batch : Batch
        Its input.

    Returns
    -------
    torch.Tensor, shape (N, classes)
        The model's output; for names, the one after the last character of each.
    """
    where = next(model.parameters()).device
    x = torch.from_numpy(batch.x).to(where)
    if not isinstance(model, NamesRNN) or batch.lengths is None:
        result: Tensor = model(x)
        return result
    last = torch.from_numpy(batch.lengths).to(where) - 1
    hidden = model.init_hidden(len(x))
    every_step = []
    for step in range(x.shape[1]):
        output, hidden = model(x[:, step], hidden)
        every_step.append(output)
    return torch.stack(every_step, dim=1)[torch.arange(len(x), device=where), last]


def choose_device(device: str) -> str:
    """Turn ``"auto"``, ``"cpu"`` or ``"cuda"`` into ``"cpu"`` or ``"cuda"``, whichever is there.

    Raises
    ------
    OptionError
        If the name is unknown, or there is no such device.

    Examples
    --------
    >>> choose_device("cpu")
    'cpu'
    """
    if device not in ("auto", "cpu", "cuda"):
        raise OptionError(f'device={device!r} is unknown: give "auto", "cpu" or "cuda".')
    if device == "cuda" and not torch.cuda.is_available():
        raise OptionError('device="cuda" but PyTorch finds no CUDA device: give "auto" or "cpu".')
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def versions() -> dict[str, str]:
    """Give the versions of what trains, by package."""
    return {"torch": torch.__version__}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run on one thread: the same weights on any number of cores, and no slower for nets this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
