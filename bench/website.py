"""The sites, and the nginx that serves one of them."""

import shutil
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from processes import Process, cpu_of

STATUS = "/status-of-the-benchmarks-own-nginx"


@dataclass
class Site:
    package: str
    root: str
    start: str

    def version(self):
        query = ["dpkg-query", "--show", "--showformat=${Version}", self.package]
        return subprocess.run(query, check=True, capture_output=True, text=True).stdout


SITES = {
    "postgres": Site("postgresql-doc-15", "/usr/share/doc/postgresql-doc-15/html", "/index.html"),
    "jdk": Site("openjdk-17-doc", "/usr/share/doc/openjdk-17-doc", "/api/index.html"),
}

# One process of nginx is enough: it serves these files far faster than they are crawled, and leaves the rest of the machine to us.
CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {prefix}/nginx.pid;
error_log {prefix}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    types {{
        text/html html htm;
        text/css css;
        text/plain txt md;
        text/javascript js;
        image/svg+xml svg;
        image/png png;
        image/gif gif;
        image/jpeg jpg jpeg;
    }}
    default_type application/octet-stream;
    access_log off;
    gzip off;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 65s;
    keepalive_requests 1000000;
    absolute_redirect off;
    client_body_temp_path {prefix}/body;
    proxy_temp_path {prefix}/proxy;
    fastcgi_temp_path {prefix}/fastcgi;
    uwsgi_temp_path {prefix}/uwsgi;
    scgi_temp_path {prefix}/scgi;
    server {{
        {listens}
        root {root};
        index index.html;
        location = {status} {{ stub_status; }}
    }}
}}
"""


class Nginx:
    """An nginx of our own on a free port, of 127.0.0.1 and so many hosts more. A context: it has ended when the context is left."""

    def __init__(self, site, folder, hosts=1):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        prefix = Path(folder, "nginx")
        prefix.mkdir()
        configuration = prefix / "nginx.conf"
        listens = " ".join(f"listen 127.0.0.{host}:{self.port};" for host in range(1, hosts + 1))
        configuration.write_text(CONFIGURATION.format(prefix=prefix, listens=listens, root=site.root, status=STATUS))
        self.process = Process([program, "-p", str(prefix), "-e", str(prefix / "error.log"), "-c", str(configuration)], prefix / "stderr")

    def __enter__(self):
        until = time.monotonic() + 10
        while time.monotonic() < until and not self.process.look():
            try:
                self.requests()
                return self
            except OSError:
                time.sleep(0.02)
        self.process.end()
        raise RuntimeError(f"nginx does not answer: {self.process.said()}")

    def __exit__(self, *_):
        self.process.end()

    def url(self, path, host=1):
        return f"http://127.0.0.{host}:{self.port}{path}"

    def requests(self):
        """Requests answered since it started, that for this number included."""
        with urllib.request.urlopen(self.url(STATUS), timeout=5) as answer:
            return int(answer.read().decode().splitlines()[2].split()[2])

    def cpu_seconds(self):
        return cpu_of(self.process.pid)
