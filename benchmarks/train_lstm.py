"""Trains the two-layer LSTM of the benchmarks on the rows of Fashion-MNIST: `python -m benchmarks.train_lstm`."""

from __future__ import annotations

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from tqdm import tqdm

from benchmarks.models_torch import LSTM_WEIGHTS, RecurrentClassifier
from explain.zoo.data import Split, dataset

_SEED = 0
_EPOCHS = 3
_BATCH = 128


def tensors(split: Split) -> tuple[torch.Tensor, torch.Tensor]:
    """Give pictures in [0, 1] and their labels."""
    return torch.from_numpy(split.x.astype(np.float32) / 255), torch.from_numpy(split.y)


def main() -> None:
    """Train and test the model, and write its weights to the folder of this file."""
    torch.manual_seed(_SEED)
    data = dataset("fashion_mnist")
    (x, y), (test_x, test_y) = tensors(data.train), tensors(data.test)
    model = RecurrentClassifier()
    # PyTorch's default settings: none is chosen to make the model smooth.
    optimizer = torch.optim.Adam(model.parameters())
    steps = _EPOCHS * (len(x) // _BATCH)
    rows = torch.cat([torch.randperm(len(x))[: steps // _EPOCHS * _BATCH] for _ in range(_EPOCHS)])
    for batch in tqdm(rows.reshape(-1, _BATCH), desc="training"):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        accuracy = (model.eval()(test_x).argmax(1) == test_y).float().mean().item()
    save_file(model.state_dict(), LSTM_WEIGHTS, {"test_accuracy": f"{accuracy:.4f}", "seed": str(_SEED)})
    print(f"{LSTM_WEIGHTS.name}: {accuracy:.1%} of the test set")


if __name__ == "__main__":
    main()
