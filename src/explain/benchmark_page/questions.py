"""What the page asks of every method: of which model, by which metric, on how many examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Marked = Literal["object", "shortcut"]


@dataclass(frozen=True)
class Question:
    """A question to every method: a column of the table.

    Parameters
    ----------
    title : str
        The heading of the column, and the name under which its answers stand.
    asks : str
        The question, in one sentence.
    model : str
        The model of the zoo.
    metric : str
        The metric that answers it.
    options : Mapping
        Options of the metric.
    marked : {"object", "shortcut"}, optional
        What the masks of the metric mark.
    explanations : int
        How many explanations of each example the metric makes; 0 if it reads the map and asks for scores alone.
    chance : str
        What a map without any information would get, in words.
    """

    title: str
    asks: str
    model: str
    metric: str
    options: Mapping[str, Any] = field(default_factory=dict)
    marked: Marked | None = None
    explanations: int = 0
    chance: str = ""


@dataclass(frozen=True)
class Data:
    """The ground truth that a model is asked about.

    Parameters
    ----------
    name : str
        The data set, as `explain.zoo.ground_truth` takes it.
    shortcut : str
        Which shortcut its examples have.
    """

    name: str
    shortcut: str


DATA: Mapping[str, Data] = {
    "shapes_honest": Data("shapes", "random"),
    "shapes_shortcut": Data("shapes", "agreeing"),
    "motifs_honest": Data("motifs", "random"),
    "motifs_shortcut": Data("motifs", "agreeing"),
}
"""By model: the examples that it is asked about."""

EXAMPLES = 32
"""How many examples of each model have a map, and a value by each metric that asks for scores alone."""

EXPLAINED_AGAIN = 4
"""How many of them have a value by each metric that explains again."""

PICTURES = (
    Question(
        "Finds the object",
        "How many of the highest values lie on the object, if as many are counted as it has pixels?",
        "shapes_honest",
        "relevance_rank_accuracy",
        marked="object",
        chance="the share of the picture that the object takes",
    ),
    Question(
        "Reveals the shortcut",
        "The model goes by a coloured patch. How many of the highest values lie on it?",
        "shapes_shortcut",
        "relevance_rank_accuracy",
        marked="shortcut",
        chance="25 of 1,024 pixels, 0.024",
    ),
    Question(
        "Deletion",
        "How much of the class's probability is left on average, while the highest values are blurred away first?",
        "shapes_honest",
        "deletion",
        options={"reference": "blur"},
    ),
    Question(
        "Insertion",
        "How much of the class's probability is there on average, while the highest values come back first?",
        "shapes_honest",
        "insertion",
        options={"reference": "blur"},
    ),
    Question(
        "Same map for a randomized network",
        "How similar is the map of the network to that of the same network with all weights shuffled?",
        "shapes_honest",
        "model_parameter_randomization",
        options={"aggregate": "last"},
        explanations=5,
    ),
    Question(
        "Same map for another class",
        "How similar is the map of the class to that of another class?",
        "shapes_honest",
        "random_logit",
        explanations=1,
    ),
    Question(
        "Changes under tiny noise",
        "By how much of itself does the map change, at most, if each value of the picture moves by up to 0.02?",
        "shapes_honest",
        "max_sensitivity",
        options={"n_samples": 4},
        explanations=4,
    ),
    Question(
        "Same map for another seed",
        "How similar are the maps that the method draws with other seeds?",
        "shapes_honest",
        "seed_stability",
        options={"n_seeds": 2},
        explanations=2,
    ),
    Question(
        "Sparseness",
        "On how few pixels does the map lie?",
        "shapes_honest",
        "sparseness",
    ),
)
"""The questions about pictures, in the order of the table's columns."""

TOKENS = (
    Question(
        "Finds the motif",
        "How many of the three highest values lie on the three letters that decide?",
        "motifs_honest",
        "relevance_rank_accuracy",
        marked="object",
        chance="3 of 24 tokens, 0.125",
    ),
    Question(
        "Reveals the marker",
        "The model goes by the first token. Is it the highest value?",
        "motifs_shortcut",
        "relevance_rank_accuracy",
        marked="shortcut",
        chance="1 of 24 tokens, 0.042",
    ),
    Question(
        "Deletion",
        "How much of the class's probability is left on average, while the highest values are removed first?",
        "motifs_honest",
        "deletion",
    ),
    Question(
        "Same map for a randomized network",
        "How similar is the map of the network to that of the same network with all weights shuffled?",
        "motifs_honest",
        "model_parameter_randomization",
        options={"aggregate": "last"},
        explanations=3,
    ),
)
"""The questions about sequences of tokens."""
