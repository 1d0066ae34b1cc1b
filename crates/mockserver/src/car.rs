//! One invented car: the ten fields of a detail page.

use serde::{Deserialize, Serialize};

use crate::seed::{Dice, Purpose};

/// A car as its detail page states it; the fields of the course's car model, and its names in JSON.
/// What the page does not state is empty or 0. Text is decoded: `&`, not `&amp;`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Car {
    /// Make, model, year and trim; never empty.
    pub name: String,
    /// In 10,000 yuan (万); never 0.
    pub price: f64,
    /// Address of the picture, absolute; never empty.
    #[serde(rename = "ImageURL")]
    pub image_url: String,
    /// Length × width × height, such as `4700×1800×1450mm`.
    pub size: String,
    /// Litres per 100 km; 0 for electric cars.
    pub fuel: f64,
    /// Gearbox.
    pub transmission: String,
    /// Power and kind of the engine.
    pub engine: String,
    /// Litres; 0 for electric cars.
    pub displacement: f64,
    /// Kilometres per hour.
    pub max_speed: f64,
    /// Seconds from 0 to 100 km/h.
    pub acceleration: f64,
}

const MAKES: [&str; 12] = ["远川", "星禾", "凌岳", "北辰 & 海", "青骓", "云汐", "朗驰", "木石", "O'Vela", "极原", "松塔", "飞鹭"];
const SERIES: [&str; 10] = ["R3", "R5", "X1", "X7", "逐日", "听风", "Mira", "Tundo", "E20", "巡游"];
const TRIMS: [&str; 6] = ["舒适版", "豪华版", "运动版", "标准版", "Plus & Co 版", "尊享版"];
const TRANSMISSIONS: [&str; 5] = ["5挡手动", "6挡手动", "6挡自动", "7挡双离合", "CVT无级变速"];
const CYLINDERS: [&str; 4] = ["直列3缸", "直列4缸", "V型6缸", "水平对置4缸"];

/// One field in so many is left out of a page.
const ABSENT_ONE_IN: u64 = 12;

/// The name of a model, without year and trim.
pub(crate) fn model_name(seed: u64, model: u32) -> String {
    let mut dice = Dice::new(seed, Purpose::Models, u64::from(model));
    format!("{} {}", dice.pick(&MAKES), dice.pick(&SERIES))
}

/// The car of this number (see [`crate::cars`]) of a model; the same for ever.
pub(crate) fn car(seed: u64, model: u32, number: u32, image_url: String) -> Car {
    let mut dice = Dice::new(seed, Purpose::Cars, u64::from(number));
    let model = model_name(seed, model);
    let (year, trim) = (dice.between(2015, 2026), dice.pick(&TRIMS));
    let electric = dice.one_in(8);
    let tenths = dice.between(10, 40);
    let name =
        if electric { format!("{model} {year}款 纯电 {trim}") } else { format!("{model} {year}款 {:.1}L {trim}", parts(tenths, 10)) };
    let price = parts(dice.between(398, 9_999), 100);
    let size = format!("{}×{}×{}mm", dice.between(3_500, 5_300), dice.between(1_580, 2_050), dice.between(1_350, 1_950));
    let power = dice.between(50, 320);
    let engine = if electric {
        format!("{power}kW 永磁同步")
    } else {
        format!("{power}kW({:.1}L {})", parts(tenths, 10), dice.pick(&CYLINDERS))
    };
    let fuel = if electric { 0.0 } else { parts(dice.between(41, 160), 10) };
    let transmission = dice.pick(&TRANSMISSIONS).to_owned();
    let (max_speed, acceleration) = (f64::from(dice.between(140, 280)), parts(dice.between(38, 159), 10));
    let mut present = || !dice.one_in(ABSENT_ONE_IN);
    Car {
        name,
        price,
        image_url,
        size: if present() { size } else { String::new() },
        fuel: if present() { fuel } else { 0.0 },
        transmission: if present() { transmission } else { String::new() },
        engine: if present() { engine } else { String::new() },
        displacement: if present() && !electric { parts(tenths, 10) } else { 0.0 },
        max_speed: if present() { max_speed } else { 0.0 },
        acceleration: if present() { acceleration } else { 0.0 },
    }
}

/// A decimal number made by one division, which is the nearest `f64` to the decimal text the page prints.
fn parts(count: u32, of: u32) -> f64 {
    f64::from(count) / f64::from(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_numbers_read_back_as_the_same_number() {
        for count in 1..10_000 {
            assert_eq!(format!("{:.2}", parts(count, 100)).parse::<f64>().unwrap(), parts(count, 100));
            assert_eq!(format!("{:.1}", parts(count, 10)).parse::<f64>().unwrap(), parts(count, 10));
        }
    }

    #[test]
    fn some_cars_are_electric_and_some_names_need_entities() {
        let cars: Vec<_> = (0..300).map(|number| car(1, number / 4, number, String::new())).collect();
        assert!(cars.iter().any(|car| car.name.contains("纯电") && car.displacement == 0.0));
        assert!(cars.iter().any(|car| car.name.contains('&')));
        assert!(cars.iter().any(|car| car.name.contains('\'')));
        assert!(cars.iter().any(|car| car.transmission.is_empty()));
    }

    #[test]
    fn json_uses_the_courses_field_names() {
        let value = serde_json::to_value(car(1, 1, 1, "http://host/1.png".into())).unwrap();
        let names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["Name", "Price", "ImageURL", "Size", "Fuel", "Transmission", "Engine", "Displacement", "MaxSpeed", "Acceleration"]
        );
    }
}
