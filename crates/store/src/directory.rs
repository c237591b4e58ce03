//! All source servers of each domain in their order, with what consoles search them by: kept in memory,
//! so that a page costs what is on it and not what lies before it.
//!
//! Only with SQLite, where this process makes every change: a database finds the first page in an index
//! at once, but counts the sources whose names hold a word, and skips the first sixty thousand, by
//! going through all of them. A source takes about a hundred bytes here.
//!
//! Read from the database when the store is opened; afterwards whoever changes a source says so here
//! after the commit and before anybody is answered.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use memchr::memmem;

use crate::Page;
use crate::sources::SourceRow;

/// Ends a name in the text of all names. No name holds it: neither database could store one.
const END: char = '\0';

/// The sources of all domains.
#[derive(Debug, Default)]
pub(crate) struct Directory(RwLock<HashMap<String, Domain>>);

/// A source, as far as the directory knows it.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Entry {
    id: String,
    domain_id: String,
    add_date: i64,
    state: String,
    name_folded: String,
}

/// What to look for: as in [`crate::SourceFilter`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search<'s> {
    pub(crate) domain_id: &'s str,
    pub(crate) state: Option<&'s str>,
    /// Part of the name, without regard to case.
    pub(crate) name: Option<&'s str>,
}

impl From<&SourceRow> for Entry {
    fn from(row: &SourceRow) -> Self {
        Self {
            id: row.id.clone(),
            domain_id: row.domain_id.clone(),
            add_date: row.add_date,
            state: row.state.clone(),
            name_folded: row.name.to_lowercase(),
        }
    }
}

impl Directory {
    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Domain>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Domain>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A source is there, or is not what it was.
    pub(crate) fn put(&self, entry: Entry) {
        let mut domains = self.write();
        match domains.get_mut(&entry.domain_id) {
            Some(domain) => domain.put(entry),
            None => {
                let mut domain = Domain::default();
                let domain_id = entry.domain_id.clone();
                domain.put(entry);
                domains.insert(domain_id, domain);
            }
        }
    }

    /// A source is gone.
    pub(crate) fn remove(&self, row: &SourceRow) {
        if let Some(domain) = self.write().get_mut(&row.domain_id) {
            domain.remove(row.add_date, &row.id);
        }
    }

    /// The ids of one page of what fits, oldest first, and how many fit in all.
    pub(crate) fn page(&self, search: Search<'_>, page: Page) -> (Vec<String>, i64) {
        if search.name.is_some() {
            self.list_names(search.domain_id);
        }
        let domains = self.read();
        let Some(domain) = domains.get(search.domain_id) else {
            return (Vec::new(), 0);
        };
        let offset = usize::try_from(page.offset).unwrap_or(usize::MAX);
        let limit = usize::try_from(page.limit).unwrap_or(0);
        let (positions, total) = domain.find(search, offset, limit);
        let ids = positions
            .into_iter()
            .filter_map(|at| domain.order.get(at))
            .map(|(_, id)| id.to_string());
        (ids.collect(), i64::try_from(total).unwrap_or(i64::MAX))
    }

    /// Writes the text of all names anew if one changed since.
    fn list_names(&self, domain_id: &str) {
        let is_listed = |domain: &Domain| domain.text.is_some();
        if self.read().get(domain_id).is_none_or(is_listed) {
            return;
        }
        if let Some(domain) = self.write().get_mut(domain_id) {
            domain.list_names();
        }
    }
}

/// The sources of one domain, oldest first, in columns: each is gone through as a whole.
#[derive(Debug, Default)]
struct Domain {
    order: Vec<(i64, Box<str>)>,
    /// Places in `words`.
    states: Vec<u8>,
    names: Vec<Box<str>>,
    /// All names, each with its end; absent if one changed since.
    text: Option<Names>,
    /// The states that there are.
    words: Vec<String>,
}

#[derive(Debug)]
struct Names {
    text: String,
    /// Where each name ends in the text.
    ends: Vec<usize>,
}

impl Domain {
    fn place(&self, add_date: i64, id: &str) -> Result<usize, usize> {
        self.order
            .binary_search_by(|(date, known)| (*date, &**known).cmp(&(add_date, id)))
    }

    fn put(&mut self, entry: Entry) {
        let state = self.word(entry.state);
        let name = entry.name_folded.into_boxed_str();
        match self.place(entry.add_date, &entry.id) {
            Ok(at) => {
                if let Some(known) = self.states.get_mut(at) {
                    *known = state;
                }
                if let Some(known) = self.names.get_mut(at)
                    && *known != name
                {
                    *known = name;
                    self.text = None;
                }
            }
            Err(at) => {
                self.order
                    .insert(at, (entry.add_date, entry.id.into_boxed_str()));
                self.states.insert(at, state);
                self.names.insert(at, name);
                self.text = None;
            }
        }
    }

    fn remove(&mut self, add_date: i64, id: &str) {
        if let Ok(at) = self.place(add_date, id) {
            self.order.remove(at);
            self.states.remove(at);
            self.names.remove(at);
            self.text = None;
        }
    }

    /// The place of a state among the words. There are about a dozen.
    fn word(&mut self, state: String) -> u8 {
        let known = self.words.iter().position(|word| *word == state);
        let at = known.unwrap_or_else(|| {
            self.words.push(state);
            self.words.len() - 1
        });
        u8::try_from(at).unwrap_or(u8::MAX)
    }

    fn list_names(&mut self) {
        let mut names = Names {
            text: String::with_capacity(self.names.iter().map(|name| name.len() + 1).sum()),
            ends: Vec::with_capacity(self.names.len()),
        };
        for name in &self.names {
            names.text.push_str(name);
            names.ends.push(names.text.len());
            names.text.push(END);
        }
        self.text = Some(names);
    }

