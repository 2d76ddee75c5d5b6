//! The schemas of the ticket and of the message, for the descriptions of the interfaces.

use crate::announce::Message;
use crate::tickets::TicketView;
use schemars::{Schema, SchemaGenerator};

/// Returns the schema of the answer with a ticket.
pub fn ticket(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<TicketView>()
}

/// Returns the schema of the message that a client receives.
pub fn message(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Message<'_>>()
}
