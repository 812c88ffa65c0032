//! The threads that compute: started once, asleep between jobs, no allocation to hand one out.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

type Job = *const (dyn Fn(usize) + Sync);

/// A number of workers; the calling thread is the first.
pub struct Crew {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    /// Held by whoever runs a job: one at a time.
    running: Mutex<()>,
    state: Mutex<State>,
    begun: Condvar,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    /// Counts jobs, so that a worker knows a new one.
    number: u64,
    job: Option<SendJob>,
    /// Workers still at it.
    busy: usize,
    panic: Option<Box<dyn Any + Send>>,
    over: bool,
}

#[derive(Clone, Copy)]
struct SendJob(Job);

// SAFETY: the job is `Sync`, and `Crew::run` does not return before every worker is done with it.
unsafe impl Send for SendJob {}

impl Shared {
    /// The state; a worker that panicked leaves it whole, so that poison means nothing here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crew {
    /// Starts `workers` workers, at least one.
    pub fn new(workers: usize) -> Crew {
        let shared = Arc::new(Shared {
            running: Mutex::default(),
            state: Mutex::default(),
            begun: Condvar::new(),
            ended: Condvar::new(),
        });
        let start = |worker: usize| {
            let shared = shared.clone();
            std::thread::spawn(move || work(&shared, worker))
        };
        let threads = (1..workers.max(1)).map(start).collect();
        Crew { shared, threads }
    }

    /// Number of workers.
    pub fn workers(&self) -> usize {
        self.threads.len() + 1
    }

    /// Calls `job` once in every worker, with its number, and waits for all. A job must not run another.
    pub fn run(&self, job: &(dyn Fn(usize) + Sync)) {
        let _running = self.shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: only the lifetime is dropped; `wait` below outlasts every use, also when the job panics.
        let job_pointer = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), Job>(job) };
        {
            let mut state = self.shared.lock();
            state.number += 1;
            state.job = Some(SendJob(job_pointer));
            state.busy = self.threads.len();
        }
        self.shared.begun.notify_all();
        let own = catch_unwind(AssertUnwindSafe(|| job(0)));
        let theirs = self.wait();
        if let Some(panic) = own.err().or(theirs) {
            resume_unwind(panic);
        }
    }

    fn wait(&self) -> Option<Box<dyn Any + Send>> {
        let mut state = self.shared.lock();
        while state.busy > 0 {
            state = self.shared.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.job = None;
        state.panic.take()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.begun.notify_all();
        for thread in self.threads.drain(..) {
            // A worker catches its jobs' panics; there is nothing left to tell.
            let _ = thread.join();
        }
    }
}

fn work(shared: &Shared, worker: usize) {
    let mut done = 0;
    while let Some((number, SendJob(job))) = next(shared, done) {
        done = number;
        // SAFETY: `Crew::run` keeps the job alive until this worker has reported below.
        let result = catch_unwind(AssertUnwindSafe(|| unsafe { (*job)(worker) }));
        let mut state = shared.lock();
        state.busy -= 1;
        state.panic = state.panic.take().or(result.err());
        if state.busy == 0 {
            shared.ended.notify_one();
        }
    }
}

/// The job after number `done`; `None` when the crew is dismissed.
fn next(shared: &Shared, done: u64) -> Option<(u64, SendJob)> {
    let mut state = shared.lock();
    loop {
        match state.job {
            _ if state.over => return None,
            Some(job) if state.number > done => return Some((state.number, job)),
            _ => state = shared.begun.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_worker_is_called_once_a_job() {
        let crew = Crew::new(4);
        let calls: Vec<AtomicUsize> = (0..crew.workers()).map(|_| AtomicUsize::new(0)).collect();
        for _ in 0..100 {
            crew.run(&|worker| {
                calls[worker].fetch_add(1, Ordering::Relaxed);
            });
        }
        assert!(calls.iter().all(|count| count.load(Ordering::Relaxed) == 100));
    }

    #[test]
    fn a_panic_of_a_worker_reaches_the_caller_and_the_crew_goes_on() {
        let crew = Crew::new(2);
        let job = |worker: usize| assert_ne!(worker, 1, "worker one");
        assert!(catch_unwind(AssertUnwindSafe(|| crew.run(&job))).is_err());
        crew.run(&|_| {});
    }
}
