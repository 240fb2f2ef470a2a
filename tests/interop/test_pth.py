"""Files of torch.save() read by us, bit for bit.

    python test_pth.py <pth_tool>
"""
import collections
import io
import json
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile
import unittest
import warnings
import zipfile

import numpy as np
import safetensors.torch
import torch

from crc32c import crc32c

TOOL = sys.argv.pop(1)

DTYPES = {
    torch.float64: "Double", torch.float32: "Float", torch.float16: "Half",
    torch.bfloat16: "BFloat16", torch.int64: "Long", torch.int32: "Int", torch.int16: "Short",
    torch.int8: "Char", torch.uint8: "Byte", torch.bool: "Bool",
    torch.complex64: "ComplexFloat", torch.complex128: "ComplexDouble",
    torch.uint16: "UInt16", torch.uint32: "UInt32", torch.uint64: "UInt64",
    torch.float8_e4m3fn: "Float8_e4m3fn", torch.float8_e5m2: "Float8_e5m2",
}

# Every way in which torch.save writes a file.
FORMATS = {f"zip, protocol {p}": {"pickle_protocol": p} for p in (2, 3, 4, 5)}
FORMATS |= {f"legacy, protocol {p}": {"pickle_protocol": p, "_use_new_zipfile_serialization": False}
            for p in (2, 3, 4, 5)}


class Unknown:
    """A class that our reader has never heard of."""

    def __init__(self, **attributes):
        self.__dict__ |= attributes


class UnknownDict(dict):
    pass


class FamiliarTensor(torch.Tensor):
    """A subclass."""


def line(tensor):
    """dtype, shape and checksum, as pth_tool prints them."""
    plain = tensor.detach().contiguous()
    data = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    shape = "[" + ", ".join(map(str, tensor.shape)) + "]"
    return [DTYPES[tensor.dtype], shape, f"{crc32c(data):08x}"]


class PthTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "file.pth"

    @classmethod
    def setUpClass(cls):
        cls.tool = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                    text=True, encoding="utf-8")

    @classmethod
    def tearDownClass(cls):
        cls.tool.stdin.close()
        assert cls.tool.wait() == 0
        cls.tool.stdout.close()

    def ask(self, command):
        """The lines of the answer, each split at tabs; the last says whether it is one."""
        print(command, self.path, file=self.tool.stdin, flush=True)
        lines = []
        while not lines or lines[-1][0] not in ("ok", "error"):
            text = self.tool.stdout.readline()
            self.assertTrue(text, "the tool has ended")
            lines.append(text.rstrip("\n").split("\t"))
        return lines

    def lines(self, command):
        *lines, end = self.ask(command)
        self.assertEqual(end, ["ok"])
        return lines

    def values(self):
        return {fields[0]: fields[1:] for fields in self.lines("values")}

    def weights(self):
        """The lines of tensors by name, and the other lines."""
        lines = self.lines("weights")
        return ({f[0]: f[1:] for f in lines if len(f) == 4}, [f for f in lines if len(f) < 4])

    def error(self, command="values"):
        kind, *text = self.ask(command)[-1]
        self.assertEqual(kind, "error")
        return text[0].replace(str(self.path), "FILE")

    def assertReads(self, tensors, found):
        self.assertEqual({name: line(t) for name, t in tensors.items()}, found)


