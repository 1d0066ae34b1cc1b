//! What a correct crawl of a finite site finds, computed from the generator and not by crawling.

use serde::{Deserialize, Serialize};

use crate::address;
use crate::car::Car;
use crate::cars::{Cars, car_id};
use crate::host_robots::{HostRobots, HostRules};
use crate::people::People;
use crate::person::Profile;

/// Everything that can be found on a site. Its URLs begin with `base`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Scheme and host, without a slash at the end: `http://127.0.0.1:8080`.
    pub base: String,
    /// What the city list leads to; `None` for an endless site, where that has no end.
    pub people: Option<Section>,
    /// What the car list leads to. No page of the one section links to the other.
    pub cars: Section,
    /// What the robots.txt of this base's host asks; `None` unless the site has one for each host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robots: Option<HostRules>,
}

/// What one seed leads to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Where a crawl begins.
    pub seed: String,
    /// Every page that can be reached, the seed too, each once, sorted.
    pub pages: Vec<String>,
    /// Every item on those pages, each once, sorted by URL.
    pub items: Vec<Item>,
}

/// One thing to be found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The page that holds it.
    pub url: String,
    /// `zhenai` for people, `xcar` for cars.
    #[serde(rename = "type")]
    pub item_type: String,
    /// The person's number, or `m` and the car's number.
    pub id: String,
    /// Its fields.
    pub payload: Payload,
}

/// The fields of an item; in JSON just the object of its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Payload {
    /// A person.
    Profile(Profile),
    /// A car.
    Car(Car),
}

impl Truth {
    /// The seeds of the sections that end.
    #[must_use]
    pub fn seeds(&self) -> Vec<&str> {
        self.sections().map(|section| section.seed.as_str()).collect()
    }

    /// The pages of all sections that end, people first.
    #[must_use]
    pub fn pages(&self) -> Vec<&str> {
        self.sections().flat_map(|section| &section.pages).map(String::as_str).collect()
    }

    /// The items of all sections that end, people first.
    #[must_use]
    pub fn items(&self) -> Vec<&Item> {
        self.sections().flat_map(|section| &section.items).collect()
    }

    fn sections(&self) -> impl Iterator<Item = &Section> {
        self.people.iter().chain(std::iter::once(&self.cars))
    }
}

pub(crate) fn truth(base: &str, people: &People, cars: &Cars, robots_by_host: bool) -> Truth {
    let base = base.trim_end_matches('/');
    let people = people.is_finite().then(|| people_section(base, people));
    let mut truth = Truth { base: base.to_owned(), people, cars: car_section(base, cars), robots: None };
    if robots_by_host {
        let host = base.split_once("://").map_or(base, |(_, host)| host);
        truth.robots = Some(HostRobots::of(host).rules(base, truth.sections()));
    }
    truth
}

fn people_section(base: &str, people: &People) -> Section {
    let seed = address::city_list(base);
    let mut pages = vec![seed.clone()];
    let mut items = Vec::new();
    for (city, number) in people.cities().iter().zip(0..) {
        let base = &*people.base_of(number, base);
        for page in 1..=people.last_page() {
            pages.push(address::city_page(base, &city.slug, page));
            for id in people.ids(number, page) {
                let url = address::profile(base, id);
                pages.push(url.clone());
                let profile = people.person(id).expect("listed people exist").profile;
                items.push(Item { url, item_type: "zhenai".to_owned(), id: id.to_string(), payload: Payload::Profile(profile) });
            }
        }
    }
    section(seed, pages, items)
}

fn car_section(base: &str, cars: &Cars) -> Section {
    let seed = address::car_list(base, 1);
    let mut pages: Vec<_> = (1..=cars.last_page()).map(|page| address::car_list(base, page)).collect();
    let mut items = Vec::new();
    for model in 0..cars.models() {
        pages.push(address::model(base, cars.model_id(model)));
        for number in cars.numbers(model) {
            let id = car_id(number);
            let url = address::car(base, &id);
            pages.push(url.clone());
            items.push(Item { url, item_type: "xcar".to_owned(), id, payload: Payload::Car(cars.car(base, model, number)) });
        }
    }
    section(seed, pages, items)
}

fn section(seed: String, mut pages: Vec<String>, mut items: Vec<Item>) -> Section {
    pages.sort_unstable();
    items.sort_unstable_by(|one, other| one.url.cmp(&other.url));
    Section { seed, pages, items }
}
