"""A crawl in a database, page after page, and what becomes of its tables: their size, dead rows, and how often they were vacuumed.

Started by `bench/soak`.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import TARGET, say, stop
from engines import PASSWORD, Postgres, free_port, reachable

EVERY_MINUTES = 5
# What docs/scaling.md advises; of them `max_wal_size` makes the difference.
SETTINGS = ("shared_buffers=2GB", "max_wal_size=16GB", "checkpoint_timeout=30min", "wal_compression=lz4")
LOG = "select pg_size_pretty(wal_bytes), wal_fpi, (select checkpoints_timed + checkpoints_req from pg_stat_bgwriter) from pg_stat_wal"
SIZES = """
    select relname, pg_total_relation_size(relid) / 1048576, n_live_tup, n_dead_tup, autovacuum_count
    from pg_stat_user_tables where schemaname = 'gossamer' and n_live_tup + n_dead_tup > 10000 order by 2 desc
"""


def ask(url, question):
    """The rows of the answer."""
    asked = [url, "--no-psqlrc", "--tuples-only", "--no-align", "--command", question]
    answer = subprocess.run(["psql", *asked], env={**os.environ, "PGPASSWORD": PASSWORD}, check=True, capture_output=True, text=True)
    return [line.split("|") for line in answer.stdout.splitlines()]


def row(minute, pages, micros, longest, url):
    tables = "; ".join(f"{name} {int(mib):,} MiB, {int(live):,} rows, {int(dead):,} dead, {vacuums}" for name, mib, live, dead, vacuums in ask(url, SIZES))
    [(log, images, checkpoints)] = ask(url, LOG)
    print(f"| {minute} | {int(pages):,} | {micros} | {longest} | {log}, {int(images):,} pages whole | {checkpoints} | {tables} |", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="bench/soak", description=__doc__)
    parser.add_argument("benchmark", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--urls", type=int, default=10_000_000, help="URLs that are known before the soak begins (default: 10000000)")
    parser.add_argument("--minutes", type=int, default=60, help="how long it takes (default: 60)")
    parser.add_argument("--rate", type=int, help="pages a second at most (default: as many as can be)")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TARGET) as scratch, contextlib.ExitStack() as stack:
        folder = reachable(Path(scratch))
        postgres = stack.enter_context(Postgres(folder, free_port(), SETTINGS))
        url = postgres.database("soak")
        command = [options.benchmark, url, "--soak", str(options.minutes), str(options.urls)]
        if options.rate:
            command[2:2] = ["--rate", str(options.rate)]
        environment = {**os.environ, "GOSSAMER_FRONTIER_PASSWORD": PASSWORD}
        say(f"filling a database to {options.urls:,} URLs …")
        soaking = subprocess.Popen([*map(str, command)], env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            print("| minute | pages | µs a page | longest group ms | log | checkpoints | tables: size with indices, live rows, dead rows, vacuums so far |")
            print("|---:|---:|---:|---:|---:|---:|---|", flush=True)
            for line in soaking.stderr:
                words = line.split()
                if len(words) != 4 or not words[0].isdigit():
                    say(line.rstrip())
                elif int(words[0]) == 1 or int(words[0]) % EVERY_MINUTES == 0:
                    row(*words, url)
            print()
            print(soaking.stdout.read(), end="")
            if soaking.wait():
                sys.exit(f"the benchmark ended with {soaking.returncode}")
        finally:
            soaking.kill()
            soaking.wait()


if __name__ == "__main__":
    main()
