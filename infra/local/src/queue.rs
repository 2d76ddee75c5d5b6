//! A durable queue: what was put in is attempted until it is done, restarts included.
//!
//! Jobs of one lane are attempted one after the other, in the order they came; lanes do not wait for each other.

use crate::backoff::backoff;
use crate::stage::Stage;
use crate::store::{Store, StoreError, keep_dead_letter};
use runtime::BoxFuture;
use rusqlite::Transaction;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

/// How many jobs of one queue are attempted at the same moment.
const CONCURRENCY: usize = 16;

/// Something to be done, stored until it is.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    sequence: i64,
    /// What kind of work it is.
    pub(crate) topic: String,
    lane: String,
    /// What the work needs.
    pub(crate) body: String,
    /// How many attempts have failed so far.
    pub(crate) attempts: u32,
    created_at: i64,
}

impl Job {
    /// The time since it was put in.
    pub(crate) fn age(&self) -> Duration {
        let milliseconds = crate::time::moment().as_milliseconds().saturating_sub(self.created_at);
        Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
    }

    /// Puts a job into a queue, within the transaction that also writes what it is about.
    pub(crate) fn put(
        transaction: &Transaction<'_>,
        queue: &str,
        topic: &str,
        lane: &str,
        body: String,
    ) -> rusqlite::Result<Self> {
        let created_at = crate::time::moment().as_milliseconds();
        transaction
            .prepare_cached(
                "INSERT INTO jobs (queue, topic, lane, body, attempts, created_at) VALUES (?1, ?2, ?3, ?4, 0, ?5)",
            )?
            .execute((queue, topic, lane, &body, created_at))?;
        let sequence = transaction.last_insert_rowid();
        Ok(Self { sequence, topic: topic.to_owned(), lane: lane.to_owned(), body, attempts: 0, created_at })
    }
}

/// How an attempt went.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The job is done.
    Done,
    /// It failed for this reason and is to be tried again.
    Failed(String),
    /// It could not even be tried, which does not count as an attempt.
    NotTried(String),
    /// It failed for this reason and is not to be tried again.
    Hopeless(String),
}

/// What a queue does with its jobs.
pub(crate) trait Work: Send + Sync + 'static {
    /// One attempt.
    fn attempt<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Outcome>;
}

/// One queue. Clones put into the same one.
#[derive(Debug, Clone)]
pub(crate) struct Queue(mpsc::UnboundedSender<Submitted>);

#[derive(Debug)]
struct Submitted {
    job: Job,
    attempted: Option<oneshot::Sender<()>>,
}

impl Queue {
    /// Starts a queue with what an earlier run has left in it. Its task ends some time after the stage is draining.
    pub(crate) async fn start(
        name: &'static str,
        store: Store,
        work: Arc<dyn Work>,
        stage: Stage,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, StoreError> {
        let left = store.transaction(move |transaction| left_over(transaction, name)).await?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let runner = Runner {
            lanes: HashMap::new(),
            running: JoinSet::new(),
            worker: Worker { name, store, work, stage, slots: Arc::new(Semaphore::new(CONCURRENCY)) },
        };
        tasks.spawn(runner.run(left, receiver));
        Ok(Self(sender))
    }

    /// Hands over a job that is already stored. What is returned resolves after its first attempt, or when the queue ends.
    pub(crate) fn submit(&self, job: Job) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        if self.0.send(Submitted { job, attempted: Some(sender) }).is_err() {
            tracing::debug!("a job waits for the next start");
        }
        receiver
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
                topic: row.get(1)?,
                lane: row.get(2)?,
                body: row.get(3)?,
                attempts: row.get(4)?,
                created_at: row.get(5)?,
            })
        })?
        .collect()
}

/// Keeps the lanes: at most one job of each is being worked on.
struct Runner {
    /// What waits behind each lane's current job.
    lanes: HashMap<String, VecDeque<Submitted>>,
    running: JoinSet<String>,
    worker: Worker,
}

impl Runner {
    async fn run(mut self, left: Vec<Job>, mut arriving: mpsc::UnboundedReceiver<Submitted>) {
        for job in left {
            self.take(Submitted { job, attempted: None });
        }
        loop {
            tokio::select! {
                () = self.worker.stage.draining() => break,
                Some(submitted) = arriving.recv() => self.take(submitted),
                Some(ended) = self.running.join_next() => match ended {
                    Ok(lane) => self.next_of(&lane),
                    // The job is stored and comes back with the next start; only a defect in the work gets here.
                    Err(error) => tracing::error!(queue = self.worker.name, %error, "a queue's worker ended early"),
                },
                else => break,
            }
        }
        while self.running.join_next().await.is_some() {}
    }

    fn take(&mut self, submitted: Submitted) {
        if let Some(waiting) = self.lanes.get_mut(&submitted.job.lane) {
            waiting.push_back(submitted);
        } else {
            self.lanes.insert(submitted.job.lane.clone(), VecDeque::new());
            self.running.spawn(self.worker.clone().complete(submitted));
        }
    }

    fn next_of(&mut self, lane: &str) {
        if let Some(submitted) = self.lanes.get_mut(lane).and_then(VecDeque::pop_front) {
            self.running.spawn(self.worker.clone().complete(submitted));
        } else {
            self.lanes.remove(lane);
        }
    }
}

#[derive(Clone)]
struct Worker {
    name: &'static str,
    store: Store,
    work: Arc<dyn Work>,
    stage: Stage,
    slots: Arc<Semaphore>,
}

