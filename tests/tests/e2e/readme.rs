//! Every command of the README, in its order, as a reader who follows it types them.
//!
//! Blocks fenced as `sh` or `console` run under `bash -euo pipefail` in one folder that has the spiders of the project, and must succeed.
//! Small scripts of the programs' names stand before them in `PATH`: they use the binaries of these tests in the place of a release build,
//! and a server started in the foreground of its own terminal goes on in the background once it listens. Ports become free ones, in
//! the spiders too. A block that cannot run here is preceded by `<!-- not run: REASON -->`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use regex::{Captures, Regex};
use tempfile::TempDir;
use tests::port;
use tests::program::{self, Program, workspace};

/// A fenced block of commands.
#[derive(Debug, PartialEq)]
struct Block {
    /// The line of its fence.
    line: usize,
    commands: String,
    /// Why it is not run.
    not_run: Option<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<(Block, bool)> = None;
    let mut reason: Option<String> = None;
    let mut other = false;
    for (line, number) in text.lines().zip(1..) {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (Some(_), Some(_)) => blocks.extend(open.take().map(|(block, _)| block)),
            // In a console block what is typed follows a dollar sign, the rest is what is answered.
            (Some((block, true)), None) => {
                if let Some(typed) = line.trim_start().strip_prefix("$ ") {
                    block.commands.push_str(&format!("{typed}\n"));
                }
            }
            (Some((block, false)), None) => block.commands.push_str(&format!("{line}\n")),
            (None, Some(language)) if !other && matches!(language.trim(), "sh" | "bash" | "console") => {
                let block = Block { line: number, commands: String::new(), not_run: reason.take() };
                open = Some((block, language.trim() == "console"));
            }
            (None, Some(_)) => other = !other,
            (None, None) if line.trim().is_empty() => {}
            (None, None) => {
                let comment = line.trim().strip_prefix("<!-- not run:").and_then(|rest| rest.strip_suffix("-->"));
                reason = comment.map(|reason| reason.trim().to_owned());
            }
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// Free ports in the place of those that a text names, the same for the same.
#[derive(Default)]
struct Ports {
    by_name: BTreeMap<String, u16>,
}

impl Ports {
    fn replace(&mut self, text: &str) -> String {
        let named = Regex::new(r"(--port[ =]|127\.0\.0\.1:|localhost:|[ =,]:)([0-9]{4,5})\b").unwrap();
        let free = |found: &Captures<'_>| {
            let port = self.by_name.entry(found[2].to_owned()).or_insert_with(port::reserve);
            format!("{}{port}", &found[1])
        };
        named.replace_all(text, free).into_owned()
    }
}

/// The folder a reader works in.
struct Desk {
    folder: TempDir,
    ports: Ports,
}

const SERVERS: [&str; 4] = ["worker", "itemsaver", "frontend", "mockserver"];
const PROGRAMS: [&str; 5] = ["engine", "worker", "itemsaver", "frontend", "mockserver"];

/// `cargo run --release --bin NAME -- ARGUMENTS`, and builds, which are done already.
const CARGO: &str = r#"#!/usr/bin/env bash
set -euo pipefail
command=$1; shift
case $command in
  build | install) exit 0 ;;
  run) ;;
  *) echo "the README runs cargo $command, which this test does not know" >&2; exit 1 ;;
esac
name=engine
while [ $# -gt 0 ]; do
  case $1 in
    --bin | -p) name=$2; shift 2 ;;
    --) shift; break ;;
    *) shift ;;
  esac
done
exec "$name" "$@"
"#;

/// A server: in the background, ended by whoever reads `pids`. Its other commands and its help run to their end.
const SERVER: &str = r#"#!/usr/bin/env bash
set -euo pipefail
case "${1:-}" in
  export | history | import | items | search | reindex | --help | -h | --version) exec BINARY "$@" ;;
esac
log=$(mktemp DESK/server.XXXXXX)
BINARY "$@" > "$log" 2>&1 < /dev/null &
echo $! >> DESK/pids
coproc watch { exec tail --pid=$! -n +1 -f "$log"; }
while read -r -u "${watch[0]}" line; do
  echo "$line" >&2
  case $line in *"Listening on"*) exit 0 ;; esac
