"""Event files of TensorboardHook, read by the tensorboard package and by its server.

    python test_tensorboard.py <tensorboard_tool>
"""
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata as hparams

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
import harness
from harness import RunFolder, call, command, free_port, mlp_config, mpirun

TOOL = sys.argv.pop(1)
METRICS = {"type": "MetricHook", "top1": {"type": "Accuracy", "topk": 1, "phases": ["train", "val"]}}


def train(folder, hook, ranks=1, log_interval=5, **sections):
    """Trains the MLP and gives its harness.Result."""
    hooks = {"metrics": METRICS, "logger": {"type": "LoggerHook", "interval": log_interval},
             "tensorboard": {"type": "TensorboardHook", **hook}}
    result = mpirun(ranks, command(mlp_config(folder, hooks=hooks, **sections), plugins=["mlp"]))
    assert result.status == 0, str(result)
    return result


def logs_of(folder):
    """The event files' folder of the newest run."""
    work = pathlib.Path(folder) / "work"
    return work / "tf_logs" / RunFolder(work).path.name


def read(folder):
    everything = {kind: 0 for kind in ("scalars", "histograms", "images", "tensors")}
    return EventAccumulator(str(folder), everything).Reload()


def points(events, tag):
    return [(p.step, p.value) for p in events.Scalars(tag)]


def float32(pairs):
    return [(step, float(np.float32(value))) for step, value in pairs]


def logged(run, mode, name):
    """The points of a name in metrics.jsonl, as float32, which scalars are."""
    return float32([(r["step"], r[name]) for r in run.lines(mode) if name in r])


def text_of(tensor_event):
    return tensor_event.tensor_proto.string_val[0].decode()


def hparams_of(events, name):
    content = events.PluginTagToContent("hparams")[f"_hparams_/{name}"]
    return getattr(hparams, f"parse_{name}_plugin_data")(content)


class Server:
    """TensorBoard itself, until the test ends."""

    def __init__(self, test, folder, run, tag, step):
        """Waits until it shows the run's files to the end: the point of a tag at this step."""
        port = free_port()
        self.data = f"http://127.0.0.1:{port}/data/plugin/"
        errors = tempfile.TemporaryFile()
        test.addCleanup(errors.close)
        server = subprocess.Popen([sys.executable, "-m", "tensorboard.main", "--logdir", str(folder),
                                   "--port", str(port), "--host", "127.0.0.1"],
                                  stdout=subprocess.DEVNULL, stderr=errors)
        test.addCleanup(server.wait)
        test.addCleanup(server.terminate)
        end = time.monotonic() + 120
        while True:
            try:
                if tag in json.loads(self.get("scalars/tags")).get(run, {}):
                    if self.points(run, tag)[-1][0] == step:
                        return
            except OSError:
                pass  # it is not up yet
            if time.monotonic() > end:
                errors.seek(0)
                test.fail(f"the server shows nothing after two minutes: {errors.read().decode()}")
            time.sleep(0.2)

    def points(self, run, tag):
        return [(step, value) for _, step, value in json.loads(self.get("scalars/scalars", run=run, tag=tag))]

    def get(self, path, body=None, **query):
        url = self.data + path + ("?" + urllib.parse.urlencode(query) if query else "")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()


