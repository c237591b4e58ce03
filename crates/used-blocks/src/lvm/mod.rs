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
//!
//! After an interrupted change the areas of a group hold different texts, and the newest counts. So
//! where one cannot be read, or where two that are equally new differ, nobody knows what the group looks
//! like, and all of it counts as used.

mod group;
mod label;
mod text;
mod thin;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::view::View;
use crate::volume_manager::Assembled;
use crate::{Extents, Medium, Unmapped};
use group::Group;
use label::{Label, Texts};

const WHAT: &str = "LVM";
/// Values in the texts of all groups together, some 100 bytes each. A group of 10,000 volumes has a
/// quarter of it.
const MAX_VALUES: usize = 1 << 20;

/// Makes volumes of physical volumes. Never fails as a whole: what is not understood of a physical
/// volume is told of that one.
pub(crate) fn assemble(members: &[&dyn Medium]) -> Assembled {
    let mut texts = Texts::default();
    let labels = members.iter().map(|one| Label::read(*one, &mut texts));
    let labels: Vec<Result<Label, Unmapped>> = labels.collect();
    let groups = newest_groups(&labels, texts);
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
    let views = members.iter().zip(0..);
    let views: Arc<[_]> = views
        .map(|(member, number)| View::disk(number, *member))
        .collect();
    let mut pieces_left = thin::MAX_PIECES;
    let mut volumes = Vec::new();
    let understood = groups.iter().filter(|group| group.refusal().is_none());
    for group in understood {
        let place_of = |identity: &str| {
            let position = positions.get(identity).copied();
            position.filter(|position| own.get(*position).is_some_and(Result::is_ok))
        };
        volumes.extend(group.volumes(&place_of));
        let thin = thin::volumes(group, &views, &place_of, &mut pieces_left);
        volumes.extend(thin);
    }
    // Of a group that is not understood, nothing may be left out.
    for (own, homes) in own.iter_mut().zip(&homes) {
        if let Some(refusal) = homes.iter().find_map(|group| group.refusal()) {
            *own = Err(refusal);
        }
    }
    Assembled { own, volumes }
}

/// What of a physical volume is not handed out: before the first extent and behind the last one, and
/// metadata areas wherever they are.
fn own_of(label: &Label, homes: &[&Group], size_bytes: u64) -> Result<Extents, Unmapped> {
    let data_start = label
        .data_start
        .ok_or_else(|| inconsistent("a physical volume has no data area"))?;
    let handed_out = match homes {
        [] if label.is_free => data_start..size_bytes,
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
    let before = 0..handed_out.start.max(data_start);
    let behind = handed_out.end..size_bytes;
    let around = Extents::from_unordered(vec![before, behind]);
    Ok(around.union(&label.own))
}

/// The newest description of every group, with doubts about it.
fn newest_groups(labels: &[Result<Label, Unmapped>], texts: Texts) -> Vec<Group> {
    let mut values_left = MAX_VALUES;
    let mut newest: BTreeMap<String, Group> = BTreeMap::new();
    let mut unknown = BTreeSet::new();
    for (text, number) in texts.all.into_iter().zip(0..) {
        let Some(group) = Group::parse(&text, &mut values_left) else {
            unknown.insert(number);
            continue;
        };
        match newest.get_mut(&group.identity) {
            Some(known) if known.generation > group.generation => {}
            Some(known) if known.generation == group.generation => {
                if *known != group {
                    known.doubt = Some("two descriptions of a volume group contradict each other");
                }
            }
            _ => {
                newest.insert(group.identity.clone(), group);
            }
        }
    }
    let mut groups: Vec<Group> = newest.into_values().collect();
    for label in labels.iter().flatten() {
        if label.is_damaged || label.texts.iter().any(|text| unknown.contains(text)) {
            // The group that it belongs to, or if nobody knows that, any.
            let is_home = |group: &Group| group.physical(&label.identity).is_some();
            let is_told = groups.iter().any(is_home);
            for group in groups.iter_mut().filter(|one| !is_told || is_home(one)) {
                group.doubt = Some("a description of a volume group cannot be read");
            }
        }
    }
    groups
}

fn inconsistent(detail: &str) -> Unmapped {
    Unmapped::Inconsistent {
        what: WHAT,
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests;
