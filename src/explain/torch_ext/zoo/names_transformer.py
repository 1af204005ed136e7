"""`names_transformer` in PyTorch. `explain.tf_ext.zoo.names_transformer` contains its twin."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from explain.zoo.seed_models import MASKED_SCORE, TRANSFORMER_BLOCKS, TRANSFORMER_HEADS


class NamesTransformer(nn.Module):
    """A transformer on the letters of a name: (N, T) token ids to (N, 18) logits.

    The blocks normalize first (R. Xiong et al., arXiv:2002.04745). Padding, id 0, is neither attended to nor part of
    the mean, so a name has the same logits whatever its padding.

    Parameters
    ----------
    layers : Mapping of str to torch.nn.Module
        The layers of `explain.zoo.seed_models.NAMES_TRANSFORMER`, by their names.

    Examples
    --------
    >>> from explain.torch_ext.zoo.seed_models import build
    >>> build("names_transformer")(torch.tensor([[8, 5, 0], [1, 2, 3]])).shape
    torch.Size([2, 18])
    """

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        """Take the layers."""
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, ids: Tensor) -> Tensor:
        """Classify names.

        Parameters
        ----------
        ids : torch.Tensor of int64, shape (N, T)
            Letters as their places in the alphabet, from 1; 0 is padding. T is at most 24.

        Returns
        -------
        torch.Tensor, shape (N, 18)
            Logits of the languages.
        """
        part, read = self.get_submodule, ids != 0
        x = part("embedding")(ids) + part("positions")(torch.arange(ids.shape[1], device=ids.device))
        for number in range(1, TRANSFORMER_BLOCKS + 1):
            x = x + self._attention(number, part(f"attention_norm{number}")(x), read)
            wide = nn.functional.gelu(part(f"widen{number}")(part(f"dense_norm{number}")(x)))
            x = x + part(f"narrow{number}")(wide)
        counted = read.unsqueeze(-1).to(x.dtype)
        mean = (part("norm")(x) * counted).sum(dim=1) / counted.sum(dim=1)
        logits: Tensor = part("classify")(mean)
        return logits

    def _attention(self, number: int, x: Tensor, read: Tensor) -> Tensor:
        part, (count, steps, width) = self.get_submodule, x.shape
        query, key, value = (
            part(f"{role}{number}")(x).reshape(count, steps, TRANSFORMER_HEADS, -1).transpose(1, 2)
            for role in ("query", "key", "value")
        )
        scores = query @ key.transpose(2, 3) / (width // TRANSFORMER_HEADS) ** 0.5
        weights = torch.softmax(scores.masked_fill(~read[:, None, None, :], MASKED_SCORE), dim=-1)
        mixed: Tensor = part(f"mix{number}")((weights @ value).transpose(1, 2).reshape(x.shape))
        return mixed