class Tensors(PthTest):
    def test_every_dtype_in_every_format(self):
        tensors = {str(d): torch.arange(-3, 4).to(d).reshape(1, 7) for d in DTYPES}
        tensors |= {"scalar": torch.tensor(2.5), "empty": torch.empty(3, 0), "漢字": torch.ones(2),
                    "nan": torch.tensor([float("nan"), float("inf"), -0.0])}
        for name, options in FORMATS.items():
            with self.subTest(name):
                torch.save(tensors, self.path, **options)
                self.assertReads(tensors, self.weights()[0])

    def test_views_keep_their_strides_and_their_storage(self):
        base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
        tensors = {
            "base": base, "transposed": base.t(), "row": base[2], "column": base[:, 3],
            "stepped": base[::2, 1::3], "expanded": torch.tensor([1.5]).expand(4, 3),
            "channels_last": torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
            "tied": base,
        }
        for name, options in FORMATS.items():
            with self.subTest(name):
                torch.save(tensors, self.path, **options)
                found = self.values()
                self.assertReads(tensors, {k[1:]: v[:3] for k, v in found.items()})
                for key, tensor in tensors.items():
                    strides = "[" + ", ".join(map(str, tensor.stride())) + "]"
                    self.assertEqual(found["/" + key][3], strides, key)
                shared = {found["/" + k][4] for k in ("base", "transposed", "row", "tied")}
                self.assertEqual(len(shared), 1)
                self.assertNotIn(found["/expanded"][4], shared)

    def test_parameters_and_subclasses(self):
        with_attribute = torch.nn.Parameter(torch.rand(3))
        with_attribute.note = "kept by Python alone"
        tensor_with_attribute = torch.rand(2)
        tensor_with_attribute.note = 1
        tensors = {
            "parameter": torch.nn.Parameter(torch.rand(2, 2)),
            "frozen": torch.nn.Parameter(torch.rand(2), requires_grad=False),
            "with_attribute": with_attribute, "tensor_with_attribute": tensor_with_attribute,
            "buffer": torch.nn.Buffer(torch.rand(3)),
            "subclass": torch.rand(2, 3).as_subclass(FamiliarTensor),
            "requires_grad": torch.rand(2).requires_grad_(),
        }
        for name, options in FORMATS.items():
            with self.subTest(name):
                torch.save(tensors, self.path, **options)
                self.assertReads({k: t.as_subclass(torch.Tensor) for k, t in tensors.items()},
                                 self.weights()[0])

    def test_kinds_that_are_not_read_are_named(self):
        conjugate = torch.tensor([1 + 2j]).conj()
        table = {
            "sparse": (torch.eye(2).to_sparse(),
                       "an object of torch._utils._rebuild_sparse_tensor, not a tensor"),
            "quantized": (torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
                          "an object of torch._utils._rebuild_qtensor, not a tensor"),
            "meta": (torch.empty(2, device="meta"),
                     "an object of torch._utils._rebuild_meta_tensor_no_storage, not a tensor"),
        }
        for name, (tensor, complaint) in table.items():
            with self.subTest(name):
                torch.save({"a": torch.ones(1), name: tensor}, self.path)
                self.assertIn(["left out", f'"{name}" is {complaint}'], self.weights()[1])
        torch.save({"c": conjugate}, self.path)
        self.assertEqual(self.error("weights"),
                         'cannot read FILE: tensor "c": it is a lazy conjugate or negative; call '
                         "resolve_conj() and resolve_neg() on it before torch.save")

    def test_a_large_file_with_many_storages(self):
        tensors = {f"layer{i}.weight": torch.full((i % 7 + 1, 3), float(i)) for i in range(3000)}
        for options in ({}, {"_use_new_zipfile_serialization": False}):
            torch.save(tensors, self.path, **options)
            self.assertReads(tensors, self.weights()[0])

    def test_files_of_older_writers(self):
        # Before 2.1 there was no byteorder, before 2.6 no .format_version; the record's checksums
        # can be switched off.
        torch.save({"a": torch.arange(3)}, self.path)
        with zipfile.ZipFile(self.path) as new:
            records = {i.filename: new.read(i) for i in new.infolist()}
        with zipfile.ZipFile(self.path, "w") as old:
            for name in ("file/data.pkl", "file/data/0", "file/version"):
                old.writestr(name.replace("file", "resnet50"), records[name])
        expected = {"a": torch.arange(3)}
        self.assertReads(expected, self.weights()[0])
        torch.serialization.set_crc32_options(False)
        try:
            torch.save(expected, self.path)
        finally:
            torch.serialization.set_crc32_options(True)
        self.assertReads(expected, self.weights()[0])


