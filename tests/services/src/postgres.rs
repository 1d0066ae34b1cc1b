//! A real PostgreSQL server, from Debian's package: started with `initdb` in a folder of its own, and ended by its process.
//!
//! The server refuses to run as root: then it runs as the package's own user.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, kill_process, pidfd_open};

/// The user that may do everything in a test's database.
pub const USER: &str = "crawler";

/// Its password.
pub const PASSWORD: &str = "a word of the tests";

/// The URL of a database on the server that all tests of this run share; who needs peace uses names of their own in it. It is never killed, so
/// it need not sync.
///
/// # Panics
/// When it cannot be started; the message says why. So do the others.
pub fn shared() -> &'static str {
    static SERVER: OnceLock<String> = OnceLock::new();
    SERVER.get_or_init(|| {
        let run = super::run();
        let folder = std::env::temp_dir().join(format!("gossamer-postgres-of-{run}"));
        let lock = File::create(folder.with_extension("lock")).expect("there is a place for temporary files");
        lock.lock().expect("a file can be locked");
        let told = folder.join("url");
        if let Ok(url) = fs::read_to_string(&told) {
            return url;
        }
        let server = Server::make(folder);
        server.start(&["fsync=off"]);
        server.watch(run);
        let url = server.url();
        fs::write(told, &url).expect("its folder can be written");
        url
    })
}

/// A database of one's own on the server that all tests of this run share.
pub fn database() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("of_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let (server, _) = shared().rsplit_once('/').expect("it ends with a database");
    let port = server.rsplit(':').next().expect("it has a port");
    let mut create = Command::new(programs().join("createdb"));
    create.env("PGPASSWORD", PASSWORD).args(["--host=127.0.0.1", "--username", USER, "--port", port, &name]);
    let done = create.output().expect("it is beside the server");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    format!("{server}/{name}")
}

/// A server of one's own; ended when dropped.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    /// None once it is killed.
    process: Option<Pid>,
}

impl Postgres {
    /// Starts a server with nothing in it. It syncs what it commits.
    pub fn start() -> Postgres {
        Postgres::start_with(&[], &[])
    }

    /// The same, with this certificate and its key, both PEM, for those who want to speak TLS.
    pub fn start_with_tls(certificate: &str, key: &str) -> Postgres {
        Postgres::start_with(&["ssl=on"], &[("server.crt", certificate), ("server.key", key)])
    }

    fn start_with(settings: &[&str], files: &[(&str, &str)]) -> Postgres {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let process = std::process::id();
        let name = format!("gossamer-postgres-{process}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let server = Server::make(std::env::temp_dir().join(name));
        for (name, text) in files {
            server.put(name, text);
        }
        server.start(settings);
        server.watch(process);
        let process = Some(server.process());
        Postgres { server, process }
    }

    /// Where its database is, now or once it is started again.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Ends the server and all its processes without a word, as `kill -9` does, and returns when they are gone.
    pub fn kill(&mut self) {
        let Some(process) = self.process.take() else { return };
        let all: Vec<Pid> = std::iter::once(process).chain(children(process)).collect();
        let handles: Vec<_> = all.iter().filter_map(|pid| pidfd_open(*pid, PidfdFlags::empty()).ok()).collect();
        for pid in &all {
            // Gone already is as good.
            let _ = kill_process(*pid, Signal::KILL);
        }
        for handle in &handles {
            let mut ends = [PollFd::new(handle, PollFlags::IN)];
            while poll(&mut ends, None).is_err() {}
        }
        // The next start would look whether its process is there, and it is until its parent has heard of its end.
        let _ = fs::remove_file(self.server.folder.join("data/postmaster.pid"));
    }

    /// Starts it again where it was, with its data.
    pub fn start_again(&mut self) {
        self.server.start(&[]);
        self.process = Some(self.server.process());
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
        // What is left is removed with the other temporary files of the system.
        let _ = fs::remove_dir_all(&self.server.folder);
    }
}

/// A folder with a server's data.
#[derive(Debug)]
struct Server {
    folder: PathBuf,
    port: u16,
}

impl Server {
    /// Makes a folder for a server that is not started yet.
    fn make(folder: PathBuf) -> Server {
        // What a run of the same number has left behind.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("there is a place for temporary files");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("it was just made");
        let secret = folder.join("secret");
        fs::write(&secret, PASSWORD).expect("it was just made");
        if let Some((user, group)) = owner() {
            for path in [&folder, &secret] {
                chown(path, Some(user), Some(group)).expect("root may give files away");
            }
        }
        let server = Server { folder, port: free_port() };
        let initdb = ["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--pwfile"];
        server.run("initdb", |command| command.args(initdb).arg(&secret));
        server
    }

