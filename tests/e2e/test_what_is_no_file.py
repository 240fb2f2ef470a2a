"""A named pipe, a socket, a device or a folder in place of any file: refused by kind, never waited for."""
import json
import os
import pathlib
import socket
import struct
import zlib

from harness import AILAB, PLUGINS, TestCase, call, command, mlp_config

KINDS = ("a named pipe", "a socket", "a device", "a folder")


class WhatIsNoFile(TestCase):
    def put(self, kind, name):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "a named pipe":
            os.mkfifo(path)
        elif kind == "a socket":
            listener = socket.socket(socket.AF_UNIX)
            self.addCleanup(listener.close)
            listener.bind(str(path))
        elif kind == "a device":
            path.symlink_to("/dev/zero")
        else:
            path.mkdir()
        return path

    def refused(self, words, *parts, status=None):
        result = call([str(word) for word in words], timeout=60)
        self.assertLess(result.seconds, 20, str(result))
        if status is not None:
            self.assertEqual(result.status, status, str(result))
        else:
            self.assertIn(result.status, (1, 2), str(result))
        for part in parts:
            self.assertIn(part, result.err + result.out, str(result))
        return result

    def test_as_a_configuration(self):
        for number, kind in enumerate(KINDS):
            with self.subTest(kind):
                path = self.put(kind, f"{number}.yaml")
                result = self.refused([AILAB, path], status=2)
                self.assertEqual(result.err, f"{path}: is {kind}; give the configuration's file.\n")

    def test_as_weights_checkpoint_or_artifact(self):
        config = mlp_config(self.folder)
        for number, kind in enumerate(KINDS[:3]):
            for key in ("load_from", "resume_from", "model.pretrained"):
                with self.subTest(kind=kind, key=key):
                    path = self.put(kind, f"{number}-{key}.pth")
                    self.refused(command(config, [f"{key}={path}"], plugins=["mlp"]), path.name, f"it is {kind}")
            for name in ("w.safetensors", "m.ailab"):
                with self.subTest(kind=kind, name=name):
                    path = self.put(kind, f"{number}-{name}")
                    self.refused([AILAB, "inspect", path], path.name, f"it is {kind}", status=1)

    def test_as_a_part_of_a_checkpoint(self):
        hooks = {"checkpoint": {"type": "CheckpointHook", "interval": 1}, "logger": {"type": "LoggerHook"}}
        config = mlp_config(self.folder, hooks=hooks)
        self.assertDone(call(command(config, plugins=["mlp"])))
        checkpoint = self.run_folder().path / "checkpoints" / "epoch_1"
        for part in ("model.safetensors", "state.safetensors", "state.json", "rank0.safetensors", "manifest.json"):
            for kind in KINDS[:3]:
                with self.subTest(part=part, kind=kind):
                    kept = (checkpoint / part).read_bytes()
                    (checkpoint / part).unlink()
                    self.put(kind, checkpoint / part)
                    self.refused(command(config, ["resume_from=auto"], plugins=["mlp"]), part, f"it is {kind}")
                    (checkpoint / part).unlink()
                    (checkpoint / part).write_bytes(kept)
        pointer = self.work / "last_checkpoint"
        pointer.unlink()
        os.mkfifo(pointer)
        self.refused(command(config, ["resume_from=auto"], plugins=["mlp"]), "last_checkpoint", "it is a named pipe")

    def test_among_the_images_of_a_folder(self):
        """It is a broken sample: left out of training with its kind, the end of an evaluation."""
        for name in ("cat", "dog"):
            for i in range(4):
                path = self.folder / "images" / name / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(png(28, 60 * i))
        images = {"type": "ImageFolder", "root": str(self.folder / "images"), "color": "gray",
                  "transforms": [{"type": "ToTensor"}]}
        config = mlp_config(self.folder, data={"train": images, "val": images}, workflow=[["train", 1]])
        for kind in KINDS[:3]:
            with self.subTest(kind):
                path = self.put(kind, "images/cat/9.png")
                result = call(command(config, plugins=["mlp"]), timeout=60)
                self.assertDone(result)
                broken = [json.loads(line) for line in
                          (self.run_folder().path / "broken_samples.jsonl").read_text().splitlines()]
                self.assertEqual([sample["reason"] for sample in broken], [f"{path} cannot be read: it is {kind}"])
                self.refused(command(config, ["workflow=[[train, 1], [val, 1]]"], plugins=["mlp"]), "9.png",
                             f"it is {kind}", status=1)
                path.unlink()

    def test_among_the_inputs_of_infer(self):
        hooks = {"checkpoint": {"type": "CheckpointHook", "interval": 1}, "logger": {"type": "LoggerHook"}}
        config = mlp_config(self.folder, hooks=hooks)
        self.assertDone(call(command(config, plugins=["mlp"])))
        good = self.folder / "good.png"
        good.write_bytes(png(28, 9))
        pipe, tensors = self.put("a named pipe", "pipe.png"), self.put("a named pipe", "pipe.safetensors")
        result = self.refused([AILAB, "infer", "--plugins", PLUGINS / "libmlp.so", config, "latest", pipe, tensors, good],
                              status=1)
        lines = [json.loads(line) for line in result.out.splitlines()]
        self.assertEqual([pathlib.Path(line["file"]).name for line in lines],
                         ["pipe.png", "pipe.safetensors", "good.png"])
        self.assertIn("it is a named pipe", lines[0]["error"])
        self.assertIn("it is a named pipe", lines[1]["error"])
        self.assertIn("top", lines[2])

    def test_among_the_files_of_a_run(self):
        config = mlp_config(self.folder)
        self.assertDone(call(command(config, plugins=["mlp"])))
        run = self.run_folder().path
        for name in ("environment.json", "end.json", "metrics.jsonl", "config.yaml", ".lock"):
            with self.subTest(name):
                kept = (run / name).read_bytes() if (run / name).exists() else None
                (run / name).unlink(missing_ok=True)
                os.mkfifo(run / name)
                result = call([str(AILAB), "runs", str(self.work)], timeout=20)
                self.assertDone(result)
                self.assertIn(run.name, result.out)
                (run / name).unlink()
                if kept is not None:
                    (run / name).write_bytes(kept)


def png(side, value):
    """A grey image of one value."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = (b"\0" + bytes([value]) * side) * side
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
