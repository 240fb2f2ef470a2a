"""Runs of WandbHook, read by W&B's own messages and uploaded by its real client to a stand-in for
the cloud.

    python test_wandb.py <wandb_tool>
"""
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time
import unittest
import zlib

TOOL = sys.argv.pop(1)
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import yaml  # noqa: E402
from wandb.proto import wandb_internal_pb2  # noqa: E402

import harness  # noqa: E402
from harness import call, command, environment, mlp_config, ranks_by_variables  # noqa: E402
from wandb_server import Server, client_environment  # noqa: E402

CLIENT = pathlib.Path(sys.executable).parent / "wandb"
NOBODY = "http://127.0.0.1:9"  # nothing listens there


def read_log(path):
    """The records of a .wandb file, by the definition of its framing."""
    data = path.read_bytes()
    assert data[:7] == b":W&B" + struct.pack("<HB", 0xBEE1, 0), data[:7]
    records, at, payload = [], 7, b""
    while at < len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        crc, size, kind = struct.unpack_from("<IHB", data, at)
        part = data[at + 7:at + 7 + size]
        assert len(part) == size and zlib.crc32(bytes([kind]) + part) == crc, f"damaged at {at}"
        payload = part if kind in (1, 2) else payload + part
        at += 7 + size
        if kind in (1, 4):
            records.append(wandb_internal_pb2.Record.FromString(payload))
    return records


def items(record_items):
    return {".".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record_items}


class Wandb(harness.TestCase):
    def config(self, hook=None, **sections):
        hooks = {"metrics": {"type": "MetricHook"},
                 "logger": {"type": "LoggerHook", "interval": 10},
                 "wandb": {"type": "WandbHook", **(hook or {})}}
        return mlp_config(self.folder, hooks=hooks, **sections)

    def faulty_config(self, hook, **model):
        data = {"type": "FaultyDataset"}
        return mlp_config(
            self.folder, model={"type": "FaultyModel", "rank": 0, **model},
            data={"train": data, "train_dataloader": {"global_batch_size": 8}},
            loss={"type": "MSELoss"}, workflow=[["train", 1]], total_epochs=1000,
            hooks={"wandb": {"type": "WandbHook", **hook}})

    def variables(self, **extra):
        """Nothing of the user's own W&B, and no way to the real one."""
        return {"HOME": self.folder, "WANDB_CLI": CLIENT, **client_environment(NOBODY), **extra}

    def run_hook(self, config, ranks=1, plugin="mlp", **extra):
        words = command(config, plugins=[plugin])
        if ranks > 1:
            results = ranks_by_variables(ranks, words, **self.variables(**extra))
            for result in results:
                self.assertDone(result)
            return results[0]
        return call(words, **self.variables(**extra))

    def run_dirs(self, folder=None):
        return sorted((folder or self.run_folder().path / "wandb").glob("*run-*"))

    def run_dir(self, folder=None):
        found = self.run_dirs(folder)
        self.assertEqual(len(found), 1, found)
        return found[0]

    def records(self, run_dir):
        (path,) = run_dir.glob("run-*.wandb")
        return read_log(path)

    def rows(self, run_dir):
        return [items(r.history.item) for r in self.records(run_dir) if r.HasField("history")]

    def client(self, *words, **extra):
        done = subprocess.run([CLIENT, *map(str, words)], capture_output=True, text=True, timeout=120,
                              env=environment(**self.variables(WANDB_DIR=self.folder, **extra)))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def sync(self, server, *run_dirs):
        text = self.client("sync", *run_dirs, **server.environment)
        self.assertIn("Finished syncing", text)
        self.assertEqual(server.unknown, [], text)

    def assertRows(self, rows):
        """Rows are what LoggerHook wrote of the same steps."""
        self.assertEqual([r["_step"] for r in rows], sorted({r["_step"] for r in rows}))
        by_step = {r["_step"]: r for r in rows}
        lines = self.run_folder().lines()
        logged = [line for line in lines if line["mode"] in ("train", "val")]
        self.assertEqual({line["step"] for line in logged}, set(by_step))
        for line in logged:
            row = by_step[line["step"]]
            self.assertEqual(row["epoch"], line["epoch"])
            for name in ("loss", "lr") if line["mode"] == "train" else ("loss", "top1", "top5"):
                self.assertEqual(row[f"{line['mode']}/{name}"], line[name], line)


