//! When the pictures of a file are shown.

use std::time::Duration;

/// Turns a file's time stamps into times that rise from zero, whatever the file says.
#[derive(Debug)]
pub(super) struct Timeline {
    /// How long a picture is shown if the file does not say.
    nominal: Duration,
    /// Nanoseconds of the first picture's time stamp.
    first: Option<i64>,
    /// When the last picture began and ends.
    last: Option<(Duration, Duration)>,
}

impl Timeline {
    pub(super) fn new(nominal: Duration) -> Self {
        Self {
            nominal,
            first: None,
            last: None,
        }
    }

    /// Begins another pass over the file.
    pub(super) fn restart(&mut self) {
        (self.first, self.last) = (None, None);
    }

    /// From when until when a picture is shown, by its time stamp and duration in nanoseconds.
    ///
    /// A picture whose time stamp is missing or does not rise follows the one before it.
    pub(super) fn place(
        &mut self,
        stamp: Option<i64>,
        duration: Option<i64>,
    ) -> (Duration, Duration) {
        let begin = match (self.last, stamp) {
            (None, stamp) => {
                self.first = stamp;
                Duration::ZERO
            }
            (Some((last, end)), Some(stamp)) => {
                let first = *self
                    .first
                    .get_or_insert_with(|| stamp.saturating_sub(nanos(end)));
                match u64::try_from(stamp.saturating_sub(first)).map(Duration::from_nanos) {
                    Ok(at) if at > last => at,
                    _ => end,
                }
            }
            (Some((_, end)), None) => end,
        };
        let shown = duration
            .and_then(|ns| u64::try_from(ns).ok())
            .filter(|ns| *ns > 0)
            .map_or(self.nominal, Duration::from_nanos);
        let end = begin.saturating_add(shown);
        self.last = Some((begin, end));
        (begin, end)
    }

    /// When the last picture placed ends.
    pub(super) fn end(&self) -> Duration {
        self.last.map_or(Duration::ZERO, |(_, end)| end)
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn begins(stamps: &[Option<i64>]) -> Vec<u128> {
        let mut timeline = Timeline::new(Duration::from_millis(40));
        stamps
            .iter()
            .map(|ms| timeline.place(ms.map(|ms| ms * MS), None).0.as_millis())
            .collect()
    }

    #[test]
    fn times_count_from_the_first_picture() {
        assert_eq!(begins(&[Some(80), Some(120), Some(400)]), [0, 40, 320]);
        assert_eq!(begins(&[Some(-80), Some(-40), Some(0)]), [0, 40, 80]);
    }

    #[test]
    fn stamps_that_do_not_rise_or_are_missing_are_bridged() {
        assert_eq!(begins(&[Some(0), Some(0), Some(80)]), [0, 40, 80]);
        assert_eq!(
            begins(&[Some(0), Some(40), Some(10), Some(120)]),
            [0, 40, 80, 120]
        );
        assert_eq!(begins(&[Some(0), None, Some(80)]), [0, 40, 80]);
        assert_eq!(begins(&[None, Some(7000), Some(7030)]), [0, 40, 70]);
    }

    #[test]
    fn durations_of_the_file_are_taken_and_extremes_are_survived() {
        let mut timeline = Timeline::new(Duration::from_millis(40));
        assert_eq!(
            timeline.place(Some(i64::MIN), Some(90 * MS)).1.as_millis(),
            90
        );
        timeline.place(Some(i64::MAX), Some(i64::MAX));
        let (begin, end) = timeline.place(Some(0), Some(-5));
        assert_eq!(end - begin, Duration::from_millis(40));
        assert_eq!(timeline.end(), end);
        timeline.restart();
        assert_eq!(timeline.place(Some(5), None).0, Duration::ZERO);
    }
}
