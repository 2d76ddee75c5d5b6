//! `POST /live/tickets`: issues a ticket for one connection.

use adapters::live::{LiveGateway, LiveTable};
use domain::live::TICKET_LIFETIME;
use domain::use_cases::live::issue;
use domain::{Doors, Identity};
use http::{Response, StatusCode};
use runtime::caller::ClaimNames;
use runtime::fields::Fields;
use runtime::http_function::{body, json};
use runtime::{Body, HttpHandler, Problem, Request};
use serde::Serialize;

/// A ticket: the address of one connection.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LiveTicket"))]
pub(crate) struct TicketView {
    /// The address to connect to, which is good for one connection.
    #[cfg_attr(feature = "schema", schemars(url))]
    url: String,
    /// The seconds until the address is no longer good.
    expires_in: u64,
}

/// Issues tickets.
pub(crate) struct Tickets {
    pub(crate) table: LiveTable,
    pub(crate) gateway: LiveGateway,
    pub(crate) doors: Doors,
    pub(crate) claims: ClaimNames,
}

impl HttpHandler for Tickets {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let caller = self.claims.caller(&request)?;
        let (Identity::Agent(person) | Identity::Supervisor(person)) = &caller.identity else {
            return Err(Problem::Forbidden);
        };
        // The token says everything, so the body must be missing or an empty object.
        if !body(&request)?.is_empty() {
            Fields::of_body(&request)?.finish(Some(()))?;
        }
        let token_ends_at = ClaimNames::token_ends_at(&request)?;
        let ticket = issue(&self.table, &self.doors, caller.audience(), person.id.clone(), token_ends_at).await?;
        let view = TicketView { url: self.gateway.address(&ticket), expires_in: TICKET_LIFETIME.as_secs() };
        Ok(json(StatusCode::CREATED, &view))
    }

    async fn warm(&self) {
        self.table.warm().await;
    }
}
