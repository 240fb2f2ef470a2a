"""Data that change under a run, or that ranks see differently: one message that names them, and no step with
another sample's label."""
import io
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import tarfile
import time
import zlib

from harness import BUILD, PLUGINS, TestCase, call, command, environment, mlp_config

EACH = 12
VALUES = {"cat": 40, "dog": 200}


def png(value):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = (b"\0" + bytes([value]) * 48) * 16
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def pack(path, files):
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


class Data(TestCase):
    """The same 24 images, 0 cats and 1 dogs, in every kind of file. `swapped` is as large, in another order."""

    def make(self, folder, classes=("cat", "dog")):
        folder.mkdir(parents=True)
        rows = []
        for label, name in enumerate(classes):
            value = VALUES.get(name, 99)
            (folder / "images" / name).mkdir(parents=True)
            for i in range(EACH):
                (folder / "images" / name / f"{i:02}.png").write_bytes(png(value))
                rows.append((f"images/{name}/{i:02}.png", value, label))
        for suffix, order in (("", rows), (".swapped", rows[EACH:] + rows[:EACH])):
            (folder / f"a.csv{suffix}").write_text(
                "image,label\n" + "".join(f"{path},{label}\n" for path, _, label in order))
            (folder / f"a.txt{suffix}").write_text("".join(f"{path} {label}\n" for path, _, label in order))
            (folder / f"a.jsonl{suffix}").write_text(
                "".join(f'{{"image": "{path}", "label": {label}}}\n' for path, _, label in order))
            pack(folder / f"a.tar{suffix}", [entry for i, (_, value, label) in enumerate(order) for entry in (
                (f"{i:04}.png", png(value)), (f"{i:04}.cls", b"%d" % label))])
            (folder / f"images.idx{suffix}").write_bytes(
                struct.pack(">iiii", 2051, len(order), 16, 48) +
                b"".join(bytes([value]) * 768 for _, value, _ in order))
            (folder / f"labels.idx{suffix}").write_bytes(
                struct.pack(">ii", 2049, len(order)) + bytes(label for _, _, label in order))
        return folder

    SETS = {
        "csv": {"type": "ClassificationImageDataset", "annotation_file": "a.csv", "transforms": []},
        "txt": {"type": "ClassificationImageDataset", "annotation_file": "a.txt", "transforms": []},
        "jsonl": {"type": "ClassificationImageDataset", "annotation_file": "a.jsonl", "transforms": []},
        "tar": {"type": "TarShards", "shards": ["a.tar"]},
        "idx": {"type": "IDX", "images": "images.idx", "labels": "labels.idx"},
        "folder": {"type": "ImageFolder", "root": "images"},
        "cache": {"type": "ImageFolder", "root": "images", "cache_gb": 0.001, "cache_file": "cache"},
        "subset": {"type": "Subset", "begin": 1, "dataset": {"type": "TarShards", "shards": ["a.tar"]}},
    }

    def config(self, train, **sections):
        train = dict(train)
        if train["type"] not in ("IDX", "Subset"):
            train["transforms"] = [{"type": "ToTensor"}]
        if "dataset" in train:
            train["dataset"] = {**train["dataset"], "transforms": [{"type": "ToTensor"}]}
        return mlp_config(self.folder, **{
            "model": {"type": "MLP", "in": 768, "hidden": 4, "out": 2, "delay": 0.001},
            "data": {"train": train, "train_dataloader": {"global_batch_size": 6}},
            "runtime": {"threads": 1}, "workflow": [["train", 1]], "total_epochs": 1_000_000,
            "hooks": {"dump": {"type": "DumpLabels", "file": str(self.folder / "labels.txt")}}, **sections})


