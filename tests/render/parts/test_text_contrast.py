"""Text that can be read on any colour."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explain.render import Scale
from explain.render.parts.text_contrast import contrast, luminance, text_color

part = st.floats(0, 1)
CODES = {"#000000": (0, 0, 0), "#ffffff": (1, 1, 1)}


@settings(deadline=None)
@given(st.tuples(part, part, part))
def test_text_is_readable_on_every_color(background):
    assert contrast(background, CODES[text_color(background)]) >= 4.5


@pytest.mark.parametrize("scale", [Scale(-1, 1, True, 99), Scale(0, 1, False, 99)])
def test_text_is_readable_on_both_scales(scale):
    for color in scale.colors(np.linspace(-1, 1, 401)):
        assert contrast(color, CODES[text_color(color)]) >= 4.5


def test_luminance_of_known_colors():
    assert luminance((1, 0, 0)) == pytest.approx(0.2126)
    # The grey that WCAG gives as the darkest readable on white: #767676.
    assert contrast([0x76 / 255] * 3, (1, 1, 1)) == pytest.approx(4.54, abs=0.01)
