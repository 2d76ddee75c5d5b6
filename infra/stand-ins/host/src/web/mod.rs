//! What the runner's own routes read and answer.

pub mod body;
pub mod html;
mod problem_response;

pub use problem_response::ProblemResponse;
