//! Request bodies and responses of the runner's own routes.

pub mod body;
pub mod html;
mod problem_response;

pub use problem_response::ProblemResponse;
