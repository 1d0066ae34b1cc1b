//! Paths that repeat themselves: `/a/b/a/b/a/b` is what a relative link makes that forgot its slash.

/// How often in a row the same segments may stand in a path.
const MOST: usize = 2;

/// Longest run of segments that is looked for. Longer ones make URLs that are too long in any case.
const LONGEST: usize = 8;

/// Whether some segments of a path stand in it more than twice in a row.
///
/// Single digits and empty segments may: `/1/1/1` is a place in a grid or a date as often as a mistake.
pub(super) fn repeats(path: &str) -> bool {
    // The shortest path that can: nothing is allocated for others.
    if path.bytes().filter(|byte| *byte == b'/').count() <= MOST {
        return false;
    }
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    (1..=LONGEST.min(segments.len() / (MOST + 1))).any(|run| {
        let needed = MOST * run;
        let mut equal = 0;
        segments.iter().zip(&segments[run..]).any(|(one, other)| {
            equal = if one == other { equal + 1 } else { 0 };
            equal >= needed && (run > 1 || one.len() > 1)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn segments_that_stand_there_three_times_in_a_row_are_a_trap() {
        for (path, expected) in [
            ("/a/b/a/b/a/b", true),
            ("/x/a/b/a/b/a/b/c", true),
            ("/a/b/a/b/a/c", false),
            ("/aa/aa/aa", true),
            ("/aa/aa/", false),
            ("/a/b/a/b/", false),
            ("/x/1/1/1/1", false),
            ("/a/b/c/a/b/c/a/b/c/", true),
            ("/a/x/a/y/a/z", false),
            ("//////", false),
            ("/", false),
        ] {
            assert_eq!(repeats(path), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_naive_look(path in "(/[ab]{1,2}){0,9}/?") {
            let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
            let naive = (1..=3).any(|run| {
                (0..segments.len()).any(|at| {
                    let part = |n: usize| segments.get(at + n * run..at + (n + 1) * run);
                    part(2).is_some() && part(0) == part(1) && part(1) == part(2) && (run > 1 || segments[at].len() > 1)
                })
            });
            prop_assert_eq!(repeats(&path), naive);
        }
    }
}
