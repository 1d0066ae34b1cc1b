//! How large the practice site is, and how it answers.

use std::time::Duration;

use crate::seed::INDEX_LIMIT;

/// People listed on one city page, as on the course's site.
pub(crate) const PEOPLE_A_PAGE: u32 = 20;

const MOST_CITIES: u32 = crate::city::MOST_CITIES;
const MOST_CARS: u32 = 100_000;
const MOST_HOSTS: u8 = 254;
const LONGEST_LATENCY: Duration = Duration::from_secs(600);

/// What a [`Site`](crate::Site) is made from. The same values give the same site, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteConfig {
    /// Cities on the city list, 1 to 2,304. The course's list has 470.
    pub cities: u32,
    /// Pages of 20 people per city, at least 1; `None`: endless, as in the course (millions of pages per city, and a
    /// person for every id).
    pub pages: Option<u32>,
    /// Car models on the car list, at most 100,000; each has 3 to 6 cars. Always finite; with 0 the list is empty.
    pub cars: u32,
    /// What everything is derived from.
    pub seed: u64,
    /// Each answer but those that steer the site comes this much later; at most 10 minutes, zero: at once.
    pub latency: Duration,
    /// The text of `/robots.txt`; `None`: that path answers 404.
    pub robots: Option<String>,
    /// Whether `/robots.txt` is another for each host instead, derived from its address: a delay of 0.1 to 2 s and paths of its own. The host
    /// number N is the last byte of the address in the `Host` header (1 for other names); where N ends in 8 there is no file, where it ends
    /// in 9 it is elsewhere. [`Truth::robots`](crate::Truth::robots) says what each host asks.
    pub robots_by_host: bool,
    /// Hosts over which the people are spread: a city and those who live in it are linked at 127.0.0.N of the same port, where N is from 1 to
    /// this number and goes by the city. At least 1; with 1 every link leads to the host that was asked.
    pub spread: u8,
    /// How many arrivals are kept in memory for [`Site::arrivals`](crate::Site::arrivals); later ones are only counted.
    /// About 250 bytes each; 0 keeps none.
    pub recorded_arrivals: usize,
}

/// Why a [`SiteConfig`] makes no site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A number is outside of what the generator can make.
    #[error("{name} must be between {least} and {most}, not {found}")]
    OutOfRange {
        /// The field, as the command line names it.
        name: &'static str,
        /// The least value possible.
        least: u64,
        /// The largest value possible, given the other fields.
        most: u64,
        /// What was asked for.
        found: u64,
    },
    /// The latency is longer than 10 minutes.
    #[error("latency must be at most {} s, not {} s", LONGEST_LATENCY.as_secs(), .0.as_secs())]
    LatencyTooLong(Duration),
}

impl SiteConfig {
    /// The course's site: 470 cities without a last page, and 200 car models.
    #[must_use]
    pub fn endless() -> Self {
        Self {
            cities: 470,
            pages: None,
            cars: 200,
            seed: 1,
            latency: Duration::ZERO,
            robots: None,
            robots_by_host: false,
            spread: 1,
            recorded_arrivals: 1_000_000,
        }
    }

    /// The finite site that `engine` crawls when it is given nothing: 1,009 people pages (960 people) and about 220 car
    /// pages, so that a debug build is through well within a minute.
    #[must_use]
    pub fn practice() -> Self {
        Self { cities: 12, pages: Some(4), cars: 40, ..Self::endless() }
    }

    /// Checks every field, and returns the first that is out of range.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let in_range = |name, found: u32, least: u64, most: u64| {
            let found = u64::from(found);
            if (least..=most).contains(&found) { Ok(()) } else { Err(ConfigError::OutOfRange { name, least, most, found }) }
        };
        in_range("cities", self.cities, 1, u64::from(MOST_CITIES))?;
        if let Some(pages) = self.pages {
            in_range("pages", pages, 1, u64::from(page_limit(self.cities)))?;
        }
        in_range("cars", self.cars, 0, u64::from(MOST_CARS))?;
        in_range("spread", self.spread.into(), 1, u64::from(MOST_HOSTS))?;
        if self.latency > LONGEST_LATENCY {
            return Err(ConfigError::LatencyTooLong(self.latency));
        }
        Ok(())
    }
}

/// The last page of a city of an endless site: beyond it there are no more ids to give.
pub(crate) fn page_limit(cities: u32) -> u32 {
    let pages = INDEX_LIMIT / (u64::from(cities) * u64::from(PEOPLE_A_PAGE));
    u32::try_from(pages).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_without_cities_or_pages_is_refused_by_name() {
        let none = SiteConfig { cities: 0, ..SiteConfig::practice() };
        assert_eq!(none.validate().unwrap_err().to_string(), "cities must be between 1 and 2304, not 0");
        let empty = SiteConfig { pages: Some(0), ..SiteConfig::practice() };
        assert!(empty.validate().unwrap_err().to_string().starts_with("pages must be between 1 and"));
    }

    #[test]
    fn the_two_ready_made_sites_are_valid() {
        assert_eq!(SiteConfig::endless().validate(), Ok(()));
        assert_eq!(SiteConfig::practice().validate(), Ok(()));
    }
}
