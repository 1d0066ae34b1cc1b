//! The HTML of the dating site: city list, city page, profile. `base` is `http://HOST` of the request.

use std::fmt::Write as _;

use crate::address;
use crate::city::City;
use crate::markup::{document, escape};
use crate::people::{People, Person};
use crate::person::{self, Profile};

/// All cities on one long line, each link absolute, as the course's page has them.
pub(crate) fn city_list(people: &People, base: &str) -> String {
    let mut body = String::with_capacity(people.cities().len() * 120);
    body.push_str("<h1>城市列表</h1><div class=\"city-list\">");
    for (City { slug, name }, number) in people.cities().iter().zip(0..) {
        let url = address::city_page(&people.base_of(number, base), slug, 1);
        let _ = write!(body, "<a href=\"{url}\" class=\"city\">{name}</a> ");
    }
    body.push_str("</div>");
    document("征婚城市列表", &body)
}

/// Twenty people of a city, each linked twice (photo and name), and the pager. The page exists.
pub(crate) fn city_page(people: &People, base: &str, city: u32, page: u32) -> String {
    let City { slug, name } = &people.cities()[city as usize];
    let base = &*people.base_of(city, base);
    let mut body = String::with_capacity(16 * 1024);
    let _ = write!(body, "<h1>{name}征婚</h1>\n<div class=\"g-list\">\n");
    for id in people.ids(city, page) {
        let Person { profile, .. } = people.person(id).expect("listed people exist");
        listed(&mut body, base, id, name, &profile);
    }
    body.push_str("</div>\n<ul class=\"paging\">");
    for other in address::pager(page, people.last_page()) {
        let url = address::city_page(base, slug, other);
        let label = if other < page { "上一页".to_owned() } else { other.to_string() };
        let _ = write!(body, "<li class=\"paging-item\"><a href=\"{url}\">{label}</a></li>");
    }
    body.push_str("</ul>");
    document(&format!("{name}征婚 第{page}页"), &body)
}

fn listed(body: &mut String, base: &str, id: u64, city: &str, profile: &Profile) {
    let (url, photo) = (address::profile(base, id), address::photo(base, id));
    let (name, gender) = (escape(&profile.name), &profile.gender);
    let _ = write!(
        body,
        "<div class=\"list-item\"><div class=\"photo\"><a href=\"{url}\" target=\"_blank\"><img src=\"{photo}\" alt=\"{name}\"></a></div>\
         <div class=\"content\"><table><tbody><tr><th><a href=\"{url}\" target=\"_blank\">{name}</a></th></tr>\
         <tr><td width=\"180\"><span class=\"grayL\">性别：</span>{gender}</td><td><span class=\"grayL\">居住地：</span>{city}</td></tr>"
    );
    if profile.age != 0 {
        let _ = write!(body, "<tr><td width=\"180\"><span class=\"grayL\">年龄：</span>{}</td></tr>", profile.age);
    }
    body.push_str("</tbody></table></div></div>\n");
}

/// A profile: the person's table, the table of their wishes, and a few others they may like.
pub(crate) fn profile(people: &People, base: &str, person: &Person<'_>) -> String {
    let mut body = String::with_capacity(6 * 1024);
    let name = escape(&person.profile.name);
    let _ = write!(
        body,
        "<h1 class=\"nickname\">{name}</h1><p class=\"number\">ID：{}</p>\n\
         <img src=\"{}\" alt=\"{name}\">\n<table class=\"about\"><tbody>\n",
        person.id,
        address::photo(base, person.id)
    );
    about(&mut body, &person.profile);
    row(&mut body, "工作地", person.residence);
    body.push_str("</tbody></table>\n<h2>择偶条件</h2>\n<table class=\"wishes\"><tbody>\n");
    for (label, wished) in people.wishes(person).rows {
        row(&mut body, label, &wished);
    }
    body.push_str("</tbody></table>\n<h2>猜你喜欢</h2>\n<ul class=\"guess\">");
    for other in people.likes(person.id) {
        let liked = people.person(other).expect("people like people of the site");
        let _ = write!(
            body,
            "<li><a class=\"exp-user-name\" target=\"_blank\" href=\"{}\">{}</a></li>",
            address::profile(&people.base_of(liked.city, base), other),
            escape(&liked.profile.name)
        );
    }
    body.push_str("</ul>");
    document(&format!("{}的个人资料", person.profile.name), &body)
}

