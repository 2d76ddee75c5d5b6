//! The ports: the interfaces that the use cases need, each with the contract of its implementations.
//!
//! The store is several ports, one per concern. So a use case's signature says what it reads and writes, and a test's
//! fake only implements what the use case needs. One type may implement all of them.
//!
//! | port | concern |
//! | --- | --- |
//! | [`Links`] | which request a link's token leads to, and on which payment page it is paid |
//! | [`Inserts`] | new requests |
//! | [`Reads`] | one request as it is now |
//! | [`Creations`] | when an agent's latest requests were created |
//! | [`Changes`] | one request's changes, each decided by the transition table |
//! | [`Facts`] | what must be remembered about a request besides its changes |
//! | [`DueIndex`] | which requests are due next: at their deadlines, or for a look at the provider |
//! | [`Looks`] | when the provider is asked next about a request |
//! | [`Lists`] | the requests that an audience may see |
//! | [`KeptSums`] | the sums of reports over closed periods |
//! | [`PaymentProvider`] | the provider that takes the payments |
//! | [`Reconciliations`] | the requests, differences and places of a reconciliation |
//! | [`Settlements`] | what the provider took and gave back |
//! | [`Channel`] | the messages to the customer's chat |
//! | [`WebhookEndpoints`] | the endpoints that integrators registered |
//! | [`Deliveries`] | what became of each event at each endpoint |
//! | [`DeliveryQueue`] | when each delivery is attempted |
//! | [`WebhookSender`] | the calls to the endpoints |
//! | [`SecretVault`] | the encryption of the endpoints' secrets |
//! | [`Connections`] | the tickets and connections of live updates |
//! | [`Sockets`] | the gateway that holds the connections |

mod changes;
mod channel;
mod due_index;
mod error;
mod facts;
mod links;
mod lists;
mod live;
mod provider;
mod reconciliations;
mod requests;
mod settlements;
mod sums;
mod webhooks;

pub use changes::{Changed, Changes};
pub use channel::{Channel, ChannelError, Message};
pub use due_index::{Due, DueIndex, DuePeriod, Looks};
pub use error::{Cause, StoreError};
pub use facts::Facts;
pub use links::{Link, Links};
pub use lists::{Listed, Listing, Lists, Position};
pub use live::{Connections, SocketError, Sockets};
pub use provider::{Arrival, Checkout, CheckoutState, Closes, PaymentProvider, ProviderError, Refunding};
pub use reconciliations::{CreatedRequests, FoundRequests, Place, Reconciliations, Stage};
pub use requests::{Creations, Inserted, Inserts, Reads};
pub use settlements::{
    Fee, PaymentsPage, Payout, PayoutsPage, ProviderPayment, SettlementList, SettlementState, Settlements, Window,
};
pub use sums::{Keeping, Kept, KeptSums};
pub use webhooks::{
    Deliveries, DeliveryPage, DeliveryPlace, DeliveryQueue, OpenedSecret, QueueError, QueuedTask, RegisteredEndpoints,
    SecretVault, Task, VaultError, WebhookEndpoints, WebhookSender,
};