impl Worker {
    /// Attempts one job until it is done or given up, and returns its lane.
    async fn complete(self, Submitted { mut job, mut attempted }: Submitted) -> String {
        let mut failures = job.attempts;
        while !self.stage.is_draining() {
            let outcome = tokio::select! {
                outcome = self.attempt(&job) => outcome,
                () = self.stage.halted() => break,
            };
            let settled = self.record(&mut job, outcome).await;
            if let Some(attempted) = attempted.take() {
                // Whoever waited may have gone.
                attempted.send(()).ok();
            }
            if settled {
                break;
            }
            failures = failures.saturating_add(1);
            tokio::select! {
                () = tokio::time::sleep(backoff(failures)) => {}
                () = self.stage.draining() => break,
            }
        }
        job.lane
    }

    async fn attempt(&self, job: &Job) -> Outcome {
        match self.slots.acquire().await {
            Ok(_slot) => self.work.attempt(job).await,
            Err(closed) => Outcome::NotTried(closed.to_string()),
        }
    }

    /// Stores how an attempt went, and says whether the job is settled.
    async fn record(&self, job: &mut Job, outcome: Outcome) -> bool {
        let (queue, topic, sequence) = (self.name, job.topic.clone(), job.sequence);
        let stored = match outcome {
            Outcome::Done => self.store.transaction(move |transaction| delete(transaction, sequence)).await,
            Outcome::NotTried(reason) => {
                tracing::warn!(queue, topic, reason, "waiting for what a job needs");
                return false;
            }
            Outcome::Failed(reason) => {
                job.attempts = job.attempts.saturating_add(1);
                tracing::warn!(queue, topic, attempts = job.attempts, reason, "an attempt failed");
                let attempts = job.attempts;
                self.store
                    .transaction(move |transaction| {
                        transaction
                            .prepare_cached("UPDATE jobs SET attempts = ?2 WHERE sequence = ?1")?
                            .execute((sequence, attempts))
                            .map(|_| ())
                    })
                    .await
                    .unwrap_or_else(|error| tracing::error!(queue, %error, "an attempt was not counted"));
                return false;
            }
            Outcome::Hopeless(reason) => {
                tracing::error!(queue, topic, attempts = job.attempts, reason, "given up");
                let body = job.body.clone();
                self.store
                    .transaction(move |transaction| {
                        keep_dead_letter(transaction, &topic, &reason, &body)?;
                        delete(transaction, sequence)
                    })
                    .await
            }
        };
        // Done but not stored as done: it is done once more after the next start, as at-least-once delivery allows.
        stored.unwrap_or_else(|error| tracing::error!(queue, %error, "a settled job stays in the queue"));
        true
    }
}

fn delete(transaction: &Transaction<'_>, sequence: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM jobs WHERE sequence = ?1")?.execute([sequence]).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Switch;
    use std::sync::Mutex;

    /// Fails each body's first attempt, and writes down every one.
    #[derive(Default)]
    struct Stubborn(Mutex<Vec<String>>);

    impl Work for Stubborn {
        fn attempt<'a>(&'a self, job: &'a Job) -> BoxFuture<'a, Outcome> {
            Box::pin(async move {
                self.0.lock().unwrap().push(job.body.clone());
                match (job.topic.as_str(), job.attempts) {
                    ("hopeless", _) => Outcome::Hopeless("never".to_owned()),
                    (_, 0) => Outcome::Failed("at first".to_owned()),
                    _ => Outcome::Done,
                }
            })
        }
    }

    async fn put(store: &Store, topic: &'static str, lane: &'static str, body: &'static str) -> Job {
        let job = move |transaction: &Transaction<'_>| Job::put(transaction, "test", topic, lane, body.to_owned());
        store.transaction(job).await.unwrap()
    }

    async fn count(store: &Store, table: &'static str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        store.transaction(move |transaction| transaction.query_row(&sql, [], |row| row.get(0))).await.unwrap()
    }

    async fn until_empty(store: &Store) {
        tokio::time::timeout(Duration::from_secs(10), async {
            while count(store, "jobs").await > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn a_lane_keeps_its_order_over_failures_and_a_start() {
        let store = Store::open(None).unwrap();
        for body in ["1", "2"] {
            put(&store, "ordinary", "lane", body).await;
        }
        let (_switch, stage) = Switch::new();
        let work = Arc::new(Stubborn::default());
        let mut tasks = JoinSet::new();
        let queue = Queue::start("test", store.clone(), work.clone(), stage, &mut tasks).await.unwrap();
        let job = put(&store, "ordinary", "lane", "3").await;
        queue.submit(job).await.unwrap();
        until_empty(&store).await;
        assert_eq!(*work.0.lock().unwrap(), ["1", "1", "2", "2", "3", "3"]);
    }

    #[tokio::test]
    async fn what_is_given_up_is_kept_and_blocks_nothing() {
        let store = Store::open(None).unwrap();
        put(&store, "hopeless", "lane", "bad").await;
        put(&store, "ordinary", "lane", "good").await;
        let (_switch, stage) = Switch::new();
        let mut tasks = JoinSet::new();
        let work = Arc::new(Stubborn::default());
        Queue::start("test", store.clone(), work, stage, &mut tasks).await.unwrap();
        until_empty(&store).await;
        assert_eq!(count(&store, "dead_letters").await, 1);
    }

    #[tokio::test]
    async fn draining_ends_the_queue_and_leaves_the_rest_stored() {
        let store = Store::open(None).unwrap();
        let (switch, stage) = Switch::new();
        let mut tasks = JoinSet::new();
        let queue =
            Queue::start("test", store.clone(), Arc::new(Stubborn::default()), stage, &mut tasks).await.unwrap();
        switch.drain();
        while tasks.join_next().await.is_some() {}
        queue.submit(put(&store, "ordinary", "lane", "1").await).await.unwrap_err();
        assert_eq!(count(&store, "jobs").await, 1);
    }
}
