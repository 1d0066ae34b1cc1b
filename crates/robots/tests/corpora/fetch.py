#!/usr/bin/env python3
"""Makes the cases that tests/corpora.rs goes through, from the tests that three robots.txt parsers publish in their packages.

    fetch.py FOLDER     (tests/run says target/corpora)

Downloads each package at the version below with its registry's own client and writes FOLDER/cases.jsonl: a line for each question that its
tests ask, with the answer they expect. And FOLDER/files: the robots.txt files of real sites that one of them brings along. Does nothing when
the folder has them. Where a test is a program, its package's parser is made to note what it is asked and what it answers while that program runs; it
passes, so the answers are the expected ones. Nothing of the packages is kept elsewhere.
"""
import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import types
import unittest
from pathlib import Path

PROTEGO = "protego==0.5.0"
ROBOTS_PARSER = "robots-parser@3.0.1"
# Google's own tests, as its port to Go has them.
GROBOTSTXT = "github.com/jimsmart/grobotstxt@v1.0.3"


def run(*command, **options):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)


def unpack(archive, folder):
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")


def protego(folder, files):
    """Runs the tests of Protego with its parser noting each question."""
    run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "protego", "--dest", folder, PROTEGO)
    unpack(next(folder.glob("protego-*.tar.gz")), folder)
    package = next(path for path in folder.glob("protego-*") if path.is_dir())
    files.mkdir()
    for path in sorted((package / "tests" / "test_data").iterdir()):
        shutil.copy(path, files / path.name)
    sys.path[:0] = [str(package / "src"), str(package)]
    cases = []
    name = ["?"]

    def note(kind, **case):
        number = sum(1 for known in cases if known["test"] == f"protego:{name[0]}") + 1
        cases.append({"test": f"protego:{name[0]}", "number": number, "kind": kind, **case})

    class Stub(types.ModuleType):
        """As much of pytest as the tests use."""

        class mark:
            @staticmethod
            def parametrize(names, rows):
                def keep(test):
                    test.rows = (names.split(","), rows)
                    return test

                return keep

        @staticmethod
        def param(*values, **_):
            return values

    sys.modules["pytest"] = Stub("pytest")
    parser = importlib.import_module("protego").Protego
    parse, can_fetch, crawl_delay = parser.parse.__func__, parser.can_fetch, parser.crawl_delay
    contents = {}

    def noting_parse(cls, content):
        made = parse(cls, content)
        contents[id(made)] = (made, content)
        note("sitemaps", robots=content, expected=list(made.sitemaps))
        return made

    def noting_can_fetch(self, url, user_agent):
        answer = can_fetch(self, url, user_agent)
        note("allowed", robots=contents[id(self)][1], url=url, agent=user_agent, expected=answer)
        return answer

    def noting_crawl_delay(self, user_agent):
        answer = crawl_delay(self, user_agent)
        note("delay", robots=contents[id(self)][1], agent=user_agent, expected=answer)
        return answer

    parser.parse = classmethod(noting_parse)
    parser.can_fetch, parser.crawl_delay = noting_can_fetch, noting_crawl_delay

    for module in ("tests.test_protego", "tests.test_on_google_spec"):
        module = importlib.import_module(module)
        for _, value in inspect.getmembers(module):
            if inspect.isclass(value) and issubclass(value, unittest.TestCase):
                for test in unittest.defaultTestLoader.loadTestsFromTestCase(value):
                    name[0] = test.id().split(".")[-1]
                    result = unittest.TestResult()
                    test.run(result)
                    assert result.wasSuccessful(), result.failures + result.errors
            elif inspect.isfunction(value) and value.__module__ == module.__name__ and value.__name__.startswith("test"):
                name[0] = value.__name__
                _, rows = getattr(value, "rows", ([], [()]))
                for row in rows:
                    value(*(row if isinstance(row, tuple) else (row,)))
    return cases


