"""Errors and warnings: each message says what was given, what was expected and what to do next.

Every error is an `ExplainError` and also a subclass of the standard error that fits. It ends at the caller's line; with
the environment variable ``EXPLAIN_FULL_TRACEBACK=1`` it shows every frame.
"""


class ExplainError(Exception):
    """Base of every error that `explain` raises on purpose."""


class UnsupportedModelError(ExplainError, TypeError):
    """No extension recognises the model, or the model lacks what the method needs."""


class ModelFileError(UnsupportedModelError):
    """A file or folder holds no model, is damaged, or cannot be read without running code of it."""


class ModelNotBuiltError(ExplainError, ValueError):
    """A Keras model has no weights yet because its input shape is not known yet."""


class FrameworkNotInstalledError(ExplainError, ImportError):
    """The framework that this call needs cannot be imported."""


class PackageNotInstalledError(ExplainError, ImportError):
    """A package that this function needs, such as one for data frames, is not installed."""


class ModelCallError(ExplainError, RuntimeError):
    """The model raised an error of its own when it was called."""


class InputError(ExplainError, ValueError):
    """The input `x`, or an argument that belongs to it, cannot be explained as given."""


class LayoutError(InputError):
    """The axes of `x` are not in the order that the model takes, or their order is unknown."""


class UnsupportedInputError(InputError):
    """The method does not apply to inputs of this kind, such as a method for pictures to a table."""


class DependentExamplesError(InputError):
    """The examples of the batch depend on each other, as the nodes of a graph do."""


class TargetError(ExplainError, ValueError):
    """`target` does not select one scalar per example from the model's output."""


class BaselineError(ExplainError, ValueError):
    """`baseline` is not a value, an array that broadcasts to `x`, or a known rule."""


class ScoreError(ExplainError, ValueError):
    """`score` or `output` does not name something that the model computes."""


class SeveralOutputsError(ScoreError):
    """The model gives several outputs, or none that is a tensor, and none of them is chosen."""


class MethodError(ExplainError, ValueError):
    """No method of that name is in the catalogue."""


class OptionError(ExplainError, ValueError):
    """An option is unknown to the method, or its value is out of range."""


class LayerError(ExplainError, ValueError):
    """`layer` does not name a layer of the model, or names one that the method cannot use."""


class MemoryBudgetError(ExplainError, MemoryError):
    """The memory budget is too small for a single example."""


class OutOfMemoryError(ExplainError, MemoryError):
    """Memory ran out for the smallest chunk that the work can be cut into."""


class EngineError(ExplainError, RuntimeError):
    """The chosen engine cannot run this method, or would give wrong numbers."""


class GradientError(ExplainError, RuntimeError):
    """The score has no gradient to the input."""


class ExampleIndexError(ExplainError, IndexError):
    """An index does not select examples of a result."""


class AttributionFileError(ExplainError, ValueError):
    """A file is not a saved attribution, or is damaged."""


class ComparisonError(ExplainError, ValueError):
    """Two attributions explain different things and cannot be compared."""


class PortError(ExplainError, ValueError):
    """Not all weights of one model have a counterpart in another, or they would have another meaning there."""


class MigrationError(ExplainError, ValueError):
    """Two models cannot be compared as requested, or a file is not a report of a comparison."""


class ReportError(ExplainError, ValueError):
    """A report cannot be written as requested, or a file is not a report, or is a changed one."""


class EvaluationError(ExplainError, ValueError):
    """An attribution cannot be evaluated as requested, or a file is not a saved evaluation."""


class GoldenError(ExplainError, ValueError):
    """A golden explanation is missing, damaged, or was made for another call."""


class ExplanationChangedError(ExplainError, AssertionError):
    """An explanation differs from its golden."""


class RenderError(ExplainError, ValueError):
    """An attribution cannot be drawn as requested."""


class ZooError(ExplainError, ValueError):
    """No seed model, data set or framework of that name is known."""


class DataError(ExplainError, OSError):
    """A data set or a weight file is missing, or is not the file it should be."""


class MissingFileError(DataError, FileNotFoundError):
    """There is no file of this name."""


class ExplainWarning(UserWarning):
    """Base of every warning that `explain` issues."""


class PortWarning(ExplainWarning):
    """Every weight was ported, but the two models give different outputs on the given examples."""


class OutOfMemoryWarning(ExplainWarning):
    """Memory ran out: the call continued in smaller chunks, with the same result."""


class PreprocessingWarning(ExplainWarning):
    """Pictures were prepared in another way than the model, or the file, suggests."""


class ClassNamesWarning(ExplainWarning):
    """The names of the classes are not as many as the outputs: they are left out."""


class CallbackWarning(ExplainWarning):
    """The explanation of an epoch failed; training went on without it."""


class ConvergenceWarning(ExplainWarning):
    """An integral has not converged: the error of its map, or of the sum of its values, is too large."""


class NonDeterministicWarning(ExplainWarning):
    """The model gives different outputs for the same input, though it is in inference mode."""


class ProbabilityScoreWarning(ExplainWarning):
    """The explained score looks like a probability and could not be turned back into a logit."""


class OpaqueModelWarning(ExplainWarning):
    """The layers of the model cannot be accessed, so it was not searched for a terminal softmax."""


class BaselineWarning(ExplainWarning):
    """A baseline equals the input, so there is no difference to attribute."""


class NoiseWarning(ExplainWarning):
    """Noise is a share of an example's range, and the range of an example is zero: no noise was added."""


class PlainGradientWarning(ExplainWarning):
    """A method that changes the backward pass found nothing to change: its map is the plain gradient."""


class ZeroGradientWarning(ExplainWarning):
    """The gradient is zero everywhere for at least one example: its map has no information."""


class CancellationWarning(ExplainWarning):
    """Values cancel where they are added up: what is left is the rounding of the terms."""


class RelevanceWarning(ExplainWarning):
    """Relevance grew to many times the score in the backward pass: terms that cancel hide the other terms."""


class ZeroMapWarning(ExplainWarning):
    """A class activation map is zero everywhere: no output of the layer raises the score."""


class SharedMapWarning(ExplainWarning):
    """The class activation map of one of several inputs is of a layer that other inputs reach too."""


class HeldInputWarning(ExplainWarning):
    """One of several inputs stayed fixed: it contains integers that no embedding reads, or no method applies to it."""


class UnexplainedTokensWarning(ExplainWarning):
    """Token ids reach the score also past the embeddings at which they are explained: that part stays fixed."""


class UnusedInputWarning(ExplainWarning):
    """No effect of one of several inputs was seen: its values are zero, and one draw of noise changed no score."""


class SurrogateWarning(ExplainWarning):
    """A surrogate model is unreliable: too few samples for its features, or too strong a penalty."""
