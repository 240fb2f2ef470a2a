"""`ailab-run infer` and `export --to artifact`: files in, a JSON line each out."""
import concurrent.futures
import ctypes
import json
import os
import pathlib
import pty
import shutil
import subprocess

import numpy as np
import safetensors.numpy
from PIL import Image

from harness import AILAB, BUILD, PLUGINS, TestCase, call, command, environment, mlp_config, read_fashion_mnist


def test_images(count):
    return read_fashion_mnist("t10k-images-idx3-ubyte")[16:].reshape(-1, 28, 28)[:count]


class Infer(TestCase):
    def setUp(self):
        super().setUp()
        self.config = mlp_config(self.folder, hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1},
                                                     "metrics": {"type": "MetricHook"}})
        self.assertDone(call(command(self.config, plugins=["mlp"])))
        self.plugin = str(PLUGINS / "libmlp.so")
        self.images = self.folder / "images"
        (self.images / "below").mkdir(parents=True)
        for i, pixels in enumerate(test_images(60)):
            folder = self.images if i < 40 else self.images / "below"
            Image.fromarray(pixels).save(folder / f"{i:03}.png")

    def infer(self, *words, stdin=None, status=0):
        words = [str(AILAB), "infer", "--plugins", self.plugin, *map(str, words)]
        result = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=60,
                                env=environment())
        self.assertEqual(result.returncode, status, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def predictions(self):
        self.assertDone(call([str(AILAB), "test", str(self.config), "latest", "--plugins", self.plugin,
                              "-o", str(self.folder / "tested")]))
        path = self.folder / "tested/latest/predictions_val.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def test_what_was_validated_is_what_runs(self):
        wanted = self.predictions()
        lines = self.infer(self.config, "latest", self.images)
        self.assertEqual([pathlib.Path(line["file"]).name for line in lines], [f"{i:03}.png" for i in range(60)])
        for line, expected in zip(lines, wanted):
            self.assertEqual(line["top"][0]["index"], expected["prediction"])
            self.assertAlmostEqual(line["top"][0]["probability"], expected["probability"], places=5)
            self.assertEqual(len(line["top"]), 5)
            self.assertGreater(line["time"], 0)

    def test_ways_to_name_inputs(self):
        first, second = self.images / "000.png", self.images / "001.png"
        for words, stdin, count in (([first], None, 1), ([first, second], None, 2),
                                    ([self.images / "below"], None, 20),
                                    ([self.images / "00*.png"], None, 10),
                                    (["-"], f"{first}\n\n{second}\n", 2),
                                    ([second, "-", first], f"{first}\n", 3),
                                    (["-i", first, "-i", second], None, 2)):
            with self.subTest(words=words):
                self.assertEqual(len(self.infer(self.config, "latest", *words, stdin=stdin)), count)

    def test_a_list_of_find_print0_is_refused(self):
        """The system would take a name to end at its character 0: the first file, and no other."""
        names = "\0".join(str(self.images / f"{i:03}.png") for i in range(3)) + "\0"
        result = subprocess.run([str(AILAB), "infer", "--plugins", self.plugin, str(self.config), "latest", "-"],
                                input=names, capture_output=True, text=True, timeout=60, env=environment())
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("standard input holds the character 0, as of find -print0", result.stderr)

    def test_results_come_while_a_list_is_still_written(self):
        process = subprocess.Popen([str(AILAB), "infer", "--plugins", self.plugin, str(self.config), "latest", "-"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())
        for i in (0, 1, 2):
            process.stdin.write(f"{self.images}/00{i}.png\n")
            process.stdin.flush()
            self.assertEqual(json.loads(process.stdout.readline())["file"], f"{self.images}/00{i}.png")
        process.stdin.close()
        self.assertEqual(process.wait(20), 0)
        process.stdout.close()

    def test_progress_on_a_terminal(self):
        main, other = pty.openpty()
        process = subprocess.Popen([str(AILAB), "infer", "--plugins", self.plugin, str(self.config), "latest",
                                    str(self.images)], stdout=subprocess.PIPE, stderr=other, text=True,
                                   env=environment(TERM="xterm"))
        os.close(other)
        self.assertEqual(len(process.communicate()[0].splitlines()), 60)
        shown = os.read(main, 10000).decode()
        os.close(main)
        self.assertIn("/60 files, ", shown)
        self.assertRegex(shown, r"\r\x1b\[K60 files in \d")
        self.assertEqual(len(self.infer(self.config, "latest", self.images, "--progress", "off")), 60)

    def test_a_bad_file_is_a_line_and_the_others_go_on(self):
        for name, content in (("text.png", b"hello"), ("empty.png", b""),
                              ("cut.png", (self.images / "000.png").read_bytes()[:120])):
            (self.images / name).write_bytes(content)
        lines = self.infer(self.config, "latest", self.images, self.folder / "none.png", self.folder, status=1)
        bad = {pathlib.Path(line["file"]).name: line["error"] for line in lines if "error" in line}
        self.assertEqual(sorted(set(bad)), ["cut.png", "empty.png", "none.png", "text.png"])
        self.assertIn("is no image of a known format", bad["text.png"])
        self.assertIn("is empty", bad["empty.png"])
        self.assertIn("No such file", bad["none.png"])
        self.assertEqual(len(lines), 2 * 63 + 1)

    def test_raw_tensors(self):
        scaled = ((test_images(20) / np.float32(255) - np.float32(0.286)) / np.float32(0.353)).astype(np.float32)
        safetensors.numpy.save_file({"all": scaled[:, None], "one": scaled[3][None]}, self.folder / "x.safetensors")
        safetensors.numpy.save_file({"flat": scaled[3].reshape(784)}, self.folder / "bad.safetensors")
        lines = self.infer(self.config, "latest", self.folder / "x.safetensors", self.images / "005.png",
                           self.folder / "bad.safetensors", self.folder / "none.safetensors", status=1)
        bad = {line["file"].split("/")[-1]: line["error"] for line in lines[22:]}
        self.assertEqual(list(bad), ["bad.safetensors:flat", "none.safetensors"])
        self.assertIn("it is [784], and the model is fed [1, 28, 28], or many of these", bad["bad.safetensors:flat"])
        self.assertIn("none.safetensors", bad["none.safetensors"])
        safetensors.numpy.save_file({"none": scaled[:0, None]}, self.folder / "empty.safetensors")
        safetensors.numpy.save_file({}, self.folder / "nothing.safetensors")
        empty = self.infer(self.config, "latest", self.folder / "empty.safetensors",
                           self.folder / "nothing.safetensors", status=1)
        self.assertEqual([line["error"].removeprefix(f"{self.folder}/") for line in empty],
                         ["empty.safetensors:none: it is [0, 1, 28, 28], which holds no sample",
                          "nothing.safetensors: it holds no tensor"])
        self.assertEqual([line["file"].split(":")[1] for line in lines[:20]], [f"all[{i}]" for i in range(20)])
        self.assertAlmostEqual(lines[20]["top"][0]["probability"], lines[3]["top"][0]["probability"], places=5)
        self.assertAlmostEqual(lines[5]["top"][0]["probability"], lines[21]["top"][0]["probability"], places=5)

    def artifact(self, *words):
        path = self.folder / "model.ailab"
        result = call([str(AILAB), "export", str(self.config), "latest", "--plugins", self.plugin, "--to",
                       "artifact", "-o", str(path), "--force", *words])
        self.assertDone(result)
        self.assertIn("is 0 of the largest output", result.out)
        return path

    def test_an_artifact_needs_nothing_else(self):
        wanted = self.infer(self.config, "latest", self.images)
        path = self.artifact("--with-plugins")
        away = self.folder / "away"
        away.mkdir()
        shutil.move(path, away / "model.ailab")
        shutil.rmtree(self.work)
        self.config.unlink()
        result = subprocess.run([str(AILAB), "infer", "model.ailab", str(self.images), "--trust-plugins"], cwd=away,
                                text=True, capture_output=True, env=environment())
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual([line["top"][0]["index"] for line in lines], [line["top"][0]["index"] for line in wanted])
        # The plugin in it is no weight.
        mean = call([str(AILAB), "average", "model.ailab", "model.ailab", "-o", "mean.safetensors"], cwd=away)
        self.assertDone(mean)
        self.assertFalse(any("plugin" in name for name in safetensors.numpy.load_file(away / "mean.safetensors")))
        refused = call([str(AILAB), "infer", "model.ailab", str(self.images), "model.hidden=3"], cwd=away)
        self.assertEqual(refused.status, 2, str(refused))
        self.assertIn("an artifact takes no overrides", refused.err)

    def test_the_plugin_must_be_the_one_it_was_exported_with(self):
        path = self.artifact()
        words = [str(AILAB), "infer", str(path), str(self.images / "000.png"), "--trust-plugins"]
        result = call(words)
        self.assertEqual(result.status, 2, str(result))
        self.assertRegex(result.err, r'needs the plugin "test_mlp".*libmlp.so, build \w+\), which cannot be loaded')
        self.assertIn("export with --with-plugins", result.err)
        shutil.copy(self.plugin, self.folder / "libmlp.so")  # beside the artifact
        self.assertDone(call(words))

    def test_mixed_precision_is_served_as_it_was_validated_and_exported_in_float32(self):
        text = json.loads(self.config.read_text())
        text["hooks"]["amp"] = {"type": "AMPHook", "dtype": "bfloat16"}
        self.config.write_text(json.dumps(text))
        wanted = self.predictions()
        path = self.artifact("--with-plugins")
        for line, expected in zip(self.infer(path, self.images), wanted):
            self.assertAlmostEqual(line["top"][0]["probability"], expected["probability"], places=5)
        result = call([str(AILAB), "export", str(self.config), "latest", "--plugins", self.plugin, "--to", "onnx",
                       "-o", str(self.folder / "m.onnx")])
        self.assertDone(result)
        self.assertIn("validated in BFloat16, exported in float32", result.out)

    def test_outputs_are_not_replaced_unasked(self):
        output = self.folder / "out.jsonl"
        output.write_text("kept")
        words = [str(AILAB), "infer", "--plugins", self.plugin, str(self.config), "latest",
                 str(self.images / "000.png"), "-o", str(output)]
        result = call(words)
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("out.jsonl exists; give another -o, or --force", result.err)
        self.assertEqual(output.read_text(), "kept")
        failed = call([*words[:5], "none", *words[6:], "--force"])
        self.assertEqual((failed.status, output.read_text()), (1, "kept"), str(failed))
        self.assertDone(call([*words, "--force"]))
        self.assertEqual(len(output.read_text().splitlines()), 1)
        image = self.folder / "mine.png"
        shutil.copy(self.images / "000.png", image)
        before = image.read_bytes()
        result = call([*words[:-3], str(image), "-o", f"{self.folder}/../{self.folder.name}/mine.png", "--force"])
        self.assertEqual((result.status, image.read_bytes()), (1, before), str(result))
        self.assertIn("mine.png is an input, and cannot be the output too", result.err)
        loop = self.folder / "loop.jsonl"
        loop.symlink_to(loop.name)
        result = call([*words[:-1], str(loop)])
        self.assertEqual((result.status, result.err), (
            2, f"ailab-run: cannot write {loop}: Too many levels of symbolic links\n"))

    def test_what_is_refused(self):
        export = [str(AILAB), "export", "--plugins", self.plugin, str(self.config), "latest"]
        folder = self.folder / "locked"
        (self.folder / "there.onnx").write_text("")
        for words, text in (
                ([*export, "--to", "onnyx", "-o", "m.onnx"], "--to onnyx is unknown. Did you mean onnx?"),
                ([*export, "--to", "onnx"], "-o FILE is missing"),
                ([*export, "-o", "m.onnx"], "--to is missing"),
                ([*export, "--to", "onnx", "-o", str(self.folder / "there.onnx")], "exists; give another -o"),
                ([*export, "--to", "onnx", "-o", str(folder / "m.onnx")], "there is no folder"),
                ([*export, "--to", "onnx", "-o", "m.onnx", "--with-plugins"], "--with-plugins goes with"),
                ([str(AILAB), "infer", str(self.config), "latest"], "no input is given"),
                ([str(AILAB), "infer", str(self.config)], "no checkpoint is given"),
                ([str(AILAB), "infer", "model.onnx", "x.png"], "model.onnx is no configuration: infer takes"),
                ([str(AILAB), "infer", "--plugins", self.plugin, str(self.config), "lastest", "x.png"],
                 "the checkpoint lastest does not exist; give latest, best,"),
                ([str(AILAB), "infer", str(self.folder / "none.ailab"), "x.png"], "none.ailab"),
                ([str(AILAB), "infer", "--plugins", self.plugin, str(self.config), "latest", str(self.work)],
                 "there is no image"),
                ([str(AILAB), "infer", "--plugins", self.plugin, str(self.config), "latest", "x*.png"],
                 "no file matches x*.png")):
            with self.subTest(words=words[1:]):
                result = call(words, cwd=self.folder)
                self.assertIn(result.status, (1, 2), str(result))
                self.assertIn(text, result.err)
                self.assertEqual(result.out, "")

    def test_the_functions_of_c(self):
        path = self.artifact("--with-plugins")
        lines = self.infer(path, self.images / "000.png")
        library = ctypes.CDLL(str(BUILD / "lib" / "libailab_core.so"))
        library.ailab_open.restype = library.ailab_open_trusted.restype = ctypes.c_void_p
        library.ailab_predict_file.restype = library.ailab_last_error.restype = ctypes.c_char_p
        library.ailab_predict.restype = ctypes.c_int64
        model = library.ailab_open_trusted(os.fsencode(path))
        self.assertTrue(model, library.ailab_last_error())
        model = ctypes.c_void_p(model)
        line = json.loads(library.ailab_predict_file(model, os.fsencode(self.images / "000.png")))
        self.assertEqual(line["top"], lines[0]["top"])
        scaled = ((test_images(7) / np.float32(255) - np.float32(0.286)) / np.float32(0.353)).astype(np.float32)
        outputs = np.zeros((7, 10), np.float32)
        pointer = ctypes.POINTER(ctypes.c_float)
        count = library.ailab_predict(model, scaled.ctypes.data_as(pointer), ctypes.c_int64(7), ctypes.c_int64(784),
                                      outputs.ctypes.data_as(pointer), ctypes.c_int64(70))
        self.assertEqual(count, 70)
        self.assertEqual(outputs[0].argmax(), line["top"][0]["index"])
        self.assertEqual(-1, library.ailab_predict(model, scaled.ctypes.data_as(pointer), ctypes.c_int64(7),
                                                   ctypes.c_int64(784), outputs.ctypes.data_as(pointer),
                                                   ctypes.c_int64(69)))
        self.assertIn(b"room for 69", library.ailab_last_error())

        def in_a_thread(_):
            mine = np.zeros((7, 10), np.float32)
            for _ in range(20):
                library.ailab_predict(model, scaled.ctypes.data_as(pointer), ctypes.c_int64(7), ctypes.c_int64(784),
                                      mine.ctypes.data_as(pointer), ctypes.c_int64(70))
            return mine

        with concurrent.futures.ThreadPoolExecutor(4) as pool:  # ctypes lets go of Python's lock
            for mine in pool.map(in_a_thread, range(8)):
                np.testing.assert_allclose(mine, outputs, atol=1e-5)
        self.assertFalse(library.ailab_open(b"none.ailab"))
        self.assertIn(b"none.ailab", library.ailab_last_error())
        library.ailab_close(model)
