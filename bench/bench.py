"""The benchmark: crawls one site in our shapes and by other crawlers, some runs each, judges every run and prints a table.

Started by `bench/run`.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import peers
from judge import judge
from processes import PAUSE, Process, await_quiet, machine_busy
from truth import truth_of
from website import SITES, Nginx

BENCH = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", BENCH.parent / "target")).resolve()
PROGRAMS = TARGET / "release"

# Our shapes, and the worker processes of each; with one at least there is an itemsaver process too.
OURS = {"embedded": 0, "one": 1, "two": 2, "three": 3, "four": 4}
LABELS = {
    "one": "1 worker + itemsaver",
    "two": "2 workers + itemsaver",
    "three": "3 workers + itemsaver",
    "four": "4 workers + itemsaver",
    "limit": "limit (fetch only)",
}
ENGINE_FLAGS = ["--quiet", "--max-time", "10min"]
# Which of ours are measured where nobody says.
USUAL = ["embedded", "one", "two"]
ALL = [*OURS, *peers.PEERS]
# What the raw results keep of the engine's report.
KEPT = ["seconds", "complete", "balanced", "pages", "fetches", "bytes", "urls", "items", "workers", "links_refused", "skipped_by_reason"]
FAULTS = ["missing", "doubled", "extra", "wrong"]
# The engine ends itself by its flag; this is for one that does not.
PATIENCE = 660


def crawl(workers, nginx, start, folder):
    """One crawl into a new folder: what it used, its report and the lines of its items."""
    state, report = folder / "state", folder / "report.json"
    command = [PROGRAMS / "engine", nginx.url(start), *ENGINE_FLAGS, "--state", state, "--report", report]
    with contextlib.ExitStack() as stack:
        servers = []

        def serve(name, *arguments):
            log = folder / f"{len(servers)}.log"
            servers.append(stack.enter_context(Process([PROGRAMS / name, "--listen", "127.0.0.1:0", "--quiet", *arguments], log)))
            return servers[-1]

        store = f"sqlite:{state}/items.db"
        if workers:
            store = f"sqlite:{folder}/items.db"
            hosts = ",".join([serve("worker").address() for _ in range(workers)])
            command += ["--worker-hosts", hosts, "--itemsaver-host", serve("itemsaver", "--store", store).address()]
        requests, nginx_cpu, busy, began = nginx.requests(), nginx.cpu_seconds(), machine_busy(), time.monotonic()
        engine = stack.enter_context(Process(command, folder / "engine.log"))
        while not engine.look() and time.monotonic() < began + PATIENCE:
            for server in servers:
                server.look()
            engine.wait(PAUSE)
        wall, busy, nginx_cpu = time.monotonic() - began, machine_busy() - busy, nginx.cpu_seconds() - nginx_cpu
        # Without the question itself, and without the robots.txt, which is asked for once and is no page.
        requests = nginx.requests() - requests - 2
    # All have ended here, so their use of the CPU is known.
    cpu = sum(process.cpu_seconds for process in (engine, *servers))
    if not report.exists():
        raise RuntimeError(f"the engine wrote no report, exit code {engine.code}: {engine.said()}")
    export = folder / "items.jsonl"
    subprocess.run([PROGRAMS / "itemsaver", "export", "--quiet", "--store", store, "-o", export], check=True, stderr=subprocess.DEVNULL)
    used = {
        "wall_seconds": round(wall, 3),
        "cpu_seconds": round(cpu, 3),
        "engine_cpu_seconds": round(engine.cpu_seconds, 3),
        "peak_mb": round(sum(process.peak_kib for process in (engine, *servers)) * 1024 / 1e6, 1),
        "nginx_cpu_seconds": round(nginx_cpu, 3),
        "others_cores": round(max(0.0, busy - cpu - nginx_cpu) / wall, 2),
        "requests": requests,
        "exit_codes": [process.code for process in (engine, *servers)],
    }
    return used, json.loads(report.read_text()), export.read_text().splitlines()


def measured(shape, nginx, site, truth, scratch):
    """One run: a line of the raw results and examples of what is not as it should be."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=scratch))
    if shape in OURS:
        used, report, items = crawl(OURS[shape], nginx, site.start, folder)
        told = {"report": {key: report[key] for key in KEPT}}
    else:
        used, items = peers.crawl(shape, nginx, site.start, truth["pages"], folder, TARGET, PATIENCE)
        report, told = {}, {}
    shutil.rmtree(folder)
    if not items:
        raise RuntimeError(f"{shape} crawled nothing: {report}")
    verdict, examples = judge(items, truth, used["requests"])
    if any(used["exit_codes"]):
        examples.append(f"exit codes: {used['exit_codes']}, dead: {report.get('dead', [])[:3]}")
    figures = {
        "pages_per_second": round(len(items) / used["wall_seconds"], 1),
        "cpu_per_1000": round(used["cpu_seconds"] / len(items) * 1000, 3),
    }
    return {"shape": LABELS.get(shape, shape), **figures, **used, **verdict, **told}, examples


def said_by(*command):
    """What a program says of itself, without line end."""
    with contextlib.suppress(FileNotFoundError):
        answer = subprocess.run(command, cwd=BENCH, capture_output=True, text=True)
        return (answer.stdout or answer.stderr).strip()
    return "not there"


