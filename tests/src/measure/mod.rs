//! Measurements at a size that tests have no time for; the command `kills` prints them.

pub mod kills;

pub mod outage;
