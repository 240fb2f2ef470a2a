"""What listens in the ranks of a run, and somebody who connects to all of it."""
import itertools
import os
import pathlib
import socket
import struct
import threading
import time

LISTENING = "0A"


def ranks_of(config):
    """The processes of ailab-run with this configuration."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if os.path.basename(words[0]) == b"ailab-run" and str(config).encode() in words:
            found.append(process)
    return found


def address_of(text):
    """("127.0.0.1", 40312) of "0100007F:9D78"; IPv6 likewise."""
    host, port = text.split(":")
    raw = bytes.fromhex(host)
    words = struct.unpack(f"<{len(raw) // 4}I", raw)
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, struct.pack(f">{len(words)}I", *words)), int(port, 16)


def listening(process):
    """Where a process listens, by its own network's /proc/net/tcp and tcp6."""
    try:
        sockets = {os.readlink(file) for file in (process / "fd").iterdir()}
        lines = [line.split() for table in ("tcp", "tcp6")
                 for line in (process / "net" / table).read_text().splitlines()[1:]]
    except OSError:  # it has ended
        return set()
    return {address_of(line[1]) for line in lines
            if line[3] == LISTENING and f"socket:[{line[9]}]" in sockets}


class Listeners(threading.Thread):
    """Notes where the ranks of a run listen, from start to end."""

    def __init__(self, config):
        super().__init__(daemon=True)
        self.config, self.seen, self.stopped = config, set(), False

    def run(self):
        while not self.stopped:
            for process in ranks_of(self.config):
                for place in listening(process):
                    self.seen.add(place)
                    self.meet(*place)
            time.sleep(0.01)

    def meet(self, host, port):
        pass

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped = True
        self.join()

    def hosts(self):
        return {host for host, _ in self.seen}


def text(value):
    return struct.pack("<q", len(value)) + value


def hello(rank, world_size):
    payload = (text(b"ailab job 2") + text(b"") + struct.pack("<qq", rank, world_size) + text(b"c" * 32))
    return struct.pack("<IB", len(payload), 1) + payload


# What it says first. It knows the protocol, and the numbers that gloo expects, but not the secret.
WORDS = [b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(4000), bytes(8), struct.pack("<q", 1), bytes(4000),
         struct.pack("<IB", 900, 1), struct.pack("<IB", 2**32 - 1, 1), hello(1, 2), hello(1, 2) + bytes(60),
         hello(0, 2), hello(1, 2)[:20]]


class Stranger(Listeners):
    """Connects again and again to every port of the ranks, and to `port`, and stays."""
    MOST = 300

    def __init__(self, config, port=None):
        super().__init__(config)
        self.port, self.open, self.words, self.connections = port, [], itertools.cycle(WORDS), 0

    def run(self):
        knocking = threading.Thread(target=self.knock, daemon=True)
        knocking.start()
        super().run()
        knocking.join()
        for stranger in self.open:
            stranger.close()

    def knock(self):
        """At a port that is known before anybody listens there."""
        while self.port and not self.stopped:
            self.meet("127.0.0.1", self.port)
            time.sleep(0.002)

    def meet(self, host, port):
        stranger = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        stranger.settimeout(0.05)
        try:
            stranger.connect((host, port))
            stranger.send(next(self.words))
        except OSError:
            stranger.close()
            return
        self.connections += 1
        self.open.append(stranger)
        if len(self.open) > self.MOST:
            self.open.pop(0).close()
