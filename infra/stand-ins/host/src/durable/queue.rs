//! A durable queue: a stored job is attempted until it is done or abandoned, also across restarts.
//!
//! Jobs of one message group are attempted one at a time, in the order in which they were stored. Groups do not wait
//! for each other. A job that is put off ([`Attempt::PutOff`]) leaves its place, and the jobs behind it go on.

use super::backoff::backoff;
use super::store::{DurableStore, DurableStoreError, keep_dead_letter};
use crate::Host;
use crate::doors::Doors;
use crate::shutdown::Shutdown;
use domain::Timestamp;
use runtime::BoxFuture;
use rusqlite::Transaction;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

/// The maximum number of jobs of one queue in flight.
const CONCURRENCY: usize = 16;

/// The table of the jobs of all queues. The column `topic` holds a job's rule, and `lane` its message group: existing
/// data directories have these column names.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS jobs (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        topic TEXT NOT NULL,
        lane TEXT NOT NULL,
        body TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT;
";

/// A stored job, kept until it is settled.
#[derive(Debug, Clone)]
pub struct Job {
    sequence: i64,
    /// The rule that created the job, named in logs and dead letters.
    pub rule: String,
    message_group: String,
    /// The job's data.
    pub body: String,
    /// The number of failed attempts so far.
    pub attempts: u32,
    /// The time of storing, in milliseconds since the Unix epoch.
    created_at: i64,
}

/// A job that is not stored yet.
#[derive(Debug)]
pub struct NewJob<'a> {
    /// The rule that created the job, named in logs and dead letters.
    pub rule: &'a str,
    /// The message group; jobs of one group keep their order.
    pub message_group: &'a str,
    /// The job's data.
    pub body: String,
}

impl Job {
    /// Stores a job in a queue, within the transaction that also writes the change that the job is about.
    ///
    /// # Errors
    /// `SQLite` returned an error.
    pub fn put(
        transaction: &Transaction<'_>,
        queue: &str,
        NewJob { rule, message_group, body }: NewJob<'_>,
        now: Timestamp,
    ) -> rusqlite::Result<Self> {
        let created_at = now.as_milliseconds();
        transaction
            .prepare_cached(
                "INSERT INTO jobs (queue, topic, lane, body, attempts, created_at) VALUES (?1, ?2, ?3, ?4, 0, ?5)",
            )?
            .execute((queue, rule, message_group, &body, created_at))?;
        let sequence = transaction.last_insert_rowid();
        let (rule, message_group) = (rule.to_owned(), message_group.to_owned());
        Ok(Self { sequence, rule, message_group, body, attempts: 0, created_at })
    }

    /// Removes a stored job that was not submitted, so that it is never attempted.
    ///
    /// # Errors
    /// `SQLite` returned an error.
    pub fn discard(self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        delete(transaction, self.sequence)
    }

    /// Returns the time since the job was stored.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Duration {
        let milliseconds = now.as_milliseconds().saturating_sub(self.created_at);
        Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
    }
}

/// The outcome of an attempt.
#[derive(Debug)]
pub enum Attempt {
    /// The job is done.
    Done,
    /// The attempt failed for this reason, and is retried.
    Failed(String),
    /// The attempt failed, and is retried after a fixed wait. Meanwhile, the later jobs of its message group are
    /// attempted. If the process ends during the wait, the retry comes with the next start.
    PutOff {
        /// The reason why the attempt failed.
        reason: String,
        /// The time until the retry.
        wait: Duration,
    },
    /// A service that the job needs could not be reached, for this reason. It is retried, and does not count as an
    /// attempt.
    Unavailable(String),
    /// The job failed for this reason, and is abandoned.
    Fatal(String),
}

/// The work that a queue does for its jobs.
pub trait Work: Send + Sync + 'static {
    /// Attempts a job once.
    fn attempt<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Attempt>;
}

/// A running queue. Clones refer to the same queue.
#[derive(Debug, Clone)]
pub struct Queue(mpsc::UnboundedSender<Submission>);

#[derive(Debug)]
struct Submission {
    job: Job,
    attempted: Option<oneshot::Sender<()>>,
}

