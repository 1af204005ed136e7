"""Archives of `torch.export`, looked through before PyTorch reads them.

PyTorch's reader trusts an archive: it unpickles some of its parts, evaluates the sizes in it as expressions, and puts
names and conditions of it into Python code. So nothing of an archive is read by it but what is known to be harmless:
operations on tensors, plain names, arithmetic on sizes, and tensors without pickle.
"""

from __future__ import annotations

import ast
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from explain.errors import ModelFileError
from explain.files.json_text import read_json

_RECORDS = re.compile(
    r"archive_format|archive_version|byteorder|version|\.data/\w+|\.format_version|\.storage_alignment|"
    r"models/model\.json|data/(weights|constants)/(model_(weights|constants)_config\.json|(weight|tensor)_\d+)|"
    r"data/sample_inputs/model\.pt|extra/.*"
)
_OPERATIONS = re.compile(
    r"torch\.ops\.(aten|prims|quantized|quantized_decomposed|torchvision)\.\w+(\.\w+)?|"
    r"torch\.ops\.higher_order\.(cond|while_loop|map_impl|scan|associative_scan|flex_attention|out_dtype|"
    r"wrap_with_set_grad_enabled|wrap_with_autocast)|"
    r"_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|getitem|and_|or_|not_|xor|"
    r"lshift|rshift)|math\.[a-z]\w*|torch\._?sym_\w+"
)
# Operations of that kind which read or write files.
_FILES = re.compile(r"torch\.ops\.aten\.(save|from_file|_save\w*)(\.\w+)?")
_NAME = re.compile(r"[\w.:\-+ <>=/]*")
_WORD = re.compile(r"[\w.]*")
# What PyTorch puts into the code of a function as it is.
_IDENTIFIERS = frozenset({"name", "as_name", "forward_arg_names"})
# Names with a meaning in the sizes of tensors, and the symbols that stand for sizes.
_FUNCTIONS = re.compile(
    r"min|max|abs|Symbol|Integer|Float|Rational|Add|Mul|Mod|Max|Min|floor|ceiling|Abs|Eq|Ne|Lt|Le|Gt|Ge|Not|And|Or|Xor|FloorDiv|"
    r"ModularIndexing|Where|PythonMod|CleanDiv|CeilToInt|FloorToInt|CeilDiv|FloatTrueDiv|IntTrueDiv|"
    r"IsNonOverlappingAndDenseIndicator|TruncToFloat|TruncToInt|RoundToInt|RoundDecimal|ToFloat|Identity|Piecewise|sqrt"
)
_SYMBOL = re.compile(r"[a-z]+\d+|oo|inf|int_oo|math|L|true|false")
_METHODS = frozenset(
    {"size", "stride", "storage_offset", "dim", "shape", "ndim", "trunc", "floor", "ceil", "sqrt"}
)
_ARITHMETIC = (
    ast.Expression, ast.Call, ast.Name, ast.Load, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp,
    ast.Subscript, ast.Attribute, ast.keyword, ast.Tuple, ast.operator, ast.unaryop, ast.cmpop, ast.boolop,
)  # fmt: skip


def read_exported(path: Path) -> Any:
    """Read an archive of `torch.export` that holds operations and tensors and nothing else.

    Parameters
    ----------
    path : pathlib.Path
        A file that `torch.export.save` wrote.

    Returns
    -------
    torch.nn.Module
        The model, which takes the batch sizes for which it was exported.

    Raises
    ------
    ModelFileError
        If it is damaged, or contains anything else.
    """
    try:
        found = next(_suspicious(path), None)
    except ModelFileError:
        raise
    # What PyTorch's reader or the JSON reader says of a damaged archive.
    except Exception as cause:
        raise _damaged(path, cause) from cause
    if found is not None:
        raise ModelFileError(
            f"{path} is an archive of torch.export with {found}, which PyTorch would read by running code of the file, "
            "or which is not known to be harmless: export the model again with inputs that are plain tensors, or load "
            "it in a program of your own, and give explain.attribute the model itself."
        )
    try:
        return torch.export.load(path).module()
    except Exception as cause:
        raise _damaged(path, cause) from cause


def _damaged(path: Path, cause: Exception) -> ModelFileError:
    line = str(cause).strip().partition("\n")[0][:300]
    return ModelFileError(
        f"{path} is not an archive of torch.export that PyTorch {torch.__version__} reads ({type(cause).__name__}: "
        f"{line}): export the model again with this version."
    )


