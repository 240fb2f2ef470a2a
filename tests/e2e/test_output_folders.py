"""A folder that an option names and that cannot be written to is told at the option's place, before the training."""
import json
import pathlib
import unittest

from harness import call, command
from small_runs import SmallRuns


class OutputFolders(SmallRuns):
    def hooks(self, folder):
        for option, hook in (("log_dir", {"type": "CSVHook"}), ("log_dir", {"type": "TensorboardHook"}),
                             ("log_dir", {"type": "SwanLabHook"}), ("output_dir", {"type": "PredictionsHook"}),
                             ("save_dir", {"type": "CheckpointHook"})):
            yield option, {"watched": {**hook, option: str(folder)}}
        yield "log_dir", {"logger": {"type": "LoggerHook", "log_dir": str(folder)}}
        yield "dir", {"watched": {"type": "WandbHook", "init_args": {"mode": "offline", "dir": str(folder)}}}

    def test_that_cannot_be_written_to(self):
        file = self.folder / "a_file"
        file.write_text("x")
        for folder, reason in ((pathlib.Path("/proc/none"), "No such file or directory"), (file, "Not a directory"),
                               (file / "below", "Not a directory")):
            for option, hook in self.hooks(folder):
                with self.subTest(hook=hook):
                    path = self.config(hook)
                    result = call(command(path))
                    self.assertEqual(result.status, 2, str(result))
                    lines = path.read_text().splitlines()
                    line, column = next((i + 1, text.index(json.dumps(str(folder))) + 1)
                                        for i, text in enumerate(lines) if json.dumps(str(folder)) in text)
                    self.assertIn(f"{path}:{line}:{column}: {option}: cannot create the folder {folder}: {reason}. Name "
                                  f"another, or leave {option} out for the usual one", result.err)
                    self.assertNotIn("Epoch(train)", result.err)

    def test_that_are_new(self):
        for option, hook in self.hooks(self.folder / "new" / "folder"):
            with self.subTest(hook=hook):
                self.assertDone(call(command(self.config(hook))))

    def test_of_a_dry_run_are_not_made(self):
        for option, hook in self.hooks(self.folder / "new"):
            with self.subTest(hook=hook):
                words = command(self.config(hook))
                self.assertDone(call([words[0], "--dry-run", *words[1:]]))
                self.assertFalse((self.folder / "new").exists())


if __name__ == "__main__":
    unittest.main()
