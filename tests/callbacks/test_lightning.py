"""The callback of Lightning: through a Trainer, into its logger or a folder of its own."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from short_training import network, pictures
from written_events import read

import explain
from explain.callbacks.lightning import AttributionCallback
from explain.errors import CallbackWarning, MethodError, OptionError


class Lit(LightningModule):
    def __init__(self, net):
        super().__init__()
        self.net, self.losses = net, []

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, number):
        x, y = batch
        loss = torch.nn.functional.cross_entropy(self(x), y)
        self.losses.append(loss.item())
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 0.01)


@pytest.fixture
def fit(torch_kit, tmp_path):
    """Train a few epochs, with callbacks and a logger."""
    x, y = pictures(torch_kit)

    def fitted(*callbacks, logger=False, epochs=2, **settings):
        seed_everything(0, verbose=False)
        data = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
        loader = torch.utils.data.DataLoader(data, 8, shuffle=True)
        lit = Lit(network(torch_kit))
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            callbacks=list(callbacks),
            logger=logger,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path / "root",
            log_every_n_steps=1,
            **settings,
        )
        # Hints of Lightning's own about workers of loaders.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", CallbackWarning)
            trainer.fit(lit, loader)
        return lit

    fitted.x, fitted.y = x, y
    return fitted


def test_it_writes_to_the_logger_of_the_trainer(fit, tmp_path):
    logger = TensorBoardLogger(tmp_path, name="runs", version="one")
    callback = AttributionCallback(fit.x[:2], "saliency", target=fit.y[:2].tolist(), folder=tmp_path / "maps")
    lit = fit(callback, logger=logger)
    found = read(tmp_path / "runs" / "one")
    assert set(found.scalars["loss"]) == set(range(6))
    assert set(found.images) == {"saliency/example-0", "saliency/example-1"}
    assert set(found.scalars["saliency/relative_l2/since_first"]) == {1}
    last = explain.load(tmp_path / "maps" / "epoch-0001")
    assert last.model == "Lit"
    np.testing.assert_array_equal(
        last.values,
        explain.attribute(lit.net.eval(), fit.x[:2], "saliency", target=fit.y[:2].tolist()).values,
    )


def test_training_is_the_same_to_the_bit(fit, tmp_path):
    plain = fit()
    explained = fit(AttributionCallback(fit.x[:4], "ig", target=0, log_dir=tmp_path / "log"))
    assert explained.losses == plain.losses
    for one, other in zip(explained.state_dict().values(), plain.state_dict().values(), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert set(read(tmp_path / "log").images) == {f"integrated_gradients/example-{n}" for n in range(4)}


def test_a_trainer_without_a_logger_of_tensorboard(fit, tmp_path):
    with pytest.raises(OptionError, match="nothing would be written"):
        fit(AttributionCallback(fit.x[:2], "saliency", target=0), logger=CSVLogger(tmp_path))
    fit(AttributionCallback(fit.x[:2], "saliency", target=0), fast_dev_run=1)


def test_what_is_wrong_ends_training_before_it_begins_and_what_fails_does_not(fit, tmp_path):
    with pytest.raises(MethodError):
        AttributionCallback(fit.x[:2], "sailency", folder=tmp_path)
    with pytest.raises(OptionError, match="n_stepz"):
        fit(AttributionCallback(fit.x[:2], "saliency", folder=tmp_path, n_stepz=3))
    with pytest.warns(CallbackWarning, match="epoch 1 failed"):
        lit = fit(AttributionCallback(fit.x[:2], "saliency", folder=tmp_path, target=9))
    assert len(lit.losses) == 6


def test_without_lightning_the_message_names_the_extra():
    code = """
import sys
sys.modules["lightning"] = None
import explain
try:
    import explain.callbacks.lightning
except explain.errors.PackageNotInstalledError as error:
    assert 'pip install "explain-toolkit[lightning]"' in str(error)
    assert "AttributionHook" in str(error)
    print("done")
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout == "done\n", ran.stderr