def circumstances(name, site, note, shapes):
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    return {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": said_by("git", "rev-parse", "--short=12", "HEAD"),
        "changed": bool(said_by("git", "status", "--porcelain", "--", "../crates", "../Cargo.toml", "../Cargo.lock")),
        "cores": os.cpu_count(),
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "memory_mb": int(memory.group(1)) * 1024 // 1_000_000 if memory else None,
        "kernel": platform.release(),
        "rustc": said_by("rustc", "--version"),
        "nginx": said_by(shutil.which("nginx") or "/usr/sbin/nginx", "-v").removeprefix("nginx version: "),
        "python": platform.python_version(),
        "site": name,
        "package": f"{site.package} {site.version()}",
        "engine_flags": ENGINE_FLAGS,
        "peers": peers.versions(shape for shape in shapes if shape not in OURS),
        "note": note,
    }


def table(runs):
    """Medians, with the lowest and highest rate; of what is not as it should be, the worst run."""
    lines = [
        "| shape | pages/s (lowest–highest) | CPU s per 1,000 pages | peak MB | missing | doubled | extra | wrong |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for shape in dict.fromkeys(run["shape"] for run in sorted(runs, key=lambda run: run["place"])):
        of_shape = [run for run in runs if run["shape"] == shape]

        def column(key):
            return [run[key] for run in of_shape]

        rate, cpu, peak = (statistics.median(column(key)) for key in ("pages_per_second", "cpu_per_1000", "peak_mb"))
        rates = f"{rate:,.0f} ({min(column('pages_per_second')):,.0f}–{max(column('pages_per_second')):,.0f})"
        worst = " | ".join("-" if None in column(key) else str(max(column(key))) for key in FAULTS)
        lines.append(f"| {shape} | {rates} | {cpu:.2f} | {peak:.0f} | {worst} |")
    return "\n".join(lines)


def chosen(text):
    """The shapes that a list names, each once."""
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in ALL:
            raise argparse.ArgumentTypeError(f"there is no {name!r}; there are {', '.join(ALL)}")
    return names


def say(text):
    print(text, file=sys.stderr, flush=True)


def stop(number, _frame):
    raise SystemExit(128 + number)


def main():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--site", choices=SITES, default="postgres", help="the documentation that is crawled (default: postgres)")
    parser.add_argument("--shapes", type=chosen, default=USUAL, help="which of ours and of the others, separated by commas: " + ", ".join(ALL))
    parser.add_argument("--peers", dest="shapes", action="store_const", const=[*USUAL, *peers.PEERS], help="ours and all others")
    parser.add_argument("--runs", type=int, default=3, help="runs of each shape (default: 3)")
    parser.add_argument("--wait", type=int, default=300, help="most seconds, over all runs, to wait for a quiet machine (default: 300)")
    parser.add_argument("--note", default="", help="words kept with the raw results, such as what else the machine was doing")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs: at least 1")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)

    peers.build([shape for shape in arguments.shapes if shape not in OURS], TARGET)

    site, cache = SITES[arguments.site], TARGET / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    say(f"working out what is to be found on {arguments.site} …")
    truth = truth_of(site.root, site.start, site.version(), cache)
    size = sum(facts[2] for facts in truth["pages"].values())
    pages = f"{len(truth['pages']):,} pages, {size / 1e6:.1f} MB"
    say(f"{pages}; beside them {truth['redirects']} redirects and {truth['no_pages']} addresses of no page")

    # The files are to be in memory for the first run as for the last.
    for file in Path(site.root).glob("**/*.html"):
        file.read_bytes()

    patience = arguments.wait
    facts, runs, faults = circumstances(arguments.site, site, arguments.note, arguments.shapes), [], []
    (BENCH / "runs").mkdir(exist_ok=True)
    raw = BENCH / "runs" / f"{facts['at'][:10]}-{arguments.site}.jsonl"
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=cache) as scratch, Nginx(site, scratch) as nginx, raw.open("a") as lines:
        for number in range(arguments.runs):
            # The shapes take turns, each time another one first, so that a busy minute of the machine is not one shape's alone.
            names = arguments.shapes
            for shape in names[number % len(names) :] + names[: number % len(names)]:
                patience -= await_quiet(patience)
                run, examples = measured(shape, nginx, site, truth, scratch)
                run["place"] = arguments.shapes.index(shape)
                runs.append(run)
                lines.write(json.dumps({**facts, "run": number + 1, **run}) + "\n")
                lines.flush()
                faults += [f"run {number + 1}, {shape}: {example}" for example in examples]
                rate, cpu, peak, others = (run[key] for key in ("pages_per_second", "cpu_per_1000", "peak_mb", "others_cores"))
                figures = f"{rate:,.0f} pages/s, {cpu:.2f} CPU s per 1,000 pages, {peak:.0f} MB; others {others:.1f} cores"
                say(f"run {number + 1}, {shape}: {figures}")
    others = [run["others_cores"] for run in runs]
    print(
        f"{arguments.site}: {pages}; medians of {arguments.runs} runs; {facts['cores']} cores, "
        f"of which other programs used {min(others):.1f} to {max(others):.1f} during a run\n\n{table(runs)}"
    )
    for fault in faults:
        say(fault)
    # What others miss is shown and is no failure of ours.
    ours = [run for run in runs if "report" in run]
    wrong = any(run[key] for run in ours for key in ("missing", "extra", "wrong"))
    raise SystemExit(1 if wrong or any(any(run["exit_codes"]) for run in ours) else 0)


if __name__ == "__main__":
    main()
