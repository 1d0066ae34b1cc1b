//! The cities: invented names of two syllables, romanised for the address and in characters for the reader.

use std::collections::HashSet;

use crate::seed::{Dice, Purpose};

const SYLLABLES: [(&str, char); 48] = [
    ("an", '安'),
    ("bei", '北'),
    ("chang", '昌'),
    ("cheng", '成'),
    ("chun", '春'),
    ("da", '大'),
    ("dong", '东'),
    ("fu", '福'),
    ("gao", '高'),
    ("guang", '广'),
    ("hai", '海'),
    ("han", '汉'),
    ("he", '河'),
    ("heng", '恒'),
    ("hu", '湖'),
    ("hua", '华'),
    ("huai", '淮'),
    ("jian", '建'),
    ("jiang", '江'),
    ("jin", '金'),
    ("jing", '京'),
    ("lan", '兰'),
    ("li", '丽'),
    ("lian", '连'),
    ("lin", '林'),
    ("ling", '陵'),
    ("liu", '柳'),
    ("long", '龙'),
    ("luo", '洛'),
    ("ming", '明'),
    ("nan", '南'),
    ("ning", '宁'),
    ("ping", '平'),
    ("pu", '浦'),
    ("qing", '青'),
    ("quan", '泉'),
    ("shan", '山'),
    ("shao", '绍'),
    ("tai", '泰'),
    ("tang", '唐'),
    ("tian", '天'),
    ("wei", '威'),
    ("wu", '武'),
    ("xi", '西'),
    ("xiang", '湘'),
    ("xin", '新'),
    ("yang", '阳'),
    ("zhou", '州'),
];

/// Every pair of syllables is one city.
pub(crate) const MOST_CITIES: u32 = 48 * 48;

/// One city of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct City {
    /// How the address spells it; unique.
    pub(crate) slug: String,
    /// How the page spells it; unique.
    pub(crate) name: String,
}

/// The first `count` cities of a seed, at most [`MOST_CITIES`].
pub(crate) fn cities(seed: u64, count: u32) -> Vec<City> {
    debug_assert!(count <= MOST_CITIES);
    // A stride without a common divisor with 2304 = 2^8 · 3^2 visits every pair once.
    const STRIDE: u32 = 1_031;
    let start = Dice::new(seed, Purpose::Cities, 0).between(0, MOST_CITIES - 1);
    let mut taken = HashSet::new();
    (0..count)
        .map(|number| {
            let pair = ((start + number * STRIDE) % MOST_CITIES) as usize;
            let (first, second) = (SYLLABLES[pair / 48], SYLLABLES[pair % 48]);
            let mut slug = format!("{}{}", first.0, second.0);
            // Two pairs could be romanised alike; real sites number such twins too.
            while !taken.insert(slug.clone()) {
                slug.push('1');
            }
            City { slug, name: [first.1, second.1].iter().collect() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cities_have_distinct_slugs_and_names() {
        for seed in [0, 1, 77] {
            let all = cities(seed, MOST_CITIES);
            let slugs: HashSet<_> = all.iter().map(|city| &city.slug).collect();
            let names: HashSet<_> = all.iter().map(|city| &city.name).collect();
            assert_eq!((slugs.len(), names.len()), (2304, 2304));
        }
    }
}
