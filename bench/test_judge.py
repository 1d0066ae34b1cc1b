"""What the judge notices. Run with `python3 -m unittest discover bench`."""

import json
import tempfile
import unittest
from pathlib import Path

from judge import judge
from peers import PEERS, pages_of_wget2, versions
from truth import absolute, walk

TRUTH = {"pages": {"/": ["Start", 2, 10], "/a?b=c": ["A", 0, 5]}, "requests": 3}


def item(path, title, links, size):
    return json.dumps({"type": "page", "url": f"http://127.0.0.1:1{path}", "payload": {"title": title, "links": links, "bytes": size}})


class Judge(unittest.TestCase):
    def verdict(self, items, requests=3):
        return judge(items, TRUTH, requests)[0]

    def test_a_whole_crawl_has_no_fault(self):
        items = [item("/", "Start", 2, 10), item("/a?b=c", "A", 0, 5)]
        self.assertEqual(self.verdict(items), {"missing": 0, "doubled": 0, "extra": 0, "wrong": 0})

    def test_each_fault_is_counted_once(self):
        items = [item("/", "Start", 3, 10), item("/", "Start", 2, 10), item("/x", "X", 0, 1)]
        self.assertEqual(self.verdict(items, requests=5), {"missing": 1, "doubled": 2, "extra": 2, "wrong": 1})

    def test_a_fact_that_is_not_told_is_not_wrong(self):
        self.assertEqual(self.verdict([item("/", None, None, 10), item("/a?b=c", None, None, 6)])["wrong"], 1)
        addresses = [json.dumps({"type": "page", "url": f"http://h{path}", "payload": {}}) for path in TRUTH["pages"]]
        self.assertEqual(self.verdict(addresses), {"missing": 0, "doubled": 0, "extra": 0, "wrong": None})


class Peers(unittest.TestCase):
    def test_what_wget2_fetched_are_pages_by_their_names(self):
        statistics = "ID,URL,Status\n1,http://h/,200\n2,http://h/a.html#b,200\n3,http://h/c.png,200\n4,http://h/gone.html,404\n"
        self.assertEqual([json.loads(line)["url"] for line in pages_of_wget2(statistics)], ["http://h/", "http://h/a.html"])
        self.assertEqual(pages_of_wget2(""), [])

    def test_every_peer_has_a_version(self):
        pinned = [name for name, peer in PEERS.items() if not peer.packages]
        self.assertTrue(all(versions(pinned).values()))


class Truth(unittest.TestCase):
    def test_the_walk_finds_what_a_crawler_is_to_find(self):
        files = {
            "index.html": "<base href='/d/'><title> A &amp;\n B</title><a href=p.html#x><a href=p.html><area href='/s'><a href='mailto:x'>"
            "<script>'<a href=/no.html>'</script><!-- <a href=/no.html> --><a href='http://other/'><a href=gone.html>",
            "d/p.html": "<svg><title>no</title></svg><title>P</title><a href='../style.css'>",
            "s/index.html": "<a href>",
            "style.css": "",
            "unlinked.html": "",
        }
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                Path(root, name).parent.mkdir(exist_ok=True)
                Path(root, name).write_text(text)
            truth = walk(root, "/index.html")
        size = {name: len(text.encode()) for name, text in files.items()}
        expected = {
            "/index.html": ["A & B", 5, size["index.html"]],
            "/d/p.html": ["P", 1, size["d/p.html"]],
            "/s/": ["", 1, size["s/index.html"]],
        }
        self.assertEqual(truth, {"pages": expected, "requests": 6, "redirects": 1, "no_pages": 2})

    def test_addresses_are_written_as_the_url_standard_does(self):
        for href, address in [
            ("x y.html#z", "http://h/d/x%20y.html"),
            (" ../a%2f ", "http://h/a%2f"),
            ("é?é", "http://h/d/%C3%A9?%C3%A9"),
            ("", "http://h/d/p"),
            ("mailto:x", None),
            ("http://[bad/", None),
        ]:
            self.assertEqual(absolute("http://h/d/p", href), address, href)


if __name__ == "__main__":
    unittest.main()
