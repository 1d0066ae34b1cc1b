"""Crawls a site whose answers all come late, with many requests in flight, and prints what the site saw of it.

Started by `bench/latency`.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from arrivals import in_flight
from bench import PROGRAMS, TARGET, say, stop
from processes import PAUSE, Process, await_quiet, cpu_of, machine_busy

# People without end in sight: each page leads to some twenty others.
SITE = ["--cities", "470", "--pages", "200", "--cars", "0"]
SEED = "/mock/www.zhenai.com/zhenghun"
# The engine ends itself by its flag; this is for one that does not.
LONGEST, PATIENCE = "5min", 360


def crawl(limit, latency, workers, pages, folder):
    """One crawl of so many pages, with at most so many requests in flight: what the site saw, and what it took."""
    with contextlib.ExitStack() as stack:
        servers = []

        def serve(name, *arguments):
            log = folder / f"{len(servers)}.log"
            servers.append(stack.enter_context(Process([PROGRAMS / name, "--listen", "127.0.0.1:0", *arguments], log)))
            return servers[-1]

        site = serve("mockserver", *SITE, "--latency", f"{latency}ms", "--record-arrivals", str(2 * pages))
        base = f"http://{site.address()}"
        report = folder / "report.json"
        command = [PROGRAMS / "engine", base + SEED, "--quiet", "--max-time", LONGEST, "--max-pages", str(pages)]
        command += ["--worker-count", str(limit), "--per-host", str(limit), "--state", folder / "state", "--report", report]
        if workers:
            hosts = [serve("worker", "--quiet", "--capacity", str(limit)).address() for _ in range(workers)]
            store = serve("itemsaver", "--quiet", "--store", f"sqlite:{folder}/items.db").address()
            command += ["--worker-hosts", ",".join(hosts), "--itemsaver-host", store]
        site_cpu, busy, began = cpu_of(site.pid), machine_busy(), time.monotonic()
        engine = stack.enter_context(Process(command, folder / "engine.log"))
        while not engine.look() and time.monotonic() < began + PATIENCE:
            engine.wait(PAUSE)
        site_cpu, busy, wall = cpu_of(site.pid) - site_cpu, machine_busy() - busy, time.monotonic() - began
        with urllib.request.urlopen(f"{base}/arrivals", timeout=60) as answer:
            arrivals = [json.loads(line) for line in answer]
    if not report.exists():
        raise RuntimeError(f"the engine wrote no report, exit code {engine.code}: {engine.said()}")
    told = json.loads(report.read_text())
    if engine.code or told["pages"] != pages:
        raise RuntimeError(f"the engine ended with {engine.code} after {told['pages']} pages: {engine.said()}")
    seen = in_flight([(arrival["at_ms"], arrival["ended_ms"]) for arrival in arrivals if arrival["path"] != "/robots.txt"])
    ours = sum(process.cpu_seconds for process in (engine, *servers[1:]))
    return {
        "mean": seen.mean,
        "low": seen.low,
        "most": seen.most,
        "rate": seen.rate,
        "cpu": ours / pages * 1000,
        "site_cpu": site_cpu / pages * 1000,
        "peak_mb": sum(process.peak_kib for process in (engine, *servers[1:])) * 1024 / 1e6,
        "others": max(0.0, busy - ours - site_cpu) / wall,
    }


def table(runs, latency):
    lines = [
        "| in flight, at most | at the site: mean | below, 5 % of the time | most | pages/s | at most ÷ latency | CPU s per 1,000 pages | the site's | peak MB |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for limit, of_limit in runs.items():
        mean, low, rate, cpu, site_cpu, peak = (
            statistics.median(run[key] for run in of_limit) for key in ("mean", "low", "rate", "cpu", "site_cpu", "peak_mb")
        )
        most = max(run["most"] for run in of_limit)
        figures = f"{mean:.1f} | {low:.0f} | {most} | {rate:,.0f} | {limit / latency * 1000:,.0f} | {cpu:.2f} | {site_cpu:.2f} | {peak:.0f}"
        lines.append(f"| {limit} | {figures} |")
    return "\n".join(lines)


def numbers(text):
    return [int(number) for number in text.split(",")]


def main():
    parser = argparse.ArgumentParser(prog="bench/latency", description=__doc__)
    parser.add_argument("--in-flight", type=numbers, default=[200, 500, 1000], help="requests in flight, separated by commas (default: 200,500,1000)")
    parser.add_argument("--latency", type=int, default=100, help="milliseconds by which each answer comes later (default: 100)")
    parser.add_argument("--workers", type=int, default=0, help="worker processes, with an itemsaver; 0: all in the engine (default: 0)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--seconds", type=int, default=8, help="how long a crawl takes that loses no time (default: 8)")
    parser.add_argument("--wait", type=int, default=300, help="most seconds, over all runs, to wait for a quiet machine (default: 300)")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    scratch = TARGET / "bench"
    scratch.mkdir(parents=True, exist_ok=True)
    patience, runs = arguments.wait, {limit: [] for limit in arguments.in_flight}
    for number in range(arguments.runs):
        for limit, of_limit in runs.items():
            patience -= await_quiet(patience)
            pages = limit * 1000 * arguments.seconds // arguments.latency
            with tempfile.TemporaryDirectory(prefix="latency-", dir=scratch) as folder:
                run = crawl(limit, arguments.latency, arguments.workers, pages, Path(folder))
            of_limit.append(run)
            say(
                f"run {number + 1}, {limit} in flight: {run['mean']:.1f} at the site, {run['rate']:,.0f} pages/s; "
                f"others {run['others']:.1f} cores"
            )
    others = [run["others"] for of_limit in runs.values() for run in of_limit]
    where = f"{arguments.workers} workers + itemsaver" if arguments.workers else "embedded"
    print(
        f"answers {arguments.latency} ms late, {where}; medians of {arguments.runs} runs; {os.cpu_count()} cores, "
        f"of which other programs used {min(others):.1f} to {max(others):.1f} during a run\n\n{table(runs, arguments.latency)}"
    )


if __name__ == "__main__":
    main()
