"""Runs that go on from another checkpoint than their newest, and evaluations that draw: what goes on is what
was trained last, and what a run without a stop would have seen."""
import json
import os
import re
import struct
import sys
import time
import unittest

from harness import SOURCE, RunFolder, call, command, mpirun
from test_resume import ResumeCase, mpirun_gently

sys.path.insert(0, str(SOURCE / "tests" / "interop"))
from crc32c import crc32c  # noqa: E402


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def rewrite(manifest, change):
    """Changes a manifest as if it had been written so."""
    facts = json.loads(manifest.read_text())
    change(facts)
    facts["manifest_crc32c"] = "0" * 8
    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    digits = f"{crc32c(text.encode()):08x}"
    manifest.write_text(text.replace('"manifest_crc32c": "00000000"', f'"manifest_crc32c": "{digits}"'))


class BranchCase(ResumeCase):
    def start(self, *overrides, status=0):
        folder = self.folder / "run"
        if not folder.exists():
            hooks = {"metrics": {"type": "MetricHook", "top1": {"type": "Accuracy"}},
                     "checkpoint": {"type": "CheckpointHook"}, "signal": {"type": "SignalHook"}}
            self.config_path = self.config(folder, total_iters=None, total_epochs=5, accumulative_counts=1,
                                           model={"type": "MLP"}, hooks=hooks)
        result = mpirun(1, self.words(self.config_path, "data.train.limit=320", "data.val.limit=100", *overrides),
                        timeout=120)
        if status is not None:
            self.assertEqual(result.status, status, str(result))
        self.run_path = RunFolder(folder / "work").path
        self.checkpoints = self.run_path / "checkpoints"
        self.last = (folder / "work" / "last_checkpoint").read_text().rsplit("/", 1)[1]
        return result

    def resumed_from(self, result):
        return re.search(r"resumed from \S+/(\S+) at step", result.err)[1]

    def taken_by_test(self, word="latest"):
        """The checkpoint that `ailab-run test` takes."""
        result = call([*command(self.config_path, [word], plugins=["mlp", "faults"])[:1], "test",
                       *command(self.config_path, [word], plugins=["mlp", "faults"])[1:], "data.val.limit=100",
                       "-o", str(self.folder / "tested")])
        found = re.search(r"weights loaded from \S+/(\S+)/model\.safetensors", result.err)
        return found[1] if found else result.err


class Branches(BranchCase):
    def test_an_older_one_is_followed_from_there(self):
        self.start()
        older = f"resume_from={self.checkpoints / 'epoch_2'}"
        # Killed before it has a checkpoint of its own; what it left behind is told.
        result = self.start(older, "hooks.signal.signal=KILL", "hooks.signal.at=25", status=None)
        self.assertNotEqual(result.status, 0)
        self.assertRegex(result.err, r"left behind: epoch_[345], epoch_[345], epoch_[345], which did not lead to "
                                     r"\S+/epoch_2; keep_last, auto and latest follow the run from there")
        self.assertEqual(self.last, "epoch_2")
        self.assertEqual(self.taken_by_test(), "epoch_2")
        result = self.start("resume_from=auto", "hooks.signal.at=35", "hooks.signal.point=before_train_iter",
                            status=143)
        self.assertEqual(self.resumed_from(result), "epoch_2")
        self.assertEqual(names(self.checkpoints), [f"epoch_{i}" for i in range(1, 6)] + ["iter_36"])
        result = self.start("resume_from=auto")
        self.assertEqual(self.resumed_from(result), "iter_36")
        self.assertNotIn("left behind: epoch_3", result.err, "that is the new one's now")
        self.assertEqual(self.resumed_from(self.start("resume_from=auto", "total_epochs=6")), "epoch_5")
        self.assertEqual(self.taken_by_test(), "epoch_6")

    def test_keep_last_counts_its_own(self):
        self.start()
        result = self.start(f"resume_from={self.checkpoints / 'epoch_2'}", "hooks.checkpoint.keep_last=2",
                            "total_epochs=4")
        # Each new one was kept until two more of this branch were there; the abandoned end stays.
        self.assertEqual(names(self.checkpoints), ["epoch_3", "epoch_4", "epoch_5"])
        result = self.start("resume_from=auto", "hooks.checkpoint.keep_last=2", "total_epochs=5")
        self.assertEqual(self.resumed_from(result), "epoch_4")
        self.assertIn("left behind: epoch_5, ", result.err)
        self.assertEqual(names(self.checkpoints), ["epoch_4", "epoch_5"])

    def test_the_best_of_the_branch(self):
        best = ["hooks.checkpoint.save_best=top1"]
        self.start(*best, "optimizer.lr=0.002")
        name, = [name for name in names(self.checkpoints) if name.startswith("best_")]
        self.assertEqual(self.taken_by_test("best"), name)
        self.assertNotIn("epoch_1", name, "it learns")
        # Killed before it is validated, so that it has no best one of its own.
        result = self.start(*best, f"resume_from={self.checkpoints / 'epoch_2'}", "hooks.signal.signal=KILL",
                            "hooks.signal.at=22", "val_interval=3", status=None)
        self.assertIn("the best checkpoint so far, best_top1_epoch_1 (", result.err)
        self.assertIn("of a branch that was left behind: name it, if it is meant", self.taken_by_test("best"))

    def test_a_clock_that_is_put_right(self):
        self.start("total_epochs=2")
        # It was two hours fast until then.
        later = time.time() + 7200
        for path in self.checkpoints.iterdir():
            rewrite(path / "manifest.json", lambda facts: facts.update(saved_at=facts["saved_at"] + 7200))
            for file in [path, *path.iterdir()]:
                os.utime(file, (later, later))
        self.start("resume_from=auto", "total_epochs=4")
        self.assertEqual(self.last, "epoch_4")
        result = self.start("resume_from=auto", "total_epochs=5")
        self.assertEqual(self.resumed_from(result), "epoch_4")
        self.assertEqual(self.taken_by_test(), "epoch_5")
        result = self.start(f"resume_from={self.run_path}", "total_epochs=6")
        self.assertEqual(self.resumed_from(result), "epoch_5")


