"""State that is each rank's own or lies on several ranks: saved by four, read by any number. And the collectives that
cut and join such tensors."""
import json
import re
import shutil
import unittest

from harness import call, command, mpirun
from small_runs import SmallRuns

BATCH = "data.train_dataloader={global_batch_size: 12}"


class Scopes(SmallRuns):
    def train(self, ranks, *overrides, hooks=None):
        config = self.config(hooks or {"scoped": {"type": "ScopedHook"},
                                       "checkpoint": {"type": "CheckpointHook", "interval": 1}})
        words = command(config, overrides, plugins=["scopes"])
        result = mpirun(ranks, words) if ranks > 1 else call(words)
        self.assertDone(result)
        return result.err

    def test_what_four_ranks_saved_is_read_by_any_number(self):
        self.train(4, BATCH)
        checkpoint = self.run_folder().path / "checkpoints" / "epoch_1"
        manifest = json.loads((checkpoint / "manifest.json").read_text())
        self.assertEqual(manifest["needs"], ["rank_tensors", "shards"])
        self.assertEqual([piece["offset"] for piece in manifest["shards"]["hook.scoped/rows"]["pieces"]],
                         [[0, 0], [2, 0], [4, 0], [6, 0]])
        kept = self.folder / "kept"
        shutil.copytree(checkpoint, kept)
        for ranks, rows in ((1, [7]), (2, [4, 3]), (3, [3, 3, 1]), (4, [2, 2, 2, 1])):
            with self.subTest(ranks=ranks):
                shutil.rmtree(self.folder / "work")
                said = self.train(ranks, f"resume_from={kept}", "total_epochs=2", BATCH)
                self.assertIn(f"scopes: after 2 steps rank 0 of {ranks} has {rows[0]} rows from 0 and its own tensor",
                              said)
                # And what these ranks save is read by another number.
                shutil.copytree(self.run_folder().path / "checkpoints" / "epoch_2", self.folder / f"kept{ranks}")
        shutil.rmtree(self.folder / "work")
        self.train(4, f"resume_from={self.folder / 'kept2'}", "total_epochs=3", BATCH)

    def test_the_collectives_over_every_backend(self):
        for backend in ("gloo", "mpi", "shm"):
            for ranks in (2, 3):
                with self.subTest(backend=backend, ranks=ranks):
                    said = self.train(ranks, f"dist.backend={backend}", "total_epochs=1",
                                      hooks={"collectives": {"type": "CollectivesHook"}})
                    self.assertIn(f"the collectives are right over {ranks} ranks", said)
                    self.assertRegex(said, re.escape(f"refused: all_gather: the whole, [{3 * ranks + 1}] ")
                                     + r"\w+, must have the dtype and the device of the piece, \[3\] \w+, and "
                                     + f"{ranks} times its elements")
                    shutil.rmtree(self.folder / "work")

    def test_a_run_of_one_rank_has_them_too(self):
        self.assertIn("the collectives are right over 1 ranks",
                      self.train(1, hooks={"collectives": {"type": "CollectivesHook"}}))


if __name__ == "__main__":
    unittest.main()
