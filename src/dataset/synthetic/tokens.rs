//! What requests carry: their model, the lengths of request and response, and which of them fail.

use std::f64::consts::FRAC_1_SQRT_2;

use super::Llm;
use super::draws::{Deck, Draws};

/// Longest published request and response.
const REQUEST_MAX_TOKENS: f64 = 29_665.0;
const RESPONSE_MAX_TOKENS: f64 = 7_315.0;

/// A row without its time and stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    pub(super) llm: Llm,
    pub(super) request_tokens: u32,
    pub(super) response_tokens: u32,
}

impl Content {
    fn new(llm: Llm, request: f64, response: f64) -> Self {
        Self {
            llm,
            request_tokens: request.clamp(1.0, REQUEST_MAX_TOKENS) as u32,
            response_tokens: response.clamp(1.0, RESPONSE_MAX_TOKENS) as u32,
        }
    }
}

/// Failed shares of the two published streams.
const CONVERSATION_FAILURE_SHARE: f64 = 0.0552;
const API_FAILURE_SHARE: f64 = 0.0133;
/// Of 25,443 published rows without a response, 16 have kept their request tokens.
const KEPT_REQUEST_SHARE: f64 = 16.0 / 25_443.0;
/// Chance that the row after a failed one fails as well, since failures come in runs.
const FAILURE_PERSISTENCE: f64 = 0.5;

/// A two-state Markov chain of failures.
#[derive(Clone, Debug)]
struct Failures {
    onset: f64,
    failing: bool,
}

impl Failures {
    /// A chain that fails for `share` of the rows in the long run.
    fn with_share(share: f64) -> Self {
        Self { onset: share * (1.0 - FAILURE_PERSISTENCE) / (1.0 - share), failing: false }
    }

    /// The row as the trace records it: a failed one has no response and nearly always no request.
    fn apply(&mut self, mut content: Content, draws: &mut Draws) -> Content {
        self.failing = draws.chance(if self.failing { FAILURE_PERSISTENCE } else { self.onset });
        if self.failing {
            content.response_tokens = 0;
            if !draws.chance(KEPT_REQUEST_SHARE) {
                content.request_tokens = 0;
            }
        }
        content
    }
}

/// Share of GPT-4 among conversations that makes the failed shares of both models (1.73 %, 2.05 %) follow from
/// those of both streams (5.52 %, 1.33 %).
const CONVERSATION_GPT4_SHARE: f64 = 0.245;
/// Conversation requests follow a bounded Zipf law of exponent one half, with a thin log-normal tail. The first
/// 600,000 published seconds have quantiles of 499, 1,862 and 2,389 at 50, 95 and 99 %.
const PROMPT_LIMIT_TOKENS: f64 = 1_990.0;
const PROMPT_TAIL_SHARE: f64 = 0.02;
const PROMPT_TAIL_MEDIAN_TOKENS: f64 = 2_300.0;
const PROMPT_TAIL_LOG_SD: f64 = 0.3;
/// Responses have a short and a long mode for `ChatGPT`, the long one alone for GPT-4. The first 600,000 published
/// seconds have quantiles of 236, 634 and 934 at 50, 95 and 99 %.
const SHORT_REPLY_SHARE: f64 = 0.3;
const SHORT_REPLY_MEDIAN_TOKENS: f64 = 30.0;
const SHORT_REPLY_LOG_SD: f64 = 0.7;
const LONG_REPLY_MEDIAN_TOKENS: f64 = 290.0;
const LONG_REPLY_LOG_SD: f64 = 0.53;
/// Correlation of request and response of one turn, on the normal scale; a guess.
const TURN_CORRELATION: f64 = 0.4;

/// Draws the turns of conversations, independent of one another but for their failures.
#[derive(Clone, Debug)]
pub(super) struct ConversationTokens {
    draws: Draws,
    failures: Failures,
}

impl ConversationTokens {
    pub(super) fn new(draws: Draws) -> Self {
        Self { draws, failures: Failures::with_share(CONVERSATION_FAILURE_SHARE) }
    }