class WholeRun(unittest.TestCase):
    """One run with everything switched on; each test looks at a part of it."""

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="ailab-test-")
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = pathlib.Path(cls.temporary.name)
        train(cls.folder, {"interval": 5, "histogram_interval": 50, "image_interval": 2, "max_images": 3,
                           "graph": True}, total_epochs=3)
        cls.log = RunFolder(cls.folder / "work")
        cls.logs = logs_of(cls.folder)
        cls.events = read(cls.logs)

    def test_one_file_in_a_folder_of_the_runs_name(self):
        (file,) = self.logs.iterdir()
        self.assertRegex(file.name, r"^events\.out\.tfevents\.\d{10}\..+\.\d+\.0$")

    def test_scalars_are_those_of_the_log(self):
        for mode, names in {"train": ("loss", "lr", "top1"), "val": ("loss", "top1")}.items():
            for name in names:
                expected = logged(self.log, mode, name)
                self.assertGreater(len(expected), 2)
                self.assertEqual(points(self.events, f"{mode}/{name}"), expected, f"{mode}/{name}")

    def test_times_and_memory(self):
        steps = [r["step"] for r in self.log.lines("train")]
        logged_times = sum(r["time"] for r in self.log.lines("train"))
        for tag in ("train/time", "train/data_time", "train/memory"):
            self.assertEqual([step for step, _ in points(self.events, tag)], steps)
        self.assertAlmostEqual(sum(t for _, t in points(self.events, "train/time")) / logged_times, 1, delta=0.2)
        for (_, whole), (_, data) in zip(points(self.events, "train/time"), points(self.events, "train/data_time")):
            self.assertGreaterEqual(whole, data)
        for (_, memory), record in zip(points(self.events, "train/memory"), self.log.lines("train")):
            self.assertAlmostEqual(memory, record["memory"], delta=10)

    def test_histograms(self):
        sizes = {"fc1.weight": 784 * 64, "fc1.bias": 64, "fc2.weight": 640, "fc2.bias": 10}
        tags = [f"{kind}/{name}" for name in sizes for kind in ("weights", "gradients")]
        self.assertCountEqual(self.events.Tags()["histograms"], tags)
        for tag in tags:
            found = self.events.Histograms(tag)
            self.assertEqual([h.step for h in found], [0, 50, 100, 150])
            for event in found:
                h = event.histogram_value
                self.assertEqual(h.num, sizes[tag.split("/")[1]])
                self.assertEqual(sum(h.bucket), h.num)
                self.assertEqual(sorted(h.bucket_limit), h.bucket_limit)
                self.assertLess(h.min, h.max)
                self.assertGreaterEqual(h.bucket_limit[-1], h.max)
        # As the layer is initialised: uniform within 1 / sqrt(784).
        first = self.events.Histograms("weights/fc1.weight")[0].histogram_value
        self.assertAlmostEqual(first.max, 784 ** -0.5, delta=1e-4)
        self.assertAlmostEqual(first.sum_squares / first.num, 1 / 784 / 3, delta=1e-5)

    def test_images(self):
        self.assertEqual(self.events.Tags()["images"], ["val/sample_0", "val/sample_1", "val/sample_2"])
        raw = harness.read_fashion_mnist("t10k-images-idx3-ubyte")[16:].reshape(-1, 28, 28)
        for i in range(3):
            shown = self.events.Images(f"val/sample_{i}")
            self.assertEqual([s.step for s in shown], [63, 189])  # of epochs 1 and 3
            self.assertEqual((shown[0].width, shown[0].height), (28, 28))
            pixels = np.asarray(Image.open(io.BytesIO(shown[0].encoded_image_string)))
            self.assertEqual(pixels.shape, (28, 28))
            low, high = float(raw[i].min()), float(raw[i].max())
            np.testing.assert_allclose(pixels, (raw[i] - low) * 255 / (high - low), atol=1)

    def test_predictions(self):
        tables = [text_of(e).splitlines() for e in self.events.Tensors("val/predictions")]
        self.assertEqual(len(tables), 2)
        for table in tables:
            self.assertEqual(table[0], "sample | target | prediction | probability")
            rows = [[c.strip() for c in row.split("|")] for row in table[2:]]
            self.assertEqual([(r[0], r[1]) for r in rows], [("0", "9"), ("1", "2"), ("2", "1")])
            for row in rows:
                self.assertRegex(row[2], r"^(\*\*\d\*\*|\d)$")
                self.assertEqual(row[2].startswith("**"), row[2].strip("*") != row[1], row)
                self.assertGreaterEqual(float(row[3].rstrip("%")), 10)

    def test_configuration(self):
        (event,) = self.events.Tensors("config")
        lines = text_of(event).splitlines()
        self.assertTrue(all(line.startswith("    ") for line in lines))
        shown = "\n".join(line[4:] for line in lines).strip()
        self.assertEqual(shown, (self.log.path / "config.yaml").read_text().strip())

    def test_graph(self):
        nodes = {node.name: node for node in self.events.Graph().node}
        for node in nodes.values():
            for name in node.input:
                self.assertIn(name, nodes, node.name)
        self.assertEqual(nodes["input/input"].op, "Placeholder")
        self.assertEqual(nodes["fc2/weight"].op, "Parameter")
        self.assertEqual(list(nodes["relu"].input), ["fc1/addmm"])
        self.assertEqual(list(nodes["output/output"].input), ["fc2/addmm"])
        shapes = {name: [[d.size for d in shape.dim] for shape in node.attr["_output_shapes"].list.shape]
                  for name, node in nodes.items()}
        self.assertEqual(shapes["input/input"], [[1, 1, 28, 28]])
        self.assertEqual(shapes["fc1/weight"], [[64, 784]])
        self.assertEqual(shapes["fc2/addmm"], [[1, 10]])

    def test_hyperparameters(self):
        start = hparams_of(self.events, "session_start_info")
        self.assertEqual(start.hparams["optimizer.lr"].number_value, 0.001)
        self.assertEqual(start.hparams["optimizer.type"].string_value, "Adam")
        self.assertEqual(start.hparams["optimizer.betas"].string_value, "[0.9, 0.999]")
        self.assertIs(start.hparams["data.train.train"].bool_value, True)
        self.assertNotIn("resume_from", start.hparams)
        end = hparams_of(self.events, "session_end_info")
        self.assertEqual(end.status, 1)  # success
        self.assertGreater(end.end_time_secs, start.start_time_secs)

    def test_the_server_shows_it(self):
        run = self.logs.name
        get = Server(self, self.folder / "work" / "tf_logs", run, "val/top1", 189).get
        self.assertIn("train/loss", json.loads(get("scalars/tags"))[run])
        self.assertIn("config", json.loads(get("text/tags"))[run])
        self.assertIn("optimizer", json.loads(get("text/text", run=run, tag="config"))[0]["text"])
        self.assertIn("weights/fc1.weight", json.loads(get("histograms/tags"))[run])
        self.assertEqual(len(json.loads(get("histograms/histograms", run=run, tag="weights/fc1.weight"))), 4)
        images = json.loads(get("images/tags"))[run]
        self.assertEqual(sorted(images), ["val/sample_0", "val/sample_1", "val/sample_2"])
        entry = json.loads(get("images/images", run=run, tag="val/sample_0", sample=0))[0]
        picture = get("images/individualImage?" + entry["query"])
        self.assertEqual(picture, self.events.Images("val/sample_0")[0].encoded_image_string)
        self.assertTrue(json.loads(get("graphs/info"))[run]["run_graph"])
        self.assertIn(b"fc1/addmm", get("graphs/graph", run=run))

        experiment = json.loads(get("hparams/experiment", {}))
        self.assertIn("optimizer.lr", [h["name"] for h in experiment["hparamInfos"]])
        self.assertIn("val/top1", [m["name"]["tag"] for m in experiment["metricInfos"]])
        columns = [{"hparam": "optimizer.lr", "order": "ORDER_UNSPECIFIED"},
                   {"metric": {"group": "", "tag": "val/top1"}, "order": "ORDER_UNSPECIFIED"}]
        (group,) = json.loads(get("hparams/session_groups", {
            "colParams": columns, "startIndex": 0, "sliceSize": 10, "aggregationType": "AGGREGATION_AVG",
            "allowedStatuses": ["STATUS_SUCCESS"], "includeMetrics": True}))["sessionGroups"]
        self.assertEqual(group["hparams"]["optimizer.lr"], 0.001)
        metrics = {m["name"]["tag"]: m["value"] for m in group["metricValues"]}
        self.assertEqual((189, metrics["val/top1"]), points(self.events, "val/top1")[-1])


