"""The template's CNN on the whole of Fashion-MNIST, and one saved model at every world size."""
from harness import SOURCE, RunFolder, TestCase, command, mlp_config, mpirun

CONFIG = SOURCE / "configs" / "fashion_mnist.yaml"


class Bf16(TestCase):
    def test_the_longer_set_up_runs_and_keeps_what_it_says(self):
        config = SOURCE / "configs" / "fashion_mnist_bf16.yaml"
        few = ["data.train.limit=2560", "data.val.limit=1000", "total_epochs=5",
               "hooks.lr_scheduler.warmup_iters=20", "hooks.ema.decay=0.9"]
        self.assertDone(mpirun(2, command(config, few, plugins=["minimal_for_tests"], work_dir=self.work),
                               timeout=300))
        run = self.run_folder()
        val = run.lines("val")
        self.assertGreater(val[-1]["top1"], 60)
        names = sorted(p.name for p in (run.path / "checkpoints").iterdir())
        best = max(range(5), key=lambda i: (val[i]["top1"], -i)) + 1
        self.assertEqual(names, sorted(
            sum(([n, n + ".safetensors"] for n in (f"best_top1_epoch_{best}", "epoch_4", "epoch_5")), [])))
        self.assertTrue(all("top1" in line for line in run.lines("train") if line["iter"] == 20))


class Accuracy(TestCase):
    def test_one_epoch_gives_86_percent_and_every_world_size_agrees(self):
        self.assertDone(mpirun(2, command(CONFIG, plugins=["minimal_for_tests"], work_dir=self.work),
                               timeout=600))
        run = self.run_folder()
        top1 = run.lines("val")[-1]["top1"]
        self.assertGreaterEqual(top1, 86)

        weights = (self.work / "last_checkpoint").read_text().strip()
        values = {}
        for ranks in (1, 2, 4):
            work = self.folder / f"val{ranks}"
            self.assertDone(mpirun(ranks, command(
                CONFIG, [f"load_from={weights}", "workflow=[[val, 1]]", "runtime.threads=1"],
                plugins=["minimal_for_tests"], work_dir=work)))
            values[ranks] = RunFolder(work).lines("val")[-1]["top1"]
        self.assertEqual(values[1], values[2])
        self.assertEqual(values[1], values[4])
        self.assertEqual(values[1], top1)
