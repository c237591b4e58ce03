//! The promise: any number of control planes over one database are one control plane, and killing any
//! of them loses nothing. Simulated agents and an operator use whichever of two replicas answers,
//! while one after the other is killed as `kill -9` does it, and started again.
//!
//! By default it is small enough for a minute. `REHOST_AGENTS=1000 REHOST_KILLS=20` is the full run.

mod agent;
mod anywhere;
mod plan;

use std::io::Write as _;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;
use std::time::Instant;

use agent::{Agent, Done, Life, Order};
use anyhow::{Context as _, Result, anyhow, ensure};
use anywhere::{Anywhere, Count, Tally, random};
use plan::Plan;
use rehost_certificates::make_key_and_request;
use rehost_sms_api::bodies::UpdateTaskStatusReq;
use rehost_sms_api::client::Credentials;
use rehost_sms_api::rehost::{
    JoinRequest, JoinRole, JoinToken, JoinTokenRequest, TargetRegistration,
};
use rehost_testkit::{LONG, Replicas, until};
use serde_json::json;

const DEFAULT_AGENTS: u64 = 100;
const DEFAULT_KILLS: u64 = 4;
/// People who carry out orders at the same time.
const OPERATORS: usize = 4;
/// Handshakes and JSON fit into it; a thousand such stacks are only touched where they are used.
const STACK_BYTES: usize = 1 << 20;
/// Of the leases the one that changes hands first after its holder died.
const LEASE: &str = "SELECT holder FROM leases WHERE name = 'unanswered'";

#[test]
fn whichever_replica_is_killed_nothing_is_lost() -> Result<()> {
    let agents = usize::try_from(setting("REHOST_AGENTS", DEFAULT_AGENTS)?)?;
    let kills = setting("REHOST_KILLS", DEFAULT_KILLS)?;
    let mut replicas = Replicas::start(&[&["--log", "info"], &["--log", "info"]])?;
    let target_id = join_target(&replicas)?;
    let known_by = [replicas.access_key()?, token(&replicas)?];
    let holder = until("somebody has the lease", LONG, || {
        Ok(Some(replicas.run_sql(LEASE)?).filter(|holder| !holder.is_empty()))
    })?;

    let tally = Tally::default();
    let as_operator = (0..OPERATORS)
        .map(|_| Ok(Anywhere::new(replicas.clients(&known_by[0])?, &tally)))
        .collect::<Result<Vec<_>>>()?;
    // Each has connections of its own, as machines have.
    let as_agent = (0..agents)
        .map(|number| {
            let credentials = &known_by[number % known_by.len()];
            Ok(Anywhere::new(replicas.clients(credentials)?, &tally))
        })
        .collect::<Result<Vec<_>>>()?;

    let (orders, ordered) = channel();
    let ordered = Mutex::new(ordered);
    let lives = std::thread::scope(|scope| -> Result<Vec<Life>> {
        // Threads of a scope may only borrow what lives longer.
        let (tally, ordered, target_id) = (&tally, &ordered, target_id.as_str());
        let operators: Vec<_> = as_operator
            .iter()
            .map(|anywhere| scope.spawn(move || ending(tally, operate(anywhere, tally, ordered))))
            .collect();
        let mut running = Vec::new();
        for (number, anywhere) in as_agent.iter().enumerate() {
            let orders = orders.clone();
            let live = move || {
                let agent = Agent::register(number, anywhere, target_id, orders);
                let life = agent.and_then(Agent::live);
                ending(tally, life.with_context(|| format!("agent {number}")))
            };
            running.push(
                Builder::new()
                    .stack_size(STACK_BYTES)
                    .spawn_scoped(scope, live)?,
            );
        }
        drop(orders);
        let killed = ending(tally, kill(&mut replicas, kills, agents, tally));
        let mut lives = Vec::new();
        let mut problems = Vec::new();
        for agent in running {
            match agent.join().map_err(|_| anyhow!("an agent panicked"))? {
                Ok(life) => lives.push(life),
                Err(error) => problems.push(format!("{error:#}")),
            }
        }
        for operator in operators {
            let operator = operator
                .join()
                .map_err(|_| anyhow!("an operator panicked"))?;
            problems.extend(operator.err().map(|error| format!("{error:#}")));
        }
        problems.extend(killed.err().map(|error| format!("{error:#}")));
        // Whoever only stopped because others did says nothing new.
        problems.sort_by_key(|problem| problem.contains("has failed elsewhere"));
        ensure!(
            problems.is_empty(),
            "{} problems: {}",
            problems.len(),
            problems[0]
        );
        Ok(lives)
    })?;
    writeln!(
        std::io::stdout(),
        "{agents} agents, {kills} kills: {} calls answered, {} without an answer; each of {} STARTs \
         seen once; the slowest command took {:?} to a poll that was waiting for it",
        tally.answered(),
        tally.unanswered(),
        lives
            .iter()
            .map(|life| life.plan.legs().len())
            .sum::<usize>(),
        lives
            .iter()
            .map(|life| life.slowest)
            .max()
            .unwrap_or_default(),
    )?;
    assert_eq!(tally.failed(), Vec::<String>::new(), "no replica fails");
    everything_is_there(&replicas, &lives, agents)?;
    until("another one has the lease", LONG, || {
        let now = replicas.run_sql(LEASE)?;
        Ok((now != holder && !now.is_empty()).then_some(()))
    })
}

/// Whoever fails ends the run for all.
fn ending<T>(tally: &Tally, done: Result<T>) -> Result<T> {
    if done.is_err() {
        tally.end();
    }
    done
}

