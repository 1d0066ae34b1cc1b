//! `engine doctor` before a first crawl.

use mockserver::SiteConfig;
use tests::process::Exit;
use tests::program::Program;
use tests::server::Server;
use tests::site::PracticeSite;

fn doctor(arguments: &[&str]) -> Exit {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    Program::new("engine").within(folder.path()).arg("doctor").args(arguments).run()
}

fn assert_says(exit: &Exit, code: i32, lines: &[&str]) {
    assert_eq!(exit.code, Some(code), "{}{}", exit.stdout, exit.stderr);
    for line in lines {
        assert!(exit.stdout.contains(line), "{line:?} is not in\n{}", exit.stdout);
    }
}

#[test]
fn a_crawl_that_can_begin_is_told_so_with_what_it_will_meet() {
    let site = PracticeSite::serve(SiteConfig { robots_by_host: true, ..SiteConfig::practice() });
    let (worker, folder) = (Server::worker(), tempfile::tempdir().unwrap());
    let itemsaver = Server::itemsaver(&folder.path().join("items.db"));
    let seed = site.people_seed();
    let exit = doctor(&[&seed, "--worker-hosts", worker.host(), "--itemsaver-host", itemsaver.host()]);
    let expected = [
        "ok    state directory gossamer-state: . can be written\n",
        &format!("ok    worker {}: gossamer ", worker.host()),
        &format!("ok    itemsaver {}: gossamer ", itemsaver.host()),
        "has 0 items\n",
        "ok    name 127.0.0.1: 127.0.0.1\n",
        "/robots.txt: status 200, 2 rules disallow something, Crawl-delay 200ms, sitemaps (--sitemaps reads them): http",
        "ok    robots.txt for /mock/www.zhenai.com/zhenghun: allowed, no rule matches\n",
        &format!("ok    {seed}: "),
        " links\nall is well\n",
    ];
    assert_says(&exit, 0, &expected);
    assert_eq!(site.all_arrivals().len(), 2, "robots.txt and the page");
}

#[test]
fn what_is_missing_is_named_with_what_to_do_about_it() {
    let site = PracticeSite::serve(SiteConfig { robots_by_host: true, ..SiteConfig::practice() });
    let (worker, port) = (Server::worker(), tests::port::reserve());
    let car = site.truth().robots.unwrap().disallowed[0].clone();
    let exit = doctor(&[&car, "--worker-hosts", &format!("127.0.0.1:{port}"), "--itemsaver-host", worker.host(), "--state", "file/state"]);
    let expected = [
        "FAIL  state directory file/state: ",
        "name a folder that you may write to, with --state DIR\n",
        &format!("FAIL  worker 127.0.0.1:{port}: connection refused"),
        "start it there with `worker --port PORT`",
        &format!("FAIL  itemsaver {}: ", worker.host()),
        "is a worker, expected an itemsaver",
        ": disallowed by Disallow: /mock/",
        "something has to be seen to\n",
    ];
    assert_says(&exit, 1, &expected);
    assert_eq!(site.all_arrivals().len(), 1, "what is disallowed is not fetched");
    let nowhere = doctor(&[&format!("http://127.0.0.1:{port}/")]);
    assert_says(&nowhere, 1, &["FAIL  http://127.0.0.1:", "/robots.txt: connection refused", "nothing of a site is fetched"]);
    assert_eq!(doctor(&["nonsense"]).code, Some(2));
}