class Values(PthTest):
    def test_plain_values_in_every_format(self):
        tree = {
            "none": None, "true": True, "false": False, "zero": 0, "small": -7, "byte": 255,
            "word": 65535, "int": -2**31, "long": 2**40, "min": -2**63, "max": 2**63 - 1,
            "float": 0.1, "nan": float("nan"), "inf": float("-inf"), "text": "漢字\n",
            "long text": "x" * 300, "list": [1, 2.5, "three", None], "tuple": (1, 2),
            "four": (1, 2, 3, 4), "empty": [], "size": torch.Size([2, 3]),
            "nested": {"a": {"b": [{"c": 1}]}, 5: "int key", True: "bool key"},
            "ordered": collections.OrderedDict(z=1, a=2),
            "counter": collections.Counter("aab"),
            "default": collections.defaultdict(list, k=[1]),
        }
        expected = {
            "/none": None, "/true": True, "/false": False, "/zero": 0, "/small": -7, "/byte": 255,
            "/word": 65535, "/int": -2**31, "/long": 2**40, "/min": -2**63, "/max": 2**63 - 1,
            "/float": 0.1, "/nan": {"$float": "nan"}, "/inf": {"$float": "-inf"},
            "/text": "漢字\n", "/long text": "x" * 300, "/list": [1, 2.5, "three", None],
            "/tuple": [1, 2], "/four": [1, 2, 3, 4], "/empty": [], "/size": [2, 3],
            "/nested/a/b/0/c": 1, "/nested/5": "int key", "/nested/true": "bool key",
            "/ordered/z": 1, "/ordered/a": 2, "/counter/a": 2, "/counter/b": 1, "/default/k": [1],
        }
        for name, options in FORMATS.items():
            with self.subTest(name):
                torch.save(tree, self.path, **options)
                found = {k: json.loads(v[0]) for k, v in self.values().items()}
                self.assertEqual(found, expected)

    def test_numpy_scalars_in_every_format(self):
        tree = {t.__name__: t(value) for t, value in [
            (np.float64, 0.1), (np.float32, 0.1), (np.float16, 0.1), (np.int64, -2**63),
            (np.int32, -5), (np.int16, -5), (np.int8, -5), (np.uint64, 2**64 - 1),
            (np.uint32, 2**32 - 1), (np.uint16, 200), (np.uint8, 200), (np.bool_, True)]}
        for name, options in FORMATS.items():
            with self.subTest(name):
                torch.save(tree, self.path, **options)
                found = {k[1:]: json.loads(v[0]) for k, v in self.values().items()}
                expected = {k: v.item() for k, v in tree.items()}
                expected["uint64"] = float(2**64 - 1)  # our integers are signed
                self.assertEqual(found, expected)

    def test_unknown_classes_do_no_harm(self):
        tree = {"config": Unknown(lr=0.1, nested=Unknown()), "subclass": UnknownDict(a=1),
                "function": os.system, "path": pathlib.PurePosixPath("/a"), "set": {1},
                "device": torch.device("cpu"), "dtype": torch.float16, "big": 2**80,
                "array": np.arange(3), "bytes": b"\x00\xff", "tensor": torch.arange(2)}
        for name, options in FORMATS.items():
            with self.subTest(name):
                torch.save(tree, self.path, **options)
                found = self.values()
                self.assertEqual(found["/tensor"][:3], line(tree["tensor"]))
                self.assertEqual(found["/function"], ["the class posix.system"])
                self.assertEqual(found["/dtype"], ["the class torch.float16"])
                self.assertEqual(found["/device"], ["an object of torch.device"])
                self.assertEqual(found["/big"], ["a huge integer"])
                self.assertEqual(found["/subclass/a"], ["1"])
                self.assertIn("/config", found)

    def test_nothing_is_executed(self):
        witness = self.path.with_name("executed")

        class Malice:
            def __reduce__(self):
                return (os.system, (f"touch {witness}",))

        for options in FORMATS.values():
            torch.save({"a": torch.ones(2), "b": Malice()}, self.path, **options)
            found = self.values()
            self.assertEqual(found["/a"][:3], line(torch.ones(2)))
            self.assertEqual(found["/b"], ["an object of posix.system"])
            self.assertFalse(witness.exists())
        torch.load(self.path, weights_only=False)
        self.assertTrue(witness.exists(), "the file was harmless")

    def test_values_in_circles(self):
        circle = [1]
        circle.append(circle)
        torch.save({"a": torch.ones(2), "circle": circle}, self.path)
        self.assertReads({"a": torch.ones(2)}, self.weights()[0])


