"""The command lines and configurations of README.md and docs/ are run as they stand there.

A shell block's lines that start ailab-run, alone or under mpirun, are run in order, trainings as dry runs. A YAML block is
a whole configuration, or takes the place of these sections in the README's. Blocks that cannot be run here have a
comment in front, <!-- not run: why -->; of them commands, modules and options are checked."""
import concurrent.futures
import gzip
import os
import pathlib
import re
import shlex
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib

import snippets

SOURCE = pathlib.Path(os.environ["AILAB_SOURCE"])
BUILD = pathlib.Path(os.environ["AILAB_BUILD"])
PLUGIN = BUILD / "tests/plugins/libdocumented.so"
FASHION_MNIST = "/usr/share/datasets/fashion-mnist"
HELP = subprocess.run([BUILD / "bin/ailab-run", "--help"], check=True, capture_output=True, text=True).stdout
# All commands but [train], which may be left out.
USAGE = HELP.split("\nUsage\n")[1].split("\n\n")[0]
NO_TRAINING = {*re.findall(r"^  ailab-run ([a-z-]+)", USAGE, re.MULTILINE), "--dry-run"}


def write_idx(path, shape, values):
    with gzip.open(path, "wb") as file:
        file.write(struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + bytes(values))


def write_png(path, rows):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def band(label):
    """A picture that shows its class by the height of a bright band."""
    return [[255 if row // 3 == label else 0] * 28 for row in range(28)]


def sections(text):
    """The top-level keys of a configuration with their lines."""
    parts = re.split(r"^(?=\w+:)", text, flags=re.MULTILINE)
    return {part.split(":", 1)[0]: part for part in parts if re.match(r"\w+:", part)}


def program_words(line):
    """The words after ailab-run; None for another command."""
    words = shlex.split(line, comments=True)
    if words and words[0] in ("mpirun", "srun") and "ailab-run" in words:
        words = words[words.index("ailab-run"):]
    return words[1:] if words and words[0] == "ailab-run" else None


def is_training(words):
    return not NO_TRAINING & set(words)


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="ailab-docs-")).resolve()
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.start = cls.folder / "start"
        (cls.start / "build").mkdir(parents=True)
        (cls.start / "photos").mkdir()
        for name, count in (("train", 80), ("t10k", 40)):
            labels = [i % 10 for i in range(count)]
            pixels = [value for label in labels for row in band(label) for value in row]
            write_idx(cls.folder / f"{name}-images-idx3-ubyte.gz", [count, 28, 28], pixels)
            write_idx(cls.folder / f"{name}-labels-idx1-ubyte.gz", [count], labels)
        for path in ("photos/0.png", "photos/1.png", "0.png", "cat.jpg"):
            write_png(cls.start / path, band(4))
        for path in ("libmy.so", "build/libmy.so"):
            (cls.start / path).symlink_to(PLUGIN)
        readme = next(block for block in snippets.blocks_of(SOURCE / "README.md") if block.language == "yaml")
        cls.config = cls.on_small_data(readme.text)
        # In the pages it is the reader's: with the plugin it needs, and what `best` needs.
        (cls.start / "train.yaml").write_text("plugins: [libmy.so]\n" + cls.config.replace(
            "CheckpointHook, interval: 1", "CheckpointHook, interval: 1, save_best: top1"))
        cls.done(["ailab-run", "train.yaml", "total_epochs=2"], cls.start)
        cls.done(["ailab-run", "export", "train.yaml", "latest", "--to", "artifact", "-o", "model.ailab"], cls.start)

    @classmethod
    def on_small_data(cls, text):
        return text.replace(FASHION_MNIST, str(cls.folder))

    @classmethod
    def environment(cls):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMIX_", "SLURM_", "AILAB_SECRET"))}
        return dict(kept, PATH=f"{BUILD / 'bin'}:{os.environ['PATH']}", AILAB_PLUGIN_PATH=str(cls.start),
                    OMP_NUM_THREADS="1", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")

    @classmethod
    def done(cls, command, folder):
        """Runs words, or a line of a shell, which must end well."""
        result = subprocess.run(command if isinstance(command, list) else ["bash", "-c", command], cwd=folder,
                                env=cls.environment(), capture_output=True, text=True, timeout=120)
        if result.returncode != 0:
            raise AssertionError(f"{command}\nexit status {result.returncode}\n{result.stdout}\n{result.stderr}")
        return result.stdout

    def run_line(self, line, folder):
        words = program_words(line)
        if words is None:
            if line.startswith("openssl "):
                self.done(line, folder)
            return
        if "export" in words:  # what is there for other pages is not there for the reader of this one
            (folder / words[words.index("-o") + 1]).unlink(missing_ok=True)
        if is_training(words):
            line = re.sub(r"\bailab-run\b", "ailab-run --dry-run", line, count=1)
        if line.startswith("mpirun "):
            line = re.sub(r"-np \d+", "--oversubscribe -np 2", line)
        self.done(line, folder)

    def check_line(self, line):
        """Of a line that is not run: its command and options exist."""
        words = program_words(line)
        for word in words or []:
            if word.startswith("--"):
                self.assertIn(word.partition("=")[0], set(re.findall(r"--[a-z][\w-]*", HELP)))
        if words and is_training(words):
            self.assertTrue(any(word.endswith(".yaml") for word in words), line)

    def run_configuration(self, text, folder, files_are_missing):
        given = sections(text)
        merged = {**sections(self.config), **given}
        if {"model", "data", "optimizer"} <= set(given):
            merged = given
        path = folder / "block.yaml"
        path.write_text(self.on_small_data("".join(part.rstrip("\n") + "\n" for part in merged.values())))
        command = ["ailab-run", "--plugins", "libmy.so", str(path), "--dry-run", "runtime.threads=1"]
        if not files_are_missing:
            self.done(command, folder)
            return
        # Nothing is wrong with it but the files.
        result = subprocess.run(command, cwd=folder, env=self.environment(), capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, 2, result.stderr)
        for line in result.stderr.splitlines():
            self.assertIn("does not exist", line)

    def run_page(self, page):
        """What is wrong with the page's blocks."""
        folder = self.folder / page.stem
        shutil.copytree(self.start, folder, symlinks=True)
        problems = []
        for block in snippets.blocks_of(page):
            text = block.text.replace("\\\n", " ")
            if block.language == "yaml":
                tasks = [lambda: self.run_configuration(text, folder, bool(block.mark))]
            elif block.language in ("sh", "bash"):
                one = self.check_line if block.mark else lambda line: self.run_line(line, folder)
                tasks = [lambda line=line: one(line) for line in text.splitlines()]
            else:
                continue
            for task in tasks:
                try:
                    task()
                except (AssertionError, subprocess.TimeoutExpired) as error:
                    problems.append(f"{page.relative_to(SOURCE)}:{block.line}: {error}")
        return problems

    def test_they_run(self):
        # The pages with the most to run begin.
        pages = sorted(snippets.pages(), key=lambda page: -page.read_text().count("ailab-run"))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            problems = [problem for found in pool.map(self.run_page, pages) for problem in found]
        self.assertEqual(problems, [], "\n\n".join(problems))

    def test_scripts_exist(self):
        for block in snippets.blocks():
            for line in block.text.splitlines() if block.language == "sh" else []:
                if line.startswith("scripts/"):
                    script, *names = shlex.split(line, comments=True)
                    self.assertTrue((SOURCE / script).exists(), line)
                    if names[:1] == ["--against"]:
                        del names[:2]
                    for name in names if script == "scripts/bench" else []:
                        self.assertTrue((SOURCE / f"tests/bench/{name}.py").exists(), line)


if __name__ == "__main__":
    unittest.main()
