"""Layer-wise relevance propagation of a PyTorch model by the functions that it calls; nothing here imports `explain`.

The forward pass stays as it is; autograd gives the relevance of a tensor divided by the tensor. So whatever is linear
keeps its gradient, and all else gets another function's: one with the same values, at the example, whose gradient is
the rule. `explain` puts its rules on the nodes of the autograd graph instead, below these functions.

Rules: Bach et al. (doi:10.1371/journal.pone.0130140) with an ε that is negligible; Achtibat et al., AttnLRP,
arXiv:2402.05602, for softmax, norms and products; Arras et al., arXiv:1706.07206, for gates.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as PyTorch's documentation has it
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The relevance of one value goes to the one value that it is a function of: f(z) / z instead of the gradient.
ELEMENTWISE = _words(
    "relu relu6 leaky_relu prelu elu selu celu gelu silu mish softplus softsign logsigmoid tanh sigmoid hardtanh "
    "hardsigmoid hardswish clamp clamp_min clamp_max clip exp exp2 expm1 log log1p log2 log10 logit sqrt rsqrt "
    "reciprocal square abs sin cos atan erf erfc threshold hardshrink pow __pow__ __rpow__ __rdiv__ __rtruediv__"
)
# Give their operand.
SAME = _words("clone contiguous double float half to type type_as as_tensor dropout dropout2d dropout3d")
# Move values, each alone.
MOVING = SAME | _words(
    "__getitem__ chunk split unbind flatten unflatten reshape view view_as permute transpose movedim moveaxis t T mT "
    "squeeze unsqueeze expand expand_as repeat repeat_interleave roll flip narrow index_select gather take_along_dim "
    "masked_fill unfold pad cat stack where __setitem__"
)
# Sum values, or pick some of them, or are what AttnLRP keeps as they are: a plain gradient.
PLAIN = _words(
    "sum mean cumsum scatter_add linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d matmul "
    "__matmul__ mm bmm addmm einsum avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d interpolate max_pool1d max_pool2d max_pool3d adaptive_max_pool1d adaptive_max_pool2d max amax "
    "min amin maximum minimum softmax log_softmax logsumexp std norm vector_norm"
)
# Sums of products of the values of two operands.
BILINEAR = _words("linear conv1d conv2d conv3d matmul __matmul__ mm bmm einsum")
ADDITIONS = _words("add sub rsub __radd__ __rsub__")
SCALES = _words("mul div neg")
VIEWS = _words("view reshape flatten")
# What scales another value, by a number between 0 and 1 or by the deviation.
GATES = _words("sigmoid hardsigmoid relu6 hardtanh erf")
RECIPROCALS = _words("rsqrt reciprocal __rdiv__ __rtruediv__")

# One function by two names.
ALIASES = {"subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div", "concat": "cat"}

# A tensor at a time: operations in place give it another version.
Key = tuple[int, int]


@dataclass(frozen=True)
class Made:
    """What made a tensor from tensors that depend on the input."""

    name: str
    operands: tuple[Key, ...]
    keeps_shape: bool
    divides: bool = False


class _Carried(torch.autograd.Function):
    """The values of one tensor, and the gradient of another."""

    @staticmethod
    def forward(ctx: Any, gradient_of: Tensor, value: Tensor) -> Tensor:
        assert gradient_of.shape == value.shape, (gradient_of.shape, value.shape)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *incoming: Tensor) -> Any:
        return incoming[0], None


class NoReferenceError(Exception):
    """A function without a rule here, or one that is not seen here."""


class Relevance(TorchFunctionMode):
    """Functions have their values and the gradients of layer-wise relevance propagation.

    What requires a gradient is what depends on the input: the weights must not require one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[Key, Made] = {}
        # Of a tensor that is gone, another may get the identity.
        self.alive: list[Tensor] = []

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not any(map(_depends, tree_leaves((args, kwargs)))):
            return function(*args, **kwargs)
        name, in_place = _name_of(function, kwargs)
        if name == "type_as":
            args = (args[0], args[1].detach())
        moving = [one for one in tree_leaves((args, kwargs)) if _depends(one)]
        keys = tuple(map(self.key, moving))
        result = self.ruled(name, function, args, kwargs, moving)
        if name == "__setitem__":
            result = args[0]
        elif in_place and result is not args[0]:
            result = args[0].copy_(result)
        divides = _divides(name, args, kwargs)
        for one in tree_leaves(result):
            if _depends(one) and self.key(one, unknown=True) not in keys:
                keeps_shape = all(one.shape == other.shape for other in moving)
                self.made[self.key(one, unknown=True)] = Made(name, keys, keeps_shape, divides)
                self.alive.append(one)
        return result

    def key(self, tensor: Tensor, unknown: bool = False) -> Key:
        found = id(tensor), tensor._version
        if not unknown and found not in self.made and not tensor.is_leaf:
            raise NoReferenceError(
                f"what made a tensor of shape {tuple(tensor.shape)} is not seen: {tensor.grad_fn}"
            )
        return found

    def ruled(self, name: str, function: Any, args: Any, kwargs: Any, moving: Sequence[Tensor]) -> Any:
        """Call a function with the gradient of its rule."""
        if name in STEPWISE:
            return STEPWISE[name](self, *args, **kwargs)
        if name in RULES:
            gradient_of = RULES[name](self, *args, **kwargs)
        elif name in ELEMENTWISE and len(moving) == 1:
            gradient_of = _one_value(function, args, kwargs)
        elif name in BILINEAR and len(moving) == 2:
            gradient_of = sum(function(*some[0], **some[1]) / 2 for some in _each_still(args, kwargs))
        elif name in MOVING | ADDITIONS | SCALES | PLAIN and (name not in BILINEAR or len(moving) == 1):
            return function(*args, **kwargs)
        else:
            result = function(*args, **kwargs)
            if any(map(_depends, tree_leaves(result))):
                raise NoReferenceError(
                    f"no rule for {name} of {len(moving)} tensors that depend on the input"
                )
            return result
        still = tree_map(_still, (args, kwargs))
        return _Carried.apply(gradient_of, function(*still[0], **still[1]))

    # What a factor of a product is.

    def factors(self, first: Tensor, second: Tensor) -> tuple[float, float]:
        """The shares of two factors in the relevance of their product."""
        keys = self.key(first), self.key(second)
        for place in (0, 1):
            signal, other = keys[place], keys[1 - place]
            same = set(self.multiples(signal))
            if other not in same and self.is_made_of(other, same):
                return (1, 0) if place == 0 else (0, 1)
        for scaling in (self.is_reciprocal, self.is_gate):
            found = [self.comes_from(key, scaling) for key in keys]
            if sum(found) == 1:
                return (0, 1) if found[0] else (1, 0)
        return 0.5, 0.5

    def is_reciprocal(self, made: Made) -> bool:
        return made.divides

    def is_gate(self, made: Made) -> bool:
        return made.name in GATES

    def comes_from(self, key: Key, wanted: Callable[[Made], bool]) -> bool:
        """Whether a tensor is such a one, moved, scaled by constants, or with constants added."""
        made = self.made.get(key)
        if made is None:
            return False
        if wanted(made):
            return True
        with_constant = len(made.operands) == 1 and made.name in ADDITIONS | SCALES
        return (made.name in MOVING or with_constant) and all(
            self.comes_from(one, wanted) for one in made.operands
        )

    def multiples(self, key: Key) -> Iterator[Key]:
        """A tensor, and those before it of which it is a multiple."""
        yield key
        made = self.made.get(key)
        if made is None or made.divides or made.name not in SCALES | SAME | VIEWS:
            return
        if made.keeps_shape and len(made.operands) == 1:
            yield from self.multiples(made.operands[0])

    def is_made_of(self, key: Key, origins: set[Key]) -> bool:
        """Whether a tensor is a function, place by place, of these tensors alone."""
        if key in origins:
            return True
        made = self.made.get(key)
        if made is None or not made.keeps_shape:
            return False
        by_place = ELEMENTWISE | SAME | ADDITIONS | SCALES | VIEWS
        return made.name in by_place and all(self.is_made_of(one, origins) for one in made.operands)


