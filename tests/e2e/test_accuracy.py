"""The template's CNN on the whole of Fashion-MNIST, and one saved model at every world size."""
from harness import SOURCE, RunFolder, TestCase, command, mlp_config, mpirun

CONFIG = SOURCE / "configs" / "fashion_mnist.yaml"


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
