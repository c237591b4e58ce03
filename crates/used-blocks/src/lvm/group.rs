//! A volume group as its text describes it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::text::{self, Section, Value};
use super::{WHAT, inconsistent};
use crate::Unmapped;
use crate::view::{Layout, Place, Segment};
use crate::volume_manager::LogicalVolume;

const SECTOR_BYTES: u64 = 512;

/// A volume group. What of its text is not kept changes nothing of what it takes of disks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    name: String,
    pub(super) identity: String,
    /// Grows with every change ("seqno").
    pub(super) generation: u64,
    pub(super) extent_bytes: u64,
    /// By the names that the text gives them.
    physical: BTreeMap<String, Physical>,
    volumes: Vec<Volume>,
    /// Why it cannot be relied on that this is what it looks like now, if so.
    pub(super) doubt: Option<&'static str>,
}

/// A physical volume.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Physical {
    identity: String,
    first_extent_bytes: u64,
    extent_count: u64,
}

/// A logical volume, or a part of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Volume {
    name: String,
    is_visible: bool,
    pieces: Vec<Piece>,
}

/// A piece of a logical volume: "segment" in the text.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    first_extent: u64,
    extent_count: u64,
    kind: String,
    stripe_bytes: u64,
    /// What is named under each key: a physical or logical volume, and the extent there.
    areas: Vec<(String, u64)>,
    /// Other volumes that it is made of, and under which key.
    names: Vec<(String, String)>,
    thin_number: Option<u64>,
}

/// A thin pool.
#[derive(Debug)]
pub(super) struct ThinPool<'g> {
    pub(super) name: &'g str,
    /// With the name of the group.
    pub(super) title: String,
    pub(super) data: &'g Volume,
    pub(super) metadata: &'g Volume,
}

/// A volume on a thin pool.
#[derive(Debug)]
pub(super) struct ThinVolume {
    /// With the name of the group.
    pub(super) name: String,
    /// In bytes.
    pub(super) length: u64,
    /// Whether all of it lies on its pool, and nothing else is built on it.
    pub(super) is_plain: bool,
}

impl Physical {
    /// Where its extents lie, in bytes.
    pub(super) fn extents(&self, extent_bytes: u64) -> Option<Range<u64>> {
        let length = self.extent_count.checked_mul(extent_bytes)?;
        let end = self.first_extent_bytes.checked_add(length)?;
        Some(self.first_extent_bytes..end)
    }
}

impl Group {
    /// Nothing if the text does not describe a group, or has more values than are left; what it has
    /// is taken off them.
    pub(super) fn parse(text: &[u8], values_left: &mut usize) -> Option<Self> {
        let all = text::parse(text, values_left)?;
        let mut sections = all
            .iter()
            .filter_map(|(name, value)| Some((name, value.section()?)));
        let (name, group) = sections
            .next()
            .filter(|_| all.get("version").and_then(Value::number) == Some(1))?;
        if sections.next().is_some() {
            return None;
        }
        let mut physical = BTreeMap::new();
        for (name, value) in sub(group, "physical_volumes")? {
            physical.insert(name.clone(), Physical::parse(value.section()?)?);
        }
        let mut volumes = Vec::new();
        if let Some(described) = group.get("logical_volumes") {
            for (name, value) in described.section()? {
                volumes.push(Volume::parse(name, value.section()?)?);
            }
        }
        Some(Self {
            name: name.clone(),
            identity: text_of(group, "id")?.to_owned(),
            generation: number(group, "seqno")?,
            extent_bytes: number(group, "extent_size")?
                .checked_mul(SECTOR_BYTES)
                .filter(|bytes| *bytes > 0)?,
            physical,
            volumes,
            doubt: None,
        })
    }

    /// The physical volume with this identity.
    pub(super) fn physical(&self, identity: &str) -> Option<&Physical> {
        self.physical.values().find(|one| one.identity == identity)
    }

    /// Why nothing of the group can be left out, if so: it is not known what it looks like now; a
    /// piece of unknown kind lies directly on physical volumes, and how much of them it takes is
    /// unknown; or thin pools share a volume.
    pub(super) fn refusal(&self) -> Option<Unmapped> {
        if let Some(doubt) = self.doubt {
            return Some(inconsistent(doubt));
        }
        let mut stores = BTreeSet::new();
        let names = self.pools().flat_map(|pool| [pool.data, pool.metadata]);
        if !names.into_iter().all(|store| stores.insert(&store.name)) {
            return Some(inconsistent("thin pools share a volume"));
        }
        let is_understood = |piece: &&Piece| {
            matches!(piece.kind.as_str(), "striped" | "linear" | "mirror")
                || !piece
                    .areas
                    .iter()
                    .any(|(name, _)| self.physical.contains_key(name))
        };
        let mut pieces = self.volumes.iter().flat_map(|volume| &volume.pieces);
        let strange = pieces.find(|piece| !is_understood(piece))?;
        Some(Unmapped::Unsupported {
            what: WHAT,
            feature: format!("segments of type {:.32}", strange.kind),
        })
    }