impl Queue {
    /// Starts a queue, and resumes the jobs that an earlier run left in it. Once draining begins, its task finishes the
    /// attempts in flight and ends.
    ///
    /// # Errors
    /// [`DurableStoreError`] if the stored jobs cannot be read.
    pub async fn start(host: &Host, name: &'static str, work: Arc<dyn Work>) -> Result<Self, DurableStoreError> {
        let left = host.store.transaction(move |transaction| left_over(transaction, name)).await?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let worker = Worker {
            name,
            work,
            store: host.store.clone(),
            doors: host.doors.clone(),
            shutdown: host.shutdown.clone(),
            slots: Arc::new(Semaphore::new(CONCURRENCY)),
        };
        let dispatcher =
            Dispatcher { groups: HashMap::new(), running: JoinSet::new(), waiting: JoinSet::new(), worker };
        host.shutdown.spawn(dispatcher.run(left, receiver));
        Ok(Self(sender))
    }

    /// Submits a stored job for its attempts. The receiver resolves after the first attempt, or when the queue ends.
    #[must_use = "dropping it says that nobody waits for the attempt"]
    pub fn submit(&self, job: Job) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        if self.0.send(Submission { job, attempted: Some(sender) }).is_err() {
            tracing::debug!("job not submitted: it is attempted after the next start");
        }
        receiver
    }

    /// Submits stored jobs, without waiting for their attempts.
    pub fn submit_all(&self, jobs: impl IntoIterator<Item = Job>) {
        for job in jobs {
            drop(self.submit(job));
        }
    }
}

fn left_over(transaction: &Transaction<'_>, name: &str) -> rusqlite::Result<Vec<Job>> {
    transaction
        .prepare(
            "SELECT sequence, topic, lane, body, attempts, created_at FROM jobs WHERE queue = ?1 ORDER BY sequence",
        )?
        .query_map([name], |row| {
            Ok(Job {
                sequence: row.get(0)?,
                rule: row.get(1)?,
                message_group: row.get(2)?,
                body: row.get(3)?,
                attempts: row.get(4)?,
                created_at: row.get(5)?,
            })
        })?
        .collect()
}

/// Keeps the order within message groups: at most one job of each group is in flight.
struct Dispatcher {
    /// The jobs that wait behind each group's current job.
    groups: HashMap<String, VecDeque<Submission>>,
    /// The tasks in flight.
    running: JoinSet<Ended>,
    /// The jobs that were put off, each until its wait is over.
    waiting: JoinSet<Job>,
    worker: Worker,
}

/// The end of a task: its job's message group is free.
enum Ended {
    /// The job was settled, or the queue drains.
    Released(String),
    /// The job was put off for this time.
    PutOff(Job, Duration),
}

impl Dispatcher {
    async fn run(mut self, left: Vec<Job>, mut arriving: mpsc::UnboundedReceiver<Submission>) {
        for job in left {
            self.take(Submission { job, attempted: None });
        }
        loop {
            tokio::select! {
                () = self.worker.shutdown.draining() => break,
                Some(submission) = arriving.recv() => self.take(submission),
                Some(Ok(job)) = self.waiting.join_next() => self.take(Submission { job, attempted: None }),
                Some(ended) = self.running.join_next() => match ended {
                    Ok(Ended::Released(group)) => self.next_of(&group),
                    Ok(Ended::PutOff(job, wait)) => {
                        self.next_of(&job.message_group);
                        self.waiting.spawn(async move {
                            tokio::time::sleep(wait).await;
                            job
                        });
                    }
                    // Only a defect in the work leads here. The job is still stored, and is attempted again after the
                    // next start.
                    Err(error) => tracing::error!(queue = self.worker.name, %error, "worker of a queue ended early"),
                },
                else => break,
            }
        }
        // What waits for its retry is stored, so that it is dropped here.
        while self.running.join_next().await.is_some() {}
    }

    fn take(&mut self, submission: Submission) {
        if let Some(waiting) = self.groups.get_mut(&submission.job.message_group) {
            waiting.push_back(submission);
        } else {
            self.groups.insert(submission.job.message_group.clone(), VecDeque::new());
            self.running.spawn(self.worker.clone().complete(submission));
        }
    }

    fn next_of(&mut self, group: &str) {
        if let Some(submission) = self.groups.get_mut(group).and_then(VecDeque::pop_front) {
            self.running.spawn(self.worker.clone().complete(submission));
        } else {
            self.groups.remove(group);
        }
    }
}

