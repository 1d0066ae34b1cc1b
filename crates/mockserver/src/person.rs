//! One invented person: the thirteen fields of a profile, and what they wish of a partner.

use serde::{Deserialize, Serialize};

use crate::seed::{Dice, Purpose};

/// A person as their profile page states them; the fields of the course's `Profile`, and its names in JSON.
/// What the page does not state is empty or 0. Text is decoded: `&`, not `&amp;`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Profile {
    /// Nickname, the same wherever the person is linked to; never empty.
    pub name: String,
    /// `男士` or `女士`; never empty.
    pub gender: String,
    /// Years.
    pub age: u32,
    /// Centimetres.
    pub height: u32,
    /// Kilograms.
    pub weight: u32,
    /// A monthly range such as `8001-10000元`.
    pub income: String,
    /// Marital status, such as `未婚`.
    pub marriage: String,
    /// Degree, such as `大学本科`.
    pub education: String,
    /// Trade.
    pub occupation: String,
    /// Province and town of origin.
    pub hukou: String,
    /// Zodiac sign.
    pub xinzuo: String,
    /// Housing.
    pub house: String,
    /// Whether they own a car.
    pub car: String,
}

/// What a person looks for, in the words of the second table of their page. Labels are a subset of those of the first
/// table, so that the first match of a label is always about the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wishes {
    pub(crate) rows: Vec<(&'static str, String)>,
}

pub(crate) const AGE: &str = "年龄";
pub(crate) const HEIGHT: &str = "身高";
pub(crate) const INCOME: &str = "月收入";
pub(crate) const MARRIAGE: &str = "婚况";
pub(crate) const EDUCATION: &str = "学历";
pub(crate) const OCCUPATION: &str = "职业";
pub(crate) const HOUSE: &str = "住房条件";

const QUALITIES: [&str; 32] = [
    "安静", "爱笑", "远行", "早起", "认真", "温柔", "沉默", "快乐", "迷路", "勇敢", "慢热", "贪吃", "晴天", "午后", "雨中", "山间", "海边",
    "月下", "春天", "盛夏", "深秋", "初雪", "清晨", "微醺", "读书", "唱歌", "奔跑", "等风", "看云", "听雨", "写信", "画画",
];
const CREATURES: [&str; 32] = [
    "山雀",
    "木棉",
    "刺猬",
    "海豚",
    "松果",
    "蒲公英",
    "灯塔",
    "风筝",
    "柚子",
    "小鹿",
    "白杨",
    "石榴",
    "鲸鱼",
    "猫头鹰",
    "向日葵",
    "萤火虫",
    "纸船",
    "橡树",
    "云朵",
    "麦穗",
    "青柠",
    "水獭",
    "银杏",
    "薄荷",
    "候鸟",
    "稻草人",
    "星辰",
    "溪流",
    "茉莉",
    "豆包",
    "雪松",
    "陶罐",
];
const LATIN: [&str; 8] = ["Momo", "Kiki", "Pony", "Lulu", "Tata", "Nano", "Bobo", "Zuzu"];
const INCOMES: [&str; 7] = ["3000元以下", "3001-5000元", "5001-8000元", "8001-10000元", "10001-20000元", "20001-50000元", "50000元以上"];
const MARRIAGES: [&str; 3] = ["未婚", "离异", "丧偶"];
const EDUCATIONS: [&str; 6] = ["高中及以下", "中专", "大专", "大学本科", "硕士", "博士"];
const OCCUPATIONS: [&str; 12] =
    ["教师", "护士", "会计", "软件工程师", "IT & 互联网", "厨师", "司机", "设计师", "公务员", "销售", "园艺师", "电工"];
const ORIGINS: [&str; 12] = [
    "四川成都",
    "江苏苏州",
    "浙江宁波",
    "湖北武汉",
    "湖南长沙",
    "广东佛山",
    "山东青岛",
    "陕西西安",
    "福建厦门",
    "辽宁大连",
    "云南昆明",
    "吉林长春",
];
const SIGNS: [&str; 12] =
    ["牡羊座", "金牛座", "双子座", "巨蟹座", "狮子座", "处女座", "天秤座", "天蝎座", "射手座", "魔羯座", "水瓶座", "双鱼座"];
const HOUSES: [&str; 5] = ["已购房", "租房", "和家人同住", "单位宿舍", "打算婚后购房"];
const CARS: [&str; 2] = ["已购车", "未购车"];

/// One field in so many is left out of a profile.
const ABSENT_ONE_IN: u64 = 12;

