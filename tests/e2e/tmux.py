"""A program under test in a window of a real tmux, and what was to be seen there."""
import pathlib
import re
import subprocess
import tempfile
import time


class Frame:
    """What the window showed at one moment, with all that has scrolled away. Rows that the terminal
    wrapped are one line."""

    def __init__(self, seconds, columns, text):
        self.seconds, self.columns, self.text = seconds, columns, text

    def lines(self):
        return [line.rstrip() for line in self.text.splitlines() if line.strip()]


class Tmux:
    """Runs a shell command in a window of a tmux server of its own, whose files lie below `folder`. When the
    command has ended the window stays."""

    def __init__(self, folder, columns, command, env, rows=24):
        self.folder = folder = pathlib.Path(tempfile.mkdtemp(prefix="tmux-", dir=folder))
        self.columns, self.frames, self.runs = columns, [], True
        self.env = {**env, "TMUX_TMPDIR": str(folder)}
        self.env.pop("TMUX", None)
        (folder / "tmux.conf").write_text("set -g history-limit 50000\nset -g status off\n")
        # It begins when all that it writes is recorded.
        script = f"trap : INT; tmux wait-for begin; {command}; echo $? > {folder}/status.new; " \
                 f"mv {folder}/status.new {folder}/status; exec sleep 1000"
        self.call("-f", str(folder / "tmux.conf"), "new-session", "-d", "-x", str(columns), "-y", str(rows), script)
        self.call("pipe-pane", "-O", f"exec cat > {folder}/raw")
        self.begin = time.monotonic()
        self.call("wait-for", "-S", "begin")

    def call(self, *words):
        result = subprocess.run(["tmux", "-u", "-L", "ailab", *words], env=self.env, capture_output=True, timeout=60)
        if result.returncode != 0:
            raise AssertionError(f"tmux {words}: {result.stderr.decode()}")
        return result.stdout.decode()

    def kill(self):
        if self.runs:
            self.runs = False
            self.call("kill-server")

    def look(self):
        text = self.call("capture-pane", "-p", "-J", "-S", "-")
        self.frames.append(Frame(time.monotonic() - self.begin, self.columns, text))
        return self.frames[-1]

    def watch_until(self, pattern, seconds=60):
        """Looks until the last line is like this."""
        deadline = time.monotonic() + seconds
        while not (lines := self.look().lines()) or not re.search(pattern, lines[-1]):
            if time.monotonic() > deadline or self.status() is not None:
                raise AssertionError(f"never showed {pattern}:\n{self.frames[-1].text}")
            time.sleep(0.02)

    def watch(self, seconds=120):
        """Looks until the command has ended. Its exit status."""
        deadline = time.monotonic() + seconds
        while (status := self.status()) is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not end in {seconds} s:\n{self.look().text}")
            self.look()
            time.sleep(0.02)
        self.look()
        return status

    def status(self):
        path = self.folder / "status"
        return int(path.read_text()) if path.exists() else None

    def resize(self, columns):
        self.call("resize-window", "-x", str(columns))
        self.columns = columns

    def type(self, keys):
        self.call("send-keys", keys)

    def tell(self, variable):
        """One of tmux's variables: cursor_flag, cursor_x, …"""
        return self.call("display-message", "-p", f"#{{{variable}}}").strip()

    def colours(self):
        """The window's text with what colours and emphasises it."""
        return self.call("capture-pane", "-p", "-e", "-S", "-")

    def raw(self):
        """All that was written to the window."""
        return (self.folder / "raw").read_bytes().decode()

    def save(self, path):
        """The frames that differ, one after the other: what a person would have seen."""
        path.parent.mkdir(parents=True, exist_ok=True)
        before = None
        with open(path, "w") as file:
            for frame in self.frames:
                text = frame.text.rstrip()
                if (frame.columns, text) == before:
                    continue
                before = frame.columns, text
                file.write(f"======== {frame.seconds:.2f} s, {frame.columns} columns\n{text}\n")