    /// All volumes except thin ones and the data of thin pools. `place_of` gives the position of the
    /// physical volume with an identity.
    pub(super) fn volumes(&self, place_of: &dyn Fn(&str) -> Option<usize>) -> Vec<LogicalVolume> {
        let named = self.named();
        let pool_data: BTreeSet<&str> = self.pools().map(|pool| pool.data.name.as_str()).collect();
        let rest = self
            .volumes
            .iter()
            .filter(|volume| !pool_data.contains(volume.name.as_str()));
        let mut volumes = Vec::new();
        for volume in rest {
            let mut made = self.plain(volume, place_of);
            if !volume.is_visible || named.contains(volume.name.as_str()) {
                made.opaque.get_or_insert_with(|| Unmapped::Unsupported {
                    what: WHAT,
                    feature: "volumes made of other volumes".to_owned(),
                });
            }
            if !made.segments.is_empty() {
                volumes.push(made);
            }
        }
        volumes
    }

    /// Volumes that others are built on. A thin volume has all its mappings of its own, and names
    /// its origin for people only.
    fn named(&self) -> BTreeSet<&str> {
        let pieces = self.volumes.iter().flat_map(|volume| &volume.pieces);
        let names = pieces.flat_map(|piece| {
            let names = piece.names.iter();
            let built_on = names.filter(|(key, _)| !(piece.kind == "thin" && key == "origin"));
            let areas = piece.areas.iter().map(|(name, _)| name);
            built_on.map(|(_, name)| name).chain(areas)
        });
        names.map(String::as_str).collect()
    }

    /// The thin pools, where nothing else lies between them and their data and metadata.
    pub(super) fn pools(&self) -> impl Iterator<Item = ThinPool<'_>> {
        let by_name = self.volumes.iter();
        let by_name = by_name.map(|volume| (volume.name.as_str(), volume));
        let by_name: BTreeMap<&str, &Volume> = by_name.collect();
        self.volumes.iter().filter_map(move |volume| {
            let [piece] = volume.pieces.as_slice() else {
                return None;
            };
            let under = |key: &str| {
                let mut names = piece.names.iter();
                let (_, name) = names.find(|(known, _)| known == key)?;
                by_name.get(name.as_str()).copied()
            };
            (piece.kind == "thin-pool").then_some(())?;
            Some(ThinPool {
                name: &volume.name,
                title: self.title(volume),
                data: under("pool")?,
                metadata: under("metadata")?,
            })
        })
    }

    /// The thin volumes, by their pools and their numbers there.
    pub(super) fn thin_volumes(&self) -> BTreeMap<(&str, u64), Vec<ThinVolume>> {
        let named = self.named();
        let volumes = self.volumes.iter().filter_map(|volume| {
            let piece = volume.pieces.first().filter(|piece| piece.kind == "thin")?;
            let mut names = piece.names.iter();
            let (_, pool) = names.find(|(key, _)| key == "thin_pool")?;
            let others = ["thin_pool", "origin"];
            let thin = ThinVolume {
                name: self.title(volume),
                length: piece.extent_count.checked_mul(self.extent_bytes)?,
                is_plain: volume.is_visible
                    && volume.pieces.len() == 1
                    && piece.first_extent == 0
                    && !named.contains(volume.name.as_str())
                    && piece
                        .names
                        .iter()
                        .all(|(key, _)| others.contains(&key.as_str())),
            };
            Some(((pool.as_str(), piece.thin_number?), thin))
        });
        let mut by_number: BTreeMap<_, Vec<ThinVolume>> = BTreeMap::new();
        for (number, volume) in volumes {
            by_number.entry(number).or_default().push(volume);
        }
        by_number
    }

    fn title(&self, volume: &Volume) -> String {
        format!("{}/{}", self.name, volume.name)
    }

    /// Where a volume lies, if it lies on physical volumes; opaque unless all of it does, plainly.
    pub(super) fn plain(
        &self,
        volume: &Volume,
        place_of: &dyn Fn(&str) -> Option<usize>,
    ) -> LogicalVolume {
        let mut segments = Vec::new();
        let mut opaque = None;
        let mut next = 0;
        for piece in &volume.pieces {
            if piece.first_extent != next {
                opaque.get_or_insert_with(|| inconsistent("a volume has gaps"));
            }
            next = piece.first_extent.saturating_add(piece.extent_count);
            match self.segment(piece, place_of) {
                Ok(segment) => segments.push(segment),
                Err(reason) => {
                    segments.extend(self.scattered(piece, place_of));
                    opaque.get_or_insert(reason);
                }
            }
        }
        LogicalVolume {
            name: self.title(volume),
            segments,
            opaque,
        }
    }

    fn segment(
        &self,
        piece: &Piece,
        place_of: &dyn Fn(&str) -> Option<usize>,
    ) -> Result<Segment, Unmapped> {
        if !matches!(piece.kind.as_str(), "striped" | "linear") || piece.areas.is_empty() {
            return Err(Unmapped::Unsupported {
                what: WHAT,
                feature: format!("segments of type {:.32}", piece.kind),
            });
        }
        let nonsense = || inconsistent("a volume has no valid size");
        let length = piece
            .extent_count
            .checked_mul(self.extent_bytes)
            .filter(|length| *length > 0)
            .ok_or_else(nonsense)?;
        let columns = piece
            .areas
            .iter()
            .map(|(name, extent)| self.place(name, *extent, place_of))
            .collect::<Result<Vec<_>, _>>()?;
        let layout = match columns.len() as u64 {
            1 => Layout::Copies(columns),
            count => {
                let row = piece
                    .stripe_bytes
                    .checked_mul(count)
                    .filter(|row| *row > 0)
                    .ok_or_else(nonsense)?;
                if !length.is_multiple_of(row) {
                    return Err(nonsense());
                }
                Layout::Stripes {
                    stripe_bytes: piece.stripe_bytes,
                    columns,
                }
            }
        };
        Ok(Segment { length, layout })
    }

    /// Whatever of a piece lies on physical volumes that are there. Parts of a striped piece that do
    /// not divide evenly are rounded up, those of others counted in full.
    fn scattered(&self, piece: &Piece, place_of: &dyn Fn(&str) -> Option<usize>) -> Vec<Segment> {
        let extents = match piece.kind.as_str() {
            "striped" | "linear" => piece
                .extent_count
                .div_ceil((piece.areas.len() as u64).max(1)),
            _ => piece.extent_count,
        };
        let Some(length) = extents
            .checked_mul(self.extent_bytes)
            .filter(|length| *length > 0)
        else {
            return Vec::new();
        };
        let places = piece
            .areas
            .iter()
            .filter_map(|(name, extent)| self.place(name, *extent, place_of).ok());
        places
            .map(|place| Segment {
                length,
                layout: Layout::Copies(vec![place]),
            })
            .collect()
    }

    fn place(
        &self,
        name: &str,
        extent: u64,
        place_of: &dyn Fn(&str) -> Option<usize>,
    ) -> Result<Place, Unmapped> {
        let physical = self
            .physical
            .get(name)
            .ok_or_else(|| Unmapped::Unsupported {
                what: WHAT,
                feature: "volumes made of other volumes".to_owned(),
            })?;
        let offset = extent.checked_mul(self.extent_bytes);
        let offset = offset.and_then(|offset| offset.checked_add(physical.first_extent_bytes));
        Ok(Place {
            member: place_of(&physical.identity).ok_or(Unmapped::MissingMember { what: WHAT })?,
            offset: offset.ok_or_else(|| inconsistent("an extent lies nowhere"))?,
        })
    }
}