done
echo "NAME ended and never listened" >&2
exit 1
"#;

impl Desk {
    fn new() -> Desk {
        let mut desk = Desk { folder: tempfile::tempdir().unwrap(), ports: Ports::default() };
        let (bin, release) = (desk.path("bin"), desk.path("work/target/release"));
        let spiders = desk.path("work/spiders");
        for folder in [&bin, &release, &spiders] {
            fs::create_dir_all(folder).unwrap();
        }
        script(&bin.join("cargo"), CARGO);
        for name in PROGRAMS {
            let binary = program::folder().join(name);
            if SERVERS.contains(&name) {
                let text = SERVER.replace("BINARY", binary.to_str().unwrap()).replace("NAME", name);
                script(&bin.join(name), &text.replace("DESK", desk.folder.path().to_str().unwrap()));
            } else {
                std::os::unix::fs::symlink(&binary, bin.join(name)).unwrap();
            }
            std::os::unix::fs::symlink(bin.join(name), release.join(name)).unwrap();
        }
        for spider in fs::read_dir(workspace().join("spiders")).unwrap() {
            let spider = spider.unwrap();
            let text = desk.ports.replace(&fs::read_to_string(spider.path()).unwrap());
            fs::write(spiders.join(spider.file_name()), text).unwrap();
        }
        desk
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn run(&mut self, block: &Block) {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let commands = self.ports.replace(&block.commands);
        let bash = Program::of_file("bash", Path::new("/bin/bash")).args(["-euo", "pipefail", "-c", &commands]);
        let exit = bash.env("PATH", path).env("HOME", self.folder.path()).within(&self.path("work")).run();
        assert_eq!(exit.code, Some(0), "the block at line {} of the README:\n{commands}\n{}\n{}", block.line, exit.stdout, exit.stderr);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let pids = fs::read_to_string(self.path("pids")).unwrap_or_default();
        for pid in pids.lines().filter_map(|line| line.parse().ok()).filter_map(rustix::process::Pid::from_raw) {
            // One that has ended meanwhile is not there to be ended.
            let _ended = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

fn script(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn every_command_of_the_readme_does_what_it_says() {
    let text = fs::read_to_string(workspace().join("README.md")).unwrap();
    let blocks = blocks(&text);
    let mut desk = Desk::new();
    let run: Vec<&Block> = blocks.iter().filter(|block| block.not_run.is_none()).collect();
    assert!(!run.is_empty(), "the README shows how it is used");
    run.into_iter().for_each(|block| desk.run(block));
}

#[test]
fn every_file_that_the_readme_links_to_is_there() {
    let text = fs::read_to_string(workspace().join("README.md")).unwrap();
    let link = Regex::new(r"\]\(([^)#]+)[^)]*\)").unwrap();
    for found in link.captures_iter(&text).map(|found| found[1].to_owned()).filter(|target| !target.contains("://")) {
        assert!(workspace().join(&found).exists(), "{found}");
    }
}

#[test]
fn blocks_are_found_with_their_reasons() {
    let text = "a\n```sh\none\n```\n<!-- not run: needs a network -->\n\n```sh\ntwo\n```\n```toml\n```\n```console\n$ three\nanswer\n```\n";
    let block =
        |line, commands: &str, not_run: Option<&str>| Block { line, commands: commands.into(), not_run: not_run.map(str::to_owned) };
    assert_eq!(blocks(text), [block(2, "one\n", None), block(7, "two\n", Some("needs a network")), block(12, "three\n", None)]);
}

#[test]
fn ports_are_replaced_wherever_a_command_names_them() {
    let mut ports = Ports::default();
    let text = ports.replace("worker --port 9000\nengine --worker-hosts :9000,:9001 http://127.0.0.1:8080/mock --max-pages 5000");
    let port = |name: &str| ports.by_name[name];
    let expected = format!(
        "worker --port {0}\nengine --worker-hosts :{0},:{1} http://127.0.0.1:{2}/mock --max-pages 5000",
        port("9000"),
        port("9001"),
        port("8080")
    );
    assert_eq!(text, expected);
}