class Weights(PthTest):
    def setUp(self):
        super().setUp()
        torch.manual_seed(1)
        self.model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4),
                                         torch.nn.Linear(4, 2))
        self.state = self.model.state_dict()

    def test_where_people_keep_them(self):
        prefixed = lambda prefix: {prefix + k: v for k, v in self.state.items()}
        table = {
            "state dict": (self.state, "", ""),
            "plain dict": (dict(self.state), "", ""),
            "DataParallel": (prefixed("module."), "", "module."),
            "original": ({"model_state": prefixed("module.model."), "optimizer_state": {},
                          "epoch": 3}, "model_state", "module.model."),
            "original, one process": ({"model_state": prefixed("model."), "epoch": 3},
                                      "model_state", "model."),
            "compiled": ({"model": prefixed("_orig_mod.")}, "model", "_orig_mod."),
            # As PyTorch's ImageNet example saves it: a tensor beside the state dict.
            "ImageNet example": ({"epoch": 3, "arch": "resnet18", "state_dict": self.state,
                                  "best_acc1": torch.tensor(70.5)}, "state_dict", ""),
            "with an average": ({"model_ema": prefixed("module."), "model": self.state}, "model",
                                ""),
            # timm.models.load_state_dict() takes these averages.
            "timm's training": ({"state_dict": prefixed("module."), "state_dict_ema": self.state},
                                "state_dict_ema", ""),
            "average alone": ({"model_ema": prefixed("module.")}, "model_ema", "module."),
            "with a config": ({"state_dict": self.state, "config": Unknown(a=Unknown())},
                              "state_dict", ""),
            "not all": (self.state | {"module.x": torch.ones(1)}, "", ""),
        }
        for name, (content, key, prefix) in table.items():
            for options in ({}, {"_use_new_zipfile_serialization": False}):
                with self.subTest(name, **options):
                    torch.save(content, self.path, **options)
                    found, notes = self.weights()
                    self.assertIn(["key", key], notes)
                    self.assertIn(["prefix", prefix], notes)
                    expected = dict(self.state)
                    if name == "not all":
                        expected["module.x"] = torch.ones(1)
                    self.assertReads(expected, found)

    def test_the_name_of_the_file_says_nothing(self):
        safetensors.torch.save_file(self.state, self.path)
        self.assertReads(self.state, self.weights()[0])
        torch.save(self.state, self.path)
        self.path = self.path.rename(self.path.with_suffix(".safetensors"))
        self.assertReads(self.state, self.weights()[0])

    def test_a_whole_module_is_refused(self):
        for options in ({}, {"_use_new_zipfile_serialization": False}):
            torch.save(self.model, self.path, **options)
            self.assertEqual(
                self.error("weights"),
                "cannot read weights from FILE: it holds a whole module, an object of "
                "torch.nn.modules.container.Sequential, whose code is not here; save its "
                "state_dict() instead")

    def test_other_files_are_refused(self):
        buffer = io.BytesIO()
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), buffer)
        compressed = io.BytesIO()
        torch.save({"a": torch.ones(100)}, self.path)
        with zipfile.ZipFile(self.path) as old, zipfile.ZipFile(compressed, "w") as new:
            for record in old.infolist():
                new.writestr(record.filename, old.read(record), zipfile.ZIP_DEFLATED)
        empty_zip = io.BytesIO()
        zipfile.ZipFile(empty_zip, "w").writestr("a.txt", "a")
        table = [
            (b"", "cannot read weights from FILE: it is empty"),
            (b"hello, world", "cannot read weights from FILE: it is neither a safetensors file nor "
                              "one of torch.save, but a text that begins with \"hello, world\""),
            (pickle.dumps({"a": 1}), "cannot read FILE: it is a plain pickle, no file of torch.save"),
            (buffer.getvalue(), "cannot read FILE: it is a TorchScript program of torch.jit.save; "
                                "save the model's state_dict() with torch.save"),
            (compressed.getvalue(),
             "cannot read FILE: its record data.pkl is compressed or encrypted; torch.save does not do "
             "that: unpack the file and pack it again with zip -0 -r"),
            (empty_zip.getvalue(), "cannot read FILE: it is a zip file without data.pkl: no file of "
                                   "torch.save"),
        ]
        for data, complaint in table:
            with self.subTest(complaint):
                self.path.write_bytes(data)
                self.assertEqual(self.error("weights"), complaint)

    def test_damage_is_found(self):
        torch.save(self.state, self.path)
        good = self.path.read_bytes()
        at = good.index(self.state["2.weight"].numpy().tobytes())
        self.path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        self.assertRegex(self.error("weights"), r'^cannot read FILE: tensor "2\.weight": its record '
                                                r"data/\d is damaged: the checksum is another$")
        self.path.write_bytes(good[:-100])
        self.assertEqual(self.error("weights"), "cannot read FILE: it has no zip directory at its "
                                                "end: it is cut short")
        torch.save(self.state, self.path, _use_new_zipfile_serialization=False)
        self.path.write_bytes(self.path.read_bytes()[:-1])
        self.assertRegex(self.error("weights"), r"^cannot read FILE: its storage \d+ has \d+ "
                                                r"elements; \d+ bytes are there: it is cut short$")


