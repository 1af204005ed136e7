"""Names of layers, compared as people write them."""

from __future__ import annotations

import re

_EMPTY_WORDS = {"layer", "layers", "block", "blocks", "features", "model", "module", "net", "network"}


def plain_name(name: str) -> str:
    """Give a name as it is compared: without capitals, signs, and words that say only that it is a layer.

    Examples
    --------
    >>> plain_name("layer1.0.conv1"), plain_name("block_1/Conv1"), plain_name("features.0")
    ('1 0 conv 1', '1 conv 1', '0')
    """
    parts = re.findall(r"[a-z]+|\d+", name.lower())
    return " ".join(part for part in parts if part not in _EMPTY_WORDS)


def is_telling(name: str) -> bool:
    """Tell a name that a person gave from one that Keras or PyTorch counts.

    Parameters
    ----------
    name : str
        As `plain_name` gives it.

    Examples
    --------
    >>> is_telling("conv 1"), is_telling("0"), is_telling("conv 2 d 3")
    (True, False, False)
    """
    return bool(re.search("[a-z]", name)) and not re.fullmatch(
        r"(conv \d d( transpose)?|separable conv \d d|depthwise conv \d d|dense|embedding|lstm|gru|simple rnn|"
        r"bidirectional|batch normalization|layer normalization|group normalization|multi head attention)( \d+)?",
        name,
    )
