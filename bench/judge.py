"""Compares what a crawl stored with the truth."""

import json
from urllib.parse import urlsplit

SHOWN = 20


def judge(items, truth, requests):
    """Counts and examples of what is missing, extra, wrong or fetched more than once.

    `items` are the lines of an export, `requests` what nginx was asked for during the crawl. Wrong is none if no item tells any fact.
    """
    pages, found = truth["pages"], set()
    extra, wrong, compared = [], [], 0
    for line in items:
        item = json.loads(line)
        parts, payload = urlsplit(item["url"]), item["payload"]
        path = parts.path + ("?" + parts.query if parts.query else "")
        if item["type"] != "page" or path not in pages or path in found:
            extra.append(f"{item['type']} {path}")
            continue
        found.add(path)
        got = [payload.get(fact) for fact in ("title", "links", "bytes")]
        # Of a fact that is not told nothing is wrong: a peer may not know it.
        compared += sum(fact is not None for fact in got)
        if any(fact not in (None, true) for fact, true in zip(got, pages[path], strict=True)):
            wrong.append(f"{path}: got {got}, expected {pages[path]} (title, links, bytes)")
    missing = sorted(set(pages) - found)
    verdict = {"missing": len(missing), "doubled": max(0, requests - truth["requests"]), "extra": len(extra)}
    verdict["wrong"] = len(wrong) if compared else None
    examples = [f"{kind}: {text}" for kind, texts in (("missing", missing), ("extra", extra), ("wrong", wrong)) for text in texts[:SHOWN]]
    return verdict, examples
