//! The API of the control plane under load: a store of many source servers, the real process, and
//! beside it a handler that does nothing, on the same processors in the same minutes.
//!
//! Rates on shared machines say little by themselves; the ratio to the bare handler says what the
//! control plane adds to receiving a request and sending an answer of that size.

mod bare;
mod control_plane;
mod idle;
mod load;
mod requests;
mod seed;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;

pub(crate) use bare::{Options as BareOptions, run as run_bare};
pub(crate) use idle::hold;

use self::bare::Bare;
use self::control_plane::{ControlPlane, write_request};
use self::idle::Idle;
use self::load::{Connection, Measured, drive};
use self::requests::{Kind, PAGE};
use self::seed::Seeded;
use crate::table::{columns, median};

/// Turns that the two servers take with each request.
const TURNS: u32 = 3;
/// A page of 200 rows may take so many times as long as one row.
const PAGE_BAR: f64 = 10.0;

/// Options of the benchmark.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Source servers in the store; every fourth has a task.
    #[arg(long, default_value_t = 100_000)]
    sources: usize,
    /// Databases to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["sqlite", "postgres"])]
    databases: Vec<Database>,
    /// Requests to measure; all of them if none is named.
    #[arg(long, value_delimiter = ',')]
    requests: Vec<Kind>,
    /// Connections that ask for rates.
    #[arg(long, default_value_t = 32)]
    connections: u64,
    /// Connections that ask for latencies: few, so that no request waits for another.
    #[arg(long, default_value_t = 4)]
    calm_connections: u64,
    /// Seconds that each request is measured for, for its rate and again for its latency.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Idle long polls to hold; 0 for none.
    #[arg(long, default_value_t = 100_000)]
    polls: usize,
    /// Where databases are made.
    #[arg(long, value_name = "DIR", default_value = "/tmp")]
    scratch: PathBuf,
    /// Writes all figures to a file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Database {
    Sqlite,
    Postgres,
}

#[derive(Debug, Serialize)]
struct Report {
    sources: usize,
    connections: u64,
    calm_connections: u64,
    processors: usize,
    databases: Vec<OneDatabase>,
}

#[derive(Debug, Serialize)]
struct OneDatabase {
    database: Database,
    tasks: usize,
    inventory_bytes: usize,
    seed_seconds: f64,
    requests: Vec<Row>,
    /// The slowest p99 of a page of 200, divided by the p50 of showing one source.
    page_p99_to_show_p50: f64,
    idle: Option<Idle>,
}

#[derive(Debug, Serialize)]
struct Row {
    request: &'static str,
    answer_bytes: usize,
    requests_per_second: f64,
    bare_requests_per_second: f64,
    /// Median over the turns of this rate divided by the bare handler's.
    ratio: f64,
    bar: Option<f64>,
    p50_ms: f64,
    p99_ms: f64,
    bare_p50_ms: f64,
    bare_p99_ms: f64,
    #[serde(skip)]
    is_page: bool,
}

