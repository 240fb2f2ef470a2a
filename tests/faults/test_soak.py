"""A long run that saves again and again: its memory, files and threads stay what they were soon after it began.
AILAB_SOAK_MINUTES says how long it lasts."""
import os
import pathlib
import signal
import statistics
import sys
import time
import unittest

from campaign import Campaign, Job, share, small_run

MINUTES = float(os.environ.get("AILAB_SOAK_MINUTES") or share(120, 0.4))
BETWEEN_CHECKPOINTS = min(20, MINUTES * 60 / 30)  # seconds
STEP = 0.02  # seconds, most of which each step sleeps
RANKS = 2
# What allocators may take and give back: in two hours a leak of each checkpoint's size would be three times that.
MOST_MORE = 3.0  # MB


def figures(process):
    """Memory in MB, open files, threads."""
    folder = pathlib.Path(f"/proc/{process}")
    pages = int((folder / "statm").read_text().split()[1])
    return (pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(list((folder / "fd").iterdir())),
            len(list((folder / "task").iterdir())))


class Soak(Campaign):
    def test_nothing_grows(self):
        config = small_run(self.folder, model={"type": "SmallNet", "delay": STEP}, total_epochs=10**6)
        job = Job(self.folder, config, f"hooks.checkpoint.interval={round(BETWEEN_CHECKPOINTS / STEP)}", ranks=RANKS)
        self.addCleanup(job.kill, "all")
        while not (self.folder / "work" / "last_checkpoint").exists():
            self.assertIsNone(job.process.poll(), job.tell())
            time.sleep(0.1)
        begin, seconds = time.monotonic(), MINUTES * 60
        taken = {}
        while (now := time.monotonic() - begin) < seconds:
            self.assertIsNone(job.process.poll(), job.tell())
            for process, rank in job.processes().items():
                if rank is not None:
                    taken.setdefault(rank, []).append((now, *figures(process)))
            time.sleep(min(5, seconds / 100))
        self.assertEqual(sorted(taken), list(range(RANKS)))
        job.process.send_signal(signal.SIGUSR2)
        self.assertEqual(job.wait(60 + seconds), 140, job.tell())
        saved = job.err.count(" saved checkpoint ")
        self.assertGreater(saved, 15, job.tell())
        for rank, rows in taken.items():
            # As after ten minutes, or the first eighth.
            early = self.middle(rows, min(600, seconds / 8), seconds / 16)
            late = self.middle(rows, seconds * 31 / 32, seconds / 16)
            print(f"\nrank {rank}: {saved} checkpoints in {MINUTES:g} minutes; memory, files, threads: "
                  f"{early} early, {late} at the end", file=sys.stderr, flush=True)
            self.assertLess(late[0], early[0] + MOST_MORE, f"memory of rank {rank}: {rows}")
            self.assertEqual(late[1:], early[1:], f"files and threads of rank {rank}: {rows}")

    @staticmethod
    def middle(rows, at, width):
        """The medians of what was seen around a moment."""
        near = [row[1:] for row in rows if abs(row[0] - at) <= width / 2]
        return tuple(round(statistics.median(column), 1) for column in zip(*near))


if __name__ == "__main__":
    unittest.main()
