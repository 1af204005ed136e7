"""The architecture, held by a test: which module may import which, and what must mirror what."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

import explain
from explain.tf_ext.backend import TensorFlowBackend
from explain.torch_ext.backend import TorchBackend

ROOT = Path(explain.__file__).parent
REPOSITORY = Path(__file__).parents[1]
FRAMEWORKS = {"torch", "tensorflow", "keras", "captum", "tf_explain"}
EXTENSIONS = ("torch_ext", "tf_ext")

# From the ground up: a module imports what stands before it, never what stands after it.
LEVELS = [
    ("errors", "atomic_write"),
    (
        "chunks",
        "display",
        "flattened",
        "layout",
        "locks",
        "padding",
        "parameters",
        "random_state",
        "relevance",
        "stepwise",
        "structure",
        "tuning",
        "wiring",
    ),
    ("attribution", "examples", "layers", "parameter_use"),
    ("observation",),
    ("masking", "packing", "target"),
    ("backend", "baseline", "features"),
    ("layered", "tokens"),
    ("coalitions", "noise"),
    ("execution", "inputs", "quadrature", "scoring"),
    ("expansion", "joint", "problem", "steadiness"),
    ("layer_view", "resampling"),
    ("algorithms", "keras_layers", "method", "numpy_ext", "testing", "similarity"),
    ("keras_activations",),
    ("keras_graph",),
    ("keras_parameter_axes", "keras_parameter_settings", "keras_parameter_use"),
    ("keras_parameters",),
    ("options",),
    ("catalogue", "lazy_extension"),
    ("arguments", "comparison", "render"),
    ("given_inputs",),
    ("request",),
    ("one_input", "wrap_up"),
    ("several_inputs",),
    ("each_input",),
    ("explanation",),
    ("api",),
    ("goldens", "porting", "zoo"),
    ("migration", "named_models"),
    ("cli_shared", "gallery", "pytest_plugin"),
    ("cli_migration",),
    ("cli",),
]

# What one extension has and the other has not, and why.
ONLY_HERE = {
    ("tf_ext", "traces"): "PyTorch runs eagerly; TensorFlow's computations are traced once and kept.",
    ("tf_ext", "trace_keeping"): "PyTorch runs eagerly: there is nothing to keep.",
    (
        "tf_ext",
        "state.preserved_variables",
    ): "A Keras layer keeps its state in variables that each call assigns.",
    (
        "tf_ext",
        "cut.Place",
    ): "A Keras layer may apply an activation of its own; PyTorch's modules do one thing.",
    (
        "tf_ext",
        "cut.Seen",
    ): "What a trace has called is noted while it is made; PyTorch's hooks note it at a call.",
    ("tf_ext", "cut.noted_calls"): "As above.",
    ("tf_ext", "cut.entered"): "A trace leaves out what is not used; PyTorch must be kept from running it.",
    (
        "torch_ext",
        "parameter_axes",
    ): "Keras's layers are the same whatever it runs on: theirs is written once, in keras_parameter_axes.",
    ("torch_ext", "parameter_settings"): "As above, in keras_parameter_settings.",
    ("torch_ext", "parameters.Held"): "As above, in keras_parameters.",
    ("torch_ext", "cut.KnownSurvey"): "TensorFlow keeps a survey with its trace.",
    ("torch_ext", "cut.known_survey"): "As above.",
    ("torch_ext", "cut.surveyed"): "As above.",
    ("torch_ext", "structure.identities_of"): "As above: a trace is found by the structure's token.",
    ("torch_ext", "transfer.ordered"): "PyTorch may lay pictures out in memory in two orders.",
    ("torch_ext", "transfer.keywords_on_device"): "TensorFlow places tensors by itself.",
    ("tf_ext", "transfer.precision_of_points"): "PyTorch's device and precision are found together.",
    (
        "tf_ext",
        "layers.watched_calls",
    ): "What a trace calls is noted while it is made; PyTorch's hooks note it at a call.",
    ("torch_ext", "dataflow"): "A trace shows every operation; autograd leaves out what has no gradient.",
    (
        "torch_ext",
        "cut.CutLostError",
    ): "A trace takes one way for good; a PyTorch model may take another each time.",
    ("torch_ext", "inspection.device_and_dtype"): "TensorFlow places tensors by itself.",
    ("torch_ext", "layers.has_channels_last"): "A Keras layer states its data format.",
    ("tf_ext", "structure.input_shape_of"): "A Keras model states its input's shape.",
    ("tf_ext", "structure.precision_of"): "PyTorch's device and precision are found together.",
    (
        "torch_ext",
        "scores.gradients_of_scores",
    ): "PyTorch's backward pass may begin at the outputs; a trace drops what is not needed by itself.",
    ("torch_ext", "zoo.FashionRNN"): "Keras chains whole recurrent layers; PyTorch's return a state too.",
    (
        "torch_ext",
        "efficientnet.read_weights",
    ): "The weights are a file of PyTorch's; the twin gets their numbers.",
    (
        "torch_ext",
        "state.held_keras_layers",
    ): "A trace of TensorFlow's holds what Keras layers work out as part of its computation.",
    (
        "torch_ext",
        "graph.name_of",
    ): "An operation in a trace has its type; a node of autograd a name with an ending.",
    (
        "tf_ext",
        "native.rectified_backward",
    ): "PyTorch's rules are hooks on a graph; a trace holds its backward pass, which is then part of it.",
    ("tf_ext", "native.rescaled_backward"): "As above.",
    ("tf_ext", "relevance.relevance_backward"): "As above.",
    ("tf_ext", "backward.backward"): "As above.",
    ("tf_ext", "backward.dependent_on"): "As above.",
    ("tf_ext", "backward.gradient_of"): "As above.",
    ("tf_ext", "backward.Hand"): "As above.",
    ("tf_ext", "backward.CALLS"): "A trace may call functions and loops; autograd sees what they did.",
    ("torch_ext", "relevance.relevance_hooks"): "PyTorch's rules are hooks on a graph, as above.",
    ("torch_ext", "relevance.unfused"): "oneDNN's LSTM is one operation; Keras's layers are written out.",
    ("torch_ext", "backward.FUSED"): "As above.",
    ("torch_ext", "backward.Hook"): "PyTorch's rules are hooks on a graph, as above.",
    (
        "torch_ext",
        "backward.Tape",
    ): "A trace holds every tensor; of autograd's they are held while the model runs.",
    ("torch_ext", "backward.run_on_tape"): "As above.",
    ("torch_ext", "backward.edge_of"): "As above.",
    (
        "torch_ext",
        "backward.nodes_on_the_way",
    ): "A trace's operations are in order, autograd's nodes are found.",
    ("torch_ext", "backward.is_input"): "As above.",
    ("torch_ext", "backward.ON_A_VIEW"): "Only PyTorch changes tensors in place.",
    ("torch_ext", "backward.on_a_view"): "As above.",
    ("tf_ext", "native.unrolled_layers"): "PyTorch writes out the steps of a loop by itself.",
    (
        "tf_ext",
        "path.along",
    ): "A trace takes it as an operation; PyTorch's points are formed by what goes along them.",
    ("tf_ext", "path.weighted_sums"): "As above.",
    ("tf_ext", "state.assigns"): "Only a trace can be searched for assignments before it is run.",
}

# Modules of more than 400 lines, and why.
LONG_MODULES = {"catalogue": "The one table of methods is one table."}


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


@cache
def tree_of(name):
    return ast.parse(MODULES[name].read_text())


def imports_of(name, *, everywhere=True):
    """Full names of what a module imports: everywhere in it, or only when it is loaded itself."""
    tree = tree_of(name)
    later = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or (
            isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        ):
            later.update(id(inner) for inner in ast.walk(node))
    found = set()
    for node in ast.walk(tree):
        if id(node) in later and not everywhere:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{name} has a relative import"
            for alias in node.names:
                is_module = f"{node.module}.{alias.name}".removeprefix("explain.") in MODULES
                found.add(f"{node.module}.{alias.name}" if is_module else node.module)
    return found


def own_imports_of(name):
    """Modules of explain that are loaded with a module, by their name inside the package.

    What a function imports when it is called (`Attribution.plot` the drawing) is no part of the layering.
    """
    inside = {one.removeprefix("explain.") for one in imports_of(name, everywhere=False)}
    return {one for one in inside if one in MODULES}


def part_of(name):
    return name.split(".")[0]


@pytest.mark.parametrize("name", [name for name in MODULES if part_of(name) not in EXTENSIONS])
def test_no_framework_outside_the_extensions(name):
    for imported in imports_of(name):
        assert imported.split(".")[0] not in FRAMEWORKS
        assert not imported.startswith(tuple(f"explain.{extension}" for extension in EXTENSIONS))


@pytest.mark.parametrize("name", [name for name in MODULES if part_of(name) in EXTENSIONS])
def test_extensions_import_the_core_and_never_each_other(name):
    (other,) = set(EXTENSIONS) - {part_of(name)}
    own_framework = {"torch_ext": {"torch", "captum"}, "tf_ext": {"tensorflow", "keras", "tf_explain"}}[
        part_of(name)
    ]
    for imported in imports_of(name):
        top = imported.split(".")[0]
        assert top not in FRAMEWORKS - own_framework
        assert not imported.startswith(f"explain.{other}")
        assert not imported.startswith(
            ("explain.api", "explain.explanation.run", "explain.gallery", "explain.command_line.main")
        )


def test_imports_go_one_way():
    level_of = {part: level for level, parts in enumerate(LEVELS) for part in parts}
    for name in MODULES:
        part = part_of(name)
        if part in (*EXTENSIONS, ""):
            continue
        assert part in level_of, f"{part} has no level in this test: say where it stands"
        for imported in own_imports_of(name):
            other = part_of(imported)
            if other not in ("", part):
                assert level_of[other] <= level_of[part], f"{name} imports {imported}, which stands above it"


def test_no_import_goes_in_a_circle():
    done, path = set(), []

    def visit(name):
        if name in done:
            return
        assert name not in path, " → ".join([*path[path.index(name) :], name])
        path.append(name)
        for imported in sorted(own_imports_of(name)):
            visit(imported)
        path.pop()
        done.add(name)

    for name in MODULES:
        if name:
            visit(name)


def public_names(extension, module):
    """Names that a module of an extension defines, its framework's name taken out."""
    names = set()
    for node in tree_of(f"{extension}.{module}").body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(target.id for target in targets if isinstance(target, ast.Name))
    return {
        name.replace("TensorFlow", "Framework").replace("Torch", "Framework")
        for name in names
        if name[0] != "_"
    }


