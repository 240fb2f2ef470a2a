"""One rank fails, however, wherever, over whichever backend: the job ends within dist.timeout and a few seconds, with
one message that names the rank, and leaves nothing behind that would be in the way of the next run."""
import itertools
import random
import unittest

from campaign import ALL, SEED, Campaign, Job, small_run

WAYS = ("throw", "kill", "stop", "exit", "segv", "loop")
POINTS = ("load", "first step", "middle", "val", "checkpoint", "end")
BACKENDS = ("shm", "gloo", "mpi")
TIMEOUT = 4  # of dist.timeout
SLACK = 10  # seconds until all processes are gone, on a machine that is busy


class RankFailures(Campaign):
    def test_all_ways_at_all_points(self):
        matrix = list(itertools.product(WAYS, POINTS, BACKENDS, (2, 3)))
        random.Random(SEED).shuffle(matrix)
        chosen = matrix if ALL else self.covering(matrix)
        self.try_cases("rank-failures", chosen, lambda draw, folder, case: self.one(draw, folder, *case))

    @staticmethod
    def covering(matrix):
        """Each way twice, with each point and backend as evenly as can be."""
        chosen, used = [], {}
        for way in WAYS * 2:
            count = lambda case: sum(used.get(part, 0) for part in case[1:])
            best = min((case for case in matrix if case[0] == way and case not in chosen), key=count)
            for part in best[1:]:
                used[part] = used.get(part, 0) + 1
            chosen.append(best)
        return chosen

    def one(self, draw, folder, how, point, backend, ranks):
        failing = draw.randrange(ranks)
        config = small_run(folder, dist={"backend": backend, "timeout": TIMEOUT})
        overrides, env = [], {}
        if point == "load":
            env["AILAB_TEST_AT_LOAD"] = f"{how} {failing}"
        else:
            overrides = [f"hooks.fault.how={how}", f"hooks.fault.point={point}", f"hooks.fault.rank={failing}",
                         "hooks.fault.step=50"]
        job = Job(folder, config, *overrides, ranks=ranks, **env)
        status = job.wait(TIMEOUT + SLACK + 30)
        left = job.left_behind(2)
        context = f"rank {failing} of {ranks}: {how} at {point} over {backend}: status {status} after " \
                  f"{job.seconds:.1f} s\n{job.tell()}"
        self.assertIsNotNone(status, f"a hang\n{context}")
        self.assertNotEqual(status, 0, context)
        self.assertEqual(left, [], f"orphans\n{context}")
        self.assertLess(job.seconds, TIMEOUT + SLACK, context)
        messages = job.messages()
        if point == "load" and not messages:
            # Nobody of ours has met anybody yet: it says itself why it exits, or the launcher names it.
            self.assertRegex(context, rf"ailab-run: rank {failing}: .* cannot be loaded: .* called exit|"
                                      rf"mpirun noticed that process rank {failing} ")
        else:
            self.assertEqual(len(messages), 1, context)
            self.assertRegex(messages[0], rf"ailab: \[rank {failing}[,\]]|did not find rank {failing} within|"
                                          rf"did not join in time: [0-9, ]*\b{failing}\b", context)
        again = Job(folder, config, "resume_from=auto", ranks=ranks)
        self.assertEqual(again.wait(60), 0, f"{context}\nagain: {again.tell()}")
        self.assertNothingLeft(folder / "work", f"{context}\nagain: {again.tell()}")


if __name__ == "__main__":
    unittest.main()
