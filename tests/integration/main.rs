//! All integration tests in one binary, so that they are linked only once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot continue has failed")]

mod api;
mod backstop;
mod bad_input;
mod channels;
mod contract;
mod costs;
mod crashes;
mod currencies;
mod deadlines;
mod delivery_reports;
mod desk;
mod details;
mod events;
mod facts;
mod faults;
mod inputs;
mod life;
mod limits;
mod load;
mod logs;
mod message_order;
mod messages;
mod names;
mod openapi;
mod pages;
mod permissions;
mod presses;
mod processing;
mod publishing;
mod races;
mod readers;
mod reconciliation;
mod refunds;
mod replaying;
mod reports;
mod runner;
mod second_look;
mod secrets;
mod services;
mod settings;
mod stored_items;
mod stories;
mod stripe;
mod walls;
