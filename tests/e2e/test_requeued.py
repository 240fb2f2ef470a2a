"""A job that is queued again goes on though its configuration names variables, and ranks may reach their plugins
and data by other paths."""
import json
import shutil
import unittest

from harness import FASHION_MNIST, PLUGINS, RunFolder, TestCase, call, command, mlp_config


class Requeued(TestCase):
    def config(self, **sections):
        data = {"type": "IDX", "root": "${env:AILAB_DATA}/fashion", "mean": 0.286, "std": 0.353,
                "train": True, "limit": 320}
        settings = {"work_dir": "${env:AILAB_WORK}/work", "seed": "${env:AILAB_SEED,3}",
                    "data": {"train": data, "train_dataloader": {"batch_size": 32}}, "workflow": [["train", 1]],
                    "optimizer": {"type": "SGD", "lr": "${env:AILAB_LR,0.1}"}, "runtime": {"threads": 1},
                    "hooks": {"checkpoint": {"type": "CheckpointHook"}}}
        settings.update(sections)
        for place in ("one", "two"):
            (self.folder / place).mkdir(exist_ok=True)
            if not (self.folder / place / "fashion").exists():
                (self.folder / place / "fashion").symlink_to(FASHION_MNIST)
        return mlp_config(self.folder, **settings)

    def run_with(self, config, *overrides, plugin=None, **variables):
        env = {"AILAB_WORK": str(self.folder), "AILAB_DATA": str(self.folder / "one"), "HOME": str(self.folder),
               **variables}
        words = command(config, overrides, plugins=[] if plugin else ["mlp"])
        if plugin:
            words[1:1] = ["--plugins", str(plugin)]
        return call(words, **env)

    def test_with_variables_that_stand_for_what_they_did(self):
        (self.folder / "${x}").mkdir()
        (self.folder / "${x}" / "fashion").symlink_to(FASHION_MNIST)
        for root in ("${env:AILAB_DATA}/fashion", "${HOME}/one/fashion", "~/one/fashion", "${work_dir}/../one/fashion",
                     f"{self.folder}/$${{x}}/fashion"):
            with self.subTest(root=root):
                (self.folder / "work").mkdir()
                config = self.config()
                text = json.loads(config.read_text())
                text["data"]["train"]["root"] = root
                config.write_text(json.dumps(text))
                self.assertDone(self.run_with(config))
                result = self.run_with(config, "resume_from=auto", "total_epochs=2")
                self.assertDone(result)
                self.assertIn("/epoch_1 at step 10", result.err)
                self.assertNotIn("resume: data", result.err)
                shutil.rmtree(self.folder / "work")

    def test_what_a_variable_changes_is_refused_by_its_key_or_told(self):
        config = self.config()
        self.assertDone(self.run_with(config))
        result = self.run_with(config, "resume_from=auto", "total_epochs=2", AILAB_SEED=4)
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("seed was 3 and is 4", result.err)
        result = self.run_with(config, "resume_from=auto", "total_epochs=2", AILAB_LR=0.2)
        self.assertDone(result)
        self.assertIn("resume: optimizer.lr was 0.1 and is 0.2", result.err)
        # A scratch folder of the job's own.
        result = self.run_with(config, "resume_from=auto", "total_epochs=3", AILAB_DATA=self.folder / "two")
        self.assertDone(result)
        self.assertIn(f"resume: data.train.root was {self.folder}/one/fashion and is {self.folder}/two/fashion; the "
                      "same data are expected there", result.err)

    def test_a_plugin_that_was_built_anew(self):
        config = self.config()
        plugin = self.folder / "libmlp.so"
        shutil.copy(PLUGINS / "libmlp.so", plugin)
        self.assertDone(self.run_with(config, plugin=plugin))
        binary = bytearray(plugin.read_bytes())
        note = binary.find(b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0")
        self.assertGreater(note, 0)
        binary[note + 16] ^= 0xFF  # of the build's id
        plugin.unlink()
        plugin.write_bytes(binary)
        result = self.run_with(config, "resume_from=auto", "total_epochs=2", plugin=plugin)
        self.assertDone(result)
        self.assertRegex(result.err, r"resume: the plugin test_mlp was built anew since \(1\.0, build \w{12}; now 1\.0, "
                                     r"build \w{12}\): the run goes on with the one of now")
        self.assertIn("/epoch_1 at step 10", result.err)
        # On one of two ranks it is another matter.
        old, new = (["--plugins", str(p)] for p in (PLUGINS / "libmlp.so", plugin))
        result = self.ranks(config, (old, {}), (new, {}))
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("rank 1 has another build of the plugin test_mlp than rank 0", result.err)

    def ranks(self, config, *each):
        """mpirun of ranks with words and variables of their own."""
        words = ["mpirun", "--oversubscribe"]
        for i, (extra, variables) in enumerate(each):
            words += [":"] * (i > 0) + ["-np", "1"]
            for name, value in {"AILAB_WORK": self.folder, "AILAB_DATA": self.folder / "one", **variables}.items():
                words += ["-x", f"{name}={value}"]
            words += command(config)[:1] + list(extra) + [str(config)]
        return call(words)

    def test_ranks_reach_the_same_by_other_paths(self):
        config = self.config()
        plugin = self.folder / "libmlp.so"
        shutil.copy(PLUGINS / "libmlp.so", plugin)
        result = self.ranks(config, (["--plugins", str(PLUGINS / "libmlp.so")], {}),
                            (["--plugins", str(plugin)], {"AILAB_DATA": self.folder / "two"}))
        self.assertDone(result)
        self.assertIn(f"data.train.root is {self.folder}/one/fashion on rank 0 and {self.folder}/two/fashion on rank "
                      "1: the same data are expected there", result.err)
        self.assertTrue((RunFolder(self.folder / "work").path / "checkpoints" / "epoch_1").exists())

    def test_a_difference_between_ranks_names_the_key(self):
        config = self.config(work_dir=str(self.folder / "work"))
        plugin = ["--plugins", str(PLUGINS / "libmlp.so")]
        result = self.ranks(config, (plugin, {}), (plugin, {"AILAB_LR": 0.2}))
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("config.yaml:", result.err)
        self.assertIn("rank 1 has another optimizer.lr than rank 0; give all ranks the same file, overrides and "
                      "environment variables (on rank 0: 0.1, on rank 1: 0.2)", result.err)


if __name__ == "__main__":
    unittest.main()