    pub(super) fn next_content(&mut self) -> Content {
        let draws = &mut self.draws;
        let llm = if draws.chance(CONVERSATION_GPT4_SHARE) { Llm::Gpt4 } else { Llm::ChatGpt };
        let request_normal = draws.normal();
        let request = if draws.chance(PROMPT_TAIL_SHARE) {
            log_normal(PROMPT_TAIL_MEDIAN_TOKENS, PROMPT_TAIL_LOG_SD, request_normal)
        } else {
            let rank = libm::erfc(-request_normal * FRAC_1_SQRT_2) / 2.0;
            PROMPT_LIMIT_TOKENS * rank * rank
        };
        let response_normal = correlated(TURN_CORRELATION, request_normal, draws);
        let response = if llm == Llm::ChatGpt && draws.chance(SHORT_REPLY_SHARE) {
            log_normal(SHORT_REPLY_MEDIAN_TOKENS, SHORT_REPLY_LOG_SD, response_normal)
        } else {
            log_normal(LONG_REPLY_MEDIAN_TOKENS, LONG_REPLY_LOG_SD, response_normal)
        };
        self.failures.apply(Content::new(llm, request, response), draws)
    }
}

/// One burst in five is GPT-4 for the most part. Over all bursts this leaves 219,628 GPT-4 rows with those of the
/// conversations.
const GPT4_BURST_SHARE: f64 = 0.2;
const GPT4_SHARE_IN_GPT4_BURSTS: f64 = 0.6;
const GPT4_SHARE_IN_OTHER_BURSTS: f64 = 0.029;
/// Typical request and response of a burst. The means over all API rows follow from the published 610.59 and 123.29
/// tokens less those of the conversations.
const BURST_PROMPT_MEDIAN_TOKENS: f64 = 420.0;
const BURST_PROMPT_LOG_SD: f64 = 0.95;
const BURST_REPLY_MEDIAN_TOKENS: f64 = 70.0;
const BURST_REPLY_LOG_SD: f64 = 0.9;
/// The flood sends short prompts for short replies: the first 59,999 published rows, 54 % of them API, have medians
/// of 74 and 14 tokens.
const FLOOD_PROMPT_MEDIAN_TOKENS: f64 = 42.0;
const FLOOD_PROMPT_LOG_SD: f64 = 1.15;
const FLOOD_REPLY_MEDIAN_TOKENS: f64 = 7.0;
const FLOOD_REPLY_LOG_SD: f64 = 0.3;
/// Spread of the rows of one burst around its typical request and response.
const ROW_PROMPT_LOG_SD: f64 = 0.45;
const ROW_REPLY_LOG_SD: f64 = 0.6;
/// Correlation of request and response, both of bursts and of the rows within one; a guess.
const API_CORRELATION: f64 = 0.4;

/// What an API burst sends over and over.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    gpt4_share: f64,
    request_tokens: f64,
    response_tokens: f64,
}

impl Workload {
    /// Expected tokens of a row, request and response together.
    pub(super) fn mean_tokens(&self) -> f64 {
        self.request_tokens * libm::exp(ROW_PROMPT_LOG_SD * ROW_PROMPT_LOG_SD / 2.0)
            + self.response_tokens * libm::exp(ROW_REPLY_LOG_SD * ROW_REPLY_LOG_SD / 2.0)
    }
}

/// Deals the workloads of successive bursts.
#[derive(Clone, Debug)]
pub(super) struct Workloads {
    llms: Deck<20>,
    prompts: Deck<32>,
}

impl Workloads {
    pub(super) fn new() -> Self {
        Self { llms: Deck::new(), prompts: Deck::new() }
    }

    /// The workload of the next burst.
    pub(super) fn deal(&mut self, is_flood: bool, draws: &mut Draws) -> Workload {
        let is_gpt4 = self.llms.unit(draws) < GPT4_BURST_SHARE;
        let prompt_normal = self.prompts.normal(draws);
        let reply_normal = correlated(API_CORRELATION, prompt_normal, draws);
        let (request_tokens, response_tokens) = if is_flood {
            (
                log_normal(FLOOD_PROMPT_MEDIAN_TOKENS, FLOOD_PROMPT_LOG_SD, prompt_normal),
                log_normal(FLOOD_REPLY_MEDIAN_TOKENS, FLOOD_REPLY_LOG_SD, reply_normal),
            )
        } else {
            (
                log_normal(BURST_PROMPT_MEDIAN_TOKENS, BURST_PROMPT_LOG_SD, prompt_normal),
                log_normal(BURST_REPLY_MEDIAN_TOKENS, BURST_REPLY_LOG_SD, reply_normal),
            )
        };
        let gpt4_share = if is_gpt4 { GPT4_SHARE_IN_GPT4_BURSTS } else { GPT4_SHARE_IN_OTHER_BURSTS };
        Workload { gpt4_share, request_tokens, response_tokens }
    }
}

