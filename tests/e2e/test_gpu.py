"""Runs on a GPU: nccl, mixed precision with a scaled loss, exact resume, the host's answers again."""
import random
import unittest

from harness import SOURCE, RunFolder, call, command, mlp_config, ranks_by_variables
from test_resume import ResumeCase

CONFIGS = SOURCE / "configs"


class Gpu(ResumeCase):
    def train(self, name, config, *overrides, plugins=("minimal_for_tests",)):
        work = self.folder / name
        result = call(command(config, overrides, plugins=plugins, work_dir=work))
        self.assertDone(result)
        self.assertIn("device: cuda", result.err)
        return RunFolder(work)

    def test_each_precision_reaches_the_same_accuracy(self):
        top1 = {}
        for name, hook in (("float32", "{type: AMPHook, enable: false}"), ("bfloat16", "{type: AMPHook}"),
                           ("float16", "{type: AMPHook, dtype: float16}")):
            run = self.train(name, CONFIGS / "fashion_mnist.yaml", f"hooks.amp={hook}", "total_epochs=2",
                             "hooks.tensorboard.enable=false")
            top1[name] = run.lines("val")[-1]["top1"]
        self.assertGreater(top1["float32"], 88)
        for name, value in top1.items():
            self.assertLess(abs(value - top1["float32"]), 1, top1)

    def test_it_computes_what_the_cpu_does(self):
        few = ["data.train.limit=2560", "data.val.limit=1000", "hooks.logger.interval=1", "runtime.deterministic=true",
               "hooks.tensorboard.enable=false", "runtime.dtype=float64"]
        lines = {}
        for device in ("cpu", "cuda"):
            result = call(command(CONFIGS / "fashion_mnist.yaml", [*few, f"runtime.device={device}"],
                                  plugins=["minimal_for_tests"], work_dir=self.folder / device))
            self.assertDone(result)
            lines[device] = RunFolder(self.folder / device).losses()
        self.assertEqual(len(lines["cpu"]), 20)
        for cpu, gpu in zip(lines["cpu"], lines["cuda"]):
            self.assertAlmostEqual(gpu, cpu, delta=1e-6 * cpu)

    def test_the_longer_set_ups_run(self):
        run = self.train("bf16", CONFIGS / "fashion_mnist_bf16.yaml", "data.train.limit=12800", "data.val.limit=1000",
                         "total_epochs=3", "hooks.lr_scheduler.warmup_iters=20", "hooks.ema.decay=0.9",
                         "hooks.tensorboard.histogram_interval=50")
        self.assertGreater(run.lines("val")[-1]["top1"], 75)
        for memory in ("true", "false"):
            run = self.train(f"resnet{memory}", CONFIGS / "fashion_mnist_resnet18.yaml", "data.train.limit=25600",
                             "total_epochs=2", "hooks.lr_scheduler.enable=false", "optimizer.lr=0.02",
                             f"data.train_dataloader.pin_memory={memory}")
            self.assertGreater(run.lines("val")[-1]["top1"], 75)

    def test_a_run_that_is_stopped_goes_on_bit_for_bit(self):
        amp = {"type": "AMPHook", "dtype": "float16", "init_scale": 2.0**26, "growth_interval": 20}
        sections = dict(model={"type": "MLP", "dropout": 0.1, "batch_norm": True}, total_iters=200,
                        hooks={**self.HOOKS, "amp": amp}, runtime={"deterministic": True})
        straight = self.run_straight("straight", 1, **sections)
        config = self.config(self.folder / "stopped", **sections)
        for at in sorted(random.Random(7).sample(range(1, 200), 4)):
            result = call(self.words(config, "resume_from=auto", f"hooks.signal.at={at}"))
            self.assertEqual(result.status, 143, str(result))
        self.assertDone(call(self.words(config, "resume_from=auto")))
        self.assertSameRun(straight, RunFolder(self.folder / "stopped" / "work"), 1, "iter_200")

    def test_a_skipped_step_of_a_guard(self):
        run = self.train("guard", mlp_config(self.folder, optimizer={"type": "SGD", "lr": 1e30}, hooks={
            "logger": {"type": "LoggerHook", "interval": 1}, "nan_guard": {"type": "NanGuardHook", "action": "skip"},
        }), "total_iters=8", "total_epochs=null", plugins=["mlp"])
        self.assertIn("The step is left out", (run.path / "train.log").read_text())

    def test_the_description_as_its_users_wrote_it(self):
        result = call(command(SOURCE / "tests/e2e/configs/description.yaml", ["total_epochs=3"], plugins=["original"]),
                      cwd=self.folder)
        self.assertDone(result)

    def test_a_rank_without_a_gpu_ends_the_job(self):
        gpus = len(call(["nvidia-smi", "-L"]).out.splitlines())
        results = ranks_by_variables(gpus + 1, command(mlp_config(self.folder, dist={"backend": "nccl"}),
                                                       plugins=["mlp"]))
        for result in results:
            self.assertNotEqual(result.status, 0)
        self.assertIn(f"this host has {gpus} for {gpus + 1} ranks", results[0].err)


if __name__ == "__main__":
    unittest.main()
