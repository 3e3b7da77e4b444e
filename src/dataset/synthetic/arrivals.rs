//! When requests arrive: a Cox process for conversations and an on/off process for API bursts.

use super::calendar::{self, DAY_S, DayVolumes, OUTAGE_ALLOWANCE, Profile};
use super::draws::{Deck, Draws};
use super::tokens::{Workload, Workloads};

/// Conversation requests on each quiet day. The first 6,000 successes have a mean gap of 28 s, the first 600,000 s
/// hold 17,689 successes, and the nine days hold 27,873 requests, 98 % of them conversation.
const QUIET_DAY_CONVERSATIONS: [f64; 9] =
    [3_200.0, 3_200.0, 2_424.0, 2_424.0, 2_424.0, 2_424.0, 2_424.0, 4_270.0, 4_270.0];
/// Conversation requests on a later day: the rest of the published 154,219 over 52 days.
const LOUD_DAY_CONVERSATIONS: f64 = 2_440.0;
const MINUTE_S: f64 = 60.0;
/// The log-intensity of conversations wanders as an AR(1) process by the minute. Its spread and persistence give
/// the published autocorrelation of tokens per minute in week 1: .53 at one minute, .39 at 15, .28 at 60.
const MOOD_LOG_SD: f64 = 0.5;
const MOOD_PERSISTENCE: f64 = 0.98;

/// Conversation arrivals: a Poisson process whose intensity follows the daily profile and a wandering mood.
#[derive(Clone, Debug)]
pub(super) struct ConversationArrivals {
    draws: Draws,
    profile: Profile,
    clock_s: f64,
    minute_end_s: f64,
    mood: f64,
    rate_per_s: f64,
}

impl ConversationArrivals {
    pub(super) fn new(draws: Draws) -> Self {
        let profile = Profile::of_conversations();
        Self { draws, profile, clock_s: 0.0, minute_end_s: 0.0, mood: 0.0, rate_per_s: 0.0 }
    }

    /// Time of the next conversation request, in seconds.
    pub(super) fn next_s(&mut self) -> f64 {
        let mut work = self.draws.exponential();
        loop {
            let available = (self.minute_end_s - self.clock_s) * self.rate_per_s;
            if work < available {
                self.clock_s += work / self.rate_per_s;
                return self.clock_s;
            }
            work -= available;
            self.start_minute();
        }
    }

    fn start_minute(&mut self) {
        self.clock_s = self.minute_end_s;
        self.minute_end_s += MINUTE_S;
        let innovation = libm::sqrt(1.0 - MOOD_PERSISTENCE * MOOD_PERSISTENCE);
        self.mood = MOOD_PERSISTENCE * self.mood + innovation * self.draws.normal();
        let day = calendar::day_of(self.clock_s) as usize;
        let per_day = QUIET_DAY_CONVERSATIONS.get(day).copied().unwrap_or(LOUD_DAY_CONVERSATIONS);
        let per_s = per_day * OUTAGE_ALLOWANCE / DAY_S;
        self.rate_per_s = per_s * self.profile.at(self.clock_s) * mean_one_log_normal(MOOD_LOG_SD, self.mood);
    }
}

/// Bursts last log-normal times, 330 s on average.
const BURST_MEDIAN_S: f64 = 180.0;
const BURST_LOG_SD: f64 = 1.1;
/// Idle times are Pareto, 558 s on average. They count in demand, so that bursts start more often by day. With the
/// bursts they give the published 69 % of non-empty minutes and the 95 % quantile of the gaps, 12 s.
const IDLE_MIN_S: f64 = 248.0;
const IDLE_INDEX: f64 = 1.8;
/// Both are cut at six hours, or one draw in a million would silence the trace for weeks.
const PHASE_MAX_S: f64 = 21_600.0;
/// Share of the time in bursts, 330 of 330 + 558 s, which turns a daily volume into a rate within bursts.
const BURST_TIME_SHARE: f64 = 0.37;
/// Spread of the rates of bursts within one day. With the spread of the daily volumes it gives the published share
/// of repeated timestamps, 45.6 %.
const RATE_LOG_SD: f64 = 0.55;
/// The daily profile acts mostly on how often bursts start, and by this exponent on how dense they are.
const RATE_DEMAND_EXPONENT: f64 = 0.3;
/// The densest published minute holds 20.8 requests per second.
const RATE_MAX_PER_S: f64 = 20.8;
/// Bursts of long prompts are slower, so that the fullest minute comes near the published 7,310.6 tokens per second
/// once chance has added to its expectation.
const TOKENS_MAX_PER_S: f64 = 5_000.0;

