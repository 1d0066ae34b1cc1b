//! A car of the course's second site.

use serde::{Deserialize, Serialize};

/// The 10 fields of a car's detail page, under the names the course gave them. What a page does not say is `""` or 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Car {
    /// Make, model and year.
    pub name: String,
    /// Price in units of ten thousand yuan.
    pub price: f64,
    /// Address of its picture.
    #[serde(rename = "ImageURL")]
    pub image_url: String,
    /// Length, width and height as one text.
    pub size: String,
    /// Fuel used, in litres per 100 km.
    pub fuel: f64,
    /// Kind of gearbox.
    pub transmission: String,
    /// Engine, as the page says it.
    pub engine: String,
    /// Displacement in litres.
    pub displacement: f64,
    /// Highest speed in km/h.
    pub max_speed: f64,
    /// Seconds from 0 to 100 km/h.
    pub acceleration: f64,
}
