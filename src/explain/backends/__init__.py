"""The interface between methods and frameworks, and the parts that all backends share.

Third-party backends import from here: the protocol, and the classes of inputs that it uses. See
docs/guides/new-backend.md.
"""

from explain.backends.chunks import ChunkRunner
from explain.backends.discovery import ENTRY_POINT_GROUP, extension_for, extensions
from explain.backends.found import Found, RuleGradients
from explain.backends.observation import Observation, ObservedCall
from explain.backends.operations.attention_rows import Attentions
from explain.backends.outputs.choice import pick_output
from explain.backends.outputs.target_function import called_target, not_scalars_error
from explain.backends.protocol import Ahead, Backend, Extension, LayeredBackend, PosedProblem, Primitive, Rule
from explain.backends.question import Finding, Question, ScoreKind
from explain.backends.scoring import opaque_finding
from explain.inputs.arrays import TensorReader
from explain.inputs.examples import Array, Arrays, Examples, Target
from explain.inputs.layer_calls import LayerCall
from explain.inputs.layout import Layout, default_layout
from explain.inputs.target import picked
from explain.inputs.wiring import Wiring
from explain.parameters.canonical import ParameterLayer
from explain.public_calls.passes import count_passes

__all__ = [
    "ENTRY_POINT_GROUP",
    "Ahead",
    "Array",
    "Arrays",
    "Attentions",
    "Backend",
    "ChunkRunner",
    "Examples",
    "Extension",
    "Finding",
    "Found",
    "LayerCall",
    "LayeredBackend",
    "Layout",
    "Observation",
    "ObservedCall",
    "ParameterLayer",
    "PosedProblem",
    "Primitive",
    "Question",
    "Rule",
    "RuleGradients",
    "ScoreKind",
    "Target",
    "TensorReader",
    "Wiring",
    "called_target",
    "count_passes",
    "default_layout",
    "extension_for",
    "extensions",
    "not_scalars_error",
    "opaque_finding",
    "pick_output",
    "picked",
]
