//! Who asked the site: each start of an engine by its own name, and when it was not to be heard of.

/// One start of an engine, to its end.
#[derive(Clone, Debug)]
pub struct Life {
    /// Its `User-Agent`.
    pub name: String,
    silences: Vec<Silence>,
}

/// In numbers of arrivals at the site: after the first, and up to the second, if it ended.
#[derive(Clone, Debug)]
struct Silence {
    after: u64,
    until: Option<u64>,
}

impl Life {
    /// The life that begins with this start of an engine.
    pub fn of(who: &str, start: u64) -> Life {
        Life { name: format!("chaos/1 ({who}, start {start})"), silences: Vec::new() }
    }

    /// From now on the others may take it for dead: it is, or is frozen for so long that they must.
    pub fn falls_silent(&mut self, after: u64) {
        self.silences.push(Silence { after, until: None });
    }

    /// It was thawed.
    pub fn speaks(&mut self, until: u64) {
        if let Some(silence) = self.silences.last_mut().filter(|silence| silence.until.is_none()) {
            silence.until = Some(until);
        }
    }

    /// Whether it was silent when this request arrived.
    pub fn is_silent_at(&self, arrival: u64) -> bool {
        self.silences.iter().any(|silence| silence.after < arrival && silence.until.is_none_or(|until| arrival <= until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_silent_while_it_is_frozen_and_once_it_is_over() {
        let mut life = Life::of("engine 2", 3);
        life.falls_silent(10);
        life.speaks(20);
        life.falls_silent(30);
        assert_eq!(life.name, "chaos/1 (engine 2, start 3)");
        let silent: Vec<u64> = [10, 11, 20, 21, 30, 31, 99].into_iter().filter(|arrival| life.is_silent_at(*arrival)).collect();
        assert_eq!(silent, [11, 20, 31, 99]);
    }
}