def _depends(one: Any) -> bool:
    return isinstance(one, Tensor) and one.requires_grad


def _still(one: Any) -> Any:
    """A constant of the same values."""
    return one.detach().clone() if _depends(one) else one


def _name_of(function: Any, kwargs: Any) -> tuple[str, bool]:
    """A function's name without its place, and whether it works in place."""
    name = (resolve_name(function) or function.__name__).removesuffix(".__get__").rsplit(".", 1)[-1]
    in_place = name.endswith("_") and not name.endswith("__")
    name = name.removesuffix("_") if in_place else name
    return ALIASES.get(name, name), in_place or bool(kwargs.get("inplace"))


def _divides(name: str, args: Any, kwargs: Any) -> bool:
    """Whether a constant is divided by a value, or by a power of it."""
    if name in ("pow", "__pow__"):
        exponent = args[1] if len(args) > 1 else kwargs["exponent"]
        return isinstance(exponent, (int, float)) and exponent < 0
    return name in RECIPROCALS or (name == "div" and not _depends(args[0]))


def _one_value(function: Any, args: Any, kwargs: Any) -> Tensor:
    """The slope from zero, f(z) / z; at zero, the gradient."""
    z = next(one for one in tree_leaves((args, kwargs)) if _depends(one))
    at = _still(z).requires_grad_()
    args, kwargs = tree_map(lambda one: at.clone() if one is z else one, (args, kwargs))
    value = function(*args, **kwargs)
    (slope,) = torch.autograd.grad(value.sum(), at)
    zero, at = at.detach() == 0, at.detach()
    return z.clone() * torch.where(zero, slope, value.detach() / torch.where(zero, torch.ones_like(at), at))


