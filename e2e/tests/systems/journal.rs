//! Clients of the database outside of the server, which know what was acknowledged to them. Each
//! inserts rows numbered from one, every row a transaction, and keeps when it sent each and when the
//! acknowledgement came. A cut through the server's life must be consistent with that.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rehost_testkit::{LONG, SHORT, until};

/// A client does something about so often: more would be a test of the emulator.
const PACE: Duration = Duration::from_millis(20);

/// One transaction as its client saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transaction {
    sent: Instant,
    acknowledged: Instant,
}

/// Running clients.
pub(crate) struct Journal {
    clients: Vec<Client>,
    stop: Arc<AtomicBool>,
}

struct Client {
    psql: Child,
    acknowledged: Arc<AtomicUsize>,
    thread: Option<JoinHandle<Result<Vec<Transaction>>>>,
}

/// What the clients know after they have stopped.
#[derive(Debug)]
pub(crate) struct Written {
    /// Of each client; the first one has the number 1.
    clients: Vec<Vec<Transaction>>,
    /// When the cut-over was ordered.
    ordered: Instant,
}

/// What the copy of the database has of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    count: usize,
    last: usize,
}

impl Journal {
    /// Connects the clients; they write until they are stopped.
    pub(crate) fn start(port: u16, clients: usize) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Result<Vec<Client>> = (0..clients)
            .map(|number| Client::start(number, port, &stop))
            .collect();
        let journal = Self {
            clients: clients?,
            stop,
        };
        journal.wait_for_more()?;
        Ok(journal)
    }

    /// Waits until every client has one more acknowledgement.
    pub(crate) fn wait_for_more(&self) -> Result<()> {
        let counts = || self.clients.iter().map(Client::count);
        let before: Vec<usize> = counts().collect();
        until("every client writes", LONG, || {
            let all = counts().zip(&before).all(|(now, before)| now > *before);
            Ok(all.then_some(()))
        })
    }

    /// # Errors
    /// If a client has given up.
    pub(crate) fn check(&mut self) -> Result<()> {
        for client in &mut self.clients {
            if client.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                client.end()?;
                bail!("a client of the database has stopped by itself");
            }
        }
        Ok(())
    }

    /// Lets the clients finish what they are at. Everything acknowledged before the cut-over was
    /// ordered has to arrive.
    pub(crate) fn stop(mut self, ordered: Instant) -> Result<Written> {
        self.stop.store(true, Ordering::Relaxed);
        let clients = self.clients.iter_mut().map(Client::end);
        Ok(Written {
            clients: clients.collect::<Result<_>>()?,
            ordered,
        })
    }
}

impl Client {
    fn start(number: usize, port: u16, stop: &Arc<AtomicBool>) -> Result<Self> {
        let mut psql = Command::new("psql")
            .args([
                "--no-psqlrc",
                "-qtA",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "postgres",
            ])
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-d", "bench"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start psql")?;
        let requests = psql.stdin.take().context("psql's input")?;
        let answers = BufReader::new(psql.stdout.take().context("psql's output")?);
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let (count, stop) = (Arc::clone(&acknowledged), Arc::clone(stop));
        let thread =
            std::thread::spawn(move || write_rows(number, requests, answers, &count, &stop));
        Ok(Self {
            psql,
            acknowledged,
            thread: Some(thread),
        })
    }

    fn count(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits for its last transaction.
    fn end(&mut self) -> Result<Vec<Transaction>> {
        let thread = self.thread.take().context("a client that runs")?;
        until("a client has finished", SHORT, || {
            Ok(thread.is_finished().then_some(()))
        })?;
        thread
            .join()
            .map_err(|_| anyhow!("a client of the database panicked"))?
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It has ended with its input unless the server hangs.
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}

fn write_rows(
    number: usize,
    mut requests: ChildStdin,
    mut answers: BufReader<ChildStdout>,
    count: &AtomicUsize,
    stop: &AtomicBool,
) -> Result<Vec<Transaction>> {
    let mut transactions = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let sequence = transactions.len() + 1;
        let sent = Instant::now();
        writeln!(
            requests,
            "insert into journal values ({number}, {sequence}, repeat('x', 300)) returning sequence;"
        )
        .context("send a transaction")?;
        let mut answer = String::new();
        answers.read_line(&mut answer).context("read an answer")?;
        ensure!(
            answer.trim() == sequence.to_string(),
            "transaction {sequence} of client {number} was answered by {answer:?}"
        );
        transactions.push(Transaction {
            sent,
            acknowledged: Instant::now(),
        });
        count.store(transactions.len(), Ordering::Relaxed);
        std::thread::sleep(PACE);
    }
    Ok(transactions)
}

