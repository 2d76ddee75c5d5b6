//! What each path may cost.

use super::Cost;

/// The most dollars that a million ordinary lives may cost, without the duration of functions
/// ([`super::Costs::paid_life`]).
pub const DOLLARS_OF_A_PAID_LIFE: f64 = 22.27;

/// The most dollars that a million looks at one request may cost, without the duration of functions.
pub const DOLLARS_OF_LOOKS: f64 = 1.33;

/// Every path with the most that it may cost. The counts are in the order of [`Cost::counts`]: API requests, DynamoDB
/// calls, read units, write units, events, queue requests, invocations, messages.
pub const BOUNDS: &[(&str, Cost)] = &[
    ("create", Cost::of([1.0, 5.0, 2.5, 5.0, 1.0, 3.0, 4.0, 0.0])),
    ("create, with Idempotency-Key", Cost::of([1.0, 5.0, 2.5, 5.0, 1.0, 3.0, 4.0, 0.0])),
    ("create, replayed", Cost::of([1.0, 3.0, 0.5, 2.0, 0.0, 0.0, 1.0, 0.0])),
    ("cancel", Cost::of([1.0, 3.0, 2.0, 2.0, 1.0, 3.0, 4.0, 0.0])),
    ("cancel, refused", Cost::of([1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0])),
    ("page of the link", Cost::of([1.0, 2.0, 2.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
    ("click", Cost::of([1.0, 4.0, 2.0, 4.0, 1.0, 3.0, 3.0, 0.0])),
    ("click, repeated", Cost::of([1.0, 2.0, 2.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
    ("failed attempt to pay", Cost::of([1.0, 2.0, 1.0, 1.0, 1.0, 3.0, 3.0, 0.0])),
    ("question to the provider", Cost::of([1.0, 4.0, 3.0, 1.0, 0.0, 0.0, 1.0, 0.0])),
    ("pay", Cost::of([1.0, 2.0, 1.0, 2.0, 1.0, 3.0, 4.0, 0.0])),
    ("pay, repeated", Cost::of([1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0])),
    ("page of a paid request", Cost::of([1.0, 2.0, 2.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
    ("expire, never clicked", Cost::of([0.0, 2.0, 1.0, 2.0, 1.0, 3.0, 3.0, 0.0])),
    ("expire, clicked", Cost::of([0.0, 4.0, 2.0, 3.0, 1.0, 3.0, 3.0, 0.0])),
    ("expire, a minute without requests", Cost::of([0.0, 40.0, 20.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
    ("processing", Cost::of([1.0, 3.0, 1.0, 4.0, 1.0, 3.0, 3.0, 0.0])),
    ("pay, after processing", Cost::of([1.0, 2.0, 1.0, 2.0, 1.0, 3.0, 4.0, 0.0])),
    ("pay, of a canceled request", Cost::of([1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 3.0, 0.0])),
    ("refund", Cost::of([0.0, 4.0, 2.0, 3.0, 1.0, 3.0, 4.0, 0.0])),
    ("text, through a channel that does not drop repeats", Cost::of([0.0, 2.0, 0.0, 2.0, 0.0, 0.0, 2.0, 0.0])),
    ("delivery report, delivered", Cost::of([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
    ("delivery report, failed", Cost::of([1.0, 2.0, 1.0, 1.0, 1.0, 3.0, 3.0, 0.0])),
    ("read of one request", Cost::of([1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
    ("list of an agent, 20", Cost::of([1.0, 2.0, 20.5, 0.0, 0.0, 0.0, 1.0, 0.0])),
    ("list of an agent, 100", Cost::of([1.0, 2.0, 102.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
    ("list of an agent, 100 of today", Cost::of([1.0, 2.0, 102.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
    ("list of a supervisor, 25 of the workspace", Cost::of([1.0, 2.0, 25.5, 0.0, 0.0, 0.0, 1.0, 0.0])),
    ("list of a supervisor, 100 of the workspace", Cost::of([1.0, 2.0, 102.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
    ("search that reads 1,000 requests and finds none", Cost::of([1.0, 14.0, 1018.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
    ("list of a conversation, full", Cost::of([1.0, 2.0, 102.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
    ("report, of a day with 10 requests, for the first time", Cost::of([1.0, 4.0, 11.5, 1.0, 0.0, 0.0, 1.0, 0.0])),
    ("report, of a day with 10 requests", Cost::of([1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
    ("report, of a day with 100 requests, for the first time", Cost::of([1.0, 4.0, 103.0, 2.0, 0.0, 0.0, 1.0, 0.0])),
    ("report, of a day with 100 requests", Cost::of([1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
    (
        "report, of a day with 1,000 requests, for the first time",
        Cost::of([1.0, 13.0, 1018.0, 3.0, 0.0, 0.0, 1.0, 0.0]),
    ),
    ("report, of a day with 1,000 requests", Cost::of([1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
    ("webhook, of a request's first event", Cost::of([0.0, 6.0, 3.0, 7.0, 0.0, 3.0, 1.0, 0.0])),
    ("webhook, of a later event", Cost::of([0.0, 7.0, 4.0, 4.0, 0.0, 3.0, 1.0, 0.0])),
    ("webhook, accepted at the second attempt", Cost::of([0.0, 14.0, 7.0, 11.0, 0.0, 6.0, 2.0, 0.0])),
    ("live updates: an event that nobody watches", Cost::of([0.0, 2.0, 2.0, 0.0, 0.0, 0.0, 1.0, 0.0])),
    ("live updates: an event that one desk watches", Cost::of([0.0, 3.0, 3.0, 0.0, 0.0, 0.0, 1.0, 1.0])),
    ("live updates: a connection, opened and closed", Cost::of([1.0, 7.0, 1.0, 6.0, 0.0, 0.0, 3.0, 0.0])),
    ("live updates: a ping", Cost::of([0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0])),
];
