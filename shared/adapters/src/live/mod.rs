//! The adapters of live updates: the table of tickets and connections, and the gateway that holds the connections.

mod sockets;
mod table;

pub use sockets::LiveGateway;
pub use table::LiveTable;