/// The person of this id; the same for ever.
pub(crate) fn profile(seed: u64, id: u64) -> Profile {
    let mut dice = Dice::new(seed, Purpose::People, id);
    let name = name(&mut dice);
    let female = dice.one_in(2);
    let (age, height, weight) = if female {
        (dice.between(20, 55), dice.between(150, 178), dice.between(42, 72))
    } else {
        (dice.between(22, 60), dice.between(160, 195), dice.between(52, 98))
    };
    Profile {
        name,
        gender: if female { "女士" } else { "男士" }.to_owned(),
        age: number_or_absent(&mut dice, age),
        height: number_or_absent(&mut dice, height),
        weight: number_or_absent(&mut dice, weight),
        income: text_or_absent(&mut dice, &INCOMES),
        marriage: text_or_absent(&mut dice, &MARRIAGES),
        education: text_or_absent(&mut dice, &EDUCATIONS),
        occupation: text_or_absent(&mut dice, &OCCUPATIONS),
        hukou: text_or_absent(&mut dice, &ORIGINS),
        xinzuo: text_or_absent(&mut dice, &SIGNS),
        house: text_or_absent(&mut dice, &HOUSES),
        car: text_or_absent(&mut dice, &CARS),
    }
}

/// What the person of this id wishes: other values under some of the labels their own table has.
pub(crate) fn wishes(seed: u64, id: u64, profile: &Profile) -> Wishes {
    let mut dice = Dice::new(seed, Purpose::Wishes, id);
    let mut rows = Vec::new();
    let (youngest, shortest) = (dice.between(20, 45), dice.between(150, 180));
    if profile.age != 0 {
        rows.push((AGE, format!("{youngest}-{}岁", youngest + 4)));
    }
    if profile.height != 0 {
        rows.push((HEIGHT, format!("{shortest}-{}CM", shortest + 10)));
    }
    let mut other_than = |label, own: &str, choices: &[&str]| {
        let first = dice.pick(choices);
        if own.is_empty() {
            return;
        }
        let wished = if first == own { choices[usize::from(choices[0] == own)] } else { first };
        rows.push((label, wished.to_owned()));
    };
    other_than(INCOME, &profile.income, &INCOMES);
    other_than(MARRIAGE, &profile.marriage, &MARRIAGES);
    other_than(EDUCATION, &profile.education, &EDUCATIONS);
    other_than(OCCUPATION, &profile.occupation, &OCCUPATIONS);
    other_than(HOUSE, &profile.house, &HOUSES);
    Wishes { rows }
}

/// A nickname; one in eight needs an HTML entity.
fn name(dice: &mut Dice) -> String {
    let (quality, creature, latin) = (dice.pick(&QUALITIES), dice.pick(&CREATURES), dice.pick(&LATIN));
    match dice.below(16) {
        0 => format!("{latin} & {creature}"),
        1 => format!("{latin}'s {creature}"),
        2..=5 => format!("{quality}{creature}{}", dice.between(1, 99)),
        _ => format!("{quality}的{creature}"),
    }
}

fn number_or_absent(dice: &mut Dice, number: u32) -> u32 {
    if dice.one_in(ABSENT_ONE_IN) { 0 } else { number }
}

fn text_or_absent(dice: &mut Dice, choices: &[&str]) -> String {
    let chosen = dice.pick(choices);
    if dice.one_in(ABSENT_ONE_IN) { String::new() } else { chosen.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_never_repeats_the_persons_own_value_nor_a_label_they_lack() {
        for id in 1..2_000 {
            let profile = profile(3, id);
            for (label, wished) in wishes(3, id, &profile).rows {
                let own = match label {
                    AGE => format!("{}岁", profile.age),
                    HEIGHT => format!("{}CM", profile.height),
                    INCOME => profile.income.clone(),
                    MARRIAGE => profile.marriage.clone(),
                    EDUCATION => profile.education.clone(),
                    OCCUPATION => profile.occupation.clone(),
                    HOUSE => profile.house.clone(),
                    other => panic!("unexpected label {other}"),
                };
                assert_ne!(own, wished);
                assert!(!own.is_empty() && !own.starts_with("0"));
            }
        }
    }

    #[test]
    fn some_names_need_entities_and_some_fields_are_absent() {
        let people: Vec<_> = (1..500).map(|id| profile(1, id)).collect();
        assert!(people.iter().any(|person| person.name.contains('&')));
        assert!(people.iter().any(|person| person.name.contains('\'')));
        assert!(people.iter().any(|person| person.age == 0));
        assert!(people.iter().any(|person| person.income.is_empty()));
        assert!(people.iter().all(|person| !person.name.is_empty() && !person.gender.is_empty()));
    }

    #[test]
    fn json_uses_the_courses_field_names() {
        let value = serde_json::to_value(profile(1, 1)).unwrap();
        let names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "Name",
                "Gender",
                "Age",
                "Height",
                "Weight",
                "Income",
                "Marriage",
                "Education",
                "Occupation",
                "Hukou",
                "Xinzuo",
                "House",
                "Car"
            ]
        );
    }
}