class OtherRuns(harness.TestCase):
    def test_two_ranks_write_one_file_with_the_values_of_both(self):
        train(self.folder, {"interval": 5, "histogram_interval": 50, "image_interval": 1, "graph": True}, ranks=2)
        self.assertEqual(len(list(logs_of(self.folder).iterdir())), 1)
        events, log = read(logs_of(self.folder)), self.run_folder()
        for name in ("loss", "top1"):
            self.assertEqual(points(events, f"train/{name}"), logged(log, "train", name))
            self.assertEqual(points(events, f"val/{name}"), logged(log, "val", name))
        self.assertEqual(events.Histograms("gradients/fc1.weight")[0].histogram_value.num, 784 * 64)

    def test_what_is_drawn_does_not_change_the_training(self):
        train(self.folder, {"enable": False}, model={"type": "MLP", "dropout": 0.2})
        plain = self.run_folder().losses()
        train(self.folder, {"histogram_interval": 1, "image_interval": 1, "graph": True},
              model={"type": "MLP", "dropout": 0.2})
        self.assertEqual(self.run_folder().losses(), plain)

    def test_log_dir(self):
        folder = self.folder / "elsewhere"
        result = train(self.folder, {"log_dir": str(folder)})
        self.assertFalse((self.work / "tf_logs").exists())
        again = train(self.folder, {"log_dir": str(folder)})
        self.assertNotIn("WARNING", result.err + again.err)
        runs = sorted(p.name for p in self.work.iterdir() if p.is_dir() and not p.is_symlink())
        self.assertEqual(sorted(p.name for p in folder.iterdir()), runs)
        for name in runs:
            self.assertEqual(points(read(folder / name), "train/loss")[-1][0], 63)

    def test_what_is_off_is_not_written(self):
        train(self.folder, {"hparams": False})
        events = read(logs_of(self.folder))
        tags = events.Tags()
        self.assertEqual((tags["images"], tags["histograms"], tags["graph"]), ([], [], False))
        self.assertEqual(tags["tensors"], ["config"])
        self.assertEqual(points(events, "train/loss")[0][0], 10)

    def test_a_model_that_owns_its_step(self):
        adam = {"type": "Adam", "lr": 0.01}
        config = mlp_config(
            self.folder, model={"type": "LineGAN"}, loss=None, workflow=[["train", 1]], total_epochs=4,
            data={"train": {"type": "Points"}, "train_dataloader": {"global_batch_size": 32}},
            optimizer={"generator": adam, "discriminator": adam},
            hooks={"logger": {"type": "LoggerHook", "interval": 10},
                   "tensorboard": {"type": "TensorboardHook", "histogram_interval": 15}})
        self.assertDone(call(command(config, plugins=["gan"])))
        events = read(logs_of(self.folder))
        for name in ("loss_d", "loss_g", "generator_lr", "discriminator_lr"):
            self.assertEqual(points(events, f"train/{name}"), logged(self.run_folder(), "train", name))
        for part in ("generator", "discriminator"):
            for kind in ("weights", "gradients"):
                found = events.Histograms(f"{kind}/{part}.0.weight")
                self.assertEqual([(h.step, h.histogram_value.num) for h in found], [(0, 8), (15, 8), (30, 8)])

    def test_a_full_disk_costs_points_alone(self):
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)],
                                 capture_output=True, text=True)
        self.assertEqual(mounted.returncode, 0, mounted.stderr)
        self.addCleanup(subprocess.run, ["umount", "-l", str(disk)])
        result = train(self.folder, {"log_dir": str(disk / "logs"), "interval": 1, "histogram_interval": 1},
                       log_interval=1)
        self.assertEqual(result.err.count("No space left on device"), 1, result.err)
        self.assertEqual(len(self.run_folder().lines("val")), 1)
        self.assertEqual(self.run_folder().lines()[-1]["exit"], "done")
        # What is there is right, and there was space for the first of them.
        found = points(read(disk / "logs" / self.run_folder().path.name), "train/loss")
        log = logged(self.run_folder(), "train", "loss")
        self.assertEqual(len(log), 63)
        self.assertEqual(found[:1], log[:1])
        self.assertLessEqual(set(found), set(log))

    def test_a_folder_that_cannot_be_written_is_an_error_before_the_training(self):
        config = mlp_config(self.folder, hooks={"tb": {"type": "TensorboardHook", "log_dir": "/proc/none/logs"}})
        result = call(command(config, plugins=["mlp"]))
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("log_dir: cannot create the folder /proc/none/logs", result.err)

    def test_wrong_options(self):
        for option, value, complaint in (
                ("interval", 0, "between 1 and"), ("histogram_interval", -1, "between 0 and"),
                ("image_interval", -1, "between 0 and"), ("max_images", 0, "between 1 and"),
                ("graph", 3, "true or false"), ("log_dirs", "x", "log_dir")):
            config = mlp_config(self.folder, hooks={"tb": {"type": "TensorboardHook", option: value}})
            result = call(command(config, plugins=["mlp"]))
            self.assertEqual(result.status, 2, str(result))
            self.assertIn(option, result.err)
            self.assertIn(complaint, result.err)

    def test_images_without_a_val_phase(self):
        config = mlp_config(self.folder, workflow=[["train", 1]],
                            hooks={"tb": {"type": "TensorboardHook", "image_interval": 1}})
        result = call(command(config, plugins=["mlp"]))
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("image_interval shows images of the val phase, and the workflow has none", result.err)


