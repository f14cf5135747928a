//! How much of something each has used lately, so that who has used the least comes first. Pure: the time is an argument.

use std::time::{Duration, Instant};

/// The time after which half of it is forgotten.
const HALF_LIFE: Duration = Duration::from_secs(2);
/// Who has used less counts as one who has used nothing.
const NO_USE: Duration = Duration::from_millis(1);
/// With more users, those who have used something the longest ago are forgotten.
const MAX_USERS: usize = 500;

#[derive(Debug)]
pub struct RecentUse<K>(Vec<Used<K>>);

/// What one has used, as much of it as was not forgotten at that moment.
#[derive(Debug)]
struct Used<K> {
    by: K,
    time: Duration,
    at: Instant,
}

impl<K> Used<K> {
    fn left(&self, now: Instant) -> Duration {
        let half_lives = now.saturating_duration_since(self.at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        let left = self.time.mul_f64(0.5_f64.powf(half_lives));
        if left < NO_USE { Duration::ZERO } else { left }
    }
}

impl<K> Default for RecentUse<K> {
    fn default() -> Self {
        RecentUse(Vec::new())
    }
}

impl<K: Copy + PartialEq> RecentUse<K> {
    /// The time that it has used, as much of it as is not forgotten.
    pub fn of(&self, by: K, now: Instant) -> Duration {
        self.0.iter().find(|used| used.by == by).map_or(Duration::ZERO, |used| used.left(now))
    }

    pub fn add(&mut self, by: K, time: Duration, now: Instant) {
        let time = self.of(by, now) + time;
        self.0.retain(|used| used.by != by && !used.left(now).is_zero());
        self.0.drain(..(self.0.len() + 1).saturating_sub(MAX_USERS));
        self.0.push(Used { by, time, at: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_use_is_forgotten_after_a_while_and_all_of_it_later() {
        let (mut used, now) = (RecentUse::default(), Instant::now());
        used.add("a", Duration::from_millis(100), now);
        used.add("b", Duration::from_millis(40), now);
        used.add("a", Duration::from_millis(100), now + HALF_LIFE);
        let at = |half_lives: u32, by| used.of(by, now + HALF_LIFE * half_lives).as_millis();
        assert_eq!([at(1, "a"), at(2, "a"), at(1, "b"), at(2, "b"), at(6, "b")], [150, 75, 20, 10, 0]);
        assert_eq!(used.of("c", now), Duration::ZERO);
        used.add("c", Duration::from_millis(10), now + HALF_LIFE * 10);
        assert_eq!(used.0.len(), 1, "{used:?}");
    }
}
