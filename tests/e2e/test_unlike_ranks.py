"""Ranks that have different results, or do different things, end the job with the name of what differs: what would
follow is a best checkpoint that only one of them saves, and a wait without an end."""
import re

from harness import FASHION_MNIST, TestCase, command, mlp_config, mpirun

TIMEOUT = 3  # seconds


class UnlikeRanks(TestCase):
    def run_with(self, ranks, *overrides, **hooks):
        data = {"type": "IDX", "root": str(FASHION_MNIST), "limit": 120}
        config = mlp_config(
            self.folder, runtime={"threads": 1}, dist={"timeout": TIMEOUT}, workflow=[["train", 1], ["val", 1]],
            data={"train": {**data, "train": True}, "val": {**data, "train": False},
                  "train_dataloader": {"global_batch_size": 30}, "val_dataloader": {"batch_size": 30}},
            hooks={"checkpoint": {"type": "CheckpointHook"}, **hooks})
        return mpirun(ranks, command(config, overrides, plugins=["unlike", "mlp"]), timeout=60)

    def assertEnds(self, result, pattern):
        self.assertNotEqual(result.status, 0, str(result))
        self.assertLess(result.seconds, TIMEOUT + 20, str(result))
        told = [line for line in result.err.splitlines() if line.startswith("ailab: ")]
        self.assertEqual(len(told), 1, str(result))
        self.assertRegex(told[0], pattern)

    def test_a_metric_that_keeps_its_sums_in_members(self):
        metrics = {"type": "MetricHook", "m": {"type": "MeanOfMeans"}}
        self.assertDone(self.run_with(1, metrics=metrics))
        for ranks in (2, 3):
            with self.subTest(ranks=ranks):
                self.assertEnds(self.run_with(ranks, "hooks.checkpoint.save_best=m", "hooks.checkpoint.rule=greater",
                                              metrics=metrics),
                                r'hook "metrics", after epoch: the ranks have different results: m -?[\d.e-]+ on rank 0, '
                                r"m -?[\d.e-]+ on rank 1\. A metric keeps what it counts in states \(add_state\(\)\)")

    def test_a_published_value_counts_when_it_is_followed(self):
        unlike = {"type": "UnlikeHook"}
        self.assertDone(self.run_with(2, unlike=unlike))
        for follower, hook in (("checkpoint", {"type": "CheckpointHook", "save_best": "unlike", "rule": "greater"}),
                               ("stop", {"type": "EarlyStopHook", "monitor": "unlike", "rule": "less"})):
            with self.subTest(follower=follower):
                self.assertEnds(self.run_with(2, unlike=unlike, **{follower: hook}),
                                r'the ranks have different results: unlike 0 on rank 0, unlike 1 on rank 1\. What is '
                                r'published under the name "unlike" is to be the same on all ranks')

    def test_a_checkpoint_of_one_rank_alone(self):
        for backend in ("shm", "gloo", "mpi"):
            with self.subTest(backend=backend):
                result = self.run_with(2, f"dist.backend={backend}", unlike={"type": "UnlikeHook", "what": "save"})
                self.assertEnds(result, re.compile(
                    r"\[rank 1, .*: it has waited for [\d.]+ s \(dist\.timeout is 3 s\) in the saving of a checkpoint, "
                    r"to which rank 0 does not come, whose run is over: the ranks have not done the same"))