#[derive(Clone)]
struct Worker {
    name: &'static str,
    work: Arc<dyn Work>,
    store: DurableStore,
    doors: Doors,
    shutdown: Shutdown,
    slots: Arc<Semaphore>,
}

impl Worker {
    /// Attempts one job until it is done, abandoned or put off.
    async fn complete(self, Submission { mut job, mut attempted }: Submission) -> Ended {
        let mut failures = job.attempts;
        while !self.shutdown.is_draining() {
            let attempt = tokio::select! {
                attempt = self.attempt(&job) => attempt,
                () = self.shutdown.halted() => break,
            };
            let put_off = if let Attempt::PutOff { wait, .. } = attempt { Some(wait) } else { None };
            let settled = self.record(&mut job, attempt).await;
            if let Some(attempted) = attempted.take() {
                // The submitter may no longer be waiting.
                attempted.send(()).ok();
            }
            if settled {
                break;
            }
            if let Some(wait) = put_off {
                return Ended::PutOff(job, wait);
            }
            failures = failures.saturating_add(1);
            tokio::select! {
                () = tokio::time::sleep(backoff(failures, &self.doors)) => {}
                () = self.shutdown.draining() => break,
            }
        }
        Ended::Released(job.message_group)
    }

    async fn attempt(&self, job: &Job) -> Attempt {
        match self.slots.acquire().await {
            Ok(_slot) => self.work.attempt(job).await,
            Err(closed) => Attempt::Unavailable(closed.to_string()),
        }
    }

    /// Stores the outcome of an attempt, and returns whether the job is settled.
    async fn record(&self, job: &mut Job, attempt: Attempt) -> bool {
        let (queue, rule, sequence) = (self.name, job.rule.clone(), job.sequence);
        let stored = match attempt {
            Attempt::Done => self.store.transaction(move |transaction| delete(transaction, sequence)).await,
            Attempt::Unavailable(reason) => {
                tracing::warn!(queue, rule, reason, "job postponed: a service that it needs is unavailable");
                return false;
            }
            Attempt::Failed(reason) | Attempt::PutOff { reason, .. } => {
                job.attempts = job.attempts.saturating_add(1);
                tracing::warn!(queue, rule, attempts = job.attempts, reason, "attempt of a job failed");
                let attempts = job.attempts;
                self.store
                    .transaction(move |transaction| {
                        transaction
                            .prepare_cached("UPDATE jobs SET attempts = ?2 WHERE sequence = ?1")?
                            .execute((sequence, attempts))
                            .map(|_| ())
                    })
                    .await
                    .unwrap_or_else(|error| tracing::error!(queue, %error, "failed attempt not stored"));
                return false;
            }
            Attempt::Fatal(reason) => {
                tracing::error!(queue, rule, attempts = job.attempts, reason, "job abandoned");
                let (body, now) = (job.body.clone(), self.doors.now());
                self.store
                    .transaction(move |transaction| {
                        keep_dead_letter(transaction, &rule, &reason, &body, now)?;
                        delete(transaction, sequence)
                    })
                    .await
            }
        };
        // The job is done, and that could not be stored. It is done again after the next start, which at-least-once
        // delivery allows.
        stored.unwrap_or_else(|error| tracing::error!(queue, %error, "settled job not removed from the queue"));
        true
    }
}

