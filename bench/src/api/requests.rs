//! The requests that are measured.

use std::sync::Arc;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::control_plane::write_request;
use super::load::Render;
use super::seed::{Seeded, progress};

/// Rows of a page.
pub(crate) const PAGE: usize = 200;
/// Largest offset that the contract permits.
const DEEP: usize = 65_535;

/// What clients ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Show,
    List,
    ListByState,
    ListByName,
    ListDeep,
    Overview,
    Progress,
    Poll,
}

impl ValueEnum for Kind {
    fn value_variants<'k>() -> &'k [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Show,
        Self::List,
        Self::ListByState,
        Self::ListByName,
        Self::ListDeep,
        Self::Overview,
        Self::Progress,
        Self::Poll,
    ];

    /// What it is called in tables and JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Show => "show_source",
            Self::List => "list_200",
            Self::ListByState => "list_200_by_state",
            Self::ListByName => "list_200_by_name",
            Self::ListDeep => "list_200_deep",
            Self::Overview => "overview",
            Self::Progress => "progress",
            Self::Poll => "command_poll",
        }
    }

    /// Least share of the bare handler's rate that is good enough, where one is promised.
    pub(crate) fn bar(self) -> Option<f64> {
        match self {
            Self::Show | Self::Poll => Some(0.25),
            Self::Progress => Some(0.1),
            _ => None,
        }
    }

    /// Whether it lists whole pages.
    pub(crate) fn is_page(self) -> bool {
        matches!(
            self,
            Self::List | Self::ListByState | Self::ListByName | Self::ListDeep
        )
    }

    /// Requests to the control plane, for another source each time.
    pub(crate) fn requests(self, seeded: &Arc<Seeded>, token: &str) -> Render {
        let (seeded, token) = (Arc::clone(seeded), token.to_owned());
        let body = progress().to_string();
        Arc::new(move |number, to| {
            let source = pick(&seeded.sources, number).map_or("", String::as_str);
            let get = |path: String, to: &mut Vec<u8>| write_request(to, "GET", &path, &token, "");
            match self {
                Self::Show => get(format!("/v3/sources/{source}"), to),
                Self::Poll => get(format!("/v3/sources/{source}/command"), to),
                Self::Overview => get("/v3/sources/overview".to_owned(), to),
                Self::List => get(format!("/v3/sources?limit={PAGE}"), to),
                Self::ListByState => {
                    get(format!("/v3/sources?limit={PAGE}&state=waiting"), to);
                }
                Self::ListByName => {
                    // Three digits are part of many names.
                    let part = mix(number) % 900 + 100;
                    get(format!("/v3/sources?limit={PAGE}&name=r-0{part}"), to);
                }
                Self::ListDeep => {
                    let offset = DEEP.min(seeded.sources.len().saturating_sub(PAGE));
                    get(format!("/v3/sources?limit={PAGE}&offset={offset}"), to);
                }
                Self::Progress => {
                    let task = pick(&seeded.tasks, number).map_or("", |(task, _)| task);
                    let path = format!("/v3/tasks/{task}/progress");
                    write_request(to, "PUT", &path, &token, &body);
                }
            }
        })
    }

    /// Requests of the same form to the bare handler, answered with so many bytes.
    pub(crate) fn bare_requests(self, answer_bytes: usize, token: &str) -> Render {
        let (path, token) = (format!("/bytes/{answer_bytes}"), token.to_owned());
        let (method, body) = match self {
            Self::Progress => ("PUT", progress().to_string()),
            _ => ("GET", String::new()),
        };
        Arc::new(move |_, to| write_request(to, method, &path, &token, &body))
    }
}

/// Any of them, and the same one for the same number.
fn pick<T>(from: &[T], number: u64) -> Option<&T> {
    let at = usize::try_from(mix(number)).ok()?.checked_rem(from.len())?;
    from.get(at)
}

/// Spreads numbers (the finaliser of SplitMix64).
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