/// Draws the rows of API bursts.
#[derive(Clone, Debug)]
pub(super) struct ApiTokens {
    draws: Draws,
    failures: Failures,
}

impl ApiTokens {
    pub(super) fn new(draws: Draws) -> Self {
        Self { draws, failures: Failures::with_share(API_FAILURE_SHARE) }
    }

    pub(super) fn next_content(&mut self, workload: &Workload) -> Content {
        let draws = &mut self.draws;
        let llm = if draws.chance(workload.gpt4_share) { Llm::Gpt4 } else { Llm::ChatGpt };
        let request_normal = draws.normal();
        let response_normal = correlated(API_CORRELATION, request_normal, draws);
        let request = log_normal(workload.request_tokens, ROW_PROMPT_LOG_SD, request_normal);
        let response = log_normal(workload.response_tokens, ROW_REPLY_LOG_SD, response_normal);
        self.failures.apply(Content::new(llm, request, response), draws)
    }
}

fn log_normal(median: f64, log_sd: f64, normal: f64) -> f64 {
    median * libm::exp(log_sd * normal)
}

/// A standard normal with the given correlation to another one.
fn correlated(correlation: f64, normal: f64, draws: &mut Draws) -> f64 {
    correlation * normal + libm::sqrt(1.0 - correlation * correlation) * draws.normal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_reach_their_share_and_come_in_runs() {
        let mut draws = Draws::new(1, 0);
        let mut failures = Failures::with_share(0.05);
        let row = Content::new(Llm::ChatGpt, 10.0, 10.0);
        let failed: Vec<bool> =
            (0..200_000).map(|_| failures.apply(row, &mut draws).response_tokens == 0).collect();
        let count = failed.iter().filter(|&&fails| fails).count() as f64;
        let repeated = failed.windows(2).filter(|pair| pair[0] && pair[1]).count() as f64;
        assert!((count / 2e5 - 0.05).abs() < 0.003, "{count}");
        assert!((repeated / count - FAILURE_PERSISTENCE).abs() < 0.03, "{repeated}");
    }

    #[test]
    fn lengths_stay_between_one_and_the_published_maxima() {
        let longest = Content::new(Llm::Gpt4, 1e9, 1e9);
        assert_eq!((longest.request_tokens, longest.response_tokens), (29_665, 7_315));
        let shortest = Content::new(Llm::Gpt4, 0.0, 0.2);
        assert_eq!((shortest.request_tokens, shortest.response_tokens), (1, 1));
    }

    #[test]
    fn replies_to_chatgpt_conversations_have_two_modes() {
        let mut tokens = ConversationTokens::new(Draws::new(1, 0));
        let replies: Vec<u32> = std::iter::repeat_with(|| tokens.next_content())
            .filter(|turn| turn.llm == Llm::ChatGpt)
            .map(|turn| turn.response_tokens)
            .take(50_000)
            .collect();
        // Bins of equal width on the log scale around the short mode, the valley and the long mode.
        let count = |low, high| replies.iter().filter(|&&reply| (low..high).contains(&reply)).count();
        let (short, valley, long) = (count(24, 36), count(70, 105), count(240, 360));
        assert!(short * 2 > valley * 3 && long > valley * 3, "{short} {valley} {long}");
    }

    #[test]
    fn rows_of_one_burst_are_like_one_another() {
        let mut draws = Draws::new(1, 0);
        let mut tokens = ApiTokens::new(Draws::new(1, 1));
        let workload = Workloads::new().deal(false, &mut draws);
        let near = (0..1_000)
            .map(|_| f64::from(tokens.next_content(&workload).request_tokens) / workload.request_tokens)
            .filter(|ratio| (0.5..2.0).contains(ratio))
            .count();
        assert!(near > 800, "{near}");
    }
}