/// API arrivals: bursts of constant rate and workload between heavy-tailed idle times.
#[derive(Clone, Debug)]
pub(super) struct ApiArrivals {
    draws: Draws,
    profile: Profile,
    volumes: DayVolumes,
    durations: Deck<32>,
    idles: Deck<32>,
    rates: Deck<32>,
    workloads: Workloads,
    workload: Workload,
    clock_s: f64,
    burst_end_s: f64,
    rate_per_s: f64,
}

impl ApiArrivals {
    pub(super) fn new(mut draws: Draws) -> Self {
        let mut workloads = Workloads::new();
        let workload = workloads.deal(false, &mut draws);
        let mut arrivals = Self {
            draws,
            profile: Profile::of_all_requests(),
            volumes: DayVolumes::new(),
            durations: Deck::new(),
            idles: Deck::new(),
            rates: Deck::new(),
            workloads,
            workload,
            clock_s: 0.0,
            burst_end_s: 0.0,
            rate_per_s: 0.0,
        };
        arrivals.start_burst();
        arrivals
    }

    /// Time of the next API request, in seconds.
    pub(super) fn next_s(&mut self) -> f64 {
        loop {
            self.clock_s += self.draws.exponential() / self.rate_per_s;
            if self.clock_s <= self.burst_end_s {
                return self.clock_s;
            }
            self.start_burst();
        }
    }

    /// What the burst of the latest request sends.
    pub(super) fn workload(&self) -> &Workload {
        &self.workload
    }

    fn start_burst(&mut self) {
        let draws = &mut self.draws;
        let idle_s = IDLE_MIN_S * libm::pow(self.idles.unit(draws), -1.0 / IDLE_INDEX);
        let duration_s = BURST_MEDIAN_S * libm::exp(BURST_LOG_SD * self.durations.normal(draws));
        self.clock_s = self.profile.after(self.burst_end_s, idle_s.min(PHASE_MAX_S));
        self.burst_end_s = self.clock_s + duration_s.min(PHASE_MAX_S);
        self.workload = self.workloads.deal(calendar::is_flood(self.clock_s), draws);

        let demand = libm::pow(self.profile.at(self.clock_s), RATE_DEMAND_EXPONENT);
        let deviation = mean_one_log_normal(RATE_LOG_SD, self.rates.normal(draws));
        let mean_per_s = self.volumes.at(self.clock_s, draws) / (DAY_S * BURST_TIME_SHARE);
        let token_limit_per_s = TOKENS_MAX_PER_S / self.workload.mean_tokens();
        self.rate_per_s = (mean_per_s * demand * deviation).min(RATE_MAX_PER_S).min(token_limit_per_s);
    }
}

fn mean_one_log_normal(log_sd: f64, normal: f64) -> f64 {
    libm::exp(log_sd * normal - log_sd * log_sd / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_arrive_in_order_and_in_the_published_number() {
        let mut arrivals = ConversationArrivals::new(Draws::new(1, 0));
        let times_s: Vec<f64> = std::iter::repeat_with(|| arrivals.next_s()).take(160_000).collect();
        assert!(times_s.is_sorted());
        let days = times_s[159_999] / DAY_S;
        assert!((57.0..63.0).contains(&days), "{days} days");
    }

    #[test]
    fn requests_of_one_burst_lie_within_it_and_share_its_rate() {
        let mut arrivals = ApiArrivals::new(Draws::new(1, 0));
        let mut before_s = 0.0;
        for _ in 0..20_000 {
            let time_s = arrivals.next_s();
            assert!(before_s <= time_s && time_s <= arrivals.burst_end_s);
            assert!(arrivals.rate_per_s <= RATE_MAX_PER_S);
            assert!(arrivals.rate_per_s * arrivals.workload.mean_tokens() <= TOKENS_MAX_PER_S * 1.000_001);
            before_s = time_s;
        }
    }

    #[test]
    fn bursts_take_about_the_stated_share_of_the_time() {
        let mut arrivals = ApiArrivals::new(Draws::new(1, 0));
        let mut in_bursts_s = 0.0;
        for _ in 0..3_200 {
            arrivals.start_burst();
            in_bursts_s += arrivals.burst_end_s - arrivals.clock_s;
        }
        let share = in_bursts_s / arrivals.burst_end_s;
        assert!((share - BURST_TIME_SHARE).abs() < 0.03, "{share}");
    }
}
