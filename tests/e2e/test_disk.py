"""Disks that cannot be written or are full."""
import pathlib
import re
import subprocess

from harness import AILAB, PLUGINS, TestCase, RunFolder, call, command, mlp_config, mpirun


class Disk(TestCase):
    def test_a_work_dir_that_cannot_be_written(self):
        blocked = self.folder / "file"
        blocked.write_text("in the way")
        for ranks in (1, 2):
            result = mpirun(ranks, command(mlp_config(self.folder), plugins=["mlp"], work_dir=blocked / "runs"))
            self.assertEqual(result.status, 1, str(result))
            self.assertEqual(result.err.count("cannot make work_dir"), 1, result.err)
            self.assertIn(str(blocked / "runs"), result.err)

    def test_an_address_is_no_work_dir(self):
        result = call(command(mlp_config(self.folder), plugins=["mlp"], work_dir="s3://bucket/runs"), cwd=self.folder)
        self.assertEqual(result.status, 1, str(result))
        self.assertIn('work_dir "s3://bucket/runs" is an address, and runs are kept in a folder', result.err)
        self.assertFalse((self.folder / "s3:").exists())

    def small_disk(self, megabytes):
        path = self.folder / "disk"
        path.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)],
                                 capture_output=True, text=True)
        self.assertEqual(mounted.returncode, 0, mounted.stderr)
        self.addCleanup(subprocess.run, ["umount", "-l", str(path)])
        return path

    def test_a_disk_that_fills_up_while_a_checkpoint_is_written(self):
        # A checkpoint of this model takes about 4.8 MB: weights and Adam's two moments.
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                disk = self.small_disk(12) if ranks == 1 else disk
                work = disk / f"work{ranks}"
                config = mlp_config(self.folder, model={"type": "MLP", "hidden": 512}, total_epochs=5,
                                    hooks={"checkpoint": {"type": "CheckpointHook"},
                                           "logger": {"type": "LoggerHook", "interval": 50}})
                result = mpirun(ranks, command(config, plugins=["mlp"], work_dir=work))
                self.assertEqual(result.status, 1, str(result))
                self.assertIn("No space left on device", result.err)
                run = RunFolder(work)
                kept = sorted(p.name for p in (run.path / "checkpoints").iterdir())
                self.assertEqual(kept, ["epoch_1", "epoch_2"], result.err)
                self.assertTrue((work / "last_checkpoint").read_text().strip().endswith("epoch_2"))
                for name in kept:
                    self.assertTrue((run.path / "checkpoints" / name / "manifest.json").is_file())
                subprocess.run(["rm", "-rf", str(work)], check=True)

    def test_outputs_of_commands_on_a_full_disk(self):
        config = mlp_config(self.folder, model={"type": "MLP", "hidden": 512},
                            hooks={"checkpoint": {"type": "CheckpointHook"}})
        self.assertDone(call(command(config, plugins=["mlp"])))
        disk = self.small_disk(1)  # of a model of 1.6 MB
        for words in (["export", "--to", "pth"], ["export", "--to", "torchscript"], ["export", "--to", "onnx"],
                      ["export", "--to", "safetensors"], ["export", "--to", "artifact"]):
            with self.subTest(words):
                output = disk / words[-1]
                result = call([str(AILAB), *words, str(config), "latest", "-o", str(output), "--plugins",
                               str(PLUGINS / "libmlp.so")])
                self.assertEqual(result.status, 1, str(result))
                self.assertRegex(result.err, rf"\Aailab-run: cannot write {output}\S*: No space left on device\n\Z")
                self.assertEqual(list(disk.iterdir()), [])
        (disk / "filled").write_bytes(bytes(1 << 20))
        result = call([str(AILAB), "browse", str(config), "-o", str(disk / "page.png"), "--plugins",
                       str(PLUGINS / "libmlp.so")])
        self.assertEqual((result.status, result.err),
                         (1, f"ailab-run: cannot write {disk / 'page.png'}: No space left on device\n"), str(result))
