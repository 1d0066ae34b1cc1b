"""Processes that are measured and surely ended: each by its own id."""

import os
import re
import select
import signal
import subprocess
import time

PAUSE = 0.01
TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """A process started here, with what it used so far. A context: it has ended when the context is left."""

    def __init__(self, command, log):
        # No setting of the person's environment may change what is measured.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GOSSAMER_")}
        self.command, self.log = command, log
        with open(log, "wb") as errors:
            self.child = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
            )
        self.ended = os.pidfd_open(self.child.pid)
        self.pid, self.code, self.cpu_seconds, self.peak_kib = self.child.pid, None, 0.0, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        os.close(self.ended)

    def look(self):
        """Notes the peak of its memory so far, and whether it has ended."""
        if self.code is not None:
            return True
        # Not ru_maxrss: that of a process begins with the memory of the one that started it.
        try:
            with open(f"/proc/{self.pid}/status") as status:
                peak = re.search(r"VmHWM:\s+(\d+) kB", status.read())
            self.peak_kib = max(self.peak_kib, int(peak.group(1)) if peak else 0)
        except (FileNotFoundError, ProcessLookupError):
            pass
        pid, status, used = os.wait4(self.pid, os.WNOHANG)
        if pid:
            self.code = self.child.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_seconds = used.ru_utime + used.ru_stime
        return self.code is not None

    def wait(self, seconds):
        """Until it has ended, `seconds` at most."""
        select.select([self.ended], [], [], seconds)

    def end(self, patience=15):
        """SIGTERM, and SIGKILL for what has not ended in time."""
        for number, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, 5)):
            if self.look():
                return
            os.kill(self.pid, number)
            until = time.monotonic() + wait
            while time.monotonic() < until and not self.look():
                time.sleep(PAUSE)

    def said(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def address(self, patience=10):
        """Where a server says that it listens."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            listening = re.search(r"Listening on (\S+)\n", self.said())
            if listening:
                return listening.group(1)
            if self.look():
                break
            time.sleep(PAUSE)
        raise RuntimeError(f"{self.command[0]} does not listen: {self.said()}")


def cpu_of(pid):
    """CPU seconds of a running process and its children."""
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        pids = [pid, *children.read().split()]
    total = 0
    for each in pids:
        with open(f"/proc/{each}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def machine_busy():
    """CPU seconds that this machine has been busy with anything, stolen time included, less this program's own."""
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _waiting, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    own = os.times()
    return (user + nice + system + irq + softirq + steal) / TICKS - own.user - own.system


def await_quiet(patience):
    """Waits until nobody used more than a tenth of a core for a second, `patience` seconds at most. Returns the seconds waited."""
    began = time.monotonic()
    while time.monotonic() - began < patience:
        busy = machine_busy()
        time.sleep(1)
        if machine_busy() - busy < 0.1:
            break
    return time.monotonic() - began
