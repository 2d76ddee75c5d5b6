//! `POST /payment-requests/{id}/cancel`: an agent cancels a payment request.

use adapters::DynamoDbStore;
use domain::Doors;
use domain::use_cases::cancel::{Canceled, cancel};
use http::{Response, StatusCode};
use runtime::caller::ClaimNames;
use runtime::fields::Fields;
use runtime::http_function::{body, json, path_parameter};
use runtime::representation::representation;
use runtime::{Body, ConfigError, Environment, Function, HttpFunction, HttpHandler, Problem, Request};

/// The function's name, which is the package's and the binary's too.
pub const NAME: &str = env!("CARGO_PKG_NAME");

struct Cancel {
    store: DynamoDbStore,
    doors: Doors,
    claims: ClaimNames,
    public_base_url: String,
}

/// Builds the function from its environment variables.
///
/// # Errors
/// A variable is missing or invalid.
pub fn function(environment: &Environment) -> Result<Box<dyn Function>, ConfigError> {
    Ok(Box::new(HttpFunction(Cancel {
        store: DynamoDbStore::new(environment)?.with_retention(runtime::config::retention(environment)?),
        doors: environment.doors(),
        claims: ClaimNames::new(environment),
        public_base_url: runtime::config::public_base_url(environment)?,
    })))
}

impl HttpHandler for Cancel {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let caller = self.claims.caller(&request)?;
        let id = path_parameter(&request, "id")?.parse().map_err(|_| Problem::NotFound)?;
        // The URL says everything, so the body must be missing or an empty object.
        if !body(&request)?.is_empty() {
            Fields::of_body(&request)?.finish(Some(()))?;
        }
        match cancel(&self.store, &self.doors, &caller, id).await? {
            Canceled::Done(request) => {
                let body = representation(&request, self.doors.now(), &self.public_base_url);
                Ok(json(StatusCode::OK, &body))
            }
            Canceled::Refused(refusal) => Err(Problem::Refused(refusal)),
            Canceled::NotFound => Err(Problem::NotFound),
        }
    }

    async fn warm(&self) {
        self.store.warm().await;
    }
}
