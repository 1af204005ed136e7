"""Files of PyTorch: TorchScript, torch.export, weights with a factory."""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from models.kits_on_disk import PICTURES, Harmful, same_values, torch_net, trained_net
from torch import nn
from torch.export import Dim, export

import explain
from explain.errors import InputError, ModelFileError
from explain.torch_ext.exported_archive import is_arithmetic


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scripted(path, *, trace):
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        net = trained_net()
        made = torch.jit.trace(net, torch.tensor(PICTURES)) if trace else torch.jit.script(net)
        torch.jit.save(made, path)


def exported(path, rows, batch=None, net=None):
    shapes = None if batch is None else ({0: batch},)
    torch.export.save(export(net or trained_net(), (torch.tensor(rows),), dynamic_shapes=shapes), path)


class TestWholeModels:
    @pytest.mark.parametrize("name", ["net.pt", "net.ts", "net.pth", "net"])
    @pytest.mark.parametrize("trace", [True, False])
    def test_torchscript_under_any_name(self, here, name, trace):
        scripted(name, trace=trace)
        same_values(explain.load_model(name), trained_net(), PICTURES)

    @pytest.mark.parametrize("method", ["saliency", "occlusion"])
    @pytest.mark.parametrize(
        ("count", "batch"),
        [
            (1, None),
            (3, None),
            (4, Dim("batch", min=2, max=4)),
            (4, Dim("batch", min=3)),
            (2, Dim("batch")),
            (4, Dim.AUTO),
        ],
        ids=["one", "three", "at most four", "at least three", "any", "auto"],
    )
    def test_an_exported_model_with_any_batch_size(self, here, method, count, batch):
        exported("net.pt2", PICTURES[:1].repeat(count, 0), batch)
        loaded = explain.load_model("net.pt2")
        options = {"sliding_window_shapes": (3, 4, 4)} if method == "occlusion" else {}
        for rows in (1, 5):
            same_values(loaded, trained_net(), PICTURES[:rows], method, **options)

    def test_an_exported_model_of_multiples_of_four(self, here):
        class InFours(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = trained_net()

            def forward(self, x):
                return self.net(x.reshape(x.shape[0] // 4, 4, 3, 8, 8).reshape(-1, 3, 8, 8))

        exported("net.pt2", PICTURES.repeat(2, 0)[:8], 4 * Dim("fours"), InFours())
        same_values(explain.load_model("net.pt2"), trained_net(), PICTURES)

    def test_the_device_is_used_or_refused(self, here):
        scripted("net.pt", trace=True)
        assert next(explain.load_model("net.pt", device="cpu").parameters()).device.type == "cpu"
        with pytest.raises(InputError, match="device='nowhere' is none that PyTorch has here"):
            explain.load_model("net.pt", device="nowhere")


def saved_weights(name):
    state = trained_net().state_dict()
    if name.endswith(".safetensors"):
        from safetensors.torch import save_file

        save_file(state, name)
    else:
        torch.save(state, name, _use_new_zipfile_serialization="old" not in name)


class TestWeights:
    @pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.pt", "old.pth", "w.bin"])
    def test_a_factory_and_weights(self, here, name):
        saved_weights(name)
        loaded = explain.load_model(name, factory=torch_net)
        assert not loaded.training
        same_values(loaded, trained_net(), PICTURES)

    def test_a_factory_by_name_from_the_current_folder(self, here):
        saved_weights("w.pth")
        Path("disk_nets.py").write_text("from models.kits_on_disk import torch_net as build")
        same_values(explain.load_model("w.pth", factory="disk_nets:build"), trained_net(), PICTURES)

    @pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
    def test_weights_alone_ask_for_a_factory(self, here, name):
        saved_weights(name)
        with pytest.raises(ModelFileError, match=r"holds weights .* give factory='package\.module:function'"):
            explain.load_model(name)

    @pytest.mark.parametrize("around", ["state_dict", "model_state_dict"])
    def test_a_checkpoint_with_a_counter_and_an_optimizer(self, here, around):
        net = trained_net()
        optimizer = torch.optim.Adam(net.parameters()).state_dict()
        torch.save({around: net.state_dict(), "epoch": 3, "optimizer": optimizer}, "c.pt")
        same_values(explain.load_model("c.pt", factory=torch_net), net, PICTURES)

    def test_a_checkpoint_with_two_sets_of_weights_is_refused(self, here):
        state = trained_net().state_dict()
        torch.save({"model": state, "ema": state}, "c.pt")
        with pytest.raises(ModelFileError, match=r"2 sets of weights, 'model', 'ema'"):
            explain.load_model("c.pt", factory=torch_net)

    def test_names_of_a_wrapper(self, here):
        torch.save(nn.DataParallel(trained_net()).state_dict(), "w.pt")
        same_values(explain.load_model("w.pt", factory=torch_net), trained_net(), PICTURES)

    def test_missing_and_surplus_weights_are_named_and_nothing_is_written(self, here):
        state = trained_net().state_dict()
        state["9.weight"] = state.pop("5.weight")
        torch.save(state, "w.pt")
        net = torch_net()
        before = {name: one.clone() for name, one in net.state_dict().items()}
        with pytest.raises(ModelFileError, match=r"lacks 5\.weight; the model has no place for 9\.weight"):
            explain.load_model("w.pt", factory=lambda: net)
        assert all(torch.equal(before[name], one) for name, one in net.state_dict().items())

    def test_a_weight_of_another_shape_or_kind(self, here):
        state = trained_net().state_dict()
        torch.save(state | {"5.bias": torch.zeros(4)}, "w.pt")
        with pytest.raises(ModelFileError, match=r"5\.bias of shape \(4,\).*has \(3,\)"):
            explain.load_model("w.pt", factory=torch_net)
        torch.save(state | {"5.bias": torch.zeros(3, dtype=torch.int8)}, "w.pt")
        with pytest.raises(ModelFileError, match=r"5\.bias as torch\.int8"):
            explain.load_model("w.pt", factory=torch_net)

    def test_weights_that_two_layers_share_are_stored_once(self, here):
        from safetensors.torch import save_model

        def shared():
            first, second = nn.Linear(4, 4), nn.Linear(4, 4)
            second.weight = first.weight
            return nn.Sequential(first, nn.Tanh(), second)

        torch.manual_seed(3)
        net = shared().eval()
        save_model(net, "w.safetensors")
        x = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
        same_values(explain.load_model("w.safetensors", factory=shared), net, x)

    def test_a_whole_model_needs_no_factory(self, here):
        scripted("net.pt", trace=True)
        with pytest.raises(ModelFileError, match="a whole model, which needs no factory"):
            explain.load_model("net.pt", factory=torch_net)


class TestNothingOfAFileIsRun:
    def refused(self, name, words, **arguments):
        with pytest.raises(ModelFileError, match=words) as caught:
            explain.load_model(name, **arguments)
        assert not Path("harm").exists()
        assert not re.search("weights_only=False|safe_mode=False|allow_pickle", str(caught.value))

    @pytest.mark.parametrize("name", ["net.pt", "net.ts", "net.pth", "net.bin"])
    @pytest.mark.parametrize("zipped", [True, False])
    def test_a_pickle_of_pytorch(self, here, name, zipped):
        torch.save(Harmful(), name, _use_new_zipfile_serialization=zipped)
        self.refused(name, "holds weights and no model around them")
        self.refused(name, "reading it would run code", factory=torch_net)

    def test_a_whole_model(self, here):
        torch.save(trained_net(), "net.pt")
        self.refused("net.pt", "a whole model in a file of torch.save is a pickle")
        self.refused("net.pt", "reading it would run code", factory=torch_net)

    def test_a_pickle_of_another_library(self, here):
        import pickle

        Path("model.pkl").write_bytes(pickle.dumps(Harmful()))
        self.refused("model.pkl", "is a pickle")
        Path("model.keras").write_bytes(pickle.dumps(Harmful()))
        self.refused("model.keras", "is a pickle")

    def test_a_torchscript_archive_with_a_pickle_in_it(self, here):
        import pickle

        scripted("good.pt", trace=True)
        rewritten("good.pt", "net.pt", {"data.pkl": lambda _: pickle.dumps(Harmful())})
        self.refused("net.pt", "not a readable TorchScript file")

    @pytest.mark.parametrize("kind", ["script", "export", "weights"])
    def test_a_file_that_is_cut_off(self, here, kind):
        arguments = {}
        if kind == "script":
            scripted("net.pt", trace=True)
        elif kind == "export":
            exported("net.pt", PICTURES)
        else:
            saved_weights("net.pt")
            arguments = {"factory": torch_net}
        whole = Path("net.pt").read_bytes()
        for length in (0, 3, 100, len(whole) // 2, len(whole) - 10):
            Path("net.pt").write_bytes(whole[:length])
            self.refused("net.pt", "copy or save", **arguments)

    def test_damaged_safetensors(self, here):
        saved_weights("w.safetensors")
        whole = Path("w.safetensors").read_bytes()
        Path("w.safetensors").write_bytes(whole[:200])
        self.refused("w.safetensors", "damaged", factory=torch_net)
        # A header that declares more tensors than the file has bytes.
        header = json.dumps(
            {"a": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}
        ).encode()
        Path("w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
        self.refused("w.safetensors", "damaged", factory=torch_net)

    def test_an_archive_that_declares_absurd_sizes(self, here):
        with zipfile.ZipFile("bomb.pt2", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb/archive_format", "pt2")
            archive.writestr("bomb/data/weights/weight_0", bytes(400_000_000))
        self.refused("bomb.pt2", "it would fill the memory")


def rewritten(source, target, changes):
    """Copy an archive with other contents of some records, by the end of their names."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            for end, change in changes.items():
                if name.endswith(end):
                    content = change(content)
            new.writestr(name.replace(Path(source).stem, Path(target).stem, 1), content)


def in_program(change):
    """Change the program of an exported model."""

    def changed(content):
        program = json.loads(content)
        change(program)
        return json.dumps(program)

    return {"models/model.json": changed}


def first_node(program):
    return program["graph_module"]["graph"]["nodes"][0]


HARM = "__import__('pathlib').Path('harm').touch()"


def _as_operation(program):
    first_node(program)["target"] = "torch.os.system"


def _as_file(program):
    first_node(program)["target"] = "torch.ops.aten.save.default"


def _as_size(program):
    program["graph_module"]["graph"]["tensor_values"]["input"]["sizes"][0] = {
        "as_expr": {"expr_str": HARM, "hint": {"as_int": 2}}
    }


def _as_guard(program):
    program["guards_code"] = [f"{HARM} or True"]


def _as_name(program):
    program["graph_module"]["graph"]["inputs"][0]["as_tensor"]["name"] = f"x = {HARM} #"


def _as_structure(program):
    call = program["graph_module"]["module_call_graph"][0]["signature"]
    call["in_spec"] = call["in_spec"].replace("builtins.dict", HARM)


class TestHostileExports:
    @pytest.mark.parametrize(
        "change", [_as_operation, _as_file, _as_size, _as_guard, _as_name, _as_structure]
    )
    def test_a_program_with_code_in_it(self, here, change):
        exported("good.pt2", PICTURES)
        rewritten("good.pt2", "net.pt2", in_program(change))
        TestNothingOfAFileIsRun().refused("net.pt2", "known to be harmless")

    def test_a_program_that_is_only_rewritten_is_read(self, here):
        exported("good.pt2", PICTURES)
        rewritten("good.pt2", "net.pt2", in_program(lambda program: None))
        same_values(explain.load_model("net.pt2"), trained_net(), PICTURES)

    def test_example_inputs_that_are_pickled(self, here):
        buffer = io.BytesIO()
        torch.save(Harmful(), buffer)
        exported("good.pt2", PICTURES)
        rewritten("good.pt2", "net.pt2", {"sample_inputs/model.pt": lambda _: buffer.getvalue()})
        TestNothingOfAFileIsRun().refused("net.pt2", "example inputs")

    def test_weights_that_are_pickled(self, here):
        exported("good.pt2", PICTURES)
        harmful = {
            "weights_config.json": lambda content: content.replace(
                b'"use_pickle": false', b'"use_pickle": true'
            )
        }
        rewritten("good.pt2", "net.pt2", harmful)
        TestNothingOfAFileIsRun().refused("net.pt2", "as a pickle")

    def test_a_compiled_library_in_the_archive(self, here):
        exported("good.pt2", PICTURES)
        rewritten("good.pt2", "net.pt2", {})
        with zipfile.ZipFile("net.pt2", "a") as archive:
            archive.writestr("net/data/aotinductor/model/library.so", b"code")
        TestNothingOfAFileIsRun().refused("net.pt2", "record 'data/aotinductor")

    @pytest.mark.parametrize(
        "text",
        [
            HARM,
            "open('x')",
            "().__class__",
            "(lambda: 0)()",
            "[x for x in (1,)]",
            "s0.real",
            "9**9**9**9",
            "L['a\"); evil(); (\"']",
            "1 if s0 else 2",
            "Symbol('a b')",
            "exec",
        ],
    )
    def test_what_is_no_arithmetic(self, text):
        assert not is_arithmetic(text)