/// Measures and prints.
///
/// # Errors
/// If anything does not start or answers with an error.
pub(crate) fn run(options: &Options) -> Result<()> {
    // One thread: the load generator shall not take more than one processor.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let mut report = Report {
        sources: options.sources,
        connections: options.connections,
        calm_connections: options.calm_connections,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        databases: Vec::new(),
    };
    for database in &options.databases {
        let measured = runtime.block_on(measure(*database, options))?;
        report.databases.push(measured);
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
async fn measure(database: Database, options: &Options) -> Result<OneDatabase> {
    let kind = match database {
        Database::Sqlite => rehost_testkit::Database::Sqlite,
        Database::Postgres => rehost_testkit::Database::Postgres,
    };
    let mut plane = ControlPlane::prepare(kind, &options.scratch)?;
    let seeded = Arc::new(seed::seed(&mut plane, options.sources).await?);
    plane.start()?;
    let bare = Bare::start()?;
    let token = plane.log_in().await?.token;
    warm_up(&plane, &seeded, &token).await?;
    let mut requests = Vec::new();
    let kinds = if options.requests.is_empty() {
        Kind::ALL.as_slice()
    } else {
        &options.requests
    };
    for &kind in kinds {
        requests.push(measure_one(kind, &plane, &bare, &seeded, &token, options).await?);
    }
    let mut measured = OneDatabase {
        database,
        tasks: seeded.tasks.len(),
        inventory_bytes: seeded.inventory_bytes,
        seed_seconds: seeded.seconds,
        page_p99_to_show_p50: page_p99_to_show_p50(&requests),
        requests,
        idle: None,
    };
    println!("{}", as_text(&measured, options));
    if options.polls > 0 {
        // A fresh process: what the load left in memory is not the polls'.
        plane.stop()?;
        plane.start()?;
        let mut others = Vec::new();
        for _ in 1..options.polls.div_ceil(idle::polls_a_process()?) {
            others.extend(plane.replica(&options.scratch)?);
        }
        for replica in &mut others {
            replica.start()?;
        }
        let replicas: Vec<_> = std::iter::once(&plane).chain(&others).collect();
        let idle = idle::measure(&replicas, &seeded, options.polls).await;
        let idle = idle.context("hold idle polls")?;
        println!("{}", idle.in_words());
        measured.idle = Some(idle);
        for replica in &mut others {
            replica.stop()?;
        }
    }
    plane.stop()?;
    Ok(measured)
}

/// The slowest page, in terms of showing one source.
fn page_p99_to_show_p50(requests: &[Row]) -> f64 {
    let mut shown = requests.iter();
    let shown = shown.find(|row| row.request == Kind::Show.as_str());
    let show_p50_ms = shown.map_or(f64::NAN, |row| row.p50_ms);
    let pages = requests.iter().filter(|row| row.is_page);
    pages.map(|row| row.p99_ms).fold(0.0, f64::max) / show_p50_ms
}

/// Asks for every source and every task once, because agents and consoles ask for the same ones all
/// the time: what is measured is a control plane that has been running for a minute.
async fn warm_up(plane: &ControlPlane, seeded: &Seeded, token: &str) -> Result<()> {
    let mut calls = tokio::task::JoinSet::new();
    let parts = 8;
    for part in 0..parts {
        let sources = seeded.sources.iter().skip(part).step_by(parts);
        let sources = sources.map(|id| format!("/v3/sources/{id}"));
        let tasks = seeded.tasks.iter().skip(part).step_by(parts);
        let tasks = tasks.map(|(id, _)| format!("/v3/tasks/{id}/speed-limit"));
        let paths: Vec<_> = sources.chain(tasks).collect();
        let (address, token) = (plane.address, token.to_owned());
        calls.spawn(async move {
            let mut connection = Connection::open(address, None).await?;
            let mut request = Vec::new();
            for path in paths {
                request.clear();
                write_request(&mut request, "GET", &path, &token, "");
                connection.call(&request).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = calls.join_next().await {
        done.context("warm up")??;
    }
    Ok(())
}

async fn measure_one(
    kind: Kind,
    plane: &ControlPlane,
    bare: &Bare,
    seeded: &Arc<Seeded>,
    token: &str,
    options: &Options,
) -> Result<Row> {
    let requests = kind.requests(seeded, token);
    let mut first = Vec::new();
    requests(0, &mut first);
    let mut connection = Connection::open(plane.address, None).await?;
    let answer = connection.call(&first).await;
    let answer_bytes = answer.with_context(|| kind.as_str())?.len();
    let bare_requests = kind.bare_requests(answer_bytes, token);

    let turn = Duration::from_secs_f64(options.seconds) / TURNS;
    let (mut busy, mut bare_busy) = (Measured::default(), Measured::default());
    let (mut calm, mut bare_calm) = (Measured::default(), Measured::default());
    let mut ratios = Vec::new();
    for _ in 0..TURNS {
        let theirs = drive(bare.address, options.connections, turn, &bare_requests).await?;
        let ours = drive(plane.address, options.connections, turn, &requests).await?;
        ratios.push(ours.requests_per_second() / theirs.requests_per_second());
        busy.add(&ours);
        bare_busy.add(&theirs);
        let few = options.calm_connections;
        bare_calm.add(&drive(bare.address, few, turn, &bare_requests).await?);
        calm.add(&drive(plane.address, few, turn, &requests).await?);
    }
    Ok(Row {
        request: kind.as_str(),
        answer_bytes,
        requests_per_second: busy.requests_per_second(),
        bare_requests_per_second: bare_busy.requests_per_second(),
        ratio: median(ratios),
        bar: kind.bar(),
        p50_ms: calm.percentile_ms(50),
        p99_ms: calm.percentile_ms(99),
        bare_p50_ms: bare_calm.percentile_ms(50),
        bare_p99_ms: bare_calm.percentile_ms(99),
        is_page: kind.is_page(),
    })
}

fn as_text(measured: &OneDatabase, options: &Options) -> String {
    let mut rows = vec![
        [
            "",
            "bytes",
            "requests/s",
            "bare",
            "ratio",
            "bar",
            "p50 ms",
            "p99 ms",
            "bare p50",
        ]
        .map(String::from)
        .to_vec(),
    ];
    for row in &measured.requests {
        rows.push(vec![
            row.request.to_owned(),
            row.answer_bytes.to_string(),
            format!("{:.0}", row.requests_per_second),
            format!("{:.0}", row.bare_requests_per_second),
            format!("{:.3}", row.ratio),
            row.bar.map_or_else(String::new, |bar| format!("{bar}")),
            format!("{:.2}", row.p50_ms),
            format!("{:.2}", row.p99_ms),
            format!("{:.2}", row.bare_p50_ms),
        ]);
    }
    format!(
        "{:?}: {} sources ({} bytes of inventory), {} tasks, seeded in {:.0} s; rates at {} \
         connections, latencies at {}\n{}\np99 of a page of {PAGE} / p50 of one source: {:.1} (bar {PAGE_BAR})",
        measured.database,
        options.sources,
        measured.inventory_bytes,
        measured.tasks,
        measured.seed_seconds,
        options.connections,
        options.calm_connections,
        columns(&rows),
        measured.page_p99_to_show_p50,
    )
}
