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
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import PROGRAMS, TARGET, say, stop
from processes import PAUSE, Process, await_quiet
from website import SITES, Nginx

PASSWORD = "for the benchmark"
PATIENCE = 600
# What a server does not do as root, it does as the user of Debian's package.
AS_USER = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


class Postgres:
    """A PostgreSQL server of our own on a socket's port. A context: it has ended when the context is left."""

    def __init__(self, folder, port):
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
        serve = [programs / "postgres", "-D", data, "-p", str(port), "-k", data, "-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=256MB"]
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


def crawl(site, website, hosts, engines, postgres, name, folder):
    """One crawl; none for `engines`: one with its state on disk. What each engine fetched, and what it took."""
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
    return {
        "engines": engines,
        "pages": reports[0]["pages"],
        "fetches": [report["fetches"] for report in reports],
        "seconds": wall,
        "cpu": sum(engine.cpu_seconds for engine in running),
        "peak_mib": sum(engine.peak_kib for engine in running) / 1024,
    }


def table(runs):
    print("| engines | pages/s (lowest–highest) | engines' CPU s per 1,000 pages | peak MB | pages | fetched more than once |")
    print("|---|---:|---:|---:|---:|---:|")
    for engines in dict.fromkeys(run["engines"] for run in runs):
        these = [run for run in runs if run["engines"] == engines]
        rates = [run["pages"] / run["seconds"] for run in these]
        name = f"{engines} over PostgreSQL" if engines else "1, state on disk"
        cpu = statistics.median(run["cpu"] / run["pages"] * 1000 for run in these)
        peak = max(run["peak_mib"] for run in these)
        twice = sum(sum(run["fetches"]) - run["pages"] for run in these)
        pages = "–".join(str(pages) for pages in sorted({run["pages"] for run in these}))
        print(f"| {name} | {statistics.median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f}) | {cpu:.2f} | {peak:.0f} | {pages} | {twice} |")


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
    with tempfile.TemporaryDirectory(dir=TARGET) as all_of_it, contextlib.ExitStack() as stack:
        folder = Path(all_of_it)
        folder.chmod(0o755)
        for path in (folder, *folder.parents):
            # Nobody but root may be able to look into a home, and the server is somebody else.
            if AS_USER and not path.stat().st_mode & 0o001:
                sys.exit(f"the user postgres cannot reach {folder}: make {path} accessible, or run this as another user than root")
        website = stack.enter_context(Nginx(site, folder, options.hosts))
        database = folder / "database"
        database.mkdir(mode=0o755)
        postgres = stack.enter_context(Postgres(database, website.port + 1 if website.port < 60000 else website.port - 1))
        for turn in range(options.runs):
            for engines in [0, *options.engines]:
                own = folder / f"run-{turn}-{engines}"
                own.mkdir()
                await_quiet(10)
                run = crawl(site, website, options.hosts, engines, postgres, f"of_{turn}_{engines}", own)
                say(json.dumps(run))
                runs.append(run)
    table(runs)


if __name__ == "__main__":
    main()