class Offline(Wandb):
    ARGUMENTS = {"project": "p", "entity": "e", "name": "n", "group": "g", "job_type": "j",
                 "notes": "x", "tags": ["a", "b"], "mode": "offline", "id": "run1"}

    def setUp(self):
        super().setUp()
        result = self.run_hook(self.config({"init_args": self.ARGUMENTS}, total_epochs=2))
        self.assertDone(result)
        self.assertIn(f"upload the run with: wandb sync {self.run_dir()}", result.err)

    def saved_config(self):
        return yaml.safe_load((self.run_folder().path / "config.yaml").read_text())

    def config_in_the_client(self):
        def without_empty_maps(value):  # the client keeps none
            if not isinstance(value, dict):
                return value
            kept = {k: without_empty_maps(v) for k, v in value.items()}
            return {k: v for k, v in kept.items() if v != {}}

        return without_empty_maps(self.saved_config())

    def test_folder_is_the_clients(self):
        folder = self.run_dir()
        self.assertRegex(folder.name, r"^offline-run-\d{8}_\d{6}-run1$")
        self.assertEqual(sorted(p.name for p in folder.iterdir()), ["files", "logs", "run-run1.wandb"])
        self.assertEqual([p.name for p in (folder / "files").iterdir()], ["ailab-config.yaml"])
        self.assertEqual((folder / "files/ailab-config.yaml").read_text(),
                         (self.run_folder().path / "config.yaml").read_text())

    def test_records_tell_what_metrics_jsonl_tells(self):
        records = self.records(self.run_dir())
        self.assertEqual([r.num for r in records], list(range(1, len(records) + 1)))
        self.assertEqual({r._info.stream_id for r in records}, {"run1"})
        kinds = [r.WhichOneof("record_type") for r in records]
        self.assertEqual(kinds[:4], ["header", "run", "environment", "files"])
        self.assertEqual(kinds[-1], "exit")
        run = records[1].run
        self.assertEqual(
            (run.run_id, run.project, run.entity, run.display_name, run.run_group, run.job_type, run.notes,
             list(run.tags)), ("run1", "p", "e", "n", "g", "j", "x", ["a", "b"]))
        self.assertAlmostEqual(run.start_time.seconds, time.time(), delta=300)
        self.assertFalse(run.resumed)
        self.assertEqual(items(run.config.update), self.saved_config())
        self.assertEqual(records[-1].exit.exit_code, 0)
        rows = self.rows(self.run_dir())
        self.assertRows(rows)
        for record, row in zip((r for r in records if r.HasField("history")), rows):
            self.assertEqual(record.history.step.num, row["_step"])
            self.assertGreater(row["train/time"], 0)
            self.assertGreater(row["train/memory"], 0)
        self.assertEqual(sorted(rows, key=lambda r: (r["_timestamp"], r["_runtime"])), rows)
        metrics = {r.metric.name: r.metric.summary for r in records if r.HasField("metric")}
        self.assertEqual(set(metrics), {"val/loss", "val/top1", "val/top5"})
        self.assertTrue(metrics["val/loss"].min and metrics["val/loss"].last and not metrics["val/loss"].max)
        self.assertTrue(metrics["val/top1"].max)

    def test_the_client_shows_it(self):
        shown = json.loads(self.client("leet", "inspect", "--summary", "--json", self.run_dir()))
        rows = self.rows(self.run_dir())
        val = [r for r in rows if "val/top1" in r]
        self.assertEqual(len(val), 2)
        self.assertEqual((shown["state"], shown["exit_code"], shown["step"]), ("finished", 0, 126))
        self.assertEqual(shown["config"], self.config_in_the_client())
        self.assertEqual(shown["summary"]["train/loss"], rows[-1]["train/loss"])
        self.assertEqual(shown["summary"]["val/loss"],
                         {"last": val[-1]["val/loss"], "min": min(r["val/loss"] for r in val)})
        self.assertEqual(shown["summary"]["val/top1"],
                         {"last": val[-1]["val/top1"], "min": min(r["val/top1"] for r in val),
                          "max": max(r["val/top1"] for r in val)})

    def test_the_client_uploads_it(self):
        with Server() as server:
            self.sync(server, self.run_dir())
        self.assertEqual(list(server.runs), ["run1"])
        run = server.runs["run1"]
        self.assertEqual(run.history, self.rows(self.run_dir()))
        self.assertTrue(run.complete)
        self.assertEqual(run.exit_code, 0)
        self.assertEqual({k: v["value"] for k, v in run.config.items() if k != "_wandb"},
                         self.config_in_the_client())
        self.assertEqual(run.attributes["displayName"], "n")
        self.assertEqual(run.attributes["groupName"], "g")
        self.assertEqual(run.attributes["tags"], ["a", "b"])
        self.assertEqual(run.summary["_step"], 126)
        self.assertEqual(run.files["ailab-config.yaml"],
                         (self.run_folder().path / "config.yaml").read_bytes())
        metadata = json.loads(run.files["wandb-metadata.json"])
        self.assertTrue(metadata["program"].endswith("ailab-run"))
        self.assertIn(str(self.folder / "config.yaml"), metadata["args"])


