"""The configurations that users of the Python ailab have, run as they are: here, without a GPU, with the one
override that the error about nccl names. And a checkpoint of theirs goes on."""
import json
import pathlib
import subprocess
import unittest

from harness import PLUGINS, SOURCE, RunFolder, TestCase, command, mpirun

CONFIGS = pathlib.Path(__file__).parent / "configs"
WITHOUT_GPU = "dist.backend=auto"


class UsersConfigs(TestCase):
    def start(self, name, *overrides, ranks=1):
        words = command(CONFIGS / f"{name}.yaml", overrides, plugins=["original"])
        return mpirun(ranks, words, cwd=self.folder, timeout=120)

    def test_the_error_about_nccl_names_the_override(self):
        result = self.start("description")
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("dist.backend to auto", result.err)

    def test_the_description(self):
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                result = self.start("description", WITHOUT_GPU, f"work_dir=./work{ranks}",
                                    f"hooks.logger.log_dir=./logs{ranks}", ranks=ranks)
                self.assertDone(result)
                work = self.folder / f"work{ranks}"
                run = (work / "latest").resolve()
                self.assertEqual(len(list((run / "checkpoints").iterdir())), 100)
                self.assertTrue(list((work / "tf_logs").rglob("events.out.tfevents.*")))
                log = (self.folder / f"logs{ranks}" / "train.log").read_text()
                self.assertIn("Epoch(val) [100]", log)
                self.assertIn("top1: ", log)
                self.assertFalse(list(self.folder.rglob("wandb")), "mode: disabled writes nothing")
                # ResumeHook by its defaults: there is nothing left to do in a second start.
                again = self.start("description", WITHOUT_GPU, f"work_dir=./work{ranks}",
                                   f"hooks.logger.log_dir=./logs{ranks}", "total_epochs=101", ranks=ranks)
                self.assertDone(again)
                self.assertIn("epoch_100", again.err)
                self.assertEqual((work / "latest").resolve(), run)
                self.assertEqual(len(list((run / "checkpoints").iterdir())), 101)

    def test_hooks_without_settings(self):
        self.assertDone(self.start("minimal"))
        lines = [json.loads(line) for line in open(self.folder / "work_dir/latest/metrics.jsonl")]
        val = [line for line in lines if line["mode"] == "val"]
        self.assertEqual(len(val), 2)
        self.assertIn("top1", val[0])
        self.assertNotIn("top5", val[0], "there are two classes")

    def test_the_later_form(self):
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                self.assertDone(self.start("grown", WITHOUT_GPU, f"work_dir=./work{ranks}", ranks=ranks))
                lines = [json.loads(line) for line in open(self.folder / f"work{ranks}/logs/metrics.jsonl")]
                val = [line for line in lines if line["mode"] == "val"]
                self.assertEqual(len(val), 4)
                self.assertGreater(val[-1]["psnr"], val[0]["psnr"])
                self.assertIn("mse", [line for line in lines if line["mode"] == "train"][-1])

    def test_a_checkpoint_of_the_python_ailab_goes_on(self):
        script = """
import sys, torch
model = torch.nn.Module(); model.fc = torch.nn.Linear(8, 2)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.002, weight_decay=0.01)
for i in range(5):
    optimizer.zero_grad(); model.fc(torch.randn(4, 8)).square().sum().backward(); optimizer.step()
torch.save({"model_state": {"module.model." + k: v for k, v in model.state_dict().items()},
            "optimizer_state": optimizer.state_dict(), "epoch": 3}, sys.argv[1])
"""
        checkpoint = self.folder / "epoch_3.pth"
        subprocess.run([SOURCE / ".deps/python/bin/python", "-c", script, checkpoint], check=True)
        result = self.start("description", WITHOUT_GPU, f"resume_from={checkpoint}", "total_epochs=5",
                            "hooks.lr_scheduler.enable=false")
        self.assertDone(result)
        self.assertIn("epoch_3.pth", result.err)
        lines = [json.loads(line) for line in open(self.folder / "logs/metrics.jsonl")]
        train = [line for line in lines if line["mode"] == "train"]
        self.assertEqual([train[0]["epoch"], train[-1]["epoch"]], [4, 5])
        self.assertEqual(train[0]["lr"], 0.002, "the learning rate of the checkpoint")


if __name__ == "__main__":
    unittest.main()