impl Arrived {
    /// Reads rows of client, count and greatest number; clients are numbered from zero.
    pub(crate) fn parse(rows: &str) -> Result<Vec<Self>> {
        let row = |(at, line): (usize, &str)| {
            let numbers: Result<Vec<usize>, _> = line.split('|').map(str::parse).collect();
            match numbers.as_deref() {
                Ok(&[client, count, last]) if client == at => Ok(Self { count, last }),
                _ => bail!("not a row of client {at}: {line}"),
            }
        };
        rows.lines().enumerate().map(row).collect()
    }
}

impl Written {
    /// Whether the copy is the database at one moment at or after the order to cut over.
    ///
    /// # Errors
    /// If it holds later transactions without earlier ones, or lacks one that was acknowledged before
    /// the order, or one that was acknowledged before another began that is there.
    pub(crate) fn judge(&self, arrived: &[Arrived]) -> Result<()> {
        ensure!(
            arrived.len() == self.clients.len(),
            "rows of {} clients, not of {}",
            arrived.len(),
            self.clients.len()
        );
        // What is there began before the cut.
        let mut latest_begin = self.ordered;
        for (number, (client, arrived)) in self.clients.iter().zip(arrived).enumerate() {
            ensure!(
                arrived.count == arrived.last && arrived.last <= client.len() + 1,
                "client {number} wrote {} rows, the copy has {arrived:?}",
                client.len()
            );
            if let Some(last) = arrived.last.checked_sub(1).and_then(|at| client.get(at)) {
                latest_begin = latest_begin.max(last.sent);
            }
        }
        for (number, (client, arrived)) in self.clients.iter().zip(arrived).enumerate() {
            if let Some(missing) = client.get(arrived.last) {
                ensure!(
                    missing.acknowledged >= latest_begin,
                    "row {} of client {number} is lost: it was acknowledged {:?} before the cut",
                    arrived.last + 1,
                    latest_begin - missing.acknowledged
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two clients: one sends at 0, 10, 20 ms, the other at 5, 15, 25; each waits 4 ms.
    fn written(ordered_at: u64) -> Written {
        let begin = Instant::now();
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        let transaction = |sent| Transaction {
            sent: at(sent),
            acknowledged: at(sent + 4),
        };
        Written {
            clients: vec![
                [0, 10, 20].map(transaction).into(),
                [5, 15, 25].map(transaction).into(),
            ],
            ordered: at(ordered_at),
        }
    }

    fn arrived(first: usize, second: usize) -> [Arrived; 2] {
        [first, second].map(|last| Arrived { count: last, last })
    }

    #[test]
    fn a_cut_at_one_moment_is_right() {
        assert!(written(0).judge(&arrived(2, 1)).is_ok());
        assert!(written(0).judge(&arrived(3, 3)).is_ok());
        assert!(written(0).judge(&arrived(4, 3)).is_ok(), "not acknowledged");
    }

    #[test]
    fn what_was_acknowledged_before_the_order_must_be_there() {
        assert!(written(16).judge(&arrived(2, 1)).is_ok());
        assert!(written(16).judge(&arrived(1, 1)).is_err());
    }

    #[test]
    fn later_rows_without_earlier_ones_are_found() {
        assert!(written(0).judge(&arrived(3, 0)).is_err());
        let mut holes = arrived(3, 3);
        holes[0].count = 2;
        assert!(written(0).judge(&holes).is_err());
        assert!(written(0).judge(&arrived(3, 3)[..1]).is_err());
    }

    #[test]
    fn rows_of_a_query_are_read() {
        let read = Arrived::parse("0|3|3\n1|2|2").unwrap();
        assert_eq!(read, arrived(3, 2));
        assert!(Arrived::parse("1|2|2").is_err());
        assert!(Arrived::parse("0|2").is_err());
    }
}
