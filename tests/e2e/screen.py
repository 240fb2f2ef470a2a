"""A terminal for programs under test: a pseudo-terminal, and what its screen shows."""
import codecs
import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import unicodedata

CONTROL = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


class Screen:
    """What a terminal shows: text, wide characters, \\r, \\n, erasing, long lines wrapped or cut. Anything else
    is refused, so that a test notices what the program sends. Like xterm it does not wrap anew when its
    window changes."""

    def __init__(self, columns):
        self.columns = columns
        self.rows, self.row, self.column, self.wraps = [[]], 0, 0, True

    def feed(self, text):
        at = 0
        while at < len(text):
            control = CONTROL.match(text, at)
            if control:
                self.control(*control.groups())
                at = control.end()
                continue
            self.put(text[at])
            at += 1

    def control(self, parameters, command):
        if parameters == "?7" and command in "hl":
            self.wraps = command == "h"
        elif parameters == "" and command in "JK":
            self.erase(command)
        else:
            raise AssertionError(f"unexpected control sequence ESC[{parameters}{command}")

    def erase(self, command):
        del self.rows[self.row][self.column:]
        if command == "J":
            del self.rows[self.row + 1:]

    def put(self, c):
        if c == "\r":
            self.column = 0
        elif c == "\n":
            self.next_row()
        elif c < " ":
            raise AssertionError(f"unexpected control character {c!r}")
        else:
            width = 2 if unicodedata.east_asian_width(c) in "WF" else 1
            if self.column + width > self.columns:
                if not self.wraps:
                    return
                self.next_row()
                self.column = 0
            row = self.rows[self.row]
            row += [" "] * (self.column - len(row))
            row[self.column:self.column + width] = [c] + [""] * (width - 1)
            self.column += width

    def next_row(self):
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append([])

    def lines(self):
        return ["".join(row).rstrip() for row in self.rows]


class Terminal:
    """Runs a program in a terminal of its own."""

    def __init__(self, words, columns, env, cwd=None):
        self.screen, self.raw, self.snapshots = Screen(columns), "", []
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                if cwd:
                    os.chdir(cwd)
                os.execvpe(words[0], words, env)
            finally:
                os._exit(127)
        self.resize(columns)
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.status = None

    def resize(self, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self.screen.columns = columns

    def read(self, seconds):
        """Shows what the program writes for so long, or until it ends. True while it runs."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                continue
            try:
                data = os.read(self.fd, 65536)
            except OSError as error:
                if error.errno != errno.EIO:  # nobody has the terminal open any more
                    raise
                data = b""
            if not data:
                return False
            text = self.decoder.decode(data)
            self.raw += text
            self.screen.feed(text)
            self.snapshots.append(self.screen.lines())
        return True

    def read_until(self, pattern, seconds=60):
        deadline = time.monotonic() + seconds
        while not re.search(pattern, "\n".join(self.screen.lines())):
            if time.monotonic() > deadline or not self.read(0.05):
                raise AssertionError(f"never showed {pattern}:\n" + "\n".join(self.screen.lines()))

    def wait(self, seconds=60):
        """The exit status."""
        if self.read(seconds):
            self.kill()
            raise AssertionError(f"it did not end in {seconds} s:\n{self.raw}")
        return self.end()

    def kill(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.end()

    def end(self):
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self.fd)
        return self.status

    def type(self, text):
        os.write(self.fd, text.encode())