impl Physical {
    fn parse(section: &Section) -> Option<Self> {
        Some(Self {
            identity: text_of(section, "id")?.replace('-', ""),
            first_extent_bytes: number(section, "pe_start")?.checked_mul(SECTOR_BYTES)?,
            extent_count: number(section, "pe_count")?,
        })
    }
}

impl Volume {
    fn parse(name: &str, section: &Section) -> Option<Self> {
        let status = section.get("status").and_then(Value::list)?;
        let count = number(section, "segment_count")?;
        let pieces = section
            .iter()
            .filter(|(name, value)| name.starts_with("segment") && value.section().is_some());
        let mut pieces = pieces
            .map(|(_, value)| Piece::parse(value.section()?))
            .collect::<Option<Vec<_>>>()?;
        if pieces.len() as u64 != count {
            return None;
        }
        pieces.sort_by_key(|piece| piece.first_extent);
        Some(Self {
            name: name.to_owned(),
            is_visible: status.iter().any(|flag| flag.text() == Some("VISIBLE")),
            pieces,
        })
    }
}

impl Piece {
    fn parse(section: &Section) -> Option<Self> {
        let mut areas = Vec::new();
        let mut names = Vec::new();
        for (key, value) in section
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "type" | "tags"))
        {
            match value {
                Value::Text(name) => names.push((key.clone(), name.clone())),
                Value::List(list) => {
                    for (at, value) in list.iter().enumerate() {
                        let Some(name) = value.text() else { continue };
                        match list.get(at + 1).and_then(Value::number) {
                            Some(extent) => areas.push((name.to_owned(), extent)),
                            None => names.push((key.clone(), name.to_owned())),
                        }
                    }
                }
                _ => {}
            }
        }
        let kind = text_of(section, "type")?.to_owned();
        if matches!(kind.as_str(), "striped" | "linear")
            && number(section, "stripe_count")? != areas.len() as u64
        {
            return None;
        }
        Some(Self {
            first_extent: number(section, "start_extent")?,
            extent_count: number(section, "extent_count")?,
            kind,
            stripe_bytes: section
                .get("stripe_size")
                .and_then(Value::number)
                .unwrap_or(0)
                .checked_mul(SECTOR_BYTES)?,
            areas,
            names,
            thin_number: section.get("device_id").and_then(Value::number),
        })
    }
}

fn sub<'s>(section: &'s Section, name: &str) -> Option<&'s Section> {
    section.get(name).and_then(Value::section)
}

fn text_of<'s>(section: &'s Section, name: &str) -> Option<&'s str> {
    section.get(name).and_then(Value::text)
}

fn number(section: &Section, name: &str) -> Option<u64> {
    section.get(name).and_then(Value::number)
}
