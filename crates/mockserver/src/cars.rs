//! Which models and cars there are, and how their ids relate: ids have gaps, as real ones do, and lead back by arithmetic.

use crate::car::{self, Car};
use crate::config::SiteConfig;
use crate::seed::{Dice, Purpose};

const FIRST_MODEL_ID: u32 = 1_000;
/// Model ids are spread over blocks of this many.
const MODEL_BLOCK: u32 = 7;
const FIRST_CAR_NUMBER: u32 = 10_000;
/// Each model owns a block of so many car numbers and uses the first few.
const CAR_BLOCK: u32 = 8;
const MODELS_A_PAGE: u32 = 20;

/// The cars of a site. A *model* is its position in the list from 0 here; its id is what addresses show.
#[derive(Debug)]
pub(crate) struct Cars {
    seed: u64,
    models: u32,
}

impl Cars {
    pub(crate) fn new(config: &SiteConfig) -> Self {
        Self { seed: config.seed, models: config.cars }
    }

    pub(crate) fn models(&self) -> u32 {
        self.models
    }

    /// An empty list is still one page.
    pub(crate) fn last_page(&self) -> u32 {
        self.models.div_ceil(MODELS_A_PAGE).max(1)
    }

    /// The models on a page of the list; none if there is no such page.
    pub(crate) fn page(&self, page: u32) -> std::ops::Range<u32> {
        let first = page.saturating_sub(1).saturating_mul(MODELS_A_PAGE);
        first.min(self.models)..first.saturating_add(MODELS_A_PAGE).min(self.models)
    }

    pub(crate) fn model_id(&self, model: u32) -> u32 {
        let offset = Dice::new(self.seed, Purpose::Models, u64::from(model) << 32).between(0, MODEL_BLOCK - 1);
        FIRST_MODEL_ID + model * MODEL_BLOCK + offset
    }

    pub(crate) fn model_of_id(&self, id: u32) -> Option<u32> {
        let model = id.checked_sub(FIRST_MODEL_ID)? / MODEL_BLOCK;
        (model < self.models && self.model_id(model) == id).then_some(model)
    }

    pub(crate) fn model_name(&self, model: u32) -> String {
        car::model_name(self.seed, model)
    }

    /// The numbers of a model's cars: three to six.
    pub(crate) fn numbers(&self, model: u32) -> std::ops::Range<u32> {
        let count = Dice::new(self.seed, Purpose::Cars, u64::from(model) << 32).between(3, 6);
        let first = FIRST_CAR_NUMBER + model * CAR_BLOCK;
        first..first + count
    }

    /// The model of a car number, if there is such a car.
    pub(crate) fn model_of_number(&self, number: u32) -> Option<u32> {
        let model = number.checked_sub(FIRST_CAR_NUMBER)? / CAR_BLOCK;
        (model < self.models && self.numbers(model).contains(&number)).then_some(model)
    }

    pub(crate) fn car(&self, base: &str, model: u32, number: u32) -> Car {
        car::car(self.seed, model, number, crate::address::car_image(base, &car_id(number)))
    }

    /// The neighbours of a model in the list, each once and not the model itself.
    pub(crate) fn siblings(&self, model: u32) -> Vec<u32> {
        let mut siblings = Vec::with_capacity(3);
        for step in [self.models - 1, 1, 2] {
            let other = (model + step) % self.models;
            if other != model && !siblings.contains(&other) {
                siblings.push(other);
            }
        }
        siblings
    }
}

/// The id of a car as addresses and items spell it.
pub(crate) fn car_id(number: u32) -> String {
    format!("m{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back_to_their_model_and_no_others_exist() {
        let cars = Cars::new(&SiteConfig::practice());
        let found: Vec<_> = (0..3_000).filter_map(|id| cars.model_of_id(id)).collect();
        assert_eq!(found, (0..40).collect::<Vec<_>>());
        let numbers: Vec<_> = (0..30_000).filter(|number| cars.model_of_number(*number).is_some()).collect();
        let expected: Vec<_> = (0..40).flat_map(|model| cars.numbers(model)).collect();
        assert_eq!(numbers, expected);
    }

    #[test]
    fn pages_hold_twenty_models_and_the_last_the_rest() {
        let cars = Cars { seed: 1, models: 45 };
        assert_eq!(cars.last_page(), 3);
        assert_eq!((cars.page(1), cars.page(3), cars.page(4)), (0..20, 40..45, 45..45));
        assert_eq!(Cars { seed: 1, models: 0 }.last_page(), 1);
    }

    #[test]
    fn siblings_of_few_models_are_distinct_and_never_the_model_itself() {
        let siblings = |models, model| Cars { seed: 1, models }.siblings(model);
        assert!(siblings(1, 0).is_empty());
        assert_eq!(siblings(2, 0), [1]);
        assert_eq!(siblings(3, 0), [2, 1]);
        assert_eq!(siblings(9, 8), [7, 0, 1]);
    }
}