class ChangedUnderARun(Data):
    def start(self, words, change):
        """Runs `words` in data/, and `change`s something there when training is under way."""
        labels = self.folder / "labels.txt"
        labels.unlink(missing_ok=True)
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.data,
                                   env=environment(), start_new_session=True)
        try:
            deadline = time.monotonic() + 60
            while not (labels.exists() and labels.stat().st_size > 2000):
                self.assertLess(time.monotonic(), deadline, "no training")
                if process.poll() is not None:
                    self.fail(str(process.communicate()))
                time.sleep(0.01)
            change()
            _, err = process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        return process.returncode, err

    def expect(self, status, err, name, what=""):
        self.assertEqual(status, 1, err)
        lines = [line for line in err.splitlines() if line.startswith("ailab: ")]
        self.assertEqual(len(lines), 1, err)
        self.assertRegex(lines[0], rf"ailab: \[rank \d, .*{re.escape(name)} .*{what}")
        # Each image went with its label to the end.
        for line in (self.folder / "labels.txt").read_text().splitlines():
            number, _, label = line.partition(" ")
            self.assertEqual(label, "1" if float(number) > 0.4 else "0", line)

    def overwrite(self, name):
        """As dd conv=notrunc does: the same file, as large as before."""
        with open(self.data / name, "r+b") as file:
            file.write((self.data / (name + ".swapped")).read_bytes())

    def copy(self, name):
        """As cp does: the file is emptied first."""
        shutil.copyfile(self.data / (name + ".swapped"), self.data / name)

    def empty(self, name):
        os.truncate(self.data / name, 0)

    def test_ends_the_run(self):
        rows = [("csv", "a.csv", self.overwrite), ("csv", "a.csv", self.copy), ("csv", "a.csv", self.empty),
                ("txt", "a.txt", self.copy), ("jsonl", "a.jsonl", self.overwrite), ("tar", "a.tar", self.copy),
                ("tar", "a.tar", self.empty), ("idx", "images.idx", self.overwrite), ("idx", "images.idx", self.empty),
                ("idx", "labels.idx", self.overwrite), ("cache", "cache", self.empty), ("subset", "a.tar", self.copy)]
        for number, (kind, name, change) in enumerate(rows):
            with self.subTest(kind=kind, name=name, change=change.__name__):
                self.data = self.make(self.folder / str(number))
                words = command(self.config(self.SETS[kind]), plugins=["mlp", "dump_batches"])
                status, err = self.start(words, lambda: change(name))
                self.expect(status, err, name, "was changed under the run: ")

    def test_ends_all_ranks_with_one_message(self):
        for number, change in enumerate((self.overwrite, self.empty)):
            self.data = self.make(self.folder / str(number))
            hooks = {"dump": {"type": "DumpLabels", "file": str(self.folder / "labels.txt")}}
            words = command(self.config(self.SETS["csv"], hooks=hooks), plugins=["mlp", "dump_batches"])
            status, err = self.start(["mpirun", "--oversubscribe", "-np", "2", *words], lambda: change("a.csv"))
            self.assertEqual(status, 1, err)
            lines = [line for line in err.splitlines() if line.startswith("ailab: ")]
            self.assertEqual(len(lines), 1, err)
            self.assertIn("a.csv was changed under the run: ", lines[0])

    def test_a_plugin(self):
        """Its code is gone at once: the message is that of the crash, whichever it is, or of the look at the file."""
        def copy_another(plugin):
            shutil.copyfile(BUILD / "bin" / "ailab-run", plugin)

        def fill(bytes_of):
            def change(plugin):
                with open(plugin, "r+b") as file:
                    file.write(bytes_of(plugin.stat().st_size))
            return change

        def random_bytes(size):
            return random.Random(1).randbytes(size)

        rows = [(1, copy_another), (2, copy_another), (1, fill(random_bytes)), (1, fill(lambda size: bytes(size))),
                (1, fill(lambda size: b"\xcc" * size)),  # a trap each
                (1, fill(lambda size: b"\xc3" * size))]  # each function returns, what it may
        for number, (ranks, change) in enumerate(rows):
            with self.subTest(ranks=ranks, number=number):
                self.data = self.make(self.folder / str(number))
                plugin = self.data / "libmine.so"
                shutil.copyfile(PLUGINS / "libmlp.so", plugin)
                words = command(self.config(self.SETS["csv"]), plugins=["dump_batches"])
                words[1:1] = ["--plugins", str(plugin)]
                if ranks > 1:
                    words = ["mpirun", "--oversubscribe", "-np", str(ranks), *words]
                status, err = self.start(words, lambda: change(plugin))
                self.assertEqual(status, 1, err)
                lines = [line for line in err.splitlines() if line.startswith("ailab: ")]
                self.assertEqual(len(lines), 1, err)
                self.assertRegex(lines[0],
                                 rf"ailab: \[rank \d, .*libmine\.so (was changed under|can no longer be read)")

    def test_single_images_may_change(self):
        self.data = self.make(self.folder / "data")
        words = command(self.config(self.SETS["folder"], total_epochs=200), plugins=["mlp", "dump_batches"])
        status, err = self.start(words, lambda: (self.data / "images/cat/00.png").write_bytes(png(41)))
        self.assertEqual(status, 0, err)