def test_the_extensions_mirror_each_other():
    files = {
        extension: {name.split(".", 1)[1] for name in MODULES if name.startswith(f"{extension}.")}
        for extension in EXTENSIONS
    }
    differences = {}
    for here, there in (EXTENSIONS, EXTENSIONS[::-1]):
        for module in files[here] - files[there]:
            differences[here, module] = "a file"
        for module in files[here] & files[there]:
            for name in public_names(here, module) - public_names(there, module):
                differences[here, f"{module}.{name}"] = "a name"
    assert set(differences) == set(ONLY_HERE)


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_short(name):
    lines = len(MODULES[name].read_text().splitlines())
    assert lines <= 400 or name in LONG_MODULES, f"{name} has {lines} lines: is it two things?"


def test_every_method_is_there_in_both_frameworks_and_in_the_docs():
    docs = REPOSITORY / "docs"
    pages = (docs / "conventions.md", *(docs / "conventions").glob("*.md"))
    conventions = "\n".join(page.read_text() for page in pages)
    for row in explain.methods():
        assert callable(row.function())
        assert row.function().__doc__
        for backend in (TorchBackend, TensorFlowBackend):
            assert row.needs <= backend.provides, f"{backend.name} lacks what {row.name} needs"
        assert f"`{row.name}`" in conventions
        for option in row.options:
            assert f"`{option.name}" in conventions, f"{row.name}'s {option.name} is not in docs/conventions"


def test_every_dependency_is_accounted_for():
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    account = (REPOSITORY / "docs" / "dependencies.md").read_text()
    listed = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    for requirement in listed:
        name = requirement.split("[")[0].split(">")[0]
        assert name == "explain-toolkit" or name in account, f"{name} is not in docs/dependencies.md"