def _each_still(args: Any, kwargs: Any) -> Iterator[Any]:
    """The arguments with one after the other of those that depend on the input as a constant."""
    leaves, form = tree_flatten((args, kwargs))
    for place, one in enumerate(leaves):
        if _depends(one):
            yield tree_unflatten([*leaves[:place], _still(one), *leaves[place + 1 :]], form)


def _product(mode: Relevance, a: Any, b: Any) -> Tensor:
    if not (_depends(a) and _depends(b)):
        return a * b
    first, second = mode.factors(a, b)
    return first * (a * _still(b)) + second * (_still(a) * b)


def _quotient(mode: Relevance, a: Any, b: Any) -> Tensor:
    """All to the dividend; a constant divided by a value is a function of one value."""
    if not _depends(b):
        return a.clone() / b
    return a * (1 / _still(b)) if _depends(a) else b * (a / _still(b) / _still(b))


def _variance(mode: Relevance, *args: Any, **kwargs: Any) -> Tensor:
    return torch.var(*args, **kwargs) / 2


def _gated(mode: Relevance, x: Tensor, dim: int = -1) -> Tensor:
    signal, gate = x.chunk(2, dim)
    return signal * _still(gate).sigmoid()


def _normed(x: Tensor, axes: tuple[int, ...], eps: float, centred: bool = True) -> Tensor:
    """The deviation is a constant; the mean keeps its gradient."""
    c = x - x.mean(axes, keepdim=True) if centred else x
    return c * (_still(c).square().mean(axes, keepdim=True) + eps).rsqrt()


def _scaled(y: Tensor, weight: Tensor | None, bias: Tensor | None, by_channel: bool = True) -> Tensor:
    shape = (-1, *(1,) * (y.dim() - 2)) if by_channel else None
    for one, join in ((weight, torch.mul), (bias, torch.add)):
        if one is not None:
            y = join(y, one if shape is None else one.reshape(shape))
    return y


def _layer_norm(mode: Relevance, *args: Any, **kwargs: Any) -> Tensor:
    x, shape, weight, bias, eps = _bound(F.layer_norm, args, kwargs)
    return _scaled(_normed(x, tuple(range(-len(shape), 0)), eps), weight, bias, by_channel=False)


def _rms_norm(mode: Relevance, *args: Any, **kwargs: Any) -> Tensor:
    x, shape, weight, eps = _bound(F.rms_norm, args, kwargs)
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    return _scaled(
        _normed(x, tuple(range(-len(shape), 0)), eps, centred=False), weight, None, by_channel=False
    )


def _group_norm(mode: Relevance, *args: Any, **kwargs: Any) -> Tensor:
    x, groups, weight, bias, eps = _bound(F.group_norm, args, kwargs)
    normed = _normed(x.reshape(len(x), groups, -1), (-1,), eps)
    return _scaled(normed.reshape(x.shape), weight, bias)


def _instance_norm(mode: Relevance, *args: Any, **kwargs: Any) -> Tensor:
    x, mean, variance, weight, bias, by_example, _, eps = _bound(F.instance_norm, args, kwargs)
    if not by_example:
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)
    return _scaled(_normed(x, tuple(range(2, x.dim())), eps), weight, bias)


def _batch_norm(mode: Relevance, *args: Any, **kwargs: Any) -> Tensor:
    x, mean, variance, weight, bias, of_batch, _, eps = _bound(F.batch_norm, args, kwargs)
    if not of_batch:
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)
    return _scaled(_normed(x, tuple(axis for axis in range(x.dim()) if axis != 1), eps), weight, bias)


