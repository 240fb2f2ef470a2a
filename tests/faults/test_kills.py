"""Whatever is killed, whenever: the run is started again with resume_from=auto until it is done, and is then the run
that it would have been."""
import time
import unittest

from campaign import PLUGINS, STEPS, Campaign, Job, RunFolder, checkpoints, leftovers, share, small_run

KILLS = 4  # a case


class Kills(Campaign):
    def test_one_rank(self):
        self.campaign(ranks=1, cases=share(200, 20) // KILLS)

    def test_two_ranks(self):
        self.campaign(ranks=2, cases=share(60, 8) // KILLS)

    def campaign(self, ranks, cases):
        # Steps that wait give a kill more time to come in the middle.
        sections = {"model": {"type": "SmallNet", "delay": 0.002}}
        straight = self.straight_run(ranks, **sections)
        duration = self.straight_seconds
        calls = self.calls_on_checkpoints(ranks, sections)

        def case(draw, folder, _):
            config = small_run(folder, **sections)
            story = []
            for _ in range(KILLS):
                self.kill_once(folder, config, ranks, duration, calls, draw, story)
            job = self.start(folder, config, ranks, story)
            self.assertEqual(job.wait(60), 0, self.tell(story, job))
            self.look_at_start(job, folder, story)
            self.assertSameEnd(RunFolder(folder / "work"), straight, self.tell(story))
            self.assertNothingLeft(folder / "work", self.tell(story))
            self.assertFalse((folder / "work" / "latest" / ".lock").exists(), self.tell(story))

        self.try_cases(f"kills-np{ranks}", cases, case)

    def calls_on_checkpoints(self, ranks, sections):
        """How many system calls the checkpoints of a whole run take."""
        folder = self.folder / f"count-{ranks}"
        self.finish(folder, small_run(folder, **sections), ranks=ranks, **self.watched(folder))
        return len((folder / "calls").read_text().splitlines())

    @staticmethod
    def watched(folder, at=0):
        return {"LD_PRELOAD": PLUGINS / "libfailing_calls.so", "AILAB_CALLS_UNDER": "/checkpoints/",
                "AILAB_CALLS_COUNTER": folder / "counter", "AILAB_CALLS_LOG": folder / "calls",
                "AILAB_CALLS_AT": at, "AILAB_CALLS_DO": "pause"}

    def start(self, folder, config, ranks, story, **env):
        work = folder / "work"
        story.append({"temporary": leftovers(work), "checkpoints": checkpoints(work)})
        return Job(folder, config, "resume_from=auto", ranks=ranks, **env)

    def kill_once(self, folder, config, ranks, duration, calls, draw, story):
        which = draw.choice([*range(ranks), "mpirun", "all"]) if ranks > 1 else "all"
        kind = draw.choices(["start", "any time", "checkpoint"], [2, 5, 3])[0]
        if kind == "checkpoint":
            for name in ("counter", "calls"):
                (folder / name).unlink(missing_ok=True)
            at = draw.randint(1, calls)
            job = self.start(folder, config, ranks, story, **self.watched(folder, at))
            self.wait_for_call(job, folder / "calls", at)
            time.sleep(draw.uniform(0, 0.02))
        else:
            at = draw.uniform(0, 0.3 if kind == "start" else 1.1) * duration
            job = self.start(folder, config, ranks, story)
            time.sleep(max(0, at - (time.monotonic() - job.begin)))
        story[-1].update(kill=which, when=kind, at=at)
        alive = job.process.poll() is None
        job.kill(which)
        status = job.wait(30)
        self.assertIsNotNone(status, f"a hang\n{self.tell(story, job)}")
        self.assertFalse(alive and status == 0 and self.is_half(folder), self.tell(story, job))
        if alive and status != 0 and ranks > 1 and which in range(ranks):
            self.assertRegex(job.err, rf"ailab: \[rank {which}[,\]]|did not join in time: {which}\b|process rank {which} ",
                             self.tell(story, job))
        self.assertEqual(job.left_behind(10), [], self.tell(story, job))
        self.look_at_start(job, folder, story)

    @staticmethod
    def is_half(folder):
        return not checkpoints(folder / "work").get(STEPS)

    @staticmethod
    def wait_for_call(job, log, at):
        """Until a process stands at the call, or there was none."""
        while job.process.poll() is None:
            if log.exists() and len(log.read_text().splitlines()) >= at:
                return
            time.sleep(0.005)

    def look_at_start(self, job, folder, story):
        """It took the newest checkpoint that was there, and removed what was none."""
        begun = "resumed from" in job.err
        there, temporary = story[-1]["checkpoints"], story[-1]["temporary"]
        if begun:
            self.assertTrue(there, self.tell(story, job))
            self.assertIn(f" at step {max(there)}", job.err, f"a checkpoint is lost\n{self.tell(story, job)}")
        elif there:
            self.assertNotIn("a fresh run begins", job.err, self.tell(story, job))
        if begun or "a fresh run begins" in job.err and " saved checkpoint " in job.err:
            self.assertRemoved(temporary, folder / "work", job.err, self.tell(story, job))

    def assertRemoved(self, temporary, work, said, context):
        self.assertEqual(set(temporary) & set(leftovers(work)), set(), context)
        for name in temporary:
            self.assertRegex(said, rf"(?i)remove.*{name.split('/')[-1]}", context)

    @staticmethod
    def tell(story, job=None):
        lines = [", ".join(f"{key}: {value}" for key, value in
                           {**step, "checkpoints": sorted(step["checkpoints"])}.items()) for step in story]
        return "\n".join([*lines, job.tell() if job else ""])


if __name__ == "__main__":
    unittest.main()
