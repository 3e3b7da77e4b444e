//! What the clock decides: the daily profile, the volume of each day, and the outages.

use super::draws::{Deck, Draws};

/// Seconds in a day.
pub(super) const DAY_S: f64 = 86_400.0;
const HOUR_S: f64 = 3_600.0;

/// Published mean requests per hour of day, both streams together.
pub(super) const HOURLY_REQUESTS: [f64; 24] = [
    940.0, 893.0, 572.0, 513.0, 368.0, 342.0, 194.0, 153.0, 178.0, 416.0, 879.0, 1287.0, 1744.0, 1501.0,
    1796.0, 1401.0, 1476.0, 1356.0, 1181.0, 1568.0, 1353.0, 1175.0, 1129.0, 1026.0,
];
/// Conversations are said to dip at 12 h and 18 h; the profile of all requests shows the second dip alone.
const NOON_DIP: f64 = 0.65;
/// Exponent that deepens the nights of the conversations, which carry the seasonality. It brings the empty minutes
/// to the published 31 % over all and 37 % in week 1.
const CONVERSATION_CONTRAST: f64 = 1.3;

/// Demand in every hour of the day, relative to the mean hour.
#[derive(Clone, Debug)]
pub(super) struct Profile([f64; 24]);

impl Profile {
    /// The published profile of all requests.
    pub(super) fn of_all_requests() -> Self {
        Self::normalised(HOURLY_REQUESTS)
    }

    /// The published profile with a dip at noon and deeper nights.
    pub(super) fn of_conversations() -> Self {
        let mut hourly = HOURLY_REQUESTS;
        hourly[12] *= NOON_DIP;
        Self::normalised(hourly.map(|requests| libm::pow(requests, CONVERSATION_CONTRAST)))
    }

    fn normalised(hourly: [f64; 24]) -> Self {
        let mean = hourly.iter().sum::<f64>() / 24.0;
        Self(hourly.map(|requests| requests / mean))
    }

    /// Relative demand at a time since midnight of the first day.
    pub(super) fn at(&self, time_s: f64) -> f64 {
        self.0[(time_s as u64 / 3_600 % 24) as usize]
    }

    /// The time by which the demand since `start_s` adds up to `work_s` seconds of the mean hour.
    pub(super) fn after(&self, start_s: f64, mut work_s: f64) -> f64 {
        let mut clock_s = start_s;
        loop {
            let hour_end_s = ((clock_s / HOUR_S).floor() + 1.0) * HOUR_S;
            let demand = self.at(clock_s);
            let available_s = (hour_end_s - clock_s) * demand;
            if work_s < available_s {
                return clock_s + work_s / demand;
            }
            work_s -= available_s;
            clock_s = hour_end_s;
        }
    }
}

/// Number of midnights since the first.
pub(super) fn day_of(time_s: f64) -> u32 {
    (time_s / DAY_S) as u32
}

/// The first day of the loud regime. The nine days before it are quiet and nearly all conversation.
const FLOOD_DAY: u32 = 9;
/// API requests on a quiet day: two per cent of the 27,873 requests of the first nine days.
const QUIET_DAY_REQUESTS: f64 = 62.0;
/// API requests on the flood day, the busiest of the published trace with 149,520 requests in all, before outages.
const FLOOD_DAY_REQUESTS: f64 = 160_000.0;
/// Later days are log-normal. The median leaves 1,275,518 API requests in all after outages and the token limit;
/// the spread gives the published coefficient of variation of 1.13 and the 32 % on the five busiest days.
const LOUD_DAY_MEDIAN_REQUESTS: f64 = 17_500.0;
const LOUD_DAY_LOG_SD: f64 = 0.85;
/// Days after the flood in the published 61.
const LOUD_DAYS: usize = 51;

/// Whether a time falls on the flood day.
pub(super) fn is_flood(time_s: f64) -> bool {
    day_of(time_s) == FLOOD_DAY
}

/// The heavy-tailed API volume that each day aims at.
#[derive(Clone, Debug)]
pub(super) struct DayVolumes {
    deck: Deck<LOUD_DAYS>,
    day: u32,
    requests: f64,
}

impl DayVolumes {
    pub(super) fn new() -> Self {
        Self { deck: Deck::new(), day: 0, requests: QUIET_DAY_REQUESTS }
    }

