//! A person of the course's dating site.

use serde::{Deserialize, Serialize};

/// The 13 fields of a dating profile, under the names the course gave them. What a page does not say is `""` or 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Profile {
    /// Nickname, as the city page that led here shows it.
    pub name: String,
    /// Gender, as the page says it.
    pub gender: String,
    /// Age in years.
    pub age: i64,
    /// Height in centimetres.
    pub height: i64,
    /// Weight in kilograms.
    pub weight: i64,
    /// Monthly income as a range with its currency.
    pub income: String,
    /// Marital status.
    pub marriage: String,
    /// Highest education.
    pub education: String,
    /// Occupation.
    pub occupation: String,
    /// Registered residence.
    pub hukou: String,
    /// Sign of the zodiac (the course's spelling).
    pub xinzuo: String,
    /// Housing situation.
    pub house: String,
    /// Whether there is a car.
    pub car: String,
}
