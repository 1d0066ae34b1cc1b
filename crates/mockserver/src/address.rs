//! The URLs of the practice pages, each in the one spelling the site links to.
//!
//! `base` is `http://HOST` for absolute links, `//HOST` for protocol-relative ones and empty for links within the host.

/// Path of the city list, the seed of the people.
pub const CITY_LIST: &str = "/mock/www.zhenai.com/zhenghun";
/// Path of the car list, the seed of the cars.
pub const CAR_LIST: &str = "/mock/newcar.xcar.com.cn/";

pub(crate) const PRACTICE: &str = "/mock/";
pub(crate) const PROFILES: &str = "/mock/album.zhenai.com/u/";
pub(crate) const PROFILE_PHOTOS: &str = "/mock/photo.zhenai.com/";
pub(crate) const CAR_IMAGES: &str = "/mock/img.xcar.com.cn/";
/// What precedes the page number in the paths of the car list's later pages.
pub(crate) const CAR_LIST_PAGE: &str = "car/0-0-0-0-0-0-0-0-0-0-0-";

pub(crate) fn city_list(base: &str) -> String {
    format!("{base}{CITY_LIST}")
}

/// The first page has no number, so that each page has exactly one URL.
pub(crate) fn city_page(base: &str, slug: &str, page: u32) -> String {
    if page == 1 { format!("{base}{CITY_LIST}/{slug}") } else { format!("{base}{CITY_LIST}/{slug}/{page}") }
}

pub(crate) fn profile(base: &str, id: u64) -> String {
    format!("{base}{PROFILES}{id}")
}

pub(crate) fn photo(base: &str, id: u64) -> String {
    format!("{base}{PROFILE_PHOTOS}{id}.png")
}

/// The first page is the list's own address, so that each page has exactly one URL.
pub(crate) fn car_list(base: &str, page: u32) -> String {
    if page == 1 { format!("{base}{CAR_LIST}") } else { format!("{base}{CAR_LIST}{CAR_LIST_PAGE}{page}/") }
}

pub(crate) fn model(base: &str, model_id: u32) -> String {
    format!("{base}{CAR_LIST}{model_id}/")
}

pub(crate) fn car(base: &str, car_id: &str) -> String {
    format!("{base}{CAR_LIST}{car_id}/")
}

pub(crate) fn car_image(base: &str, car_id: &str) -> String {
    format!("{base}{CAR_IMAGES}{car_id}.png")
}

/// The pager of both lists: the page before and the next three, as far as they exist.
pub(crate) fn pager(page: u32, last: u32) -> impl Iterator<Item = u32> {
    let before = (page > 1).then(|| page - 1);
    let after = (1..=3).filter_map(move |step| page.checked_add(step)).filter(move |next| *next <= last);
    before.into_iter().chain(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pager_links_existing_pages_only() {
        let links = |page, last| pager(page, last).collect::<Vec<_>>();
        assert_eq!(links(1, 9), [2, 3, 4]);
        assert_eq!(links(2, 9), [1, 3, 4, 5]);
        assert_eq!(links(8, 9), [7, 9]);
        assert_eq!(links(9, 9), [8]);
        assert!(links(1, 1).is_empty());
        assert_eq!(links(u32::MAX, u32::MAX), [u32::MAX - 1]);
    }
}
