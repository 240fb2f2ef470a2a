"""Five epochs of the template's CNN on Fashion-MNIST."""
from harness import SOURCE, TestCase, command, mpirun


class FiveEpochs(TestCase):
    def test_five_epochs_give_90_5_percent(self):
        config = SOURCE / "configs" / "fashion_mnist.yaml"
        self.assertDone(mpirun(2, command(config, ["total_epochs=5"], plugins=["minimal_for_tests"],
                                          work_dir=self.work), timeout=1500))
        self.assertGreaterEqual(max(r["top1"] for r in self.run_folder().lines("val")), 90.5)