def _suspicious(path: Path) -> Iterator[str]:
    """Describe everything in an archive that is not known to be harmless."""
    # The older format is read by Python, by the names in the archive as they are; the present one is in one folder.
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    folders = {name.partition("/")[0] for name in names}
    if len(folders) != 1 or len(set(names)) != len(names):
        yield "records beside its own folder, as PyTorch before 2.8 wrote them"
        return
    # The reader that PyTorch uses: another one might see another archive in the same bytes.
    reader = torch._C.PyTorchFileReader(str(path))
    records = reader.get_all_records()
    yield from (f"a record {name!r}" for name in records if not _RECORDS.fullmatch(name))
    for name in records:
        if name.endswith("_config.json"):
            yield from _of_payload(read_json(reader.get_record(name)))
        elif name.endswith(".pt"):
            yield from _of_pickle(name, reader.get_record(name))
        elif name.endswith("model.json"):
            yield from _of_program(read_json(reader.get_record(name)))


def _of_payload(config: Any) -> Iterator[str]:
    for name, one in config["config"].items():
        if one["use_pickle"] is not False or not re.fullmatch(r"(weight|tensor)_\d+", one["path_name"]):
            yield f"{name!r} as a pickle"
        yield from _of_text("key", name)
        yield from _of_program(one)


def _of_pickle(name: str, content: bytes) -> Iterator[str]:
    if not content:
        return
    try:
        torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    # Its reader refuses everything but tensors and plain values, by errors of several kinds.
    except Exception:
        yield f"example inputs in {name!r} that are not plain tensors"


def _of_program(value: Any, key: str = "") -> Iterator[str]:
    """Look through a program, as its JSON file states it; `key` is where a value stands."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _of_text("key", name)
            # Where the operation stood in the source: kept as text.
            if name != "metadata":
                yield from _of_program(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from _of_program(one, key)
    elif isinstance(value, str):
        yield from _of_text(key, value)


def _of_text(key: str, text: str) -> Iterator[str]:
    if key in ("as_string", "as_strings"):
        # The argument of an operation stays text.
        return
    if key in ("target", "as_operator"):
        if not _OPERATIONS.fullmatch(text) or _FILES.fullmatch(text):
            yield f"the operation {text[:80]!r}"
    elif key in ("expr_str", "guards_code"):
        if not is_arithmetic(text):
            yield f"the size {text[:80]!r}"
    elif key in ("in_spec", "out_spec"):
        yield from _of_structure(read_json(text))
    elif not (_WORD if key in _IDENTIFIERS else _NAME).fullmatch(text) and not (
        key == "key" and is_arithmetic(text)
    ):
        yield f"the name {text[:80]!r}"


def _of_structure(value: Any) -> Iterator[str]:
    """Look through the structure of inputs or outputs, in which parts are JSON again."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _of_structure(name)
            yield from _of_structure(one)
    elif isinstance(value, list):
        for one in value:
            yield from _of_structure(one)
    elif isinstance(value, str):
        if value[:1] in ("[", "{", '"'):
            yield from _of_structure(read_json(value))
        elif not _WORD.fullmatch(value) or "__" in value:
            yield f"the structure {value[:80]!r}"


def is_arithmetic(text: str) -> bool:
    """Tell whether an expression computes with sizes and does nothing else.

    Examples
    --------
    >>> is_arithmetic("Symbol('s31', positive=True) // 2 + Max(1, s0)"), is_arithmetic("L['x'].size()[0] >= 2")
    (True, True)
    >>> is_arithmetic("__import__('os').system('ls')"), is_arithmetic("open(0)")
    (False, False)
    """
    if not re.fullmatch(r"[\w .,()\[\]<>=!+\-*/%&|~'\"]*", text):
        return False
    try:
        nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(isinstance(node, _ARITHMETIC) and _is_plain(node) for node in nodes)


def _is_plain(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return bool(_FUNCTIONS.fullmatch(node.id) or _SYMBOL.fullmatch(node.id))
    if isinstance(node, ast.Attribute):
        return node.attr in _METHODS
    if isinstance(node, ast.Call):
        called = node.func
        return isinstance(called, ast.Attribute) or bool(
            isinstance(called, ast.Name) and _FUNCTIONS.fullmatch(called.id)
        )
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return bool(_WORD.fullmatch(node.value))
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Pow, ast.LShift)):
        # A tower of powers would not end.
        return isinstance(node.right, ast.Constant) and node.right.value in range(64)
    return not isinstance(node, ast.Constant) or isinstance(node.value, (int, float))
