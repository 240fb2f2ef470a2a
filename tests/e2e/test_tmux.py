"""The bar and the log in a real terminal: tmux. Recordings lie beside ctest's log."""
import re
import shlex
import unicodedata

from harness import BUILD, WATCHED, RunFolder, TestCase, command, environment, watched_config
from tmux import Tmux

RECORDINGS = BUILD / "Testing" / "Temporary" / "tmux"
BAR = re.compile(r"^(epoch )?1/1 (train|val) +\d+%\S?")
LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - ailab - ")
FORMS = {40: r"^1/1 train +\d+%\|[█▏▎▍▌▋▊▉ ]{4,}\| \d\d:\d\d",
         80: r"^1/1 train +\d+%\|[█▏▎▍▌▋▊▉ ]{6,}\| \d+/\d+ \[\d\d:\d\d<\d\d:\d\d, "
             r"\d+/s\] loss=\d+\.\d+",
         200: r"^epoch 1/1 train +\d+%\|[█▏▎▍▌▋▊▉ ]{80,}\| \d+/\d+ \[\d\d:\d\d<\d\d:\d\d, "
              r"\d+ samples/s\] loss=\d+\.\d+, lr=0\.001$"}


def squeezed(line):
    """Without spaces: the terminal leaves one where a wide character has no room in a row."""
    return "".join(line.split())


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


class InTmux(TestCase):
    def start(self, columns, overrides=WATCHED, redirect="", rows=24, **env):
        hooks = {"logger": {"type": "LoggerHook", "interval": 50}, "metrics": {"type": "MetricHook"}}
        words = command(watched_config(self.folder, hooks=hooks), overrides, plugins=["mlp"], work_dir=self.work)
        window = Tmux(self.folder, columns, f"{shlex.join(words)} {redirect}",
                      environment(**{"LANG": "C.UTF-8", "LC_ALL": "", **env}), rows)
        self.addCleanup(window.kill)
        self.addCleanup(window.save, RECORDINGS / f"{self.id().split('.')[-1]}_{columns}.txt")
        return window

    def log(self):
        lines = (RunFolder(self.work).path / "train.log").read_text().splitlines()
        self.assertTrue(all(map(LOG_LINE.match, lines)), lines)
        return [line for line in lines if " - DEBUG - " not in line]

    def check_frames(self, window):
        """At every moment the window shows the beginning of the log, whole and in its order, and at most one
        bar, which is the last line. The bars, with the columns there were."""
        log = [squeezed(line) for line in self.log()]
        bars = []
        for frame in window.frames[:-1]:
            lines = frame.lines()
            if lines and BAR.match(lines[-1]):
                bars.append((frame.columns, lines.pop()))
            shown = [squeezed(line) for line in lines]
            self.assertEqual(shown, log[:len(shown)], frame.text)
        self.assertGreater(len(set(bars)), 4)
        return bars

    def check_end(self, window):
        """What is left is the log alone, and a terminal to go on with."""
        self.assertEqual([squeezed(line) for line in window.frames[-1].lines()],
                         [squeezed(line) for line in self.log()], window.frames[-1].text)
        self.check_cursor(window)

    def check_cursor(self, window):
        self.assertEqual(window.tell("cursor_flag"), "1", "the cursor is visible")
        self.assertEqual(window.tell("cursor_x"), "0")
        row = window.call("capture-pane", "-p").split("\n")[int(window.tell("cursor_y"))]
        self.assertEqual(row, "", "the cursor is on a free line")

    def check_codes(self, window):
        """What is sent moves the cursor, erases, or cuts the bar where the window ends; nothing is coloured."""
        raw = window.raw()
        codes = re.findall(r"\x1b(?:\[[0-9;?]*[A-Za-z])?|[\x00-\x09\x0b\x0c\x0e-\x1a]", raw)
        self.assertEqual(set(codes), {"\x1b[J", "\x1b[K", "\x1b[?7l", "\x1b[?7h"})
        modes = [code for code in codes if code.startswith("\x1b[?7")]
        self.assertEqual(modes, ["\x1b[?7l", "\x1b[?7h"] * (len(modes) // 2), "lines are wrapped again")
        self.assertNotIn("\x1b", window.colours())

    def test_widths(self):
        for columns, form in FORMS.items():
            with self.subTest(columns=columns):
                window = self.start(columns)
                self.assertEqual(window.watch(), 0, window.frames[-1].text)
                bars = [bar for _, bar in self.check_frames(window)]
                self.assertTrue([bar for bar in bars if re.search(form, bar)], bars)
                self.assertTrue([bar for bar in bars if " val " in bar], bars)
                self.assertLess(max(map(width, bars)), columns, "one column stays free, and no bar is wrapped")
                self.check_end(window)
                self.check_codes(window)
                window.kill()

    def test_a_window_that_changes(self):
        # So low that the log fills it: of a window that is half empty tmux puts the first rows away when it is
        # narrowed, and with them what no program can erase any more.
        window = self.start(80, ["data.train.limit=30000", "data.val.limit=4000"], rows=12)
        window.watch_until(FORMS[80])
        for columns in (200, 40, 200, 80, 40):
            window.resize(columns)
            window.watch_until(FORMS[columns])
            self.assertLess(width(window.frames[-1].lines()[-1]), columns)
        self.assertEqual(window.watch(), 0, window.frames[-1].text)
        self.check_frames(window)
        self.check_end(window)
        self.check_codes(window)

    def test_a_window_that_is_dragged(self):
        """tmux tells programs of a new size 250 ms after the last one: until then the bar is too wide."""
        window = self.start(200, ["data.train.limit=16000", "data.val.limit=4000"], rows=16)
        window.watch_until(FORMS[200])
        narrower = list(range(200, 40, -12))
        for columns in narrower + narrower[::-1] + narrower:
            window.resize(columns)
            window.look()
        self.assertEqual(window.watch(), 0, window.frames[-1].text)
        self.check_frames(window)
        self.check_end(window)

    def test_a_window_of_one_row(self):
        """tmux keeps what is erased from its top left corner on."""
        window = self.start(80, rows=1)
        self.assertEqual(window.watch(), 0, window.frames[-1].text)
        self.check_frames(window)
        self.check_end(window)

    def test_a_chinese_folder_without_colours(self):
        self.work = self.folder / "工作目录" / "实验一"
        window = self.start(40, NO_COLOR=1)
        self.assertEqual(window.watch(), 0, window.frames[-1].text)
        self.check_frames(window)
        self.check_end(window)
        self.check_codes(window)
        self.assertIn(squeezed(str(self.work)), squeezed(window.frames[-1].text))

    def test_an_interrupted_run(self):
        window = self.start(80, [])
        window.watch_until(FORMS[80])
        window.type("C-c")
        self.assertEqual(window.watch(), 130, window.frames[-1].text)
        self.check_cursor(window)
        self.check_codes(window)
        lines = window.frames[-1].lines()
        self.assertFalse([line for line in lines if BAR.search(line)], lines)

    def test_into_a_file(self):
        for redirect in ("> {0} 2>&1", "2>&1 | cat > {0}"):
            with self.subTest(redirect=redirect):
                path = self.folder / "output"
                window = self.start(80, redirect=redirect.format(path))
                self.assertEqual(window.watch(), 0)
                data = path.read_bytes()
                self.assertNotRegex(data, rb"[\x00-\x09\x0b-\x1f\x7f]")
                self.assertEqual(data.decode().splitlines(), self.log())
                self.assertEqual(window.frames[-1].lines(), [])
                self.assertEqual(window.raw(), "")
                window.kill()
