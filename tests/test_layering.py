"""What must mirror what: a file of the same name does the same job in both extensions."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import explain

ROOT = Path(explain.__file__).parent
EXTENSIONS = ("torch_ext", "tf_ext")

# What one extension has and the other has not, and why.
ONLY_HERE = {
    ("tf_ext", "model.traces"): "PyTorch runs eagerly; TensorFlow's computations are traced once and kept.",
    ("tf_ext", "model.trace_keeping"): "PyTorch runs eagerly: there is nothing to keep.",
    (
        "tf_ext",
        "model.state.preserved_variables",
    ): "A Keras layer keeps its state in variables that each call assigns.",
    (
        "tf_ext",
        "affine_prefix.cut.Place",
    ): "A Keras layer may apply an activation of its own; PyTorch's modules do one thing.",
    (
        "tf_ext",
        "affine_prefix.cut.Seen",
    ): "What a trace has called is noted while it is made; PyTorch's hooks note it at a call.",
    ("tf_ext", "affine_prefix.cut.noted_calls"): "As above.",
    (
        "tf_ext",
        "affine_prefix.cut.entered",
    ): "A trace leaves out what is not used; PyTorch must be kept from running it.",
    (
        "torch_ext",
        "parameters.axes",
    ): "Keras's layers are the same whatever it runs on: theirs is written once, in keras/parameter_axes.py.",
    ("torch_ext", "parameters.settings"): "As above, in keras/parameter_settings.py.",
    ("torch_ext", "parameters.access.Held"): "As above, in keras/parameters.py.",
    ("torch_ext", "affine_prefix.cut.KnownSurvey"): "TensorFlow keeps a survey with its trace.",
    ("torch_ext", "affine_prefix.cut.known_survey"): "As above.",
    ("torch_ext", "affine_prefix.cut.surveyed"): "As above.",
    ("torch_ext", "model.structure.identities_of"): "As above: a trace is found by the structure's token.",
    ("torch_ext", "model.transfer.ordered"): "PyTorch may lay pictures out in memory in two orders.",
    ("torch_ext", "model.transfer.keywords_on_device"): "TensorFlow places tensors by itself.",
    ("tf_ext", "model.transfer.precision_of_points"): "PyTorch's device and precision are found together.",
    (
        "tf_ext",
        "model.layers.watched_calls",
    ): "What a trace calls is noted while it is made; PyTorch's hooks note it at a call.",
    (
        "torch_ext",
        "affine_prefix.dataflow",
    ): "A trace shows every operation; autograd leaves out what has no gradient.",
    (
        "torch_ext",
        "affine_prefix.cut.CutLostError",
    ): "A trace takes one way for good; a PyTorch model may take another each time.",
    ("torch_ext", "inspection.device_and_dtype"): "TensorFlow places tensors by itself.",
    ("torch_ext", "model.layers.has_channels_last"): "A Keras layer states its data format.",
    ("tf_ext", "model.structure.input_shape_of"): "A Keras model states its input's shape.",
    ("tf_ext", "model.structure.precision_of"): "PyTorch's device and precision are found together.",
    (
        "torch_ext",
        "model.scores.gradients_of_scores",
    ): "PyTorch's backward pass may begin at the outputs; a trace drops what is not needed by itself.",
    (
        "torch_ext",
        "zoo.seed_models.FashionRNN",
    ): "Keras chains whole recurrent layers; PyTorch's return a state too.",
    (
        "torch_ext",
        "zoo.efficientnet.read_weights",
    ): "The weights are a file of PyTorch's; the twin gets their numbers.",
    (
        "torch_ext",
        "model.state.held_keras_layers",
    ): "A trace of TensorFlow's holds what Keras layers work out as part of its computation.",
    (
        "torch_ext",
        "model.graph.name_of",
    ): "An operation in a trace has its type; a node of autograd a name with an ending.",
    (
        "tf_ext",
        "backward_rules.rule_gradients.rectified_backward",
    ): "PyTorch's rules are hooks on a graph; a trace holds its backward pass, which is then part of it.",
    ("tf_ext", "backward_rules.rule_gradients.rescaled_backward"): "As above.",
    ("tf_ext", "backward_rules.relevance.relevance_backward"): "As above.",
    ("tf_ext", "backward_rules.backward_pass.backward"): "As above.",
    ("tf_ext", "backward_rules.backward_pass.dependent_on"): "As above.",
    ("tf_ext", "backward_rules.backward_pass.gradient_of"): "As above.",
    ("tf_ext", "backward_rules.backward_pass.Hand"): "As above.",
    (
        "tf_ext",
        "backward_rules.backward_pass.CALLS",
    ): "A trace may call functions and loops; autograd sees what they did.",
    (
        "torch_ext",
        "backward_rules.relevance.relevance_hooks",
    ): "PyTorch's rules are hooks on a graph, as above.",
    (
        "torch_ext",
        "backward_rules.relevance.unfused",
    ): "oneDNN's LSTM is one operation; Keras's layers are written out.",
    ("torch_ext", "backward_rules.backward_pass.FUSED"): "As above.",
    ("torch_ext", "backward_rules.backward_pass.Hook"): "PyTorch's rules are hooks on a graph, as above.",
    (
        "torch_ext",
        "backward_rules.backward_pass.Tape",
    ): "A trace holds every tensor; of autograd's they are held while the model runs.",
    ("torch_ext", "backward_rules.backward_pass.run_on_tape"): "As above.",
    ("torch_ext", "backward_rules.backward_pass.edge_of"): "As above.",
    (
        "torch_ext",
        "backward_rules.backward_pass.nodes_on_the_way",
    ): "A trace's operations are in order, autograd's nodes are found.",
    ("torch_ext", "backward_rules.backward_pass.is_input"): "As above.",
    ("torch_ext", "backward_rules.backward_pass.ON_A_VIEW"): "Only PyTorch changes tensors in place.",
    ("torch_ext", "backward_rules.backward_pass.on_a_view"): "As above.",
    (
        "tf_ext",
        "backward_rules.rule_gradients.unrolled_layers",
    ): "PyTorch writes out the steps of a loop by itself.",
    (
        "tf_ext",
        "affine_prefix.path.along",
    ): "A trace takes it as an operation; PyTorch's points are formed by what goes along them.",
    ("tf_ext", "affine_prefix.path.weighted_sums"): "As above.",
    ("tf_ext", "model.state.assigns"): "Only a trace can be searched for assignments before it is run.",
}


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


@cache
def tree_of(name):
    return ast.parse(MODULES[name].read_text())


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
