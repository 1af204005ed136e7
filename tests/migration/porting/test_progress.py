"""How far a port is, shown while it runs."""

from __future__ import annotations

import explain


def test_a_port_shows_how_far_it_is(capsys):
    source = explain.zoo.load("cifar_net", framework="torch")
    target = explain.zoo.load("cifar_net", framework="tensorflow")
    x = explain.zoo.samples("cifar_net", framework="torch").x[:2]
    with explain.progress(True):
        explain.port(source, target, x=x)
    said = capsys.readouterr()
    assert "port: " in said.err
    assert said.out == ""