/// Kills one replica after the other, spread over the calls of all agents, each at a random moment
/// of its step; and lets the other one carry on for a while.
fn kill(replicas: &mut Replicas, kills: u64, agents: usize, tally: &Tally) -> Result<()> {
    let calls: u64 = (0..agents)
        .map(|number| Plan::of(number).least_calls())
        .sum();
    let step = calls / (kills + 1);
    let first = random(2);
    for number in 0..kills {
        let moment = step * number + random(step) as u64;
        let is_there = |wanted: u64| {
            ensure!(!tally.is_over(), "the run has failed elsewhere");
            Ok((tally.answered() >= wanted).then_some(()))
        };
        until("the agents get that far", LONG, || is_there(moment))?;
        let victim = (first + usize::try_from(number)?) % 2;
        replicas.kill(victim)?;
        let meanwhile = tally.answered() + 1 + random(step / 4) as u64;
        until("the other one carries on", LONG, || is_there(meanwhile))?;
        replicas.restart(victim)?;
    }
    Ok(())
}

/// Carries out orders, one at a time.
fn operate(anywhere: &Anywhere<'_>, tally: &Tally, orders: &Mutex<Receiver<Order>>) -> Result<()> {
    loop {
        let order = orders.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(order) = order else {
            return Ok(());
        };
        let body = UpdateTaskStatusReq {
            operation: Some(order.operation.into()),
            ..UpdateTaskStatusReq::default()
        };
        let told = anywhere.ask(|client| client.update_task_status(&order.task_id, &body))?;
        let sure = match told.answer {
            Ok(()) => 1,
            // It has been done by an attempt without an answer; if not, the agent will miss it.
            Err(_) if told.doubtful > 0 => 0,
            Err(error) => return Err(error).context(order.operation),
        };
        let count = Count {
            sure,
            doubtful: told.doubtful,
        };
        let at = Instant::now();
        let heard = order.done.send(Done { count, at });
        ensure!(heard.is_ok() || tally.is_over(), "the agent has gone");
    }
}

/// Compares what was promised with what is in the database.
fn everything_is_there(replicas: &Replicas, lives: &[Life], agents: usize) -> Result<()> {
    assert_eq!(lives.len(), agents);
    let select = "SELECT trace || '|' || object_id || '|' || count(*) FROM audit WHERE status < 300 \
                  GROUP BY trace, object_id";
    let audited = replicas.run_sql(select)?;
    let audited: std::collections::HashMap<(&str, &str), u64> = audited
        .lines()
        .filter_map(|line| {
            let (key, number) = line.rsplit_once('|')?;
            Some((key.split_once('|')?, number.parse().ok()?))
        })
        .collect();
    for life in lives {
        for ((trace, object), count) in &life.counts {
            let found = audited.get(&(*trace, object.as_str())).copied();
            let found = found.unwrap_or_default();
            ensure!(
                (count.sure..=count.sure + count.doubtful).contains(&found),
                "{found} entries of {trace} on {object}, which was done: {count:?}"
            );
        }
    }

    let number = |select: &str| -> Result<usize> { Ok(replicas.run_sql(select)?.parse()?) };
    assert_eq!(
        number("SELECT count(*) FROM tasks")?,
        agents,
        "no task twice"
    );
    let commands = "SELECT count(*) FROM sources WHERE command_name IS NOT NULL";
    assert_eq!(number(commands)?, 0, "every result was taken");
    let wrong = "SELECT count(*) FROM counters c FULL JOIN (\
                     SELECT domain_id, 'task' AS kind, state, count(*) AS number FROM tasks \
                     GROUP BY domain_id, state UNION ALL \
                     SELECT domain_id, 'source', state, count(*) FROM sources \
                     GROUP BY domain_id, state) AS real USING (domain_id, kind, state) \
                 WHERE COALESCE(c.number, 0) <> COALESCE(real.number, 0)";
    assert_eq!(number(wrong)?, 0, "what is counted is what is there");
    Ok(())
}

/// A target that makes images, as far as the control plane can see.
fn join_target(replicas: &Replicas) -> Result<String> {
    let request = JoinTokenRequest {
        role: JoinRole::Target,
        valid_seconds: None,
    };
    let administrator = replicas.client(0, replicas.access_key()?)?;
    let token = administrator.create_join_token(&request)?;
    let (key, certificate_request) = make_key_and_request("vault")?;
    let request = JoinRequest {
        secret: JoinToken::from_text(&token.token)?.secret,
        role: JoinRole::Target,
        name: "vault".into(),
        certificate_request,
    };
    let joined = replicas.client(0, Credentials::None)?.join(&request)?;
    let credentials = Credentials::Certificate {
        cert_pem: joined.certificate,
        key_pem: key.as_str().into(),
    };
    let offer = TargetRegistration {
        name: "vault".into(),
        data_address: "192.0.2.20".into(),
        data_port: 8899,
        makes_images: true,
        devices: Vec::new(),
        boots: false,
    };
    // What one replica certified, the other one knows.
    replicas.client(1, credentials)?.register_target(&offer)?;
    Ok(joined.id)
}

/// A token of the administrator.
fn token(replicas: &Replicas) -> Result<Credentials> {
    let login = replicas.first_login()?;
    let user = json!({
        "name": login["user_name"],
        "password": login["password"],
        "domain": { "name": login["domain_name"] },
    });
    let body = json!({ "auth": { "identity": {
        "methods": ["password"], "password": { "user": user },
    } } });
    let client = replicas.client(0, Credentials::None)?;
    let issued = client.create_token(&serde_json::from_value(body)?)?;
    Ok(Credentials::Token(issued.token))
}

fn setting(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("read {name}")),
        Err(_) => Ok(default),
    }
}
