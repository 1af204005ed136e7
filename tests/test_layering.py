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
    (
        "torch_ext",
        "contents",
    ): "PyTorch modules keep tensors and layers in plain dictionaries, which a forward pass may change.",
    **{
        (
            "torch_ext",
            f"model.memory.{name}",
        ): "A trace shows what a run needs; PyTorch has to run, and a large example takes much memory."
        for name in ("LARGE", "values_of")
    },
    ("torch_ext", "interception"): "A trace shows every operation; PyTorch has a mode that intercepts them.",
    (
        "torch_ext",
        "model.state.without_cudnn",
    ): "cuDNN has no gradient for PyTorch's recurrent layers in inference mode.",
    **{
        (
            "torch_ext",
            f"model.{name}",
        ): "Of Keras and of functions keras/ tells it: extension.py, inspection.py and model/."
        for name in (
            "inspection.default_layout",
            "inspection.stated_input_shape",
            "inspection.reads_token_ids",
            "inspection.first_layer_complaint",
            "inspection.call_error",
            "inspection.FrameworkInspection",
            "scores.ActivationRecorder",
        )
    },
    (
        "torch_ext",
        "affine_prefix.dataflow",
    ): "A trace shows every operation; autograd leaves out what has no gradient.",
    (
        "torch_ext",
        "affine_prefix.cut.CutLostError",
    ): "A trace takes one way for good; a PyTorch model may take another at each call.",
    (
        "torch_ext",
        "backward_rules.tape",
    ): "A trace holds every tensor; those of autograd are kept while the model runs.",
    ("torch_ext", "backward_rules.norms"): "PyTorch fuses norms; Keras writes them in several operations.",
    (
        "torch_ext",
        "backward_rules.kinds.NORMS",
    ): "PyTorch fuses norms; Keras writes them in several operations.",
    (
        "torch_ext",
        "backward_rules.multipliers.of_norm",
    ): "PyTorch fuses norms; Keras writes them in operations.",
    ("torch_ext", "backward_rules.multipliers.of_gated_half"): "TensorFlow has no operation for GLU.",
    ("torch_ext", "backward_rules.multipliers.of_log_sum_exp"): "TensorFlow has no operation for it.",
    ("torch_ext", "backward_rules.backward.sloped"): "In TensorFlow, DeepLift alone uses it.",
    ("torch_ext", "backward_rules.refusals.on_a_view"): "TensorFlow changes no tensor in place.",
    ("torch_ext", "backward_rules.running_modules"): "The name of a traced operation tells its layer.",
    (
        "tf_ext",
        "backward_rules.grouped",
    ): "PyTorch has the gradient of a grouped convolution on every device.",
    ("tf_ext", "backward_rules.anatomy"): "In PyTorch, the run on a tape knows its operations.",
    (
        "tf_ext",
        "backward_rules.kinds.WRAPPED",
    ): "A function with its own gradient leaves its operations in a trace.",
    (
        "tf_ext",
        "backward_rules.backward.gradient_of",
    ): "Autograd hands a hook the gradients of its node; of a traced operation they are asked for.",
    (
        "tf_ext",
        "model.endings.with_replaced",
    ): "A trace holds what is needed to run its last operations again; autograd's graph does not.",
    (
        "torch_ext",
        "model.layers.fused",
    ): "A trace shows every operation of an attention; PyTorch runs it as one.",
    (
        "torch_ext",
        "model.activation_calls",
    ): "A PyTorch model runs again with other activations at its end; a trace's end is computed again by itself.",
    (
        "torch_ext",
        "model.graph.operands_first",
    ): "A trace lists its operations in order; autograd's graph is walked.",
    ("tf_ext", "model.runs.eager_run"): "Autograd's graph is there without a trace.",
    **{
        (
            "tf_ext",
            name,
        ): "One trace gives all that a method needs first, or is copied into the next; PyTorch runs eagerly."
        for name in (
            "model.runs",
            "model.runs.traced_run",
            "model.forward_pass.REPEATING",
            "model.forward_pass.repeating",
            "model.forward_pass.asked_of",
            "model.layers.operations.GraphGradients",
            "model.graph.gradients_in_graph",
            "backward_rules.gradients.TracedBackend",
            "backward_rules.gradients.rule_answers",
        )
    },
    (
        "tf_ext",
        "model.layers.operations.tape_for",
    ): "A tape goes past the replaced result of an operation; autograd's graph does not.",
    (
        "tf_ext",
        "model.graph.SHAPES",
    ): "Shapes are no tensors in PyTorch: its graph has no operations on them.",
    ("tf_ext", "model.graph.run_again"): "An operation of autograd's graph cannot be run on other inputs.",
    (
        "tf_ext",
        "backward_rules.pools",
    ): "PyTorch's gradient of a max pool gives each window to one place in every dimension.",
    (
        "torch_ext",
        "model.scores.gradients_of",
    ): "TensorFlow differentiates inside the run of a model, whose errors are named there.",
    (
        "tf_ext",
        "model.scores.check_same_score",
    ): "PyTorch runs operation by operation throughout; outputs traced and gradients not are TensorFlow's alone.",
    (
        "tf_ext",
        "model.endings.without_graph",
    ): "A kept trace must not hold the tensors of another; autograd's graph goes with its output.",
    ("torch_ext", "model.memory_format"): "PyTorch may lay pictures out in memory in two orders.",
    (
        "tf_ext",
        "affine_prefix.images",
    ): "The end of a traced prefix is known by name; PyTorch runs the model up to it.",
    ("tf_ext", "model.runs.replay"): "Autograd's graph cannot be run on other inputs; a trace can.",
    ("tf_ext", "model.runs.unoptimized"): "PyTorch optimizes no graph before it runs.",
    ("tf_ext", "model.tracing"): "PyTorch runs eagerly; TensorFlow's computations are traced once and kept.",
    (
        "tf_ext",
        "model.forward_pass.Surveyor",
    ): "The operations show in the trace of the outputs; see model.tracing.",
    ("tf_ext", "affine_prefix.cut.surveyed_reading"): "The operations show in the trace of the outputs.",
    ("tf_ext", "affine_prefix.cut.ExplainedFrom"): "Prefix and rest are in one trace.",
    ("tf_ext", "model.forward_pass.TO_FIND"): "A trace is for a given target, and for the one to be found.",
    **{
        (
            "tf_ext",
            f"model.scores.{name}",
        ): "To gather by index takes many operations in a trace; in PyTorch, one."
        for name in ("where_picked", "scores_where")
    },
    (
        "tf_ext",
        "model.state.preserved_variables",
    ): "A Keras layer keeps its state in variables that each call assigns.",
    (
        "torch_ext",
        "parameters.settings",
    ): "Keras layers are the same on every framework: their settings stand in keras/parameters/settings.py.",
    (
        "torch_ext",
        "zoo.seed_models.FashionRNN",
    ): "Keras chains recurrent layers; PyTorch's return a state too, so that a chain needs a class.",
    (
        "torch_ext",
        "zoo.seed_models.MotifNetwork",
    ): "Keras convolves embedded tokens as they are; PyTorch takes the steps last, so that a chain needs a class.",
    (
        "torch_ext",
        "model.state.Restore",
    ): "A PyTorch model is put back before every call; a traced one runs no code of its own after the trace.",
    (
        "torch_ext",
        "exported_archive",
    ): "PyTorch's own format, whose reader runs code of the file; of TensorFlow it is saved_models.",
    ("tf_ext", "saved_models"): "TensorFlow's own format; of PyTorch it is exported_archive.",
    **{
        (
            "torch_ext",
            f"model.{name}",
        ): "The graph of one pass serves several questions; a trace answers those that it was made for."
        for name in ("scores.KeptPass", "scores.begun_at", "scores.reached", "graph.keeps_rows")
    },
    (
        "torch_ext",
        "model.state.OwnHooks",
    ): "A Keras layer has no hooks.",
    **{
        (
            "torch_ext",
            f"model.layers.calls.{name}",
        ): "Keras layers are the same on every framework: it stands in keras/layers.py."
        for name in ("named_layers", "has_channels_last", "fixes_axes", "batch_axis_of")
    },
    (
        "torch_ext",
        "model.structure.Structure",
    ): "What a trace of a Keras model is specialised to is the same on every framework: keras/structure.py.",
    **{
        (
            "torch_ext",
            f"model.structure.{name}",
        ): "A PyTorch module keeps all that decides its calls in its attributes, which anyone may change."
        for name in ("Places", "OWN", "OF_MODULE_ITSELF")
    },
    (
        "torch_ext",
        "zoo.efficientnet.read_weights",
    ): "The weights are a file of PyTorch's; the twin gets their numbers.",
}

# What a file of jax_ext does that no file of tf_ext does.
ONLY_ON_JAX = {
    "paths": "No affine prefix is skipped on JAX: what is left of affine_prefix/ is one file.",
    "model.survey": "One trace shows kinks, memory and gradients; tf_ext finds them beside the affine prefix.",
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


def test_a_file_of_jax_ext_does_the_job_of_its_name():
    """It has what Keras models need; what the other two have beyond that, such as backward rules, is not there."""
    on_jax = {name.split(".", 1)[1] for name in MODULES if name.startswith("jax_ext.")}
    others = {name.split(".", 1)[1] for name in MODULES if name.startswith("tf_ext.")}
    assert on_jax - others == set(ONLY_ON_JAX)