fn delete(transaction: &Transaction<'_>, sequence: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM jobs WHERE sequence = ?1")?.execute([sequence]).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shutdown::ShutdownHandle;
    use std::sync::Mutex;

    const MINUTE: Duration = Duration::from_mins(1);

    /// Fails the first attempt of each body, and records every attempt.
    #[derive(Default)]
    struct Stubborn(Mutex<Vec<String>>);

    impl Work for Stubborn {
        fn attempt<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Attempt> {
            Box::pin(async move {
                self.0.lock().unwrap().push(job.body.clone());
                match (job.rule.as_str(), job.attempts) {
                    ("fatal", _) => Attempt::Fatal("never".to_owned()),
                    ("put off", 0) => Attempt::PutOff { reason: "at first".to_owned(), wait: MINUTE },
                    (_, 0) => Attempt::Failed("at first".to_owned()),
                    _ => Attempt::Done,
                }
            })
        }
    }

    fn host() -> (ShutdownHandle, Host) {
        let (handle, shutdown) = ShutdownHandle::new();
        let host = Host {
            base_url: "http://127.0.0.1:1".to_owned(),
            own_url: "http://127.0.0.1:1".to_owned(),
            functions_elsewhere: false,
            store: DurableStore::open(None).unwrap(),
            doors: Doors::default(),
            client: crate::client(Duration::from_secs(1)).unwrap(),
            shutdown,
        };
        (handle, host)
    }

    async fn put(host: &Host, rule: &'static str, message_group: &'static str, body: &'static str) -> Job {
        let now = host.doors.now();
        let job = move |transaction: &Transaction<'_>| {
            Job::put(transaction, "test", NewJob { rule, message_group, body: body.to_owned() }, now)
        };
        host.store.transaction(job).await.unwrap()
    }

    async fn count(host: &Host, table: &'static str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        host.store.transaction(move |transaction| transaction.query_row(&sql, [], |row| row.get(0))).await.unwrap()
    }

    async fn until_empty(host: &Host) {
        tokio::time::timeout(Duration::from_secs(10), async {
            while count(host, "jobs").await > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn a_message_group_keeps_its_order_over_failures_and_a_restart() {
        let (_handle, host) = host();
        for body in ["1", "2"] {
            put(&host, "ordinary", "group", body).await;
        }
        let work = Arc::new(Stubborn::default());
        let queue = Queue::start(&host, "test", work.clone()).await.unwrap();
        let job = put(&host, "ordinary", "group", "3").await;
        queue.submit(job).await.unwrap();
        until_empty(&host).await;
        assert_eq!(*work.0.lock().unwrap(), ["1", "1", "2", "2", "3", "3"]);
    }

    #[tokio::test]
    async fn an_abandoned_message_is_kept_and_blocks_nothing() {
        let (_handle, host) = host();
        put(&host, "fatal", "group", "bad").await;
        put(&host, "ordinary", "group", "good").await;
        Queue::start(&host, "test", Arc::new(Stubborn::default())).await.unwrap();
        until_empty(&host).await;
        assert_eq!(count(&host, "dead_letters").await, 1);
    }

    /// Time stands still and jumps to the next wait when nothing else can be done.
    #[tokio::test(start_paused = true)]
    async fn what_is_put_off_holds_nothing_up_and_is_tried_again() {
        let (_handle, host) = host();
        let begun = tokio::time::Instant::now();
        let work = Arc::new(Stubborn::default());
        let queue = Queue::start(&host, "test", work.clone()).await.unwrap();
        queue.submit(put(&host, "put off", "group", "1").await).await.unwrap();
        queue.submit(put(&host, "fatal", "group", "2").await).await.unwrap();
        assert_eq!(*work.0.lock().unwrap(), ["1", "2"]);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        tokio::time::sleep(MINUTE * 2).await;
        until_empty(&host).await;
        assert_eq!(*work.0.lock().unwrap(), ["1", "2", "1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn draining_waits_for_nothing_that_is_put_off_and_the_next_start_tries_it_again() {
        let (handle, host) = host();
        let work = Arc::new(Stubborn::default());
        let queue = Queue::start(&host, "test", work.clone()).await.unwrap();
        let begun = tokio::time::Instant::now();
        queue.submit(put(&host, "put off", "group", "1").await).await.unwrap();
        handle.stop(MINUTE).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!(count(&host, "jobs").await, 1);

        let (_handle, shutdown) = ShutdownHandle::new();
        Queue::start(&Host { shutdown, ..host.clone() }, "test", work.clone()).await.unwrap();
        until_empty(&host).await;
        assert_eq!(*work.0.lock().unwrap(), ["1", "1"]);
    }

    #[tokio::test]
    async fn draining_ends_the_queue_and_leaves_the_rest_stored() {
        let (handle, host) = host();
        let queue = Queue::start(&host, "test", Arc::new(Stubborn::default())).await.unwrap();
        handle.stop(Duration::from_secs(10)).await;
        queue.submit(put(&host, "ordinary", "group", "1").await).await.unwrap_err();
        assert_eq!(count(&host, "jobs").await, 1);
    }
}
