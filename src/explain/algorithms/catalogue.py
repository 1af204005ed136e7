"""The catalogue: the one table of methods. Everything that lists, checks or documents a method reads it."""

from __future__ import annotations

import difflib

from explain.algorithms.method import Catalogue, Method, Option
from explain.algorithms.options import (
    feature_mask,
    from_0_to_1,
    is_count_or_counts,
    is_counts,
    is_number,
    is_positive,
    is_steps,
    non_negative,
    one_of,
    plain_steps,
    positive,
    whole_number,
    whole_number_or_none,
)
from explain.algorithms.path.blur_integrated_gradients import EDGES, SPACINGS
from explain.algorithms.path.xrai import SCALES
from explain.errors import MethodError
from explain.running.quadrature import RULES

_STDEVS = non_negative(
    "stdevs",
    0.15,
    "Standard deviation of the noise, as a share of each example's range (greatest − least value).",
)
_OWN_DRAWS = "it draws its noise itself, unseeded, and not as a share of the input's range"
_NO_SMOOTHGRAD = "its SmoothGrad takes the gradient of a loss and fails on Keras 3"
_NO_SUCH_SQUARES = "it has SmoothGrad only, not its squares or variance"

_ROWS = Catalogue(
    [
        Method(
            name="saliency",
            aliases=("gradient", "vanilla_gradients"),
            family="gradient",
            summary="Which inputs the score is most sensitive to: its signed gradient.",
            paper="Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034",
            needs=frozenset({"outputs", "gradients"}),
            implementation="explain.algorithms.gradient.saliency:saliency",
            begins_with_gradients=True,
            layer="may",
            reference_engines=("captum", "tf-explain"),
        ),
        Method(
            name="input_x_gradient",
            aliases=("input_x_gradients", "gradient_x_input", "gradient_x_activation"),
            title="Input × gradient",
            family="gradient",
            summary="The input times its gradient: what each input adds to a score that is linear in it.",
            paper="Shrikumar et al. 2016, arXiv:1605.01713",
            needs=frozenset({"outputs", "gradients"}),
            implementation="explain.algorithms.gradient.saliency:input_x_gradient",
            begins_with_gradients=True,
            layer="may",
            reference_engines=("captum", "tf-explain"),
        ),
        Method(
            name="smoothgrad",
            title="SmoothGrad",
            aliases=("smooth_grad",),
            family="gradient",
            summary="The gradient averaged over noisy copies of the input, sign kept.",
            paper="Smilkov et al. 2017, arXiv:1706.03825",
            needs=frozenset({"outputs", "gradients"}),
            implementation="explain.algorithms.gradient.smoothgrad:smoothgrad",
            options=(whole_number("n_samples", 50, 1, "Number of noisy copies of each example."), _STDEVS),
            refused_engines={"captum": _OWN_DRAWS, "tf-explain": _NO_SMOOTHGRAD},
        ),
        Method(
            name="smoothgrad_squared",
            title="SmoothGrad squared",
            aliases=("smoothgrad_sq",),
            family="gradient",
            summary="The squared gradient averaged over noisy copies of the input.",
            paper="Hooker et al. 2018, arXiv:1806.10758",
            needs=frozenset({"outputs", "gradients"}),
            implementation="explain.algorithms.gradient.smoothgrad:smoothgrad_squared",
            options=(whole_number("n_samples", 50, 1, "Number of noisy copies of each example."), _STDEVS),
            drawn="unsigned",
            refused_engines={"captum": _OWN_DRAWS, "tf-explain": _NO_SUCH_SQUARES},
        ),
        Method(
            name="vargrad",
            title="VarGrad",
            aliases=("var_grad",),
            family="gradient",
            summary="How much the gradient varies over noisy copies of the input.",
            paper="Adebayo et al. 2018, arXiv:1810.03307",
            needs=frozenset({"outputs", "gradients"}),
            implementation="explain.algorithms.gradient.smoothgrad:vargrad",
            options=(whole_number("n_samples", 50, 2, "Number of noisy copies of each example."), _STDEVS),
            drawn="unsigned",
            refused_engines={"captum": _OWN_DRAWS, "tf-explain": _NO_SUCH_SQUARES},
        ),
        Method(
            name="integrated_gradients",
            aliases=("ig",),
            family="path",
            summary="How much each input adds to the score, compared with a baseline; sums to the difference.",
            paper="Sundararajan, Taly & Yan 2017, arXiv:1703.01365",
            needs=frozenset({"outputs", "path_gradients"}),
            implementation="explain.algorithms.path.integrated_gradients:integrated_gradients",
            options=(
                Option(
                    "n_steps",
                    "auto",
                    "'auto', a whole number of at least 1, or one such number an example",
                    is_steps,
                    "Number of gradients along the path; 'auto' takes as many as the tolerance needs.",
                    plain_steps,
                ),
                Option(
                    "rule",
                    None,
                    f"one of {', '.join(map(repr, RULES))}, or None",
                    lambda value: value is None or (isinstance(value, str) and value in RULES),
                    "Rule of integration. None: Gauss–Legendre; where n_steps is 'auto' the midpoint rule for a model "
                    "with kinks (ReLU, max pooling), Fejér's for a smooth one.",
                ),
                Option(
                    "tolerance",
                    0.02,
                    "a number above 0",
                    lambda value: is_number(value) and 0 < value < float("inf"),
                    "Where n_steps is 'auto': the largest estimated error of the map, relative to its size.",
                ),
                whole_number("max_steps", 405, 3, "Where n_steps is 'auto': the most steps it may take."),
            ),
            uses_baseline=True,
            layer="may",
            reference_engines=("captum",),
            refused_engines={
                "tf-explain": "its integrated gradients leave out × (input − baseline), take absolute values and scale "
                "them to a picture"
            },
        ),
        Method(
            name="expected_gradients",
            aliases=("gradient_shap",),
            family="path",
            summary="How much each input adds to the score, compared with a set of references; sums to the mean "
            "difference.",
            paper="Erion et al. 2019, arXiv:1906.10670; Lundberg & Lee 2017, arXiv:1705.07874",
            needs=frozenset({"outputs", "gradients"}),
            implementation="explain.algorithms.path.expected_gradients:expected_gradients",
            options=(
                whole_number(
                    "n_samples",
                    200,
                    1,
                    "Number of gradients an example, each at a place of a line from a reference.",
                ),
                non_negative(
                    "stdevs",
                    0.0,
                    "Standard deviation of noise on the input, as a share of each example's range.",
                ),
            ),
            uses_baseline=True,
            takes_references=True,
            refused_engines={
                "captum": "it draws references, places and noise itself, unseeded and others for each example"
            },
        ),
        Method(
            name="blur_integrated_gradients",
            aliases=("blur_ig",),
            family="path",
            summary="How much the detail that a blur takes away adds to the score; needs no baseline.",
            paper="Xu, Venugopalan & Sundararajan 2020, arXiv:2004.03383",
            needs=frozenset({"outputs", "gradients"}),
            implementation="explain.algorithms.path.blur_integrated_gradients:blur_integrated_gradients",
            kinds=("image", "volume", "sequence"),
            options=(
                whole_number("n_steps", 100, 1, "Number of steps from the input to the most blurred one."),
                positive("max_sigma", 50.0, "Standard deviation of the strongest blur, in pixels or steps."),
                one_of("spacing", "geometric", SPACINGS, "How the standard deviation grows along the path."),
                one_of("edges", "reflect", EDGES, "What lies beyond the edges where it is blurred."),
                Option(
                    "grad_step",
                    None,
                    "None or a number above 0",
                    lambda value: value is None or is_positive(value),
                    "Step of the derivative of the blur. None: differences of neighbouring blurred inputs instead.",
                ),
            ),
        ),
        Method(
            name="guided_integrated_gradients",
            aliases=("guided_ig",),
            family="path",
            summary="Integrated gradients along a path that avoids steep gradients, and with them noise.",
            paper="Kapishnikov et al. 2021, arXiv:2106.09788",
            needs=frozenset({"outputs", "gradients"}),
            implementation="explain.algorithms.path.guided_integrated_gradients:guided_integrated_gradients",
            options=(
                whole_number("n_steps", 50, 1, "Number of steps of the path."),
                from_0_to_1(
                    "fraction", 0.25, "Which part of the positions, those of least gradient, moves at once."
                ),
                from_0_to_1(
                    "max_dist", 0.02, "How far a position may be off the straight path, as a share of it."
                ),
                one_of(
                    "rule",
                    "trapezoid",
                    ("trapezoid", "riemann_left"),
                    "Which gradients count for a step: those at both its ends, or where it begins.",
                ),
            ),
            uses_baseline=True,
        ),
        Method(
            name="xrai",
            title="XRAI",
            aliases=(),
            family="path",
            summary="Which regions of a picture add most to the score: integrated gradients, region by region.",
            paper="Kapishnikov et al. 2019, arXiv:1906.02825",
            needs=frozenset({"outputs", "path_gradients"}),
            implementation="explain.algorithms.path.xrai:xrai",
            kinds=("image",),
            options=(
                whole_number("n_steps", 50, 1, "Number of gradients along each of the two paths."),
                one_of(
                    "channels", "sum", ("sum", "max"), "What of a pixel's channels counts for its region."
                ),
                Option(
                    "scales",
                    SCALES,
                    "numbers above 0, at least one",
                    lambda value: (
                        isinstance(value, (list, tuple)) and bool(value) and all(map(is_positive, value))
                    ),
                    "Scales of the segmentations: the greater, the larger the regions.",
                    tuple,
                    list,
                ),
                whole_number_or_none(
                    "dilation",
                    "How many pixels regions grow by. None: 5 of every 224.",
                ),
                whole_number_or_none(
                    "min_pixel_diff",
                    "How many new pixels a region adds at least. None: 50 of every 224 × 224.",
                    1,
                ),
            ),
        ),
        Method(
            name="guided_backprop",
            aliases=("guided_backpropagation",),
            family="backward rules",
            summary="The gradient with every ReLU handing on its positive part only: what excites the score.",
            paper="Springenberg, Dosovitskiy, Brox & Riedmiller 2014, arXiv:1412.6806",
            needs=frozenset({"outputs", "backward_rules"}),
            implementation="explain.algorithms.backward_rules.rule_gradients:guided_backprop",
        ),
        Method(
            name="deconvolution",
            aliases=("deconvnet",),
            family="backward rules",
            summary="The score brought back to the input with every ReLU handing on what arrives and is positive.",
            paper="Zeiler & Fergus 2013, arXiv:1311.2901",
            needs=frozenset({"outputs", "backward_rules"}),
            implementation="explain.algorithms.backward_rules.rule_gradients:deconvolution",
        ),
        Method(
            name="deep_lift",
            title="DeepLift",
            aliases=("deeplift",),
            family="backward rules",
            summary="How much each input adds to the score, by slopes from a baseline; sums to the difference.",
            paper="Shrikumar, Greenside & Kundaje 2017, arXiv:1704.02685",
            needs=frozenset({"outputs", "backward_rules"}),
            implementation="explain.algorithms.backward_rules.rule_gradients:deep_lift",
            uses_baseline=True,
            layer="may",
        ),
        Method(
            name="deep_lift_shap",
            title="DeepLIFT-SHAP",
            aliases=("deeplift_shap", "deepliftshap", "deep_shap"),
            family="backward rules",
            summary="DeepLift averaged over a set of references; sums to the mean difference.",
            paper="Lundberg & Lee 2017, arXiv:1705.07874; Shrikumar et al. 2017, arXiv:1704.02685",
            needs=frozenset({"outputs", "backward_rules"}),
            implementation="explain.algorithms.backward_rules.deep_lift_shap:deep_lift_shap",
            uses_baseline=True,
            takes_references=True,
        ),
        Method(
            name="lrp",
            title="LRP",
            aliases=("layer_wise_relevance_propagation", "layerwise_relevance_propagation"),
            family="backward rules",
            summary="How much of the score each input contributes: shared out layer by layer as it was summed up.",
            paper="Bach et al. 2015, doi:10.1371/journal.pone.0130140; Kohlbrenner et al. 2019, arXiv:1910.09840",
            needs=frozenset({"outputs", "backward_rules"}),
            implementation="explain.algorithms.backward_rules.rule_gradients:lrp",
            layer="may",
            options=(
                one_of(
                    "rule",
                    "epsilon_plus",
                    ("epsilon_plus", "epsilon"),
                    "How sums share out: 'epsilon' all as they are, 'epsilon_plus' convolutions to what raises them.",
                ),
                positive("epsilon", 1e-9, "What is added to the size of a sum before it is divided by."),
            ),
            refused_engines={
                "captum": "its LRP goes by the module: it refuses a layer that is called twice, passes functions by, "
                "and changes the model's weights while it runs"
            },
        ),
        Method(
            name="activation",
            aliases=("layer_activation",),
            family="layer",
            summary="What a layer gives: how much each of its units is excited.",
            paper="Yosinski et al. 2015, arXiv:1506.06579",
            needs=frozenset({"outputs", "layers"}),
            implementation="explain.algorithms.layer.conductance:activation",
            layer="must",
        ),
        Method(
            name="conductance",
            aliases=("layer_conductance", "neuron_conductance"),
            family="layer",
            summary="How much of the score's change from the baseline flows through each unit of a layer.",
            paper="Dhamdhere, Sundararajan & Yan 2018, arXiv:1805.12233",
            needs=frozenset({"outputs", "gradients", "layers"}),
            implementation="explain.algorithms.layer.conductance:conductance",
            options=(
                whole_number("n_steps", 50, 1, "Number of steps along the path of the input."),
                Option(
                    "rule",
                    "gauss_legendre",
                    f"one of {', '.join(map(repr, RULES))}",
                    lambda value: isinstance(value, str) and value in RULES,
                    "Rule of integration whose nodes the steps lie between.",
                ),
            ),
            uses_baseline=True,
            layer="must",
            through_neuron=True,
        ),
        Method(
            name="grad_cam",
            title="Grad-CAM",
            aliases=("gradcam",),
            family="class activation map",
            summary="Where a layer's channels that raise the score light up, weighted by their mean gradient.",
            paper="Selvaraju et al. 2016, arXiv:1610.02391",
            needs=frozenset({"outputs", "gradients", "layers"}),
            implementation="explain.algorithms.class_activation_map.grad_cam:grad_cam",
            layer="map",
            drawn="unsigned",
        ),
        Method(
            name="grad_cam_plus_plus",
            title="Grad-CAM++",
            aliases=("gradcam++", "grad_cam++", "gradcam_plus_plus"),
            family="class activation map",
            summary="As Grad-CAM, with weights that also count small and repeated objects.",
            paper="Chattopadhay et al. 2017, arXiv:1710.11063",
            needs=frozenset({"outputs", "gradients", "layers"}),
            implementation="explain.algorithms.class_activation_map.grad_cam:grad_cam_plus_plus",
            layer="map",
            drawn="unsigned",
        ),
        Method(
            name="guided_grad_cam",
            title="Guided Grad-CAM",
            aliases=("guided_gradcam", "guidedgradcam"),
            family="class activation map",
            summary="The fine detail of guided backpropagation where Grad-CAM lights up.",
            paper="Selvaraju et al. 2016, arXiv:1610.02391",
            needs=frozenset({"outputs", "gradients", "layers", "backward_rules"}),
            implementation="explain.algorithms.class_activation_map.grad_cam:guided_grad_cam",
            layer="map",
        ),
        Method(
            name="layer_cam",
            title="LayerCAM",
            aliases=("layercam",),
            family="class activation map",
            summary="Where a layer lights up and its own gradient raises the score, place by place.",
            paper="Jiang et al. 2021, IEEE TIP 30; see arXiv:2309.14304",
            needs=frozenset({"outputs", "gradients", "layers"}),
            implementation="explain.algorithms.class_activation_map.grad_cam:layer_cam",
            layer="map",
            drawn="unsigned",
        ),
        Method(
            name="score_cam",
            title="Score-CAM",
            aliases=("scorecam",),
            family="class activation map",
            summary="Where a layer's channels light up, weighted by the score of the input masked with each.",
            paper="Wang et al. 2019, arXiv:1910.01279",
            needs=frozenset({"outputs", "layers"}),
            implementation="explain.algorithms.class_activation_map.grad_cam:score_cam",
            uses_baseline=True,
            layer="map",
            drawn="unsigned",
        ),
        Method(
            name="occlusion",
            aliases=("sliding_window",),
            family="perturbation",
            of_whole_places=True,
            summary="What the score loses where a sliding window hides the input.",
            paper="Zeiler & Fergus 2013, arXiv:1311.2901",
            needs=frozenset({"outputs"}),
            implementation="explain.algorithms.perturbation.occlusion:occlusion",
            of_shape=True,
            options=(
                Option(
                    "sliding_window_shapes",
                    None,
                    "one whole number of at least 1 for each axis of an example, or None",
                    lambda value: value is None or is_counts(value),
                    "Extent of the window along each axis of x but the batch's. None: an eighth of each side of a "
                    "picture, a step of a sequence, all channels together; a column of a table.",
                    plain_steps,
                    per_input=is_counts,
                ),
                Option(
                    "strides",
                    None,
                    "a whole number of at least 1, one such number for each axis of an example, or None",
                    lambda value: value is None or is_count_or_counts(value),
                    "How far the window moves. None: half of its extent, at least 1.",
                    plain_steps,
                    per_input=lambda value: False,
                ),
            ),
            uses_baseline=True,
        ),
        Method(
            name="feature_ablation",
            aliases=("ablation",),
            family="perturbation",
            of_whole_places=True,
            summary="What the score loses where one feature at a time is replaced by the baseline.",
            paper="Kokhlikyan et al. 2020, arXiv:2009.07896",
            needs=frozenset({"outputs"}),
            implementation="explain.algorithms.perturbation.feature_ablation:feature_ablation",
            options=(feature_mask(),),
            uses_baseline=True,
        ),
        Method(
            name="feature_permutation",
            aliases=("permutation",),
            family="perturbation",
            of_whole_places=True,
            summary="What the score loses where one feature at a time is that of another example of the batch.",
            paper="Fisher, Rudin & Dominici 2018, arXiv:1801.01489",
            needs=frozenset({"outputs"}),
            implementation="explain.algorithms.perturbation.feature_ablation:feature_permutation",
            options=(feature_mask(),),
        ),
        Method(
            name="rise",
            title="RISE",
            aliases=("randomized_input_sampling",),
            family="perturbation",
            of_whole_places=True,
            summary="How much higher the score is where a place is kept, over random masks.",
            paper="Petsiuk, Das & Saenko 2018, arXiv:1806.07421",
            needs=frozenset({"outputs"}),
            implementation="explain.algorithms.perturbation.rise:rise",
            of_shape=True,
            options=(
                whole_number("n_masks", 2000, 2, "Number of random masks."),
                Option(
                    "grid_size",
                    None,
                    "a whole number of at least 1, one such number for each axis of space and time, or None",
                    lambda value: value is None or is_count_or_counts(value),
                    "How many random cells lie along each axis of space and time. None: 7; in a table each column is "
                    "one.",
                    plain_steps,
                    per_input=lambda value: False,
                ),
                Option(
                    "preservation_probability",
                    0.5,
                    "a number between 0 and 1",
                    lambda value: is_number(value) and 0 < value < 1,
                    "How likely a cell is kept.",
                ),
            ),
            uses_baseline=True,
        ),
        Method(
            name="shapley_value_sampling",
            aliases=("shapley_sampling", "shapley_values"),
            family="perturbation",
            of_whole_places=True,
            summary="The mean gain of each feature where features are added in random orders; sums to the difference.",
            paper="Castro, Gómez & Tejada 2009; Mitchell et al. 2021, arXiv:2104.12199",
            needs=frozenset({"outputs"}),
            implementation="explain.algorithms.perturbation.shapley_value_sampling:shapley_value_sampling",
            options=(
                whole_number("n_samples", 25, 1, "Number of random orders."),
                feature_mask(),
            ),
            uses_baseline=True,
        ),
        Method(
            name="lime",
            title="LIME",
            aliases=("local_surrogate",),
            family="surrogate",
            of_whole_places=True,
            summary="Which features a sparse linear model needs to imitate the score near the input.",
            paper="Ribeiro, Singh & Guestrin 2016, arXiv:1602.04938",
            needs=frozenset({"outputs"}),
            implementation="explain.algorithms.surrogate.lime:lime",
            options=(
                whole_number("n_samples", 500, 2, "Number of random coalitions of features that are scored."),
                feature_mask(),
                one_of(
                    "interpretable_model", "lasso", ("lasso", "ridge"), "The linear model that is fitted."
                ),
                non_negative(
                    "alpha",
                    0.01,
                    "Its penalty, for the Lasso in units of the score; 0 is plain least squares.",
                ),
                one_of(
                    "distance_mode", "cosine", ("cosine", "euclidean"), "How far a sample is from the input."
                ),
                Option(
                    "kernel_width",
                    1.0,
                    "a number above 0",
                    lambda value: is_number(value) and 0 < value < float("inf"),
                    "The distance at which a sample's weight has fallen to 0.61.",
                ),
            ),
            uses_baseline=True,
        ),
        Method(
            name="kernel_shap",
            title="Kernel SHAP",
            aliases=("shap",),
            family="surrogate",
            of_whole_places=True,
            summary="How much each feature adds to the score on average over all coalitions: its Shapley value.",
            paper="Lundberg & Lee 2017, arXiv:1705.07874; Covert & Lee 2020, arXiv:2012.01536",
            needs=frozenset({"outputs"}),
            implementation="explain.algorithms.surrogate.lime:kernel_shap",
            options=(
                whole_number(
                    "n_samples",
                    500,
                    4,
                    "The most coalitions that are scored; all of them where that suffices.",
                ),
                feature_mask(),
            ),
            uses_baseline=True,
        ),
        Method(
            name="activation_maximization",
            aliases=("maximize", "feature_visualization"),
            family="maximization",
            summary="The input that most excites the score, found by climbing its gradient within the bounds.",
            paper="Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034; Mahendran & Vedaldi 2014, arXiv:1412.0035",
            needs=frozenset({"outputs", "gradients"}),
            implementation="explain.algorithms.maximization.activation_maximization:activation_maximization",
            options=(
                whole_number("n_steps", 128, 1, "Number of steps of Adam."),
                non_negative(
                    "learning_rate", 0.05, "First step size, in half ranges of the input; falls to zero."
                ),
                non_negative("l2_weight", 0.1, "Pull towards the middle of the bounds."),
                non_negative("tv_weight", 0.5, "Pull of neighbours in space and time towards each other."),
                whole_number("jitter", 2, 0, "Largest random shift of the picture at a step, in pixels."),
            ),
            drawn="input",
        ),
    ]
)


def methods() -> Catalogue:
    """Give the catalogue of methods, drawn as a table.

    Returns
    -------
    Catalogue
        A sequence of rows with ``.name``, ``.aliases``, ``.family``, ``.summary``, ``.paper`` and
        ``.options``.

    Examples
    --------
    >>> [row.name for row in methods() if row.family == "surrogate"]
    ['lime', 'kernel_shap']
    """
    return _ROWS


def find_method(name: object) -> Method:
    """Find a method by its name or an alias; case, spaces and hyphens do not matter.

    Raises
    ------
    MethodError
        If there is none; suggests the nearest name.

    Examples
    --------
    >>> find_method("IG").name
    'integrated_gradients'
    """
    if isinstance(name, str):
        wanted = name.strip().lower().replace("-", "_").replace(" ", "_")
        by_name = {known: row for row in _ROWS for known in (row.name, *row.aliases)}
        if wanted in by_name:
            return by_name[wanted]
        near = difflib.get_close_matches(wanted, by_name, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
    else:
        hint = ""
    known = ", ".join(f"{row.name} ({', '.join(row.aliases)})" for row in _ROWS)
    raise MethodError(f"method={name!r} is not in the catalogue.{hint} It has: {known}.")