class RanksWithOtherData(Data):
    """Each rank in a folder of its own, whose files have the same names."""

    def start(self, train, **sections):
        words = command(self.config(train, hooks={}, total_epochs=1, **sections), plugins=["mlp"])
        return call(["mpirun", "--oversubscribe", "-np", "1", "-wdir", str(self.folder / "0"), *words, ":",
                     "-np", "1", "-wdir", str(self.folder / "1"), *words])

    def test_the_same_data_in_other_places(self):
        self.make(self.folder / "0")
        self.make(self.folder / "1")
        for kind in ("csv", "txt", "jsonl", "tar", "idx", "folder", "subset"):
            with self.subTest(kind=kind):
                self.assertDone(self.start(self.SETS[kind]))

    def test_refused(self):
        def remove(name):
            return lambda data: (data / name).unlink()

        def swap(name):
            return lambda data: (data / (name + ".swapped")).rename(data / name)

        def fewer_rows(name):
            return lambda data: (data / name).write_text("".join(
                (data / name).read_text().splitlines(keepends=True)[:-1]))

        rows = [
            ("folder", remove("images/dog/11.png"), "samples: 23 there, 24 on rank 0"),
            ("folder", lambda data: (data / "images/dog").rename(data / "images/ape"),
             "class names: ape, cat there, cat, dog on rank 0; files: 24, digest"),
            ("folder", lambda data: (data / "images/dog/11.png").rename(data / "images/dog/12.png"), "files: 24, digest"),
            ("csv", swap("a.csv"), "a.csv: "), ("csv", fewer_rows("a.csv"), "samples: 23 there, 24 on rank 0"),
            ("txt", swap("a.txt"), "labels: digest"), ("jsonl", swap("a.jsonl"), "labels: digest"),
            ("tar", swap("a.tar"), "labels: digest"), ("idx", swap("labels.idx"), "labels: digest"),
            ("subset", swap("a.tar"), "labels: digest"),
        ]
        for number, (kind, change, text) in enumerate(rows):
            with self.subTest(kind=kind, number=number):
                for rank in ("0", "1"):
                    shutil.rmtree(self.folder / rank, ignore_errors=True)
                    self.make(self.folder / rank)
                change(self.folder / "1")
                result = self.start(self.SETS[kind])
                self.assertEqual(result.status, 2, str(result))
                self.assertEqual(result.err.count("sees other data than rank 0"), 1, result.err)
                self.assertRegex(result.err, r"config\.yaml:\d+:\d+: rank 1 sees other data than rank 0 in data\.train: .*"
                                 + re.escape(text))

    def test_validation_data_too(self):
        self.make(self.folder / "0")
        data = self.make(self.folder / "1")
        (data / "images/dog/11.png").unlink()
        train, val = ({**self.SETS[kind], "transforms": [{"type": "ToTensor"}]} for kind in ("csv", "folder"))
        result = self.start(self.SETS["csv"], workflow=[["train", 1], ["val", 1]], data={
            "train": train, "val": val, "train_dataloader": {"global_batch_size": 6}})
        self.assertEqual(result.status, 2, str(result))
        self.assertRegex(result.err, r"config\.yaml:\d+:\d+: rank 1 sees other data than rank 0 in data\.val: ")
        self.assertNotIn("data.train", result.err)


class WhatIsLeftOut(Data):
    def log_of(self, data):
        hooks = {"logger": {"type": "LoggerHook"}}
        result = call(command(self.config(data, hooks=hooks, total_epochs=1), plugins=["mlp"]), cwd=self.folder)
        self.assertDone(result)
        return (self.run_folder().path / "train.log").read_text()

    def test_is_counted(self):
        sample = [("a0.png", png(40)), ("a0.cls", b"0")]
        pack(self.folder / "a.tar", [("._a0.png", b"Mac OS X"), *sample, (".DS_Store", b"x"), ("__meta__.json", b"{}")])
        self.assertIn("a.tar: 3 files that are of no sample left out (._a0.png)", self.log_of(self.SETS["tar"]))
        pack(self.folder / "a.tar", sample)
        self.assertNotIn("left out", self.log_of(self.SETS["tar"]))

        data = self.make(self.folder / "data")
        (data / "images" / ".ipynb_checkpoints").mkdir()
        (data / "images/cat/._00.png").write_bytes(b"Mac OS X")
        self.assertIn("2 hidden folders and files are left out", self.log_of(
            {**self.SETS["folder"], "root": "data/images"}))