    /// API requests to expect on the day of `time_s`, which must not go back from call to call.
    pub(super) fn at(&mut self, time_s: f64, draws: &mut Draws) -> f64 {
        while self.day < day_of(time_s) {
            self.day += 1;
            self.requests = match self.day {
                0..FLOOD_DAY => QUIET_DAY_REQUESTS,
                FLOOD_DAY => FLOOD_DAY_REQUESTS,
                _ => LOUD_DAY_MEDIAN_REQUESTS * libm::exp(LOUD_DAY_LOG_SD * self.deck.normal(draws)),
            };
        }
        self.requests
    }
}

/// Mean time between outages: the published trace has 49 gaps above one hour in 5.27 million seconds.
const UPTIME_MEAN_S: f64 = 100_000.0;
/// Outages last between an hour and the longest published gap, 15,240 s, less the wait for the next request.
const OUTAGE_MIN_S: f64 = HOUR_S;
const OUTAGE_MAX_S: f64 = 15_200.0;
/// Outages take 6.4 % of the time, which the requests of the remaining time make up for.
pub(super) const OUTAGE_ALLOWANCE: f64 = 1.068;

/// Periods in which the trace holds nothing at all. Their lengths follow a bounded Pareto law of index one, which
/// gives the published coefficient of variation of the gaps, 13.3.
#[derive(Clone, Debug)]
pub(super) struct Outages {
    draws: Draws,
    uptimes: Deck<24>,
    lengths: Deck<24>,
    start_s: f64,
    end_s: f64,
}

impl Outages {
    pub(super) fn new(draws: Draws) -> Self {
        Self { draws, uptimes: Deck::new(), lengths: Deck::new(), start_s: 0.0, end_s: 0.0 }
    }

    /// Whether `time_s`, which must not go back from call to call, falls into an outage.
    pub(super) fn cover(&mut self, time_s: f64) -> bool {
        while time_s >= self.end_s {
            let uptime_s = -libm::log(self.uptimes.unit(&mut self.draws)) * UPTIME_MEAN_S;
            let rank = self.lengths.unit(&mut self.draws);
            self.start_s = self.end_s + uptime_s;
            self.end_s = self.start_s + OUTAGE_MIN_S / (1.0 - rank * (1.0 - OUTAGE_MIN_S / OUTAGE_MAX_S));
        }
        time_s >= self.start_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_dip_at_noon_and_at_six() {
        let hourly = Profile::of_conversations().0;
        for dip in [12, 18] {
            assert!(hourly[dip] < hourly[dip - 1] && hourly[dip] < hourly[dip + 1], "hour {dip}");
        }
    }

    #[test]
    fn a_day_of_demand_takes_a_day_from_any_start() {
        let profile = Profile::of_all_requests();
        for start_s in [0.0, 25_201.5, 4.0e6] {
            assert!((profile.after(start_s, DAY_S) - start_s - DAY_S).abs() < 1e-6);
        }
    }

    #[test]
    fn demand_runs_faster_by_day_than_by_night() {
        let profile = Profile::of_all_requests();
        let wait_s = |hour: f64| profile.after(hour * HOUR_S, 100.0) - hour * HOUR_S;
        assert!(wait_s(7.0) > 10.0 * wait_s(14.0));
    }

    #[test]
    fn volumes_are_quiet_for_nine_days_and_then_flood() {
        let mut draws = Draws::new(1, 0);
        let mut volumes = DayVolumes::new();
        let days: Vec<f64> = (0..61).map(|day| volumes.at(f64::from(day) * DAY_S, &mut draws)).collect();
        assert!(days[..9].iter().all(|&requests| (requests - QUIET_DAY_REQUESTS).abs() < 1e-9));
        assert!(days[10..].iter().all(|&requests| requests > 1_000.0));
        assert!((days[9] - FLOOD_DAY_REQUESTS).abs() < 1e-9 && is_flood(9.5 * DAY_S));
    }

    #[test]
    fn outages_last_from_one_hour_to_the_longest_published_gap() {
        let mut outages = Outages::new(Draws::new(1, 0));
        let mut lengths_s = Vec::new();
        for _ in 0..200 {
            assert!(!outages.cover(outages.end_s));
            lengths_s.push(outages.end_s - outages.start_s);
            assert!(outages.cover(outages.start_s.midpoint(outages.end_s)));
        }
        assert!(lengths_s.iter().all(|length_s| (OUTAGE_MIN_S..=OUTAGE_MAX_S).contains(length_s)));
        let share = lengths_s.iter().sum::<f64>() / outages.end_s;
        assert!((share - (1.0 - 1.0 / OUTAGE_ALLOWANCE)).abs() < 0.01, "{share}");
    }
}
