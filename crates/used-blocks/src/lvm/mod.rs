//! LVM2: which parts of physical volumes are handed out, and to which logical volumes.
//!
//! ```text
//!   physical volumes -> labels -> texts, newest of each group -> logical volumes -> segments
//!                                                                 |-- plain: looked into
//!                                                                 |-- thin: looked into
//!                                                                 '-- others: copied as a whole
//! ```
//!
//! Looked into are volumes whose bytes lie plainly on the physical volumes and which nothing else is
//! built on: the origin of a snapshot must keep the blocks that its file system calls free, for the
//! snapshot reads them. Extents that no volume has are free.

mod group;
mod label;
mod text;
mod thin;

use std::collections::BTreeMap;

use crate::volume_manager::Assembled;
use crate::{Extents, Medium, Unmapped};
use group::Group;
use label::Label;

const WHAT: &str = "LVM";

/// Makes volumes of physical volumes. Never fails as a whole: what is not understood of a physical
/// volume is told of that one.
pub(crate) fn assemble(members: &[&dyn Medium]) -> Assembled {
    let labels: Vec<Result<Label, Unmapped>> =
        members.iter().map(|one| Label::read(*one)).collect();
    let groups = newest_groups(&labels);
    let mut homes: Vec<Vec<&Group>> = Vec::new();
    for label in &labels {
        let is_home = |group: &&Group| {
            let identity = label.as_ref().map(|label| label.identity.as_str());
            identity.is_ok_and(|identity| group.physical(identity).is_some())
        };
        homes.push(groups.iter().filter(is_home).collect());
    }

    let mut own = Vec::new();
    for ((label, homes), member) in labels.iter().zip(&homes).zip(members) {
        own.push(match label {
            Ok(label) => own_of(label, homes, member.size_bytes()),
            Err(_) => Err(inconsistent("the label of a physical volume is damaged")),
        });
    }
    // What no identity tells apart cannot be put in its place.
    let mut positions: BTreeMap<&str, usize> = BTreeMap::new();
    for (label, number) in labels.iter().zip(0..) {
        let Ok(label) = label else { continue };
        if let Some(twin) = positions.insert(&label.identity, number) {
            for one in [twin, number] {
                own[one] = Err(inconsistent("two physical volumes have the same identity"));
            }
        }
    }
    let mut volumes = Vec::new();
    for group in &groups {
        let place_of = |identity: &str| {
            let position = positions.get(identity).copied();
            position.filter(|position| own.get(*position).is_some_and(Result::is_ok))
        };
        volumes.extend(group.volumes(&place_of));
        volumes.extend(thin::volumes(group, members, &place_of));
    }
    // Of a group that is not understood, nothing may be left out.
    for (own, homes) in own.iter_mut().zip(&homes) {
        if let Some(refusal) = homes.iter().find_map(|group| group.refusal()) {
            *own = Err(refusal);
        }
    }
    Assembled { own, volumes }
}

/// What of a physical volume is not handed out: before the first extent and behind the last one.
fn own_of(label: &Label, homes: &[&Group], size_bytes: u64) -> Result<Extents, Unmapped> {
    let handed_out = match homes {
        [] if label.is_free => label.data_start..size_bytes,
        [] => return Err(Unmapped::MissingMember { what: WHAT }),
        [group] => group
            .physical(&label.identity)
            .and_then(|physical| physical.extents(group.extent_bytes))
            .ok_or_else(|| inconsistent("a physical volume has no valid size"))?,
        _ => return Err(inconsistent("two groups claim the same physical volume")),
    };
    if handed_out.end > size_bytes {
        return Err(inconsistent(
            "a physical volume is larger than what it lies on",
        ));
    }
    let before = 0..handed_out.start;
    let behind = handed_out.end..size_bytes;
    Ok(Extents::from_unordered(vec![before, behind]))
}

/// The newest description of every group: after an interrupted change, areas differ.
fn newest_groups(labels: &[Result<Label, Unmapped>]) -> Vec<Group> {
    let mut texts: Vec<&Vec<u8>> = labels
        .iter()
        .flatten()
        .flat_map(|label| &label.texts)
        .collect();
    texts.sort_unstable();
    texts.dedup();
    let mut newest: BTreeMap<String, Group> = BTreeMap::new();
    for group in texts.into_iter().filter_map(|text| Group::parse(text)) {
        let is_newer = newest
            .get(&group.identity)
            .is_none_or(|known| known.generation < group.generation);
        if is_newer {
            newest.insert(group.identity.clone(), group);
        }
    }
    newest.into_values().collect()
}

fn inconsistent(detail: &str) -> Unmapped {
    Unmapped::Inconsistent {
        what: WHAT,
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests;
