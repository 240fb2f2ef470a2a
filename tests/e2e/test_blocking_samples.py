"""A sample that does not come: Ctrl-C says who waits for it, dist.timeout ends the job and names it."""
import os
import queue
import re
import signal
import subprocess
import threading
import time

from harness import TestCase, call, command, environment, mlp_config, mpirun


class BlockingSamples(TestCase):
    def words(self, overrides=(), **data):
        config = mlp_config(
            self.folder, model={"type": "Line"}, loss={"type": "MSELoss"}, workflow=[["train", 1]],
            data={"train": {"type": "Blocking", **data},
                  "train_dataloader": {"global_batch_size": 8, "shuffle": False, "num_workers": 1}},
            hooks={"logger": {"type": "LoggerHook", "interval": 1}})
        return command(config, overrides, plugins=["blocking"])

    def start(self, words):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                   env=environment(), start_new_session=True)
        self.addCleanup(process.kill)
        lines = queue.Queue()
        threading.Thread(target=lambda: [lines.put(line) for line in process.stderr] and None, daemon=True).start()
        return process, lines

    def wait_for(self, lines, pattern, seconds):
        """The first line that matches, and how long it took."""
        begin, seen = time.monotonic(), []
        while (left := seconds - (time.monotonic() - begin)) > 0:
            try:
                seen.append(lines.get(timeout=left))
            except queue.Empty:
                break
            if re.search(pattern, seen[-1]):
                return seen[-1], time.monotonic() - begin
        self.fail(f"no line matches {pattern}:\n{''.join(seen)}")

    def test_ctrl_c_says_at_once_who_waits_for_which_sample(self):
        for ranks, rank in ((1, 0), (2, 1)):
            with self.subTest(ranks=ranks):
                # In a batch of 8 the second of two ranks has the samples 4 to 7.
                words = self.words(["dist.timeout=12"], sample=20 if ranks == 1 else 21, rank=rank)
                if ranks > 1:
                    words = ["mpirun", "--oversubscribe", "-np", "2", *words]
                process, lines = self.start(words)
                self.wait_for(lines, r"\[2/8\]", 30)
                time.sleep(1)
                if ranks == 1:
                    process.send_signal(signal.SIGINT)
                else:  # mpirun itself waits before it passes a signal on
                    for child in self.children(process.pid):
                        os.kill(child, signal.SIGINT)
                line, took = self.wait_for(lines, "the run waits for", 10)
                self.assertLess(took, 3)
                self.assertRegex(line, r"SIGINT: the run waits for data\.train \(Blocking\), sample "
                                       rf"{20 if ranks == 1 else 21} \(row-2\d\), which has not come for \d")
                line, _ = self.wait_for(lines, "ailab: ", 25)
                self.assertRegex(line, rf"ailab: \[rank {rank}, .*\] train, epoch .*, iter 2, step 2: data\.train "
                                       r"\(Blocking\), sample 2\d \(row-2\d\): it has not come within 12 s "
                                       r"\(dist\.timeout\)")
                self.assertNotEqual(process.wait(timeout=10), 0)

    def children(self, parent):
        out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=True)
        return [int(pid) for pid in out.stdout.split()]

    def test_a_second_ctrl_c_ends_it(self):
        process, lines = self.start(self.words())
        self.wait_for(lines, r"\[2/8\]", 30)
        process.send_signal(signal.SIGINT)
        self.wait_for(lines, "the run waits for", 5)
        process.send_signal(signal.SIGINT)
        self.wait_for(lines, "SIGINT again: ended at once", 5)
        self.assertEqual(process.wait(timeout=5), 128 + signal.SIGINT)

    def test_the_sample_comes_and_the_run_ends_in_order(self):
        process, lines = self.start(self.words(seconds=4))
        self.wait_for(lines, r"\[2/8\]", 30)
        process.send_signal(signal.SIGTERM)
        self.wait_for(lines, "SIGTERM: the run waits for", 5)
        self.wait_for(lines, "SIGTERM: saving a checkpoint", 10)
        self.assertEqual(process.wait(timeout=20), 128 + signal.SIGTERM)

    def test_without_a_signal_the_timeout_ends_the_job(self):
        for ranks, overrides in ((1, []), (2, ["dist.backend=shm"]), (2, ["dist.backend=gloo"])):
            for whole in (False, True):
                with self.subTest(ranks=ranks, overrides=overrides, whole=whole):
                    words = self.words(["dist.timeout=2", *overrides], sample=20 if ranks == 1 else 21,
                                       rank=ranks - 1, whole=whole)
                    result = mpirun(ranks, words, timeout=60)
                    self.assertNotEqual(result.status, 0, str(result))
                    self.assertLess(result.seconds, 20, str(result))
                    told = [line for line in result.err.splitlines() if "ailab: [rank" in line]
                    self.assertEqual(len(told), 1, result.err)
                    which = "the batch that begins with sample" if whole else r"sample 2\d \(row-2\d\)"
                    self.assertRegex(told[0], rf"\[rank {ranks - 1}, .*step 2: data\.train \(Blocking\), {which}.*"
                                              r"it has not come within 2 s \(dist\.timeout\)")

    def test_the_first_look_at_val_is_told_of_too(self):
        words = self.words(["dist.timeout=2", "data.val={type: Blocking, sample: 3}", "workflow=[[train, 1], [val, 1]]"],
                           sample=-1)
        result = call(words, timeout=60)
        self.assertEqual(result.status, 1, str(result))
        self.assertRegex(result.err, r"data\.val \(Blocking\), sample 3 \(row-3\): it has not come within 2 s")

    def test_a_sample_that_nobody_needs_does_not_keep_a_finished_run(self):
        result = call(self.words(["total_epochs=null", "total_iters=2", "model.waits_in_step=1"], sample=18), timeout=60)
        self.assertDone(result)
        self.assertLess(result.seconds, 20, str(result))
        self.assertIn("a sample that nobody waits for any more has not come", result.err)