class Endings(harness.TestCase):
    def tool(self, name):
        done = subprocess.run([TOOL, name, str(self.folder)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.logs = self.folder / "logs" / self.folder.name  # the tool's run has the folder's name
        return read(self.logs)

    def test_a_resumed_run_hides_what_it_does_again(self):
        events = self.tool("resume")
        self.assertEqual(len(list(self.logs.glob("events.*"))), 2)
        # Lost at step 17, resumed at 10: each point once, those behind step 10 from the second start.
        expected = float32([(s, s + 0.1) for s in range(2, 11, 2)] + [(s, s + 0.2) for s in range(12, 31, 2)])
        self.assertEqual(points(events, "train/loss"), expected)
        self.assertEqual(points(events, "val/top1"), float32([(10, 10.2), (20, 20.2), (30, 30.2)]))
        self.assertEqual(hparams_of(events, "session_end_info").status, 1)
        # The server has a reader of its own.
        run = f"logs/{self.folder.name}"
        server = Server(self, self.folder, run, "val/top1", 30)
        self.assertEqual(server.points(run, "train/loss"), expected)

    def test_a_failed_run_is_complete_and_has_no_end(self):
        events = self.tool("failed")
        self.assertEqual(points(events, "train/loss"), float32([(2, 2.1), (4, 4.1)]))
        self.assertIn("_hparams_/session_start_info", events.PluginTagToContent("hparams"))
        self.assertNotIn("_hparams_/session_end_info", events.PluginTagToContent("hparams"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
