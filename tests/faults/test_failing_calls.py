"""One system call of a short run fails, the N-th on a file of the run, or a disk is full from there on: no bad
checkpoint is taken as good, those before it can still be loaded, one message says what is wrong."""
import json
import re
import shutil
import unittest

from campaign import PLUGINS, STEPS, Campaign, Job, RunFolder, checkpoints, newest_run, share, small_run

ERRORS = {"ENOSPC": "No space left on device", "EIO": "Input/output error", "EINTR": "Interrupted system call"}
DIVISIBLE = ("write", "pwrite", "writev", "read", "pread")
# What a sink says of a line that it could not write.
WARNING = re.compile(r" - (?:WARNING|ERROR) - ")
# What is said of checkpoints that stay beside those of a run without a fault.
LEFT_BEHIND = re.compile("auto passes over|cannot remove the old checkpoint")


class FailingCalls(Campaign):
    def test_a_fresh_run(self):
        self.campaign(share(200, 10))

    def test_a_run_that_goes_on(self):
        self.campaign(share(150, 8), begins_at=70)

    def test_two_ranks(self):
        self.campaign(share(150, 4), ranks=2)

    def campaign(self, count, ranks=1, begins_at=None):
        name = f"calls-np{ranks}{'-resumed' if begins_at else ''}"
        straight = self.straight_run(ranks)
        every = self.folder / "every"  # all of the checkpoints, to compare one of any step with
        self.finish(every, small_run(every), "hooks.checkpoint.keep_last=null", ranks=ranks)
        self.every = {path.name: path for path in checkpoints(every / "work").values()}
        prepared = self.folder / "prepared"
        if begins_at:
            begun = Job(prepared, small_run(prepared), "hooks.fault.point=middle", f"hooks.fault.step={begins_at}")
            self.assertEqual(begun.wait(60), 1, begun.tell())
        listed = self.folder / "listed"
        self.prepare(listed, prepared)
        self.finish(listed, small_run(listed), "resume_from=auto", ranks=ranks, **self.shim(listed))
        calls = [line.split(" ", 2)[1] for line in (listed / "calls").read_text().splitlines()]
        ways = [("ENOSPC", 0), ("ENOSPC", 1), ("EIO", 0), ("EIO", 1), ("EINTR", 0), ("short", 0)]

        def case(draw, folder, _):
            what, onwards = draw.choice(ways)
            fits = [i + 1 for i, call in enumerate(calls) if what != "short" or call in DIVISIBLE]
            self.one(folder, prepared, ranks, straight, draw.choice(fits), what, onwards)

        self.try_cases(name, count, case)

    @staticmethod
    def prepare(folder, prepared):
        folder.mkdir(parents=True, exist_ok=True)
        if prepared.exists():
            shutil.copytree(prepared / "work", folder / "work", symlinks=True)

    @staticmethod
    def shim(folder, at=0, what="", onwards=0):
        return {"LD_PRELOAD": PLUGINS / "libfailing_calls.so", "AILAB_CALLS_UNDER": folder / "work",
                "AILAB_CALLS_COUNTER": folder / "counter", "AILAB_CALLS_LOG": folder / "calls",
                "AILAB_CALLS_AT": at, "AILAB_CALLS_DO": what, "AILAB_CALLS_ONWARDS": onwards}

    def one(self, folder, prepared, ranks, straight, at, what, onwards):
        self.prepare(folder, prepared)
        config = small_run(folder)
        before = max(checkpoints(folder / "work"), default=0)
        job = Job(folder, config, "resume_from=auto", ranks=ranks, **self.shim(folder, at, what, onwards))
        status = job.wait(90)
        calls = (folder / "calls").read_text().splitlines() if (folder / "calls").exists() else []
        context = f"call {at}{' and all after it' if onwards else ''}: {what}: " \
                  f"{calls[at - 1] if at <= len(calls) else 'not reached'}\nstatus {status}\n{job.tell()}"
        self.assertIsNotNone(status, f"a hang\n{context}")
        self.assertIn(status, (0, 1), context)
        self.assertEqual(job.left_behind(5), [], context)
        self.look_at_checkpoints(folder / "work", context)
        complete = checkpoints(folder / "work")
        self.assertGreaterEqual(max(complete, default=0), before, context)
        warned = WARNING.search(job.err) is not None
        alone = not LEFT_BEHIND.search(job.err)
        if status == 0:
            self.assertIn(STEPS, complete, context)
            self.assertSameEnd(RunFolder(folder / "work"), straight, context, sinks=not warned, alone=alone)
        else:
            messages = job.messages()
            self.assertEqual(len(messages), 1, context)
            if what in ERRORS:
                self.assertIn(ERRORS[what], job.err, context)
        again = Job(folder, config, "resume_from=auto", ranks=ranks)
        self.assertEqual(again.wait(90), 0, f"{context}\nagain: {again.tell()}")
        context += f"\nagain: {again.tell()}"
        if complete:
            self.assertIn(f" at step {max(complete)}", again.err, context)
        self.assertSameEnd(RunFolder(folder / "work"), straight, context, sinks=not warned, alone=alone)
        self.assertNothingLeft(folder / "work", context)

    def look_at_checkpoints(self, work, context):
        """Each that has its name is complete, and is what a run without a fault has at its step."""
        for path in newest_run(work).glob("checkpoints/*"):
            manifest = path / "manifest.json"
            if ".tmp-" in path.name or not manifest.exists():
                continue
            for name, facts in json.loads(manifest.read_text())["files"].items():
                self.assertEqual((path / name).stat().st_size, facts["size"], f"{path / name}\n{context}")
            if path.name in self.every:
                self.assertSameTensors(path, self.every[path.name], context)


if __name__ == "__main__":
    unittest.main()