class Damage(BranchCase):
    def test_a_bit_of_the_manifest(self):
        ema = "hooks.ema={type: EMAHook}"
        self.start("total_epochs=1", ema)
        manifest = self.checkpoints / "epoch_1" / "manifest.json"
        text = manifest.read_text()
        self.assertEqual(json.loads(text)["version"], 2)
        self.assertEqual(json.loads(text)["needs"], [])
        manifest.write_text(text.replace("hook.ema", "hook.emb"))
        inspected = call([command("")[0], "inspect", str(manifest.parent)])
        self.assertIn("valid: no: ", inspected.out)
        self.assertIn("manifest.json is damaged", inspected.out)
        self.assertIn("its checksum of itself is not that of its bytes", self.taken_by_test(str(manifest.parent)))
        manifest.write_text(text)
        self.assertIn("valid: yes", call([command("")[0], "inspect", str(manifest.parent)]).out)

    def test_what_it_needs_is_named(self):
        self.start("total_epochs=1")
        manifest = self.checkpoints / "epoch_1" / "manifest.json"
        rewrite(manifest, lambda facts: facts.update(needs=["sharded_parameters"]))
        result = self.start(f"resume_from={manifest.parent}", "total_epochs=2", status=1)
        self.assertIn('needs "sharded_parameters", which this ailab does not know', result.err)

    def test_a_checkpoint_of_format_1(self):
        self.start("total_epochs=2")
        for path in self.checkpoints.iterdir():
            facts = json.loads((path / "manifest.json").read_text())
            for key in ("needs", "manifest_crc32c", "branch", "config_values", "plugins"):
                del facts[key]
            facts["version"] = 1
            (path / "manifest.json").write_text(json.dumps(facts, indent=2))
        (self.run_path / "branch.json").unlink()
        word = "it is of format 1, whose manifest.json has no checksum of itself"
        result = self.start("resume_from=auto", "total_epochs=3")
        self.assertEqual(self.resumed_from(result), "epoch_2")
        self.assertIn(word, result.err)
        self.assertIn(word, call([command("")[0], "inspect", str(self.checkpoints / "epoch_1")]).out)
        self.assertEqual(self.taken_by_test("latest"), "epoch_3")


class EvaluationsThatDraw(ResumeCase):
    """Val and test data whose transforms draw, and a model that draws whenever it runs."""

    def sections(self, folder):
        config = self.config(folder)
        data = json.loads(config.read_text())["data"]
        data["val_dataloader"] = {"batch_size": 20}  # a stop is seen in every 16th batch
        data["val"]["transforms"] = [{"type": "RandomAffine", "degrees": 30}]
        data["test"], data["test_dataloader"] = {**data["val"], "limit": 40}, data["val_dataloader"]
        return dict(data=data, model={"type": "MLP", "noise": 0.5}, total_iters=320,
                    workflow=[{"phase": "train", "iters": 60}, {"phase": "val"}, {"phase": "val"}, {"phase": "test"}])

    def test_a_resumed_one_is_that_of_the_straight_run(self):
        for ranks in (1, 2):
            sections = self.sections(self.folder / "sections")
            straight = self.run_straight(f"straight{ranks}", ranks, **sections)
            losses = [line["loss"] for mode in ("val", "test") for line in straight.lines(mode)]
            self.assertEqual(len(losses), 3 * 6)
            self.assertEqual(len(set(losses)), len(losses), "each draws anew")
            for point, at in (("before_train_iter", 150), ("before_val_iter", 3), ("before_val_iter", 17)):
                with self.subTest(ranks=ranks, point=point, at=at):
                    config = self.config(self.folder / f"{point}{at}-{ranks}", **sections)
                    result = mpirun_gently(ranks, self.words(config, f"hooks.signal.at={at}",
                                                             f"hooks.signal.point={point}"), timeout=120)
                    self.assertEqual(result.status, 143, str(result))
                    self.assertDone(mpirun(ranks, self.words(config, "resume_from=auto"), timeout=120))
                    self.assertSameRun(straight, RunFolder(config.parent / "work"), ranks, "iter_320")


if __name__ == "__main__":
    unittest.main()
