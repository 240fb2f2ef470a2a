"""What a user sees in a terminal, and what a file gets instead."""
import re
import subprocess
import unittest

from harness import WATCHED, TestCase, call, command, environment, watched_config
from screen import Screen, Terminal

BAR = re.compile(r"^(epoch )?\d+/\d+ (train|val) +\d+%")


class Emulator(unittest.TestCase):
    def test_shows_what_terminals_show(self):
        table = [
            ("abc\rx", ["xbc"]),
            ("one\r\ntwo", ["one", "two"]),
            ("工作目录", ["工作", "目录"]),
            ("abcdef\r\x1b[J", ["abcd", ""]),
            ("abc\r\x1b[Jx\r\ny", ["x", "y"]),
            ("\x1b[?7labcdef\r\x1b[?7hx", ["xbcd"]),
        ]
        for text, lines in table:
            screen = Screen(4)
            screen.feed(text)
            self.assertEqual(screen.lines(), lines, text)
        for text in ("\x1b[1A", "\x1b[31m", "\x1b[?25l", "\b"):
            with self.assertRaises(AssertionError, msg=text):
                Screen(4).feed(text)


class ProgressTest(TestCase):
    def config(self, **sections):
        return watched_config(self.folder, **sections)


class InATerminal(ProgressTest):
    def start(self, columns, overrides=(), words=(), config=None, plugin="mlp", **env):
        variables = environment(**{"TERM": "xterm", "LC_ALL": "C.UTF-8", **env})
        terminal = Terminal(command(config or self.config(), overrides, plugins=[plugin]) + list(words), columns,
                            variables)
        self.addCleanup(terminal.kill)
        return terminal

    def bars(self, terminal):
        """The different bars that were to be seen, in their order."""
        found = []
        for lines in terminal.snapshots:
            found += [line for line in lines[-2:] if BAR.match(line) and line not in found[-2:]]
        return found

    def check_lines(self, terminal):
        """The log stands on the screen as in train.log, and nothing is left of the bar."""
        squeezed = lambda text: "".join(text.split())  # lines are wrapped at any place
        text = squeezed("".join(terminal.screen.lines()))
        log = (self.run_folder().path / "train.log").read_text()
        self.assertEqual(log.count("Epoch(train)"), 3)
        for line in log.splitlines():
            if " DEBUG " not in line:  # for the file alone
                self.assertIn(squeezed(line), text)
        self.assertNotRegex(text, r"\d%")
        self.assertEqual(terminal.screen.lines()[-1], "", "the cursor is on a free line")

    def test_widths(self):
        blocks = "[█▏▎▍▌▋▊▉ ]"
        values = r"(?: loss=\d+\.\d+)?(?:,? lr=0\.001)?$"
        for columns, form in [
                (40, rf"^1/1 train +\d+%\|{blocks}{{4,}}\| \d\d:\d\d(?:, \d+/s)?{values}"),
                (80, rf"^1/1 train +\d+%\|{blocks}{{6,}}\| \d+/4000 \[\d\d:\d\d<\d\d:\d\d, \d+/s\]{values}"),
                (200, rf"^epoch 1/1 train +\d+%\|{blocks}{{80,}}\| \d+/4000 \[\d\d:\d\d<\d\d:\d\d, \d+ "
                      rf"samples/s\]{values}")]:
            with self.subTest(columns=columns):
                terminal = self.start(columns, WATCHED)
                self.assertEqual(terminal.wait(), 0, terminal.raw)
                bars = self.bars(terminal)
                self.assertGreater(len(bars), 4, terminal.raw)
                self.assertLess(max(map(len, bars)), columns)
                self.assertTrue([bar for bar in bars if re.search(form, bar)], bars)
                self.assertTrue([bar for bar in bars if re.search(r" val +\d+%\|.*\|", bar)], bars)
                self.check_lines(terminal)

    def test_a_window_that_changes(self):
        terminal = self.start(80)
        terminal.read_until(r"1/1 train +\d+%\|.*\| \d+/60000 \[")
        terminal.resize(200)
        terminal.read_until(r"epoch 1/1 train +\d+%\|.{50,}\|.*samples/s\]")
        terminal.resize(40)
        terminal.read(1)
        last = terminal.screen.lines()[-1]
        self.assertRegex(last, r"^1/1 train +\d+%")
        self.assertLess(len(last), 40)

    def test_a_chinese_folder_and_its_lines(self):
        terminal = self.start(60, [f"work_dir={self.folder}/工作目录"])
        terminal.read_until(r"工作目录")
        terminal.read_until(r"1/1 train +\d+%")
        terminal.type("\x03")
        self.assertIn(terminal.wait(), (0, 130), terminal.raw)

    def test_the_message_of_an_interrupted_run_has_a_line_of_its_own(self):
        terminal = self.start(80)
        terminal.read_until(r"1/1 train +\d+%\|.*\| \d+/60000 \[")
        terminal.type("\x03")
        terminal.wait()
        lines = [line for line in terminal.screen.lines() if "SIGINT" in line]
        self.assertTrue(lines, terminal.raw)
        self.assertRegex(lines[0], r"^(ailab: |\d{4}-)")
        self.assertEqual(terminal.screen.lines()[-1], "")

    def test_the_message_of_a_failed_run_stands_below_its_bar(self):
        config = self.config(
            model={"type": "FaultyModel", "how": "throw", "rank": 0, "call": 1, "seconds": 1},
            data={"train": {"type": "FaultyDataset"}, "train_dataloader": {"batch_size": 8}},
            loss={"type": "MSELoss"}, workflow=[["train", 1]], total_epochs=1000)
        terminal = self.start(80, config=config, plugin="faults")
        self.assertEqual(terminal.wait(), 1, terminal.raw)
        lines = terminal.screen.lines()
        message = next(i for i, line in enumerate(lines) if line.startswith("ailab: ["))
        self.assertIn("the model has had enough", "".join(lines[message:]))
        self.assertRegex(lines[message - 1], BAR)
        log = (self.run_folder().path / "train.log").read_text()
        self.assertRegex(log, r"ERROR - ailab: \[rank 0, .*the model has had enough")

    def test_a_locale_without_utf8(self):
        terminal = self.start(80, LC_ALL="C")
        terminal.read_until(r"1/1 train +\d+%\|#+ *\|")
        self.assertTrue(terminal.raw.isascii(), terminal.raw)

    def test_no_color(self):
        terminal = self.start(80, WATCHED, NO_COLOR=1)
        self.assertEqual(terminal.wait(), 0, terminal.raw)
        self.assertTrue(self.bars(terminal))
        self.assertNotRegex(terminal.raw, r"\x1b\[[0-9;]*m")

    def test_a_dumb_terminal(self):
        plain = "hooks.p={type: ProgressHook, plain_interval: 0.01}"
        for overrides, words, lines in [([], [], False), ([plain], [], False), ([plain], ["--progress=bar"], True),
                                        ([plain], ["--progress=plain"], True), ([], ["--progress=off"], False)]:
            with self.subTest(overrides=overrides, words=words):
                terminal = self.start(80, WATCHED + overrides, words, TERM="dumb")
                self.assertEqual(terminal.wait(), 0, terminal.raw)
                self.assertNotIn("\x1b", terminal.raw)
                self.assertNotIn("\r", terminal.raw.replace("\r\n", "\n"))
                self.assertEqual(bool(re.search(r"\nepoch 1/1 train +\d+% \d+/4000 \[", terminal.raw)), lines,
                                 terminal.raw)

    def test_switched_off_in_the_configuration(self):
        hooks = {"logger": {"type": "LoggerHook"}, "progress": {"type": "ProgressHook", "enable": False}}
        config = self.config(hooks=hooks)
        terminal = self.start(80, WATCHED, config=config)
        self.assertEqual(terminal.wait(), 0)
        self.assertNotIn("\x1b", terminal.raw)


class WithoutATerminal(ProgressTest):
    def test_a_file_gets_lines_alone(self):
        for words in ([], ["--progress=auto"], ["--progress=off"], ["--progress=plain"]):
            with self.subTest(words=words):
                path = self.folder / "output"
                with open(path, "wb") as file:
                    status = subprocess.run(command(self.config(), WATCHED, plugins=["mlp"]) + words, stdout=file,
                                            stderr=file, env=environment(TERM="xterm"), timeout=60).returncode
                data = path.read_bytes()
                self.assertEqual(status, 0, data)
                self.assertNotIn(b"\r", data)
                self.assertNotIn(b"\x1b", data)
                self.assertIn(b"Epoch(val)", data)

    def test_progress_bar_is_drawn_where_it_is_demanded(self):
        result = call(command(self.config(), WATCHED, plugins=["mlp"]) +
                      ["--progress", "bar"], TERM="xterm", COLUMNS=100, LC_ALL="C")
        self.assertDone(result)
        self.assertRegex(result.err, r"\n\x1b\[\?7lepoch 1/1 train +\d+%\|[# ]+\| \d+/4000 \[")
        self.assertIn("mode: bar", (self.run_folder().path / "config.yaml").read_text())