class Modes(Wandb):
    def test_disabled_writes_nothing(self):
        for hook, variables in (({"init_args": {"mode": "disabled"}}, {}), ({}, {"WANDB_MODE": "disabled"}),
                                ({"enable": False}, {})):
            with self.subTest(hook=hook, variables=variables):
                result = self.run_hook(self.config(hook), **variables)
                self.assertDone(result)
                self.assertFalse((self.run_folder().path / "wandb").exists())
                self.assertNotIn("W&B", result.err)

    def test_without_a_key_it_is_offline(self):
        result = self.run_hook(self.config(), WANDB_API_KEY="")
        self.assertDone(result)
        self.assertIn("W&B: offline, since there is no API key", result.err)
        self.assertRows(self.rows(self.run_dir()))

    def test_a_missing_client_is_a_warning(self):
        result = self.run_hook(self.config({"init_args": {"mode": "online"}}), WANDB_CLI="/none")
        self.assertDone(result)
        self.assertIn("mode is online and the command `wandb` is neither on PATH", result.err)
        self.assertEqual(self.records(self.run_dir())[-1].exit.exit_code, 0)

    def test_an_unreachable_server_is_a_warning(self):
        result = self.run_hook(self.config({"init_args": {"mode": "online"}, "finish_timeout": 1}))
        self.assertDone(result)
        self.assertIn("the upload did not end in 1 s (finish_timeout)", result.err)
        self.assertIn(f"upload it when it has ended with: wandb sync {self.run_dir()}", result.err)
        self.assertRows(self.rows(self.run_dir()))

    def test_what_the_client_complains_of_is_a_warning(self):
        result = self.run_hook(self.config({"init_args": {"mode": "online"}}), WANDB_API_KEY="")
        self.assertDone(result)
        self.assertEqual(result.err.count("the client's upload ended with status 1"), 1, result.err)
        self.assertIn("No API key configured", result.err)

    def test_a_dry_run_uploads_nothing(self):
        result = call([*command(self.config({"init_args": {"mode": "online", "dir": str(self.folder / "d")}}),
                                plugins=["mlp"]), "--dry-run"], **self.variables())
        if "dry-run" in result.err and result.status == 2:
            self.skipTest("this ailab-run has no --dry-run")
        self.assertDone(result)
        self.assertFalse((self.folder / "d").exists())
        self.assertIn("W&B: offline", result.err)

    def test_dir_is_where_the_run_goes(self):
        result = self.run_hook(self.config({"init_args": {"dir": str(self.folder / "d"), "mode": "offline"}}))
        self.assertDone(result)
        self.assertRows(self.rows(self.run_dir(self.folder / "d" / "wandb")))
        self.assertEqual(self.run_dirs(), [])

    def test_two_ranks_are_one_run(self):
        self.run_hook(self.config({"init_args": {"mode": "offline"}}), ranks=2)
        self.assertRows(self.rows(self.run_dir()))

    def test_arguments_that_wandb_init_has_not_are_refused(self):
        result = self.run_hook(self.config({"init_args": {"projekt": "p"}}))
        self.assertEqual(result.status, 2, str(result))
        self.assertIn('no argument "projekt"; did you mean "project"?', result.err)
        result = self.run_hook(self.config({"init_args": {"reinit": True, "settings": {}, "mode": "offline"}}))
        self.assertDone(result)
        self.assertEqual(result.err.count("have no effect here: reinit, settings"), 1, result.err)

    def test_a_run_that_fails_says_so(self):
        result = self.run_hook(self.faulty_config({"init_args": {"mode": "offline"}}, how="throw", call=25),
                               plugin="faults")
        self.assertEqual(result.status, 1, str(result))
        self.assertEqual(self.records(self.run_dir())[-1].exit.exit_code, 1)
        self.assertEqual([r["_step"] for r in self.rows(self.run_dir())], [10, 20])

    def test_a_killed_run_keeps_its_rows(self):
        result = self.run_hook(self.faulty_config({"init_args": {"mode": "offline"}}, how="kill", call=1000),
                               plugin="faults")
        self.assertEqual(result.status, -signal.SIGKILL, str(result))
        steps = [r["_step"] for r in self.rows(self.run_dir())]
        self.assertEqual(steps, list(range(10, 10 * len(steps) + 1, 10)))
        self.assertGreater(len(steps), 10)
        with Server() as server:
            self.sync(server, self.run_dir())
        (run,) = server.runs.values()
        self.assertEqual([r["_step"] for r in run.history], steps)
        self.assertEqual(run.exit_code, 1)  # failed


