"""What a crawl of a site must find, worked out from the site's files by code that shares nothing with the crawler.

The walk begins at the start page and follows what a crawler follows: the `href` of every `a` and `area`, relative to the page or to its
`base`, without the fragment, on the same host. Files are looked up as nginx looks them up.
"""

import hashlib
import json
import multiprocessing
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit

# Stands for the host: its port is another one in each benchmark.
HOST = "http://site.invalid"

# What a URL's path and query keep as it is written; all else is percent-encoded, as the URL standard says.
PATH_SAFE = "%/:;=&@+$,!'()*~[]|\\^"
QUERY_SAFE = "%/:;=&@+$,!()*~[]|\\^`{}?"


class Page(HTMLParser):
    """The title, base and links of a page."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.title, self.base, self.hrefs = None, None, []
        self.title_parts, self.images = None, 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(reversed(attributes))  # Of attributes with one name the first counts.
        if tag in ("a", "area") and "href" in attributes:
            self.hrefs.append(attributes["href"] or "")
        elif tag == "base" and self.base is None and "href" in attributes:
            self.base = attributes["href"] or ""
        elif tag == "svg":
            self.images += 1
        elif tag == "title" and not self.title and not self.images:
            self.title_parts = []

    def handle_startendtag(self, tag, attributes):
        # In HTML the slash means nothing, but to an image.
        self.handle_starttag(tag, attributes)
        if tag == "svg":
            self.images -= 1

    def handle_endtag(self, tag):
        if tag == "svg":
            self.images = max(0, self.images - 1)
        elif tag == "title" and self.title_parts is not None:
            self.title, self.title_parts = " ".join("".join(self.title_parts).split()), None

    def handle_data(self, text):
        if self.title_parts is not None:
            self.title_parts.append(text)


def decoded(body):
    if body.startswith(b"\xef\xbb\xbf"):
        return body[3:].decode("utf-8", "replace")
    declared = re.search(rb"""<meta[^>]+charset=["']?([\w-]+)""", body[:1024], re.IGNORECASE)
    label = declared.group(1).decode().lower() if declared else "utf-8"
    # The encoding standard reads these two as windows-1252.
    return body.decode("cp1252" if label in ("iso-8859-1", "us-ascii") else label, "replace")


def absolute(base, href):
    """The address a link means, without fragment; nothing for what is no web address."""
    try:
        parts = urlsplit(urljoin(base, href.strip()))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        parts.port  # A port that is no number raises here.
    except ValueError:
        return None
    query = "?" + quote(parts.query, safe=QUERY_SAFE) if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{quote(parts.path or '/', safe=PATH_SAFE)}{query}"


def look_up(root, address):
    """What nginx answers: ("page", file), ("redirect", address), or ("no page", None) for all that is no HTML or not there."""
    path = unquote(urlsplit(address).path)
    file = root + path
    if os.path.isdir(file):
        if not path.endswith("/"):
            return "redirect", HOST + quote(path, safe=PATH_SAFE) + "/"
        file += "index.html"
    if os.path.isfile(file) and file.endswith((".html", ".htm")):
        return "page", file
    return "no page", None


def read(job):
    """One page's address, its title, number of links with repeats and number of bytes, and the addresses on this host."""
    address, file = job
    body = Path(file).read_bytes()
    page = Page(decoded(body))
    base = urljoin(address, page.base) if page.base is not None else address
    links = [link for link in (absolute(base, href) for href in page.hrefs) if link]
    here = {link for link in links if link.startswith(HOST + "/")}
    return address, [page.title or "", len(links), len(body)], here


def walk(root, start):
    """The truth: every page by its path with [title, links, bytes], and how many addresses are to be fetched for it."""
    seen, wave = {HOST + start}, [HOST + start]
    pages, redirects, no_pages = {}, 0, 0
    with multiprocessing.Pool() as pool:
        while wave:
            found, jobs = set(), []
            for address in wave:
                kind, place = look_up(root, address)
                if kind == "page":
                    jobs.append((address, place))
                elif kind == "redirect":
                    redirects += 1
                    found.add(place)
                else:
                    no_pages += 1
            for address, facts, links in pool.imap_unordered(read, jobs, chunksize=16):
                pages[address.removeprefix(HOST)] = facts
                found |= links
            wave = sorted(found - seen)
            seen |= found
    return {"pages": pages, "requests": len(seen), "redirects": redirects, "no_pages": no_pages}


def truth_of(root, start, version, cache):
    """The truth of a site, from the cache if neither the package nor this file has changed."""
    key = hashlib.sha256(Path(__file__).read_bytes() + f"{root} {start} {version}".encode()).hexdigest()[:16]
    file = cache / f"truth-{key}.json"
    if not file.exists():
        truth = walk(root, start)
        partly = file.with_suffix(".part")
        partly.write_text(json.dumps(truth))
        partly.rename(file)
    return json.loads(file.read_text())