class Original(PthTest):
    """epoch_N.pth as the original ailab writes it, with each of its users' optimizers."""

    OPTIMIZERS = {
        "Adam": (lambda p: torch.optim.Adam(p, lr=0.01), {"exp_avg", "exp_avg_sq", "step"}),
        "amsgrad": (lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
                    {"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "step"}),
        "AdamW": (lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
                  {"exp_avg", "exp_avg_sq", "step"}),
        "momentum": (lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1),
                     {"momentum_buffer", "step"}),
        "SGD": (lambda p: torch.optim.SGD(p, lr=0.01), set()),
        "numpy lr": (lambda p: torch.optim.SGD(p, lr=np.float64(0.01)), set()),
        "tensor lr": (lambda p: torch.optim.Adam(p, lr=torch.tensor(0.01), capturable=False),
                      {"exp_avg", "exp_avg_sq", "step"}),
        "two groups": (lambda p: torch.optim.AdamW([
            {"params": p[:1], "weight_decay": 0.0}, {"params": p[1:], "lr": 0.5}], lr=0.01),
            {"exp_avg", "exp_avg_sq", "step"}),
    }

    def checkpoint(self, make):
        torch.manual_seed(2)
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
        optimizer = make(list(model.parameters()))
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.rand(5, 3)).square().sum().backward()
            optimizer.step()
        schedule.step()
        return {"model_state": {"module.model." + k: v for k, v in model.state_dict().items()},
                "optimizer_state": optimizer.state_dict(), "epoch": 7}

    def test_weights_epoch_and_optimizer(self):
        for name, (make, kinds) in self.OPTIMIZERS.items():
            for options in ({}, {"_use_new_zipfile_serialization": False}):
                with self.subTest(name, **options):
                    saved = self.checkpoint(make)
                    torch.save(saved, self.path, **options)
                    lines = self.lines("original")
                    self.assertIn(["epoch", "7"], lines)
                    found = {f[0]: f[1:] for f in lines if len(f) == 4}
                    names = ["0.weight", "0.bias", "2.weight", "2.bias"]
                    expected = {n: saved["model_state"]["module.model." + n] for n in names}
                    state = saved["optimizer_state"]["state"]
                    for i, parameter in enumerate(names):
                        for kind in kinds:
                            tensor = torch.tensor(1.0) if kind not in state[i] else state[i][kind]
                            expected[f"optimizer/{kind}/{parameter}"] = tensor
                    self.assertReads(expected, found)
                    groups = json.loads(dict(f for f in lines if len(f) == 2)["optimizer"])
                    self.assertEqual(groups, {"groups": [
                        {**{k: float(g[k]) for k in ("lr", "initial_lr", "weight_decay")},
                         "params": [names[i] for i in g["params"]]}
                        for g in saved["optimizer_state"]["param_groups"]]})

    def test_before_the_first_step_there_is_no_state(self):
        saved = self.checkpoint(lambda p: torch.optim.SGD(p, lr=0.1))
        parameters = [torch.nn.Parameter(t) for t in saved["model_state"].values()]
        for optimizer in (torch.optim.Adam(parameters), torch.optim.SGD(parameters, momentum=0.9)):
            saved["optimizer_state"] = optimizer.state_dict()
            torch.save(saved, self.path)
            lines = self.lines("original")
            self.assertFalse([f for f in lines if f[0].startswith("optimizer/")])

    def test_steps_of_older_torch_were_plain_numbers(self):
        saved = self.checkpoint(lambda p: torch.optim.Adam(p))
        for state in saved["optimizer_state"]["state"].values():
            state["step"] = int(state["step"])
        torch.save(saved, self.path)
        found = {f[0]: f[1:] for f in self.lines("original") if len(f) == 4}
        self.assertEqual(found["optimizer/step/0.bias"], line(torch.tensor(3.0)))

    def test_what_does_not_fit_is_said(self):
        def without(key):
            def change(saved):
                del saved[key]
            return change

        def put(key, value):
            def change(saved):
                saved[key] = value
            return change

        def too_few(saved):
            saved["model_state"].popitem()

        def left_over(saved):
            saved["optimizer_state"]["param_groups"][0]["params"].pop()

        def opaque(saved):
            saved["optimizer_state"]["state"][0]["exp_avg"] = Unknown()

        table = [
            (without("epoch"), "cannot resume from FILE: it has no epoch; to start with its weights "
                               "use load_from"),
            (put("epoch", "last"), 'cannot resume from FILE: its epoch is the string "last"'),
            (put("optimizer_state", [1]),
             "cannot read FILE: optimizer_state: expected what state_dict() of a torch.optim "
             "optimizer gives, a dict of param_groups and state, got a list"),
            (too_few, "the saved optimizer has 4 parameter(s), the model has 3 that are trained"),
            (left_over, "cannot read FILE: optimizer_state: there is a state for the number 3, "
                        "which no group has"),
            (opaque, "cannot read FILE: optimizer_state: parameter 0: exp_avg is an object of "
                     "__main__.Unknown, neither a tensor nor a number"),
            (put("model_state", {}), "cannot read weights from FILE: it has no tensors at its top, "
                                     "nor under any of model_state, "),
        ]
        for change, complaint in table:
            saved = self.checkpoint(lambda p: torch.optim.Adam(p))
            change(saved)
            torch.save(saved, self.path)
            with self.subTest(complaint):
                self.assertEqual(self.error("original")[:len(complaint)], complaint)


if __name__ == "__main__":
    unittest.main(verbosity=2)
