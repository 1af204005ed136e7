"""What a trace holds of a Keras model is told from what it was before, without looking through all of it."""

from __future__ import annotations

import keras
import numpy as np

from explain.tf_ext.model.structure import structure_of


class Scaled(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.factor, self.shifts, self.table, self.inner = 2.0, [1.0, 2.0], np.ones(2), (np.zeros(1), 3)

    def call(self, x):
        return self.factor * x + self.shifts[0] + self.table[0] + self.inner[0]


def scaled():
    layer = Scaled()
    return keras.Sequential([keras.Input((2,)), layer]), layer


def test_a_model_that_is_as_it_was_has_the_same_structure():
    model, _ = scaled()
    assert structure_of(model) is structure_of(model)


def test_whatever_a_layer_is_set_to_is_told_apart_and_told_again():
    model, layer = scaled()
    tokens = [structure_of(model).token]

    def changed():
        tokens.append(structure_of(model).token)
        return tokens[-1] is not tokens[-2]

    layer.factor = 3.0
    assert changed()
    layer.shifts[0] = 5.0
    assert changed()
    layer.table[0] = 7.0
    assert changed()
    layer.inner[0][0] = 9.0
    assert changed()
    assert not changed()
    layer.inner[0][0] = 0.0
    layer.factor, layer.shifts[0], layer.table[0] = 2.0, 1.0, 1.0
    assert changed()
    assert tokens[-1] is tokens[0]
