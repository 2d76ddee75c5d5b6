//! All integration tests in one binary, so that they are linked only once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod api;
mod backstop;
mod bad_input;
mod channels;
mod contract;
mod costs;
mod crashes;
mod currencies;
mod delivery_reports;
mod desk;
mod events;
mod facts;
mod faults;
mod inputs;
mod life;
mod load;
mod logs;
mod messages;
mod names;
mod pages;
mod permissions;
mod processing;
mod publishing;
mod races;
mod readers;
mod refunds;
mod replaying;
mod reports;
mod runner;
mod secrets;
mod settings;
mod stripe;
mod walls;
