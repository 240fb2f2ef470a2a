"""Commands that one process does: under a launcher rank 0 does them, once."""
import json

from harness import AILAB, PLUGINS, TestCase, call, command, mlp_config, mpirun
from test_what_is_no_file import png


class OneProcessCommands(TestCase):
    def setUp(self):
        super().setUp()
        hooks = {"checkpoint": {"type": "CheckpointHook", "interval": 1, "save_best": "top1"},
                 "metrics": {"type": "MetricHook"}, "logger": {"type": "LoggerHook"}}
        self.config = mlp_config(self.folder, hooks=hooks)
        self.assertDone(call(command(self.config, plugins=["mlp"])))
        self.plugin = ["--plugins", str(PLUGINS / "libmlp.so")]

    def under_mpirun(self, *words, ranks=3):
        result = mpirun(ranks, [str(AILAB), *map(str, words)], cwd=self.folder)
        self.assertDone(result)
        self.assertEqual(result.err.count(f"rank 0 of {ranks} does this; the others have no part in it"), 1, str(result))
        return result

    def test_infer(self):
        images = []
        for i in range(5):
            images.append(self.folder / f"{i}.png")
            images[-1].write_bytes(png(28, 40 * i))
        out = self.under_mpirun("infer", *self.plugin, self.config, "latest", *images).out
        self.assertEqual([json.loads(line)["file"] for line in out.splitlines()], [str(path) for path in images])

    def test_export(self):
        file = self.folder / "model.safetensors"
        out = self.under_mpirun("export", *self.plugin, self.config, "latest", "--to", "safetensors", "-o", file).out
        self.assertEqual(out.count("the largest difference from the live model"), 1)
        self.assertTrue(file.exists())

    def test_tools(self):
        self.assertEqual(len(json.loads(self.under_mpirun("runs", self.work, "--json").out)), 1)
        self.assertEqual(self.under_mpirun("inspect", self.work / "latest").out.count("valid: yes"), 1)
        checkpoint = self.work / "latest"
        self.under_mpirun("average", checkpoint, checkpoint, "-o", "mean.safetensors")
        out = self.under_mpirun("--list-modules", "sampler").out
        self.assertEqual(out.count("DefaultSampler"), 1)

    def test_the_status_of_rank_0_counts(self):
        result = mpirun(2, [str(AILAB), "inspect", str(self.folder / "none.pth")], cwd=self.folder)
        self.assertEqual(result.status, 1, str(result))

    def test_variables_that_were_left_in_a_shell(self):
        result = call([str(AILAB), "--version"], RANK=1, WORLD_SIZE=2)
        self.assertEqual((result.status, result.out), (0, ""))
        self.assertIn("this is rank 1 of 2 (RANK, WORLD_SIZE): rank 0 does this. Unset them, or give --launcher single",
                      result.err)
        self.assertIn("ailab ", call([str(AILAB), "--version", "--launcher", "single"], RANK=1, WORLD_SIZE=2).out)
        self.assertIn("ailab ", call([str(AILAB), "--version"], RANK=1).out)
