//! The use case that has the provider asked again about requests that nothing would look at.

use super::UseCaseError;
use super::reconcile::Ended;
use crate::ports::{Looks, Place, Reconciliations, Stage, Window};
use crate::status::Status;
use crate::time::{Clock, Timestamp};
use std::time::Duration;

/// The name under which the walk keeps its place.
const NAME: &str = "looks";

/// Walks once through the stored requests, and schedules a look at each whose money is in flight or due for a refund
/// and that is not in the index.
///
/// Release 0.1 took such requests out of the index, because it waited for the provider's report alone. A change that
/// this release makes keeps them there. So the walk is made once: its end is kept, and later calls read that alone. A
/// roll back to 0.1 deletes that item, so that the next upgrade walks again.
///
/// A request that release 0.1 expired without the provider's answer cannot be told from one that the provider had
/// confirmed. It gets no look; money that comes for it is found by its report or by a reconciliation.
///
/// # Errors
/// The store failed. The place is kept, and the next call goes on from there.
pub async fn resume_looks(
    store: &(impl Reconciliations + Looks),
    clock: &impl Clock,
    at_most: Duration,
) -> Result<Ended, UseCaseError> {
    let started = clock.now();
    let mut place = store.place(NAME).await?.unwrap_or_else(|| everything(started));
    while place.stage != Stage::Done {
        if clock.now().saturating_duration_since(started) >= at_most {
            return Ok(Ended::TimeIsOver);
        }
        let page = store.requests_created(place.window, place.cursor.as_deref()).await?;
        for request in page.requests {
            let waits = matches!(request.status, Status::Processing | Status::RefundDue);
            if waits && request.due_at.is_none() {
                // If the request changes at this moment, that change schedules the look.
                store.schedule_look(&request, clock.now(), None).await?;
            }
        }
        let stage = if page.next.is_some() { Stage::Requests } else { Stage::Done };
        place = Place { stage, cursor: page.next, ..place };
        store.keep_place(NAME, &place).await?;
    }
    Ok(Ended::CaughtUp)
}

/// Returns the beginning of a walk through every stored request.
fn everything(now: Timestamp) -> Place {
    let window = Window { from: now.saturating_sub(Duration::MAX), to: now };
    Place { window, stage: Stage::Requests, cursor: None }
}
