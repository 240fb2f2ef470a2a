"""scripts/bench --against: what its runs say of two builds, on times that are made up."""
import math
import os
import pathlib
import random
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(os.environ["AILAB_SOURCE"])
sys.path.insert(0, str(SOURCE / "tests" / "bench"))
from against import BENCHMARKS, Result, block, compare, interval, judge  # noqa: E402
from bench import Run  # noqa: E402


class Machine:
    """Two builds on a machine that becomes slower by `drift` a run, jumps by `noise`, and takes `first` times as long
    for the first run of each four."""

    def __init__(self, this=1.0, other=1.0, drift=0.0, noise=0.0, first=1.0, seed=1):
        self.times = {"this": this, "other": other}
        self.drift, self.noise, self.first = drift, noise, first
        self.random = random.Random(seed)
        self.order = []

    def run(self, build):
        speed = math.exp(self.drift * len(self.order) + self.random.gauss(0, self.noise))
        if len(self.order) % 4 == 2:  # after the two that are not counted
            speed *= self.first
        self.order.append(build)
        return self.times[build] * speed

    def compared(self, blocks=16):
        return compare({"case": self.run}, "this", "other", blocks)["case"]


class Blocks(unittest.TestCase):
    def test_a_block_says_how_many_times_as_long_this_build_takes(self):
        for this, other, ratio in ((2.0, 2.0, 1.0), (3.0, 2.0, 1.5), (2.0, 4.0, 0.5)):
            with self.subTest(this=this, other=other):
                self.assertAlmostEqual(block(Machine(this, other).run, "this", "other", True), ratio)

    def test_a_machine_that_becomes_slower_favours_nobody(self):
        for first in (True, False):
            with self.subTest(this_first=first):
                self.assertAlmostEqual(block(Machine(1.03, 1.0, drift=0.05).run, "this", "other", first), 1.03)

    def test_the_sides_begin_in_turn_after_a_run_of_each_that_is_not_counted(self):
        machine = Machine()
        machine.compared(blocks=2)
        self.assertEqual(machine.order, ["this", "other", "this", "other", "other", "this", "other", "this", "this", "other"])

    def test_blocks_go_round_the_cases(self):
        order = []
        cases = {name: lambda build, name=name: order.append(name) or 1.0 for name in "ab"}
        compare(cases, "this", "other", 2)
        self.assertEqual("".join(order), "aabb" + 2 * "aaaabbbb")

    def test_numbers_become_times(self):
        for number, value, seconds in (("us_per_iteration", 200.0, 200e-6), ("samples_per_second", 50.0, 0.02),
                                       ("in_quietest_block", 50.0, 0.02)):
            with self.subTest(number=number):
                class Timed(Run):
                    def __init__(self):
                        self.number = number

                    def __call__(self, build):
                        return value

                self.assertAlmostEqual(Timed().seconds("build"), seconds)


class Interval(unittest.TestCase):
    def test_of_equal_ratios_it_is_that_ratio(self):
        self.assertEqual(interval([1.01] * 16), (1.01, 1.01))

    def test_it_is_the_same_each_time(self):
        ratios = [1 + i / 100 for i in range(16)]
        self.assertEqual(interval(ratios), interval(ratios))

    def test_one_wild_block_moves_neither_it_nor_the_median_far(self):
        calm = Result([1 + (i - 7) / 1000 for i in range(16)])
        wild = Result([1 + (i - 7) / 1000 for i in range(15)] + [9.0])
        self.assertAlmostEqual(wild.median, calm.median, delta=0.002)
        self.assertLess(wild.high, 1.01)

    def test_it_holds_the_true_median_about_as_often_as_it_says(self):
        generator = random.Random(7)
        held = 0
        for _ in range(300):
            low, high = interval([math.exp(generator.gauss(0.0, 0.02)) for _ in range(16)], draws=300)
            held += low <= 1.0 <= high
        self.assertTrue(0.84 <= held / 300 <= 0.97, held)


class Verdict(unittest.TestCase):
    def test_builds(self):
        for what, machine, slower in (
                ("equal", Machine(noise=0.01), False),
                ("equal, and the first run of four is slow", Machine(noise=0.01, first=1.2), False),
                ("equal on a machine that drifts", Machine(noise=0.01, drift=0.01), False),
                ("faster", Machine(this=0.9, noise=0.01), False),
                ("a little slower, and the noise hides it", Machine(this=1.005, noise=0.02), False),
                ("a little slower, beyond doubt", Machine(this=1.01, noise=0.002), True),
                ("3 % slower", Machine(this=1.03, noise=0.005), True),
                ("3 % slower on a machine that drifts", Machine(this=1.03, noise=0.005, drift=0.02), True),
                ("5 % slower in noise", Machine(this=1.05, noise=0.04), True)):
            with self.subTest(what):
                self.assertEqual(judge("overhead", {"case": machine.compared()}) != [], slower)

    def test_says_why(self):
        self.assertEqual(judge("overhead", {"with hooks": Result([1.03] * 16)}), [
            "overhead: the median, 1.0300, is over 1.02",
            "overhead: the interval, 1.0300 to 1.0300, does not reach down to 1.00",
            "overhead, with hooks: the median, 1.0300, is over 1.02 and the interval, 1.0300 to 1.0300, does not reach "
            "down to 1.00"])

    def test_one_slow_case_among_many_is_found(self):
        cases = {f"hook{i}": Machine(noise=0.005, seed=i).compared() for i in range(13)}
        self.assertEqual(judge("hooks", cases), [])
        cases["ema"] = Machine(this=1.1, noise=0.005).compared()
        self.assertIn("hooks, ema: the median", "\n".join(judge("hooks", cases)))

    def test_equal_builds_of_many_cases_seldom_fail(self):
        failed = 0
        for trial in range(30):
            cases = {f"hook{i}": Machine(noise=0.02, seed=100 * trial + i).compared() for i in range(14)}
            failed += judge("hooks", cases) != []
        self.assertLessEqual(failed, 6)  # the interval's own 5 %, and as much again


class CommandLine(unittest.TestCase):
    def run_script(self, *words):
        return subprocess.run([SOURCE / "scripts" / "bench", *words], capture_output=True, text=True, timeout=60)

    def test_a_benchmark_that_compares_no_builds_is_told(self):
        result = subprocess.run([sys.executable, "-B", SOURCE / "tests" / "bench" / "against.py", "/nowhere", "startup"],
                                capture_output=True, text=True, timeout=60)
        self.assertEqual(result.stderr, f"startup: two builds are compared by {', '.join(BENCHMARKS)} alone.\n")
        self.assertEqual(result.returncode, 1)

    def test_mistakes_are_told_before_anything_is_built(self):
        for words, text in ((("--against", "no-such-commit"), "no-such-commit is no commit of this repository"),
                            (("--against",), "nothing is no commit of this repository"),
                            (("--blocks", "0"), "--blocks takes a whole number above 0"),
                            (("--fast",), "there is no option --fast"),
                            (("overheat",), "there is no benchmark overheat. There are: ")):
            with self.subTest(words=words):
                result = self.run_script(*words)
                self.assertEqual((result.returncode, result.stdout), (2, ""))
                self.assertIn(f"scripts/bench [--against COMMIT [--blocks N]] [NAME…]: {text}", result.stderr)


if __name__ == "__main__":
    unittest.main()
