//! Views over views, against a plain table of which byte lies where.

use proptest::prelude::*;

use super::*;

/// A disk whose bytes tell which disk it is and where.
#[derive(Debug)]
struct Ruled(u8);

const DISK_BYTES: u64 = 96;

impl Medium for Ruled {
    fn size_bytes(&self) -> u64 {
        DISK_BYTES
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        for (byte, at) in buffer.iter_mut().zip(offset..) {
            *byte = byte_of(usize::from(self.0), at);
        }
        Ok(())
    }
}

/// Never zero, and different everywhere.
fn byte_of(disk: usize, at: u64) -> u8 {
    u8::try_from(at + 1).unwrap() + 100 * u8::try_from(disk).unwrap()
}

fn place() -> impl Strategy<Value = Place> {
    (0_usize..2, 0_u64..64).prop_map(|(member, offset)| Place { member, offset })
}

fn segment() -> impl Strategy<Value = Segment> {
    let places = prop::collection::vec(place(), 1..4);
    (0_usize..3, places, 1_u64..5, 1_u64..4).prop_map(|(kind, places, stripe_bytes, rows)| {
        match kind {
            0 => Segment {
                length: stripe_bytes * rows,
                layout: Layout::Copies(places),
            },
            1 => Segment {
                length: stripe_bytes * rows * places.len() as u64,
                layout: Layout::Stripes {
                    stripe_bytes,
                    columns: places,
                },
            },
            _ => Segment {
                length: rows,
                layout: Layout::Nowhere,
            },
        }
    })
}

/// For each byte of the pieces, the places where it lies.
fn table(pieces: &[Segment]) -> Vec<Vec<Place>> {
    let mut table = Vec::new();
    for piece in pieces {
        for at in 0..piece.length {
            table.push(match &piece.layout {
                Layout::Copies(places) => places.iter().map(|place| place.shifted(at)).collect(),
                Layout::Stripes {
                    stripe_bytes,
                    columns,
                } => {
                    let (stripe, within) = (at / stripe_bytes, at % stripe_bytes);
                    let count = columns.len() as u64;
                    let column = columns[to_usize(stripe % count)];
                    vec![column.shifted(stripe / count * stripe_bytes + within)]
                }
                Layout::Nowhere => Vec::new(),
            });
        }
    }
    table
}

proptest! {
    #[test]
    fn a_view_is_read_and_used_where_its_bytes_lie(
        pieces in prop::collection::vec(segment(), 1..5), cut in (0_u64..30, 0_u64..30),
    ) {
        let disks = [Ruled(0), Ruled(1)];
        let members: Arc<[_]> = disks.iter().enumerate().map(|(n, disk)| View::disk(n, disk)).collect();
        let lower = View::composed(&members, pieces.clone()).unwrap();
        let start = cut.0.min(lower.size_bytes());
        let end = (start + cut.1).min(lower.size_bytes());
        let view = View::part(&lower, &(start..end));
        prop_assert_eq!(view.size_bytes(), end - start);

        let table = &table(&pieces)[to_usize(start)..to_usize(end)];
        let expected: Vec<u8> = table
            .iter()
            .map(|places| places.first().map_or(0, |place| byte_of(place.member, place.offset)))
            .collect();
        let mut read = vec![0xff; expected.len()];
        view.read_at(&mut read, 0).unwrap();
        prop_assert_eq!(read, expected);

        let mut expected: Vec<(usize, u64)> =
            table.iter().flatten().map(|place| (place.member, place.offset)).collect();
        let mut used = Vec::new();
        let mut steps = u64::MAX;
        view.on_disks(0..view.size_bytes(), &mut steps, &mut |disk, range| {
            used.extend(range.map(|at| (disk, at)));
        });
        expected.sort_unstable();
        used.sort_unstable();
        prop_assert_eq!(used, expected);
    }
}

#[test]
fn pieces_that_leave_their_members_are_refused() {
    let disk = Ruled(0);
    let members = Arc::new([View::disk(0, &disk)]) as Arc<[_]>;
    let piece = |member, offset, length| Segment {
        length,
        layout: Layout::Copies(vec![Place { member, offset }]),
    };
    let stripes = |length, columns: usize| Segment {
        length,
        layout: Layout::Stripes {
            stripe_bytes: 8,
            columns: vec![
                Place {
                    member: 0,
                    offset: 0
                };
                columns
            ],
        },
    };
    assert!(View::composed(&members, vec![piece(0, 90, 6), stripes(16, 2)]).is_ok());
    for bad in [
        piece(0, 90, 7),
        piece(1, 0, 1),
        piece(0, u64::MAX, 2),
        piece(0, 0, 0),
        stripes(12, 2),
        stripes(DISK_BYTES * 2 + 16, 2),
        stripes(16, 0),
    ] {
        assert!(
            View::composed(&members, vec![bad.clone()]).is_err(),
            "{bad:?}"
        );
    }
    let nothing = |length| Segment {
        length,
        layout: Layout::Nowhere,
    };
    assert!(View::composed(&members, vec![nothing(u64::MAX), nothing(1)]).is_err());
}

#[test]
fn nothing_is_read_beyond_the_end() {
    let disk = Ruled(0);
    let view = View::part(&View::disk(0, &disk), &(10..20));
    let mut two = [0; 2];
    assert!(view.read_at(&mut two, 8).is_ok());
    assert!(matches!(
        view.read_at(&mut two, 9),
        Err(VolumeError::OutOfRange { .. })
    ));
    assert!(view.read_at(&mut two, u64::MAX).is_err());
}

#[test]
fn what_is_made_of_members_shares_the_list_of_them() {
    let disk = Ruled(0);
    let members: Arc<[_]> = (0..1000).map(|_| View::disk(0, &disk)).collect();
    let piece = |member| Segment {
        length: 1,
        layout: Layout::Copies(vec![Place { member, offset: 0 }]),
    };
    let views: Vec<_> = (0..1000)
        .map(|member| View::composed(&members, vec![piece(member)]).unwrap())
        .collect();
    assert_eq!(Arc::strong_count(&members), 1 + views.len());
    assert!(members.iter().all(|member| Arc::strong_count(member) == 1));
}

#[test]
fn pieces_of_pieces_come_to_an_end() {
    let disk = Ruled(0);
    let mut view = View::disk(0, &disk);
    for _ in 0..8 {
        let place = Place {
            member: 0,
            offset: 0,
        };
        let same = Segment {
            length: view.size_bytes(),
            layout: Layout::Copies(vec![place; 1000]),
        };
        view = View::composed(&(Arc::new([view]) as Arc<[_]>), vec![same]).unwrap();
    }
    let (mut steps, mut told) = (5000, 0);
    view.on_disks(0..DISK_BYTES, &mut steps, &mut |_, _| told += 1);
    assert_eq!(steps, 0);
    assert!((1..5000).contains(&told), "{told}");
}