class Live(Wandb):
    def test_a_run_is_uploaded_beside_the_training(self):
        with Server() as server:
            result = self.run_hook(self.config({"init_args": {"id": "run1"}}), **server.environment)
            self.assertDone(result)
        self.assertIn("W&B: run run1 is uploaded", result.err)
        self.assertEqual(server.unknown, [])
        self.assertEqual(server.runs["run1"].history, self.rows(self.run_dir()))
        self.assertEqual(server.runs["run1"].exit_code, 0)
        self.assertTrue(list(self.run_dir().glob("*.synced")))

    def follow(self, how, seconds):
        """Starts a run that ends so, and waits until the server has its first rows."""
        config = self.faulty_config({"init_args": {"id": "run1"}, "interval": 1000}, how=how, seconds=seconds)
        server = self.enterContext(Server())
        process = subprocess.Popen(
            command(config, plugins=["faults"]), stderr=subprocess.PIPE, text=True, start_new_session=True,
            env=environment(**self.variables(**server.environment)))
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        deadline = time.monotonic() + 60
        while not server.run("run1").history:
            self.assertIsNone(process.poll(), "it ended before anything was uploaded")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        return server, process

    def clients(self):
        """The processes that upload this test's run."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes()
            except OSError:
                continue
            if str(self.work).encode() in words and b"--live" in words:
                found.append(path.parent.name)
        return found

    def test_a_failure_arrives_too(self):
        server, process = self.follow("throw", 25)
        self.assertEqual(len(self.clients()), 1)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1, err)
        self.assertEqual(server.runs["run1"].exit_code, 1, err)
        self.assertEqual(self.clients(), [])

    def test_the_client_dies_with_a_killed_trainer(self):
        _, process = self.follow("never", 0)
        self.assertEqual(len(self.clients()), 1)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 20
        while self.clients() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(self.clients(), [])


class Resumed(Wandb):
    STEPS = list(range(2, 31, 2))

    def tool(self, mode, *more, **extra):
        folder = self.folder / "run"
        process = subprocess.Popen([TOOL, folder, mode, *more], stderr=subprocess.PIPE, text=True,
                                   env=environment(AILAB_PLUGIN_PATH="", **self.variables(**extra)))
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        return folder / "wandb", process

    def assertOneRun(self, server, second_from):
        """The values are those of the second start from this step on."""
        (run,) = server.runs.values()
        self.assertEqual([r["_step"] for r in run.history], self.STEPS)
        for row in run.history:
            part = 0.2 if row["_step"] >= second_from else 0.1
            self.assertAlmostEqual(row["train/loss"], row["_step"] + part, msg=row)
            self.assertEqual("val/top1" in row, row["_step"] % 10 == 0)
        runtimes = [r["_runtime"] for r in run.history]
        self.assertEqual(runtimes, sorted(runtimes))
        self.assertEqual(run.summary["_step"], 30)
        self.assertEqual(run.exit_code, 0)
        return run

    def test_offline(self):
        folder, process = self.tool("offline")
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, err)
        first, second = self.run_dirs(folder)
        self.assertEqual([r["_step"] for r in self.rows(first)], [2, 4, 6, 8])
        start = self.records(second)[1].run
        self.assertTrue(start.resumed)
        self.assertEqual(start.starting_step, 9)
        self.assertEqual(start.run_id, self.records(first)[1].run.run_id)
        with Server() as server:
            self.sync(server, first, second)
        run = self.assertOneRun(server, second_from=12)
        # The checkpoint was taken with the training's row of step 10, before its validation.
        self.assertAlmostEqual(run.history[4]["val/top1"], 10.2)
        self.assertEqual(run.summary["val/top1"], {"last": 30.2, "min": 10.2, "max": 30.2})

    def test_online(self):
        with Server() as server:
            folder, process = self.tool("online", self.folder / "lose", **server.environment)
            deadline = time.monotonic() + 60
            while not any(run.history[-1:] and run.history[-1]["_step"] == 16 for run in server.runs.values()):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.1)
            (self.folder / "lose").touch()
            _, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, err)
        self.assertEqual(server.unknown, [], err)
        self.assertOneRun(server, second_from=18)


if __name__ == "__main__":
    unittest.main(verbosity=2)
