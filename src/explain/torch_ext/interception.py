"""Intercepts every operation of a run in PyTorch."""

from __future__ import annotations

from torch.utils._python_dispatch import TorchDispatchMode


class Interception(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A dispatch mode that does not load PyTorch's compiler.

    PyTorch keeps the compiler out of a mode's own code, for which it loads the compiler at the first operation:
    hundreds of modules, 40 MB and more than half a second of a first call. While explain runs a model nothing is
    compiled (`explain.torch_ext.model.state`).
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False