    /// Puts a file among the server's data that nobody else may read.
    fn put(&self, name: &str, text: &str) {
        let file = self.folder.join("data").join(name);
        fs::write(&file, text).expect("its folder can be written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it was just made");
        if let Some((user, group)) = owner() {
            chown(&file, Some(user), Some(group)).expect("root may give files away");
        }
    }

    fn start(&self, settings: &[&str]) {
        let mut options = format!("-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories=", self.port);
        settings.iter().for_each(|setting| options += &format!(" -c {setting}"));
        let log = self.folder.join("log");
        self.run("pg_ctl", |command| command.args(["start", "--wait", "--silent", "--options", &options, "--log"]).arg(&log));
    }

    /// Runs a program of the server's on its data, to its end.
    fn run(&self, program: &str, arguments: impl FnOnce(&mut Command) -> &mut Command) {
        let program = programs().join(program);
        let mut command = match owner() {
            None => Command::new(&program),
            Some(_) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(&program);
                command
            }
        };
        let command = command.current_dir(&self.folder).env("PGDATA", self.folder.join("data"));
        // The server must not keep the pipes of a test open.
        let said = File::create(self.folder.join("said")).expect("its folder can be written");
        let errors = said.try_clone().expect("a file can be shared");
        let done = arguments(command).stdin(std::process::Stdio::null()).stdout(said).stderr(errors).status();
        let is_done = done.as_ref().is_ok_and(std::process::ExitStatus::success);
        let text = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        assert!(is_done, "{}: {done:?}\n{}{}", program.display(), text("said"), text("log"));
    }

    /// Ends the server when a process has, if it still runs then, and removes its folder.
    fn watch(&self, process: u32) {
        let script = "while kill -0 \"$1\"; do sleep 1; done; kill -QUIT \"$(head -n 1 \"$2/data/postmaster.pid\")\"; sleep 1; rm -rf \"$2\" \"$2.lock\"";
        let mut watch = Command::new("setsid");
        watch.args(["--fork", "sh", "-c", script, "watch"]).arg(process.to_string()).arg(&self.folder);
        let null = std::process::Stdio::null;
        watch.stdin(null()).stdout(null()).stderr(null()).status().expect("setsid is everywhere");
    }

    fn process(&self) -> Pid {
        let file = fs::read_to_string(self.folder.join("data/postmaster.pid")).expect("it runs");
        file.lines().next().and_then(|line| line.trim().parse().ok()).and_then(Pid::from_raw).expect("the first line is its number")
    }

    fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port)
    }
}

/// The folder with the newest server's programs.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &Path| path.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse::<u32>().ok());
    let folders = versions.map(|folder| folder.path().join("bin")).filter(|folder| folder.join("initdb").is_file());
    folders.max_by_key(|folder| version(folder)).expect("a PostgreSQL server is missing: apt-get install postgresql")
}

/// A port that nothing listens on, below those that systems give out by themselves (from 32768 on here) and beside those that the tests reserve: a
/// server that is restarted finds it free. Test programs that run at the same time begin at different places.
fn free_port() -> u16 {
    const PORTS: u32 = 2_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(101);
    for _ in 0..PORTS {
        let port = 30_000 + start.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let port = u16::try_from(port).expect("all of them are ports");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port from 30000 to {} is free", 30_000 + PORTS);
}

/// User and group of the package's own user, where the tests run as root.
fn owner() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("the system has users");
    let line = users.lines().find(|line| line.starts_with("postgres:")).expect("the package makes a user postgres");
    let mut fields = line.split(':').skip(2).map_while(|field| field.parse().ok());
    fields.next().zip(fields.next())
}

/// The processes that a process has started and that still run.
fn children(process: Pid) -> Vec<Pid> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_child = |folder: &Path| {
        let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).and_then(|pid| pid.trim().parse().ok());
        parent == Some(process.as_raw_nonzero().get())
    };
    all.filter(|entry| is_child(&entry.path()))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
        .collect()
}