RECORDER = r"""
const path = require('path'), Module = require('module');
const cases = [], counts = {};
let test = '?';
const note = (kind, fields) => {
    counts[test] = (counts[test] || 0) + 1;
    cases.push({test: 'robots-parser:' + test, number: counts[test], kind, ...fields});
};
const equal = (one, other) => { if (JSON.stringify(one) !== JSON.stringify(other)) throw new Error(test + ': ' + one + ' is not ' + other); };
const expect = value => ({to: {equal: other => equal(value, other), eql: other => equal(value, other), be: {lessThan: () => {}}}});
const load = Module._load;
Module._load = function (name, ...rest) { return name === 'chai' ? {expect} : load.call(this, name, ...rest); };
const Robots = require(path.resolve('package/Robots.js'));
const wrap = (method, kind, of) => {
    const original = Robots.prototype[method];
    Robots.prototype[method] = function (...args) {
        const answer = original.apply(this, args);
        of(this.text, args, answer);
        return answer;
    };
};
const agent = value => value === undefined ? '*' : value;
wrap('isAllowed', 'allowed', (robots, [url, name], answer) => {
    if (answer !== undefined) note('allowed', {robots, url, agent: agent(name), expected: answer});
});
wrap('getCrawlDelay', 'delay', (robots, [name], answer) => note('delay', {robots, agent: agent(name), expected: answer ?? null}));
wrap('getSitemaps', 'sitemaps', (robots, _, answer) => note('sitemaps', {robots, expected: answer}));
const index = path.resolve('package/index.js');
require.cache[index] = {id: index, filename: index, loaded: true, exports: (url, text) => {
    const made = new Robots(url, text);
    made.text = text;
    return made;
}};
global.describe = (_, body) => body();
global.it = (name, body) => { test = name; body(); };
require(path.resolve('package/test/Robots.js'));
console.log(JSON.stringify(cases));
"""


def robots_parser(folder):
    """Runs the tests of robots-parser in the same way."""
    run("npm", "pack", "--silent", ROBOTS_PARSER, cwd=folder)
    unpack(next(folder.glob("robots-parser-*.tgz")), folder)
    recorded = subprocess.run(["node", "-e", RECORDER], cwd=folder, check=True, capture_output=True, text=True)
    return json.loads(recorded.stdout)


def google(folder):
    """Reads Google's tests from their source. Statements other than constants and expectations of a verdict are not understood and left."""
    environment = {**os.environ, "GOMODCACHE": str(folder / "go"), "GOFLAGS": "-modcacherw"}
    run("go", "mod", "download", GROBOTSTXT, cwd=folder, env=environment)
    source = (folder / "go" / f"{GROBOTSTXT}" / "robots_test.go").read_text()
    cases, constants, test = [], {}, "?"
    # A statement goes on while its lines end in `+`.
    source = re.sub(r"//[^\n\"]*\n", "\n", source)
    source = re.sub(r"\+\n\s*", "+ ", re.sub(r":=\n\s*", ":= ", source))

    def text(expression):
        parts = re.findall(r'"(?:[^"\\]|\\.)*"|\w+', expression)
        texts = []
        for part in parts:
            if part.startswith('"'):
                # Go's escapes in these tests are JSON's, and those of bytes.
                part = re.sub(r"\\x([0-9A-Fa-f]{2})", lambda octet: "\\u00" + octet[1], part)
                texts.append(json.loads(part))
            elif part in constants:
                texts.append(constants[part])
            else:
                raise KeyError(part)
        return "".join(texts)

    number = 0
    for line in source.splitlines():
        line = line.strip()
        if found := re.match(r'It\("should (.*)", func', line):
            test, number = found[1], 0
            constants.clear()
        elif found := re.match(r"(?:const )?(\w+) (?::=|=) (.*)$", line):
            try:
                constants[found[1]] = text(found[2])
            except KeyError:
                constants.pop(found[1], None)
        elif found := re.match(r"EXPECT_(TRUE|FALSE)\(IsUserAgentAllowed\((.*)\)\)$", line):
            robots, agent, url = re.findall(r'((?:"(?:[^"\\]|\\.)*"|[^,"])+)(?:, |$)', found[2])
            if test == "GoogleOnly_LineTooLong":
                # Its texts are made by loops.
                continue
            number += 1
            case = {"robots": text(robots), "url": text(url), "agent": text(agent), "expected": found[1] == "TRUE"}
            cases.append({"test": f"google:{test}", "number": number, "kind": "allowed", **case})
    return cases


def whole(value):
    """Text without halves of surrogate pairs, which JavaScript's can have and UTF-8 has no bytes for."""
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(value, str) else value


def main():
    folder = Path(sys.argv[1]).resolve()
    wanted = "\n".join((PROTEGO, ROBOTS_PARSER, GROBOTSTXT, Path(__file__).read_text()))
    stamp = folder / "made-from"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    packages = folder / "packages"
    packages.mkdir(parents=True)
    cases = [*google(packages), *protego(packages, folder / "files"), *robots_parser(packages)]
    with open(folder / "cases.jsonl", "w", encoding="utf-8") as out:
        for case in cases:
            out.write(json.dumps({key: whole(value) for key, value in case.items()}) + "\n")
    shutil.rmtree(packages)
    stamp.write_text(wanted)


if __name__ == "__main__":
    main()
