"""The programs that are measured beside ours: how each is built, started and asked for its version."""

import csv
import json
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

from processes import PAUSE, Process, machine_busy

HERE = Path(__file__).resolve().parent / "peers"


@dataclass
class Peer:
    """What `bench/run` calls it is its key in PEERS; `command` has START, LIST and OUTPUT in the place of the real ones."""

    command: list
    # The file that names its version, and the pattern that finds it there.
    version_in: str = ""
    version: str = r"$"
    packages: tuple = ()


def rust(name):
    return Peer([f"peers/release/peer-{name}", "START", "OUTPUT"], "Cargo.lock", rf'name = "{name}"\nversion = "(.+)"')


# wget2 is to fetch what the others fetch: addresses in `a` and `area`, not images and style sheets.
IGNORED = "img,link,script,frame,iframe,embed,object,source,video,audio,input,body,table,td,th,tr,applet,bgsound,fig,layer,overlay,style"
WGET2 = [
    *("wget2", "--no-config", "--quiet", "--recursive", "--level=inf", "--max-threads=100", "--no-robots", "--no-hsts"),
    *("--no-xattr", f"--ignore-tags={IGNORED}", "--directory-prefix=FOLDER", "--stats-site=csv:OUTPUT", "START"),
]

PEERS = {
    "kumo": rust("kumo"),
    "spider": rust("spider"),
    "colly": Peer(["peers/peer-colly", "START", "OUTPUT"], "colly/go.mod", r"colly/v2 v(\S+)"),
    "scrapy": Peer(["peers/scrapy/bin/python", str(HERE / "scrapy/crawl.py"), "START", "OUTPUT"], "scrapy/requirements.txt", r"Scrapy==(\S+)"),
    "wget2": Peer(WGET2, packages=("wget2",)),
    "limit": Peer(["peers/release/peer-limit", "LIST", "OUTPUT"], "Cargo.lock", r'name = "reqwest"\nversion = "(0\.12\..+)"'),
}


def build(names, target):
    """Builds what is asked for from the registries, as far as it is not there."""
    rusty = [name for name in names if (HERE / name / "Cargo.toml").exists()]
    if rusty:
        packages = [word for name in rusty for word in ("-p", f"peer-{name}")]
        run("cargo", "build", "--release", "--locked", "--quiet", "--target-dir", target / "peers", *packages, folder=HERE)
    if "colly" in names:
        run("go", "build", "-o", target / "peers" / "peer-colly", ".", folder=HERE / "colly")
    if "scrapy" in names:
        environment, pinned = target / "peers" / "scrapy", HERE / "scrapy" / "requirements.txt"
        # Copied there once all is installed, so an installation cut short is made anew.
        done = environment / "requirements.txt"
        if not done.exists() or done.read_bytes() != pinned.read_bytes():
            run("python3", "-m", "venv", "--clear", environment, folder=HERE)
            run(environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--requirement", pinned, folder=HERE)
            shutil.copy(pinned, done)


def run(*command, folder):
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def versions(names):
    found = {}
    for name in names:
        peer = PEERS[name]
        if peer.packages:
            query = ["dpkg-query", "--show", "--showformat=${Version}", *peer.packages]
            found[name] = subprocess.run(query, check=True, capture_output=True, text=True).stdout
        else:
            text = (HERE / peer.version_in).read_text()
            found[name] = re.search(peer.version, text).group(1)
    return found


def crawl(name, nginx, start, pages, folder, target, patience):
    """One crawl by a peer: what it used and the lines of its items. `pages` are the paths that the limit is told."""
    output, addresses = folder / "items.jsonl", folder / "addresses"
    addresses.write_text("".join(nginx.url(page) + "\n" for page in pages))
    words = {"START": nginx.url(start), "LIST": str(addresses), "OUTPUT": str(output), "FOLDER": str(folder / "site")}
    command = [filled(word, words) for word in PEERS[name].command]
    if "/" in command[0]:
        command[0] = str(target / command[0])
    requests, nginx_cpu, busy, began = nginx.requests(), nginx.cpu_seconds(), machine_busy(), time.monotonic()
    with Process(command, folder / "log") as peer:
        while not peer.look() and time.monotonic() < began + patience:
            peer.wait(PAUSE)
        wall, busy, nginx_cpu = time.monotonic() - began, machine_busy() - busy, nginx.cpu_seconds() - nginx_cpu
        requests = nginx.requests() - requests - 1
    if not output.exists():
        raise RuntimeError(f"{name} wrote nothing, exit code {peer.code}: {peer.said()[-2000:]}")
    text = output.read_text()
    used = {
        "wall_seconds": round(wall, 3),
        "cpu_seconds": round(peer.cpu_seconds, 3),
        "peak_mb": round(peer.peak_kib * 1024 / 1e6, 1),
        "nginx_cpu_seconds": round(nginx_cpu, 3),
        "others_cores": round(max(0.0, busy - peer.cpu_seconds - nginx_cpu) / wall, 2),
        "requests": requests,
        "exit_codes": [peer.code],
    }
    return used, pages_of_wget2(text) if name == "wget2" else text.splitlines()


def filled(word, words):
    for name, value in words.items():
        word = word.replace(name, value)
    return word


def pages_of_wget2(statistics):
    """What wget2 says it fetched, as items: it tells addresses and not what is in the pages, so by their names only these are pages."""
    rows = list(csv.reader(statistics.splitlines()))
    if not rows:
        return []
    status, link = rows[0].index("Status"), rows[0].index("URL")
    fetched = [urldefrag(row[link]).url for row in rows[1:] if row[status] == "200"]
    pages = [url for url in fetched if urlsplit(url).path.endswith((".html", ".htm", "/"))]
    return [json.dumps({"type": "page", "url": url, "payload": {}}) for url in pages]
