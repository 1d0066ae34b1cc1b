//! Where a crawl begins.

use std::io::Read;

use anyhow::Context;

use crate::args::Args;
use crate::config::SeedSource;
use crate::practice::{self, PracticeSite};

/// What the command line names, with its files read.
pub(super) fn seed_source(args: &Args, practice: Option<&PracticeSite>) -> anyhow::Result<SeedSource> {
    if let Some(site) = practice {
        return Ok(SeedSource::Practice { text: practice::SPIDER.to_owned(), urls: site.seeds() });
    }
    let urls = match args.urls.iter().any(|url| url == "-") {
        true => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read URLs from standard input")?;
            let typed = args.urls.iter().filter(|url| *url != "-").cloned();
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            typed.chain(lines.map(str::to_owned)).collect()
        }
        false => args.urls.clone(),
    };
    match &args.spider {
        Some(place) => {
            let text = std::fs::read_to_string(place).with_context(|| format!("cannot read the spider {place}"))?;
            Ok(SeedSource::Spider { place: place.clone(), text, urls })
        }
        None => Ok(SeedSource::Urls(urls)),
    }
}