def _bound(function: Any, args: Any, kwargs: Any) -> list[Any]:
    """Every argument of a function, by its signature."""
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    return list(bound.arguments.values())


def _attention(
    mode: Relevance,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention step by step, so that each of its two products is halved."""
    assert dropout_p == 0, "an attention without dropout"
    with mode:
        if enable_gqa:
            key, value = (one.repeat_interleave(query.shape[-3] // one.shape[-3], -3) for one in (key, value))
        scores = query.matmul(key.transpose(-2, -1)) * (query.shape[-1] ** -0.5 if scale is None else scale)
        if is_causal:
            attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        if attn_mask is not None:
            if attn_mask.dtype == torch.bool:
                scores = scores.masked_fill(~attn_mask, float("-inf"))
            else:
                scores = scores + attn_mask
        return torch.softmax(scores, -1).matmul(value)


def _multi_head(mode: Relevance, *args: Any, **kwargs: Any) -> tuple[Tensor, None]:
    """PyTorch's own multi-head attention, (T, N, E), step by step."""
    bound = inspect.signature(F.multi_head_attention_forward).bind(*args, **kwargs)
    bound.apply_defaults()
    given = bound.arguments
    if given["need_weights"] or given["use_separate_proj_weight"] or given["add_zero_attn"]:
        raise NoReferenceError(
            "a multi-head attention that gives its weights, or has inputs of several widths"
        )
    heads, mask, padding = given["num_heads"], given["attn_mask"], given["key_padding_mask"]
    with mode:
        projected = [
            F.linear(given[name], weight, bias)
            for name, weight, bias in zip(
                ("query", "key", "value"),
                given["in_proj_weight"].chunk(3),
                given["in_proj_bias"].chunk(3),
                strict=True,
            )
        ]
        length, count, width = projected[0].shape
        split = [one.reshape(len(one), count, heads, width // heads).permute(1, 2, 0, 3) for one in projected]
        assert mask is None or mask.dim() == 2, "one mask for all"
        if padding is not None:
            if padding.dtype == torch.bool:
                padding = torch.zeros(padding.shape).masked_fill(padding, float("-inf"))
            padding = padding[:, None, None].to(split[0].dtype)
            mask = padding if mask is None else padding + mask
        joined = F.scaled_dot_product_attention(*split, attn_mask=mask).permute(2, 0, 1, 3)
        flat = joined.reshape(length, count, width)
        return F.linear(flat, given["out_proj_weight"], given["out_proj_bias"]), None


def _lstm(
    mode: Relevance,
    x: Tensor,
    states: Sequence[Tensor],
    weights: Sequence[Tensor],
    has_biases: bool,
    layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """An LSTM step by step: its gates are sigmoids, and take nothing."""
    if not has_biases or isinstance(states, Tensor):
        raise NoReferenceError("an LSTM without biases, or of packed sequences")
    ways, ends = 2 if bidirectional else 1, ([], [])
    with mode:
        steps = list((x.transpose(0, 1) if batch_first else x).unbind(0))
        for layer in range(layers):
            by_way = []
            for way in range(ways):
                number = layer * ways + way
                on_input, on_state, *biases = weights[4 * number : 4 * number + 4]
                state, cell = states[0][number], states[1][number]
                outputs = []
                for step in reversed(steps) if way else steps:
                    both = F.linear(step, on_input, biases[0]) + F.linear(state, on_state, biases[1])
                    enters, forgets, news, leaves = both.chunk(4, 1)
                    cell = forgets.sigmoid() * cell + enters.sigmoid() * news.tanh()
                    state = leaves.sigmoid() * cell.tanh()
                    outputs.append(state)
                by_way.append(outputs[::-1] if way else outputs)
                ends[0].append(state)
                ends[1].append(cell)
            steps = [torch.cat(one, 1) for one in zip(*by_way, strict=True)]
        return torch.stack(steps, 1 if batch_first else 0), torch.stack(ends[0]), torch.stack(ends[1])


STEPWISE: dict[str, Callable[..., Any]] = {"lstm": _lstm, "multi_head_attention_forward": _multi_head}
RULES: dict[str, Callable[..., Any]] = {
    "mul": _product,
    "div": _quotient,
    "var": _variance,
    "glu": _gated,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
    "batch_norm": _batch_norm,
    "scaled_dot_product_attention": _attention,
}
