//! What this process knows about the links that it has delivered.

use domain::PaymentRequestId;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number of links that are remembered. An agent who cancels at once does so within seconds.
const REMEMBERED: usize = 256;

/// The links of this process's latest runs. Nothing is stored about a fresh link, so the text of a cancellation would
/// wait until no attempt to deliver it can be in flight (decision 0020). If this process has delivered the link, there
/// is nothing to wait for: a repeat from another process is dropped by the receiver.
#[derive(Debug, Default)]
pub(crate) struct Links(Mutex<VecDeque<Link>>);

#[derive(Debug)]
struct Link {
    id: PaymentRequestId,
    runs: usize,
    delivered: bool,
}

/// A run that may deliver a link. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    links: &'a Links,
    id: PaymentRequestId,
}

impl Links {
    /// Begins a run that may deliver the link of this request.
    pub(crate) fn begin(&self, id: PaymentRequestId) -> Run<'_> {
        let mut links = self.lock();
        match links.iter_mut().find(|link| link.id == id) {
            Some(link) => link.runs += 1,
            None => links.push_back(Link { id, runs: 1, delivered: false }),
        }
        while links.len() > REMEMBERED && links.front().is_some_and(|link| link.runs == 0) {
            links.pop_front();
        }
        Run { links: self, id }
    }

    /// Returns whether this process has delivered the link, and has no run of it in flight.
    pub(crate) fn is_delivered(&self, id: PaymentRequestId) -> bool {
        self.lock().iter().any(|link| link.id == id && link.delivered && link.runs == 0)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Link>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run<'_> {
    /// Records that the link was delivered.
    pub(crate) fn record_delivery(&self) {
        self.update(|link| link.delivered = true);
    }

    fn update(&self, change: impl FnOnce(&mut Link)) {
        if let Some(link) = self.links.lock().iter_mut().find(|link| link.id == self.id) {
            change(link);
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.update(|link| link.runs -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> PaymentRequestId {
        format!("01990000-0000-7000-8000-{number:012}").parse().unwrap()
    }

    #[test]
    fn a_link_is_delivered_once_a_run_has_delivered_it_and_none_is_in_flight() {
        let links = Links::default();
        let (first, second) = (links.begin(id(1)), links.begin(id(1)));
        first.record_delivery();
        drop(first);
        assert!(!links.is_delivered(id(1)), "another run is in flight");
        drop(second);
        assert!(links.is_delivered(id(1)));
        drop(links.begin(id(2)));
        assert!(!links.is_delivered(id(2)), "its run delivered nothing");
        assert!(!links.is_delivered(id(3)));
    }

    #[test]
    fn old_links_are_forgotten_and_runs_in_flight_are_not() {
        let links = Links::default();
        let held = links.begin(id(0));
        for number in 1..1_000 {
            links.begin(id(number)).record_delivery();
        }
        held.record_delivery();
        drop(held);
        assert!(links.is_delivered(id(0)));
        for number in 1_000..2_000 {
            links.begin(id(number)).record_delivery();
        }
        assert!(links.lock().len() <= REMEMBERED + 1);
        assert!(!links.is_delivered(id(0)));
        assert!(links.is_delivered(id(1_999)));
    }
}
