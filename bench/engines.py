"""Crawls one site under many hosts, by one engine with its state on disk and by several over a database, taking turns.

Started by `bench/engines`.
"""

import argparse
import contextlib
import glob
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlsplit

from bench import PROGRAMS, TARGET, say, stop
from judge import judge
from processes import PAUSE, Process, await_quiet
from truth import truth_of
from website import SITES, Nginx

PASSWORD = "for the benchmark"
PATIENCE = 600
# What a server does not do as root, it does as the user of Debian's package.
AS_USER = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


class Postgres:
    """A PostgreSQL server of our own on a socket's port. A context: it has ended when the context is left."""

    def __init__(self, folder, port, settings=("shared_buffers=256MB",)):
        programs = Path(max(glob.glob("/usr/lib/postgresql/*/bin")))
        self.folder, self.port, self.createdb = folder, port, programs / "createdb"
        data, password = folder / "data", folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        data.mkdir()
        if AS_USER:
            shutil.chown(data, "postgres", "postgres")
        make = [programs / "initdb", "-D", data, "--username=crawler", f"--pwfile={password}", "--auth=scram-sha-256", "--no-locale", "--encoding=UTF8"]
        subprocess.run([*AS_USER, *make], check=True, stdout=subprocess.DEVNULL)
        serve = [programs / "postgres", "-D", data, "-p", str(port), "-k", data, "-c", "listen_addresses=127.0.0.1"]
        serve += [part for setting in settings for part in ("-c", setting)]
        self.process = Process([*map(str, AS_USER), *map(str, serve)], folder / "server.log")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.end()

    def database(self, name):
        """The URL of a new database."""
        make = [self.createdb, "--host=127.0.0.1", f"--port={self.port}", "--username=crawler", name]
        until = time.monotonic() + 20
        while subprocess.run(make, env={**os.environ, "PGPASSWORD": PASSWORD}, stderr=subprocess.DEVNULL).returncode:
            if time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL does not answer: {self.process.said()}")
            time.sleep(0.1)
        return f"postgres://crawler@127.0.0.1:{self.port}/{name}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def reachable(folder):
    """The same folder, into which the server's user can look."""
    folder.chmod(0o755)
    for path in (folder, *folder.parents):
        # Nobody but root may be able to look into a home, and the server is somebody else.
        if AS_USER and not path.stat().st_mode & 0o001:
            sys.exit(f"the user postgres cannot reach {folder}: make {path} accessible, or run this as another user than root")
    return folder


def judged(items, truth, hosts):
    """What is missing, extra or wrong on all hosts together, each of which has the whole site."""
    of_host = defaultdict(list)
    for line in items:
        of_host[urlsplit(json.loads(line)["url"]).hostname].append(line)
    verdicts = [judge(of_host.pop(host, []), truth, 0)[0] for host in hosts]
    faults = {fault: sum(verdict[fault] or 0 for verdict in verdicts) for fault in ("missing", "extra", "wrong")}
    faults["extra"] += sum(map(len, of_host.values()))
    return faults


def crawl(site, truth, website, hosts, engines, postgres, name, folder):
    """One crawl; none for `engines`: one with its state on disk. What each engine fetched, what it took, and what is not as it should be."""
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(Process([PROGRAMS / "itemsaver", "--listen", "127.0.0.1:0", "--store", f"sqlite:{folder}/items.db"], folder / "store.log"))
        seeds = [website.url(site.start, host) for host in range(1, hosts + 1)]
        shared = ["--itemsaver-host", store.address(), "--ignore-robots", "--quiet"]
        if engines:
            shared += ["--frontier", postgres.database(name), "--frontier-password-file", str(postgres.folder / "password")]
        began, running = time.monotonic(), []
        for number in range(engines or 1):
            own = ["--state", folder / f"state-{number}", "--report", folder / f"report-{number}.json"]
            running.append(stack.enter_context(Process([PROGRAMS / "engine", *seeds, *shared, *own], folder / f"engine-{number}.log")))
        while not all([engine.look() for engine in running]) and time.monotonic() < began + PATIENCE:
            time.sleep(PAUSE)
        wall = time.monotonic() - began
        for engine in running:
            if engine.code:
                raise RuntimeError(f"an engine ended with {engine.code}: {engine.said()}")
        reports = [json.loads((folder / f"report-{number}.json").read_text()) for number in range(len(running))]
    export = folder / "items.jsonl"
    store = ["--store", f"sqlite:{folder}/items.db"]
    subprocess.run([PROGRAMS / "itemsaver", "export", "--quiet", *store, "-o", export], check=True, stderr=subprocess.DEVNULL)
    return {
        **judged(export.read_text().splitlines(), truth, [urlsplit(seed).hostname for seed in seeds]),
        "engines": engines,
        "pages": reports[0]["pages"],
        "fetches": [report["fetches"] for report in reports],
        "doubled": sum(report["fetches"] for report in reports) - len(seeds) * truth["requests"],
        "seconds": wall,
        "cpu": sum(engine.cpu_seconds for engine in running),
        "peak_mib": sum(engine.peak_kib for engine in running) / 1024,
    }


def table(runs):
    print("| engines | pages/s (lowest–highest) | engines' CPU s per 1,000 pages | peak MB | pages | fetched more than once | missing | extra | wrong |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for engines in dict.fromkeys(run["engines"] for run in runs):
        these = [run for run in runs if run["engines"] == engines]
        rates = [run["pages"] / run["seconds"] for run in these]
        name = f"{engines} over PostgreSQL" if engines else "1, state on disk"
        cpu = statistics.median(run["cpu"] / run["pages"] * 1000 for run in these)
        peak = max(run["peak_mib"] for run in these)
        faults = " | ".join(str(max(run[fault] for run in these)) for fault in ("doubled", "missing", "extra", "wrong"))
        pages = "–".join(str(pages) for pages in sorted({run["pages"] for run in these}))
        print(f"| {name} | {statistics.median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f}) | {cpu:.2f} | {peak:.0f} | {pages} | {faults} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", choices=SITES, default="postgres")
    parser.add_argument("--hosts", type=int, default=16)
    parser.add_argument("--engines", default="1,2", type=lambda text: [int(number) for number in text.split(",")])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    TARGET.mkdir(parents=True, exist_ok=True)
    site, runs = SITES[options.site], []
    (TARGET / "bench").mkdir(exist_ok=True)
    truth = truth_of(site.root, site.start, site.version(), TARGET / "bench")
    with tempfile.TemporaryDirectory(dir=TARGET) as all_of_it, contextlib.ExitStack() as stack:
        folder = reachable(Path(all_of_it))
        website = stack.enter_context(Nginx(site, folder, options.hosts))
        database = folder / "database"
        database.mkdir(mode=0o755)
        postgres = stack.enter_context(Postgres(database, free_port()))
        for turn in range(options.runs):
            for engines in [0, *options.engines]:
                own = folder / f"run-{turn}-{engines}"
                own.mkdir()
                await_quiet(10)
                run = crawl(site, truth, website, options.hosts, engines, postgres, f"of_{turn}_{engines}", own)
                say(json.dumps(run))
                runs.append(run)
    table(runs)
    if any(run[fault] for run in runs for fault in ("missing", "extra", "wrong")):
        sys.exit(1)


if __name__ == "__main__":
    main()