/// The rows of the first table: absent fields have no row at all. Some values stand in a `<span field="">`, as they did
/// on the site the course crawled.
fn about(body: &mut String, profile: &Profile) {
    let number = |number: u32, unit: &str| {
        if number == 0 { String::new() } else { format!("{number}{unit}") }
    };
    row_in_span(body, "性别", &profile.gender);
    row(body, person::AGE, &number(profile.age, "岁"));
    row(body, person::HEIGHT, &number(profile.height, "CM"));
    row_in_span(body, "体重", &number(profile.weight, "KG"));
    row(body, person::INCOME, &profile.income);
    row(body, person::MARRIAGE, &profile.marriage);
    row(body, person::EDUCATION, &profile.education);
    row_in_span(body, person::OCCUPATION, &profile.occupation);
    row(body, "籍贯", &profile.hukou);
    row_in_span(body, "星座", &profile.xinzuo);
    row_in_span(body, person::HOUSE, &profile.house);
    row_in_span(body, "是否购车", &profile.car);
}

fn row(body: &mut String, label: &str, value: &str) {
    if !value.is_empty() {
        let value = escape(value);
        let _ = writeln!(body, "<tr><td><span class=\"label\">{label}：</span>{value}</td></tr>");
    }
}

fn row_in_span(body: &mut String, label: &str, value: &str) {
    if !value.is_empty() {
        let value = escape(value);
        let _ = writeln!(body, "<tr><td><span class=\"label\">{label}：</span><span field=\"\">{value}</span></td></tr>");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use regex::Regex;

    use super::*;
    use crate::SiteConfig;

    const BASE: &str = "http://127.0.0.1:8080";

    fn matches(pattern: &str, page: &str) -> Vec<String> {
        let found = Regex::new(pattern).unwrap();
        found.captures_iter(page).map(|hit| hit[1].to_owned()).collect()
    }

    #[test]
    fn the_city_list_has_470_cities_on_one_line() {
        let page = city_list(&People::new(&SiteConfig::endless()), BASE);
        let links = matches(r#"<a href="(http://[^"]+/mock/www.zhenai.com/zhenghun/[0-9a-z]+)"[^>]*>[^<]+</a>"#, &page);
        assert_eq!(links.into_iter().collect::<BTreeSet<_>>().len(), 470);
        assert_eq!(page.lines().count(), 1);
    }

    #[test]
    fn page_one_of_an_endless_city_gives_23_requests_and_later_ones_24() {
        let people = People::new(&SiteConfig::endless());
        for (page, requests) in [(1, 23), (2, 24), (100, 24)] {
            let html = city_page(&people, BASE, 7, page);
            let profiles = matches(r#"<a href="(http://[^"]+/u/[0-9]+)"[^>]*>[^<]+</a>"#, &html);
            let pages = matches(r#"href="(http://[^"]+/zhenghun/[^"]+)""#, &html);
            let all: BTreeSet<_> = matches(r#"href="([^"]+)""#, &html).into_iter().collect();
            assert_eq!(profiles.len(), 20);
            assert_eq!(profiles.len() + pages.len(), requests);
            assert_eq!(all.len(), requests, "and no other links");
        }
    }

    #[test]
    fn a_pager_links_page_one_without_a_number() {
        let people = People::new(&SiteConfig::practice());
        let html = city_page(&people, BASE, 0, 2);
        let slug = &people.cities()[0].slug;
        let expected: Vec<_> = [String::new(), "/3".into(), "/4".into()]
            .iter()
            .map(|number| format!("{BASE}/mock/www.zhenai.com/zhenghun/{slug}{number}"))
            .collect();
        assert_eq!(matches(r#"href="(http://[^"]+/zhenghun/[^"]+)""#, &html), expected);
    }

    #[test]
    fn people_that_are_spread_are_linked_where_their_city_is() {
        let people = People::new(&SiteConfig { spread: 3, ..SiteConfig::practice() });
        let hosts = |page: &str| matches(r#"href="http://(127\.0\.0\.[0-9]+:8080)/"#, page).into_iter().collect::<BTreeSet<_>>();
        let all = [1, 2, 3].map(|host| format!("127.0.0.{host}:8080"));
        assert_eq!(hosts(&city_list(&people, BASE)), BTreeSet::from(all.clone()));
        assert_eq!(hosts(&city_page(&people, BASE, 4, 2)), BTreeSet::from([all[1].clone()]));
        let liked: BTreeSet<_> = people.ids(4, 2).flat_map(|id| hosts(&profile(&people, BASE, &people.person(id).unwrap()))).collect();
        assert_eq!(liked, BTreeSet::from(all));
    }

    #[test]
    fn a_person_has_one_name_on_every_page() {
        let people = People::new(&SiteConfig::practice());
        let id = people.ids(0, 1).next().unwrap();
        let person = people.person(id).unwrap();
        let name = escape(&person.profile.name).into_owned();
        assert_eq!(matches("<h1[^>]*>([^<]+)</h1>", &profile(&people, BASE, &person)), [name.as_str()]);
        assert!(city_page(&people, BASE, 0, 1).contains(&format!("/u/{id}\" target=\"_blank\">{name}</a>")));
    }
}
