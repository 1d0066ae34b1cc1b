//! Who lives where: the fixed correspondence of city, page and place on it with the id of a person.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::city::{self, City};
use crate::config::{PEOPLE_A_PAGE, SiteConfig, page_limit};
use crate::person::{self, Profile, Wishes};
use crate::seed::{Dice, INDEX_LIMIT, Permutation, Purpose};

/// Ids of listed people begin here, so that they have nine digits at least, as real ones do.
const FIRST_ID: u64 = 100_000_000;
const MOST_DIGITS: usize = 12;

/// The population of a site.
#[derive(Debug)]
pub(crate) struct People {
    seed: u64,
    permutation: Permutation,
    cities: Vec<City>,
    by_slug: HashMap<String, u32>,
    last_page: u32,
    finite: bool,
    spread: u8,
}

/// A person and the name of the city they are listed in.
#[derive(Debug)]
pub(crate) struct Person<'a> {
    pub(crate) id: u64,
    /// The number of that city.
    pub(crate) city: u32,
    pub(crate) residence: &'a str,
    pub(crate) profile: Profile,
}

impl People {
    pub(crate) fn new(config: &SiteConfig) -> Self {
        let cities = city::cities(config.seed, config.cities);
        let by_slug = cities.iter().map(|city| city.slug.clone()).zip(0..).collect();
        Self {
            seed: config.seed,
            permutation: Permutation::new(config.seed),
            cities,
            by_slug,
            last_page: config.pages.unwrap_or_else(|| page_limit(config.cities)),
            finite: config.pages.is_some(),
            spread: config.spread,
        }
    }

    pub(crate) fn cities(&self) -> &[City] {
        &self.cities
    }

    pub(crate) fn city_number(&self, slug: &str) -> Option<u32> {
        self.by_slug.get(slug).copied()
    }

    /// Where a city and its people are linked, on a page that was asked for at `base`.
    pub(crate) fn base_of<'b>(&self, city: u32, base: &'b str) -> Cow<'b, str> {
        if self.spread == 1 {
            return base.into();
        }
        let port =
            base.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("http://127.0.0.{}{port}", 1 + city % u32::from(self.spread)).into()
    }

    /// The last page that exists, of every city.
    pub(crate) fn last_page(&self) -> u32 {
        self.last_page
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.finite
    }

    /// How many people a finite site has; in an endless one, how many are listed somewhere.
    fn population(&self) -> u64 {
        u64::from(self.last_page) * self.cities.len() as u64 * u64::from(PEOPLE_A_PAGE)
    }

    fn id_of_index(&self, index: u64) -> u64 {
        FIRST_ID + self.permutation.forward(index)
    }

    fn index_of_id(&self, id: u64) -> Option<u64> {
        let permuted = id.checked_sub(FIRST_ID).filter(|permuted| *permuted < INDEX_LIMIT)?;
        Some(self.permutation.back(permuted)).filter(|index| *index < self.population())
    }

    /// Ids of the people on a page of a city, in order; the page exists.
    pub(crate) fn ids(&self, city: u32, page: u32) -> impl Iterator<Item = u64> {
        debug_assert!((1..=self.last_page).contains(&page));
        // Page by page over all cities: so a site with more pages has the people of the smaller one and others.
        let first = (u64::from(page - 1) * self.cities.len() as u64 + u64::from(city)) * u64::from(PEOPLE_A_PAGE);
        (first..first + u64::from(PEOPLE_A_PAGE)).map(|index| self.id_of_index(index))
    }

    /// The person of this id; `None` if a finite site does not list them. An endless site knows everybody.
    pub(crate) fn person(&self, id: u64) -> Option<Person<'_>> {
        let place = match self.index_of_id(id) {
            Some(index) => index / u64::from(PEOPLE_A_PAGE),
            None if self.finite => return None,
            None => id,
        };
        let city = u32::try_from(place % self.cities.len() as u64).expect("the number of a city");
        Some(Person { id, city, residence: &self.cities[city as usize].name, profile: person::profile(self.seed, id) })
    }

    pub(crate) fn wishes(&self, person: &Person<'_>) -> Wishes {
        person::wishes(self.seed, person.id, &person.profile)
    }

    /// Three to five other people of the site, each once.
    pub(crate) fn likes(&self, id: u64) -> Vec<u64> {
        let mut dice = Dice::new(self.seed, Purpose::Likes, id);
        let count = usize::try_from(dice.between(3, 5)).expect("at most five");
        let mut likes = Vec::with_capacity(count);
        // A city page has twenty people, so five others always exist.
        while likes.len() < count {
            let other = self.id_of_index(dice.below(self.population()));
            if other != id && !likes.contains(&other) {
                likes.push(other);
            }
        }
        likes
    }
}

/// An id as addresses spell it: 1 to 12 digits without leading zeros. `None` for any other text.
pub(crate) fn parse_id(text: &str) -> Option<u64> {
    let well_formed = (1..=MOST_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if well_formed { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_listed_person_is_listed_once_and_lives_in_that_city() {
        let people = People::new(&SiteConfig::practice());
        let mut seen = HashSet::new();
        for (city, listed) in people.cities().iter().zip(0..) {
            for page in 1..=people.last_page() {
                for id in people.ids(city_number(&people, city), page) {
                    assert!(seen.insert(id));
                    assert_eq!(people.person(id).unwrap().residence, people.cities()[listed].name);
                    assert_eq!(parse_id(&id.to_string()), Some(id));
                }
            }
        }
        assert_eq!(seen.len(), 960);
        for id in &seen {
            let likes = people.likes(*id);
            assert!((3..=5).contains(&likes.len()));
            assert!(likes.iter().all(|like| seen.contains(like) && like != id));
        }
    }

    fn city_number(people: &People, city: &City) -> u32 {
        people.city_number(&city.slug).unwrap()
    }

    #[test]
    fn a_finite_site_knows_its_own_people_only_and_an_endless_one_everybody() {
        let finite = People::new(&SiteConfig::practice());
        let endless = People::new(&SiteConfig::endless());
        for id in [1, 99_999_999, 123_456_789, 999_999_999_999] {
            assert!(finite.person(id).is_none());
            assert!(endless.person(id).is_some());
        }
    }

    #[test]
    fn the_last_page_of_an_endless_site_still_has_ids() {
        let endless = People::new(&SiteConfig::endless());
        assert_eq!(endless.ids(469, endless.last_page()).count(), 20);
    }

    #[test]
    fn ids_are_plain_numbers_of_at_most_twelve_digits() {
        assert_eq!(parse_id("108906739"), Some(108_906_739));
        for bad in ["", "0", "007", "12a", "-1", "+1", "1234567890123", "１２"] {
            assert_eq!(parse_id(bad), None, "{bad}");
        }
    }
}