    /// Positions of one page of what fits, and how many fit.
    fn find(&self, search: Search<'_>, offset: usize, limit: usize) -> (Vec<usize>, usize) {
        let wanted = search.state.map(|state| {
            let mut words = self.words.iter();
            words.position(|word| word == state).map(u8::try_from)
        });
        let state = match wanted {
            // Nobody is in that state.
            Some(None | Some(Err(_))) => return (Vec::new(), 0),
            Some(Some(Ok(state))) => Some(state),
            None => None,
        };
        let in_state = |at: &usize| state.is_none() || self.states.get(*at) == state.as_ref();
        match (search.name, &self.text) {
            (Some(name), Some(names)) => {
                let name = name.to_lowercase();
                page_of(names.holding(&name).filter(in_state), offset, limit)
            }
            // The text of all names was given up this very moment.
            (Some(name), None) => {
                let name = name.to_lowercase();
                let names = self.names.iter().enumerate();
                let fitting = names.filter(|(_, known)| known.contains(&name));
                page_of(fitting.map(|(at, _)| at).filter(in_state), offset, limit)
            }
            (None, _) => match state {
                None => {
                    let end = offset.saturating_add(limit).min(self.order.len());
                    ((offset.min(end)..end).collect(), self.order.len())
                }
                Some(state) => {
                    let found = memchr::memchr_iter(state, &self.states);
                    page_of(found, offset, limit)
                }
            },
        }
    }
}

impl Names {
    /// Positions of the names that hold a text.
    fn holding(&self, part: &str) -> impl Iterator<Item = usize> {
        // A text with an end in it is in no name.
        let part = (!part.contains(END)).then(|| part.as_bytes().to_vec());
        let mut from = 0;
        let finder = part.map(|part| memmem::Finder::new(&part).into_owned());
        std::iter::from_fn(move || {
            let rest = self.text.as_bytes().get(from..)?;
            let hit = from + finder.as_ref()?.find(rest)?;
            let at = self.ends.partition_point(|end| *end < hit);
            from = self.ends.get(at)? + END.len_utf8();
            Some(at)
        })
    }
}

/// What of the positions is on a page, and how many there are.
fn page_of(
    positions: impl Iterator<Item = usize>,
    offset: usize,
    limit: usize,
) -> (Vec<usize>, usize) {
    let (mut page, mut total) = (Vec::with_capacity(limit), 0_usize);
    for position in positions {
        if total >= offset && page.len() < limit {
            page.push(position);
        }
        total += 1;
    }
    (page, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, add_date: i64, state: &str, name: &str) -> Entry {
        Entry {
            id: id.to_owned(),
            domain_id: "d".to_owned(),
            add_date,
            state: state.to_owned(),
            name_folded: name.to_lowercase(),
        }
    }

    fn find(
        directory: &Directory,
        state: Option<&str>,
        name: Option<&str>,
        page: (i64, i64),
    ) -> (String, i64) {
        let search = Search {
            domain_id: "d",
            state,
            name,
        };
        let (offset, limit) = page;
        let (ids, total) = directory.page(search, Page { offset, limit });
        (ids.concat(), total)
    }

    #[test]
    fn sources_are_found_in_their_order() {
        let directory = Directory::default();
        for (id, date, state, name) in [
            ("c", 3, "waiting", "Web-3"),
            ("a", 1, "waiting", "db"),
            ("b", 2, "error", "web-1"),
            ("d", 3, "error", "websphere"),
        ] {
            directory.put(entry(id, date, state, name));
        }
        let all = (0, 10);
        assert_eq!(find(&directory, None, None, all), ("abcd".into(), 4));
        assert_eq!(find(&directory, None, None, (1, 2)), ("bc".into(), 4));
        assert_eq!(find(&directory, None, None, (9, 2)), (String::new(), 4));
        assert_eq!(find(&directory, Some("error"), None, all), ("bd".into(), 2));
        assert_eq!(
            find(&directory, Some("none"), None, all),
            (String::new(), 0)
        );
        assert_eq!(find(&directory, None, Some("WEB"), all), ("bcd".into(), 3));
        assert_eq!(find(&directory, None, Some("WEB"), (1, 1)), ("c".into(), 3));
        assert_eq!(
            find(&directory, None, Some("b\0w"), all),
            (String::new(), 0)
        );
        assert_eq!(find(&directory, None, Some("%"), all), (String::new(), 0));
        let both = find(&directory, Some("waiting"), Some("web"), all);
        assert_eq!(both, ("c".into(), 1));
    }

    #[test]
    fn a_change_is_seen_by_the_next_search() {
        let directory = Directory::default();
        directory.put(entry("a", 1, "waiting", "one"));
        directory.put(entry("b", 2, "waiting", "two"));
        assert_eq!(find(&directory, None, Some("one"), (0, 9)).0, "a");
        directory.put(entry("b", 2, "error", "one more"));
        assert_eq!(find(&directory, None, Some("one"), (0, 9)).0, "ab");
        assert_eq!(find(&directory, Some("error"), None, (0, 9)).0, "b");
        let mut domains = directory.write();
        domains
            .get_mut("d")
            .into_iter()
            .for_each(|domain| domain.remove(1, "a"));
        drop(domains);
        assert_eq!(find(&directory, None, Some("one"), (0, 9)), ("b".into(), 1));
        let other = Search {
            domain_id: "e",
            state: None,
            name: None,
        };
        assert_eq!(
            directory
                .page(
                    other,
                    Page {
                        offset: 0,
                        limit: 9
                    }
                )
                .1,
            0
        );
    }
}
