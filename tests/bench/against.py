"""Is this build slower than another? Times the same runs by both in turn; scripts/bench --against builds both.

    AILAB_BUILD=<this build> python3 against.py [--blocks N] OTHER_BUILD [BENCHMARK…]

A block of a case is four runs: this, other, other, this; in the next block the other begins. What drifts evenly takes as
much from both sides of a block, and of an even number of blocks each side begins half. A block gives one number: how many
times as long this build takes, 1.03 being 3 % slower. One run of each side comes before, uncounted. Blocks go round the
cases, so that a noisy minute falls on one block of many cases and not on many of one.

A line for each case has the median of its blocks and the interval of 90 % around it (bootstrap), and one for the
benchmark has those of all its cases together (the geometric mean of each round of blocks). This build is slower, and the
exit status 1, where

- the median of a benchmark is over 1.02, or its interval does not reach down to 1.00;
- both hold of a single case. (Either alone would, of so many cases, be met by chance nearly always.)"""
import argparse
import importlib
import json
import math
import pathlib
import random
import statistics
import sys
import time

from bench import BUILD, Folder

BENCHMARKS = ("overhead", "hooks", "throughput", "ddp", "weighted", "input", "resnet")
LARGEST_MEDIAN = 1.02
LEVEL = 0.9


def block(run, this, other, this_first):
    """How many times as long `this` takes as `other`. `run(build)` gives the time of one run."""
    outer, inner = (this, other) if this_first else (other, this)
    times = {this: [], other: []}
    for build in (outer, inner, inner, outer):
        times[build].append(run(build))
    return math.sqrt(math.prod(times[this]) / math.prod(times[other]))


def interval(ratios, draws=2000):
    """Where the median of such ratios lies with a probability of LEVEL, by the percentiles of resampled medians."""
    generator = random.Random(1)
    medians = sorted(statistics.median(generator.choices(ratios, k=len(ratios))) for _ in range(draws))
    outside = int((1 - LEVEL) / 2 * draws)
    return medians[outside], medians[-1 - outside]


class Result:
    """Of a case, or of a benchmark."""

    def __init__(self, ratios):
        self.ratios = ratios
        self.median = statistics.median(ratios)
        self.low, self.high = interval(ratios)

    @classmethod
    def of_all(cls, results):
        """The cases of a benchmark together."""
        return cls([statistics.geometric_mean(ratios) for ratios in zip(*(result.ratios for result in results))])

    def complaints(self):
        """What is too slow, in words."""
        found = []
        if self.median > LARGEST_MEDIAN:
            found.append(f"the median, {self.median:.4f}, is over {LARGEST_MEDIAN}")
        if self.low > 1:
            found.append(f"the interval, {self.low:.4f} to {self.high:.4f}, does not reach down to 1.00")
        return found


def judge(benchmark, cases):
    """What is slower, of `cases` as {name: Result}; one line a complaint."""
    found = [f"{benchmark}: {complaint}" for complaint in Result.of_all(cases.values()).complaints()]
    for name, result in cases.items():
        complaints = result.complaints()
        if len(complaints) == 2:
            found.append(f"{benchmark}, {name}: {' and '.join(complaints)}")
    return found


def compare(runs, this, other, blocks):
    """{case: Result} of `runs`, which gives a function of a build for each case."""
    for run in runs.values():
        run(this), run(other)
    ratios = {name: [] for name in runs}
    for i in range(blocks):
        for name, run in runs.items():
            ratios[name].append(block(run, this, other, this_first=i % 2 == 0))
    return {name: Result(values) for name, values in ratios.items()}


def say(benchmark, case, result):
    print(json.dumps({"bench": benchmark, "case": case, "time_ratio": round(result.median, 4),
                      "interval_90": [round(result.low, 4), round(result.high, 4)], "blocks": len(result.ratios)}),
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=16, help="an odd number is taken for the next even one")
    parser.add_argument("other", type=pathlib.Path)
    parser.add_argument("benchmarks", nargs="*", metavar="BENCHMARK")
    given = parser.parse_args()
    others = [name for name in given.benchmarks if name not in BENCHMARKS]
    if others:
        raise SystemExit(f"{', '.join(others)}: two builds are compared by {', '.join(BENCHMARKS)} alone.")

    blocks = given.blocks + given.blocks % 2
    slower = []
    for benchmark in given.benchmarks or BENCHMARKS:
        begin = time.monotonic()
        with Folder() as folder:
            runs = importlib.import_module(benchmark).runs(folder, short=True)
            cases = compare({name: run.seconds for name, run in runs.items()}, BUILD, given.other.resolve(), blocks)
        for name, result in cases.items():
            say(benchmark, name, result)
        say(benchmark, "all", Result.of_all(cases.values()))
        slower += judge(benchmark, cases)
        print(f"{benchmark}: {blocks} blocks took {time.monotonic() - begin:.0f} s", file=sys.stderr)
    for complaint in slower:
        print(f"slower: {complaint}", file=sys.stderr)
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
