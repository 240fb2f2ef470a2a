"""Times of a schedule that cannot be meant in what it counts: a warning at the schedule's place says how they are
understood."""
import unittest

from harness import call, command
from small_runs import SmallRuns


class ScheduleCounts(SmallRuns):
    """10 epochs of 3 iterations, of which 2 make a step: 20 steps, 30 iterations."""

    def test_what_is_warned_of(self):
        table = [
            ("epoch", {"type": "PolynomialLR", "total_iters": 20},
             "PolynomialLR: total_iters 20 is understood as epochs, of which the run has 10 (and as many optimizer steps as "
             "that). by: iter counts optimizer steps, 20 in all"),
            ("epoch", {"type": "PolynomialLR", "total_iters": 30},
             "total_iters 30 is understood as epochs, of which the run has 10 (and as many iterations as that)."),
            ("epoch", {"type": "StepLR", "step_size": 150}, "step_size 150 is understood as epochs, of which the run has 10."),
            ("epoch", {"type": "StepLR", "step_size": 25}, ""),
            ("epoch", {"type": "MultiStepLR", "milestones": [6, 500]}, "milestones 500 is understood as epochs"),
            ("epoch", {"type": "CyclicLR", "max_lr": 0.2, "cycle_momentum": False}, "step_size_up 2000 is understood as epochs"),
            ("epoch", {"type": "CosineAnnealingLR", "T_max": 12}, ""),
            ("epoch", {"type": "SequentialLR", "milestones": [2], "schedulers": [
                {"type": "ConstantLR"}, {"type": "CosineAnnealingLR", "T_max": 98000}]},
             "SequentialLR: T_max 98000 is understood as epochs"),
            ("iter", {"type": "CosineAnnealingLR", "T_max": 10},
             "T_max 10 is understood as optimizer steps, of which the run has 20 (and as many epochs as that). by: epoch"),
            ("iter", {"type": "CosineAnnealingLR", "T_max": 30},
             "(and as many iterations as that, of which accumulative_counts make one step)"),
            ("iter", {"type": "CosineAnnealingLR", "T_max": 20}, ""),
            ("iter", {"type": "StepLR", "step_size": 10}, ""),
            ("iter", {"type": "LinearLR", "total_iters": 10}, ""),
        ]
        for by, schedule, text in table:
            with self.subTest(by=by, schedule=schedule):
                path = self.config({"lr": {"type": "LrSchedulerHook", "by": by, "scheduler": schedule}})
                result = call(command(path, ["total_epochs=10", "accumulative_counts=2"]))
                self.assertDone(result)
                said = [line for line in result.err.splitlines() if "is understood as" in line]
                if not text:
                    self.assertEqual(said, [])
                    continue
                self.assertEqual(len(said), 1, str(result))
                lines = path.read_text().splitlines()
                line = next(i + 1 for i, text_there in enumerate(lines) if '"scheduler": {' in text_there)
                self.assertIn(f"{path}:{line}:{lines[line - 1].index('{') + 1}: ", said[0])
                self.assertIn(text, said[0])


if __name__ == "__main__":
    unittest.main()
