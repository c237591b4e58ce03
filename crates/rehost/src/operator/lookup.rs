//! Finding sources, targets and tasks by what people call them: a name, an id, or the beginning of
//! an id.

use anyhow::{Context as _, Result, bail};
use rehost_sms_api::bodies::{
    ListServersQuery, ListTasksQuery, SourceServersResponseBody, TasksResponseBody,
};
use rehost_sms_api::client::Client;
use rehost_sms_api::rehost::TargetSummary;

/// Shorter beginnings of ids are names that happen to look like one.
const MIN_ID_PART: usize = 4;
/// The longest page of the list routes (SMS, ListServers and ListTasks).
const PAGE_ENTRIES: u32 = 200;
/// The largest offset of the list routes.
const MAX_OFFSET: u32 = 65_535;

/// Finds a source server.
///
/// # Errors
/// If there is none or more than one.
pub(crate) fn find_source(client: &Client, wanted: &str) -> Result<SourceServersResponseBody> {
    let all = all_sources(client, &ListServersQuery::default())?;
    one("source server", wanted, all, |source| {
        (
            source.id.clone().unwrap_or_default(),
            vec![source.name.clone().unwrap_or_default()],
        )
    })
}

/// Finds a target.
///
/// # Errors
/// If there is none or more than one.
pub(crate) fn find_target(client: &Client, wanted: &str) -> Result<TargetSummary> {
    let list = client.list_targets().context("list targets")?;
    one("target", wanted, list.targets, |target| {
        (target.id.clone(), vec![target.registration.name.clone()])
    })
}

/// Finds a task, also by the name of its source server: a source has one task at a time.
///
/// # Errors
/// If there is none or more than one.
pub(crate) fn find_task(client: &Client, wanted: &str) -> Result<TasksResponseBody> {
    one(
        "task",
        wanted,
        all_tasks(client, &ListTasksQuery::default())?,
        |task| {
            let source = task
                .source_server
                .as_ref()
                .map(|source| source.name.clone());
            let names = [task.name.clone(), source].into_iter().flatten().collect();
            (task.id.clone().unwrap_or_default(), names)
        },
    )
}

/// Lists source servers, however many pages that takes.
///
/// # Errors
/// If the control plane refuses.
pub(crate) fn all_sources(
    client: &Client,
    query: &ListServersQuery,
) -> Result<Vec<SourceServersResponseBody>> {
    all_pages(|limit, offset| {
        let query = ListServersQuery {
            limit: Some(limit),
            offset: Some(offset),
            ..query.clone()
        };
        Ok(client
            .list_servers(&query)
            .context("list source servers")?
            .source_servers)
    })
}

/// Lists tasks, however many pages that takes.
///
/// # Errors
/// If the control plane refuses.
pub(crate) fn all_tasks(client: &Client, query: &ListTasksQuery) -> Result<Vec<TasksResponseBody>> {
    all_pages(|limit, offset| {
        let query = ListTasksQuery {
            limit: Some(limit),
            offset: Some(offset),
            ..query.clone()
        };
        Ok(client.list_tasks(&query).context("list tasks")?.tasks)
    })
}

fn all_pages<T>(page: impl Fn(u32, u32) -> Result<Vec<T>>) -> Result<Vec<T>> {
    let mut all = Vec::new();
    loop {
        let offset = u32::try_from(all.len()).context("count entries")?;
        let mut next = page(PAGE_ENTRIES, offset)?;
        let is_last = next.len() < usize::try_from(PAGE_ENTRIES).unwrap_or(usize::MAX);
        all.append(&mut next);
        if is_last || offset + 2 * PAGE_ENTRIES > MAX_OFFSET {
            return Ok(all);
        }
    }
}

/// Picks the one that is meant. A whole id wins over names, a name over the beginning of an id.
fn one<T>(
    kind: &str,
    wanted: &str,
    all: Vec<T>,
    id_and_names: impl Fn(&T) -> (String, Vec<String>),
) -> Result<T> {
    let rank = |entry: &T| -> Option<u8> {
        let (id, names) = id_and_names(entry);
        if id == wanted {
            Some(0)
        } else if names.iter().any(|name| name == wanted) {
            Some(1)
        } else if wanted.len() >= MIN_ID_PART && id.starts_with(wanted) {
            Some(2)
        } else {
            None
        }
    };
    let best = all.iter().filter_map(&rank).min();
    let mut fitting: Vec<T> = all
        .into_iter()
        .filter(|entry| best.is_some() && rank(entry) == best)
        .collect();
    match (fitting.pop(), fitting.len()) {
        (Some(entry), 0) => Ok(entry),
        (None, _) => bail!("there is no {kind} {wanted}"),
        (Some(_), others) => {
            bail!(
                "there are {} {kind}s called {wanted}: use an id",
                others + 1
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(wanted: &str, all: &[(&str, &str)]) -> Result<String> {
        let entries = all.to_vec();
        one("task", wanted, entries, |&(id, name)| {
            (id.into(), vec![name.into()])
        })
        .map(|(id, _)| id.to_owned())
    }

    #[test]
    fn ids_win_over_names_and_names_over_parts_of_ids() {
        let all = [
            ("aaaa-1", "web"),
            ("bbbb-2", "aaaa-1"),
            ("bbbb-3", "db"),
            ("web1-4", "x"),
        ];
        assert_eq!(pick("aaaa-1", &all).unwrap(), "aaaa-1");
        assert_eq!(pick("web", &all).unwrap(), "aaaa-1");
        assert_eq!(pick("db", &all).unwrap(), "bbbb-3");
        assert_eq!(pick("web1", &all).unwrap(), "web1-4");
    }

    #[test]
    fn all_pages_are_read() {
        let entries: Vec<u32> = (0..450).collect();
        let page = |limit: u32, offset: u32| {
            Ok(entries
                .iter()
                .copied()
                .skip(offset as usize)
                .take(limit as usize)
                .collect())
        };
        assert_eq!(all_pages(page).unwrap(), entries);
    }

    #[test]
    fn nobody_and_several_are_refused() {
        let all = [("aaaa-1", "web"), ("aaaa-2", "web")];
        assert_eq!(
            pick("mail", &all).unwrap_err().to_string(),
            "there is no task mail"
        );
        assert!(
            pick("web", &all)
                .unwrap_err()
                .to_string()
                .contains("use an id")
        );
        assert!(
            pick("aaaa", &all)
                .unwrap_err()
                .to_string()
                .contains("2 tasks")
        );
        assert!(pick("aaa", &all).is_err());
    }
}
