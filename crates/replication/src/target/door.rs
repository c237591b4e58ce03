//! Who is let in at the data port, and who has to make room.
//!
//! Anybody can open a connection. Until a peer has shown the certificate of a task and has sent its
//! first frame it is a newcomer, and there is room for few of those: when all places are taken, the
//! one that came first is cut off. A source is through within a few round trips, so strangers who
//! hold connections open keep nobody out. Who is through takes a seat, for as long as it is served.

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::wire::{Advice, Failure};

/// Newcomers at once.
const NEWCOMERS: usize = 64;

/// Streams served at once, of all tasks. A task needs a handful.
const SEATS: usize = 256;

/// The door of a data port.
#[derive(Debug, Default)]
pub(crate) struct Door {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The oldest first, each with a number and a handle by which it can be cut off.
    newcomers: VecDeque<(u64, TcpStream)>,
    /// Number of the last newcomer.
    last: u64,
    seated: usize,
}

impl Door {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a newcomer in; cuts the oldest one off if there is no room.
    ///
    /// # Errors
    /// If the process is out of descriptors.
    pub(crate) fn enter(self: &Arc<Self>, socket: &TcpStream) -> io::Result<Place> {
        let handle = socket.try_clone()?;
        let mut state = self.state();
        state.last += 1;
        let number = state.last;
        state.newcomers.push_back((number, handle));
        if state.newcomers.len() > NEWCOMERS
            && let Some((_, oldest)) = state.newcomers.pop_front()
        {
            tracing::warn!(
                limit = NEWCOMERS,
                "many data connections that say nothing; the oldest is cut off"
            );
            // An error means that it is gone already.
            let _ = oldest.shutdown(Shutdown::Both);
        }
        Ok(Place {
            door: Arc::clone(self),
            standing: Standing::Newcomer(number),
        })
    }
}

/// The place of a connection, given up when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    door: Arc<Door>,
    standing: Standing,
}

#[derive(Debug)]
enum Standing {
    Newcomer(u64),
    Seated,
}

impl Place {
    /// Seats a connection that is through. Does nothing for one that is seated.
    ///
    /// # Errors
    /// What the peer is told if all seats are taken.
    pub(crate) fn take_seat(&mut self) -> Result<(), Failure> {
        let Standing::Newcomer(number) = self.standing else {
            return Ok(());
        };
        let mut state = self.door.state();
        if state.seated >= SEATS {
            return Err(Failure {
                code: "port_full".into(),
                message: format!(
                    "the receiver serves {SEATS} streams already; let other tasks end first, or \
                     give tasks fewer streams"
                ),
                advice: Advice::Wait,
            });
        }
        state.newcomers.retain(|(found, _)| *found != number);
        state.seated += 1;
        drop(state);
        self.standing = Standing::Seated;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.door.state();
        match self.standing {
            Standing::Newcomer(number) => state.newcomers.retain(|(found, _)| *found != number),
            Standing::Seated => state.seated -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;

    use super::*;

    fn connections(listener: &TcpListener) -> (TcpStream, TcpStream) {
        let outside = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (outside, listener.accept().unwrap().0)
    }

    #[test]
    fn the_newcomer_that_waited_longest_makes_room_and_who_sits_stays() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let door = Arc::new(Door::default());
        let come = || {
            let (outside, inside) = connections(&listener);
            let place = door.enter(&inside).unwrap();
            (outside, inside, place)
        };
        let mut seated = come();
        seated.2.take_seat().unwrap();
        seated.2.take_seat().unwrap();
        let mut oldest = come();
        let others: Vec<_> = (0..NEWCOMERS).map(|_| come()).collect();
        assert_eq!(oldest.0.read(&mut [0]).unwrap(), 0, "it is cut off");
        drop(others);
        let state = || {
            let state = door.state();
            (state.newcomers.len(), state.seated)
        };
        assert_eq!(state(), (0, 1));
        seated.0.set_nonblocking(true).unwrap();
        let silent = seated.0.read(&mut [0]).unwrap_err();
        assert_eq!(silent.kind(), io::ErrorKind::WouldBlock, "it is not");
        drop((oldest, seated));
        assert_eq!(state(), (0, 0));
    }

    #[test]
    fn whoever_finds_no_seat_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let door = Arc::new(Door::default());
        let (_outside, inside) = connections(&listener);
        let mut places: Vec<_> = (0..SEATS)
            .map(|_| {
                let mut place = door.enter(&inside).unwrap();
                place.take_seat().unwrap();
                place
            })
            .collect();
        let mut late = door.enter(&inside).unwrap();
        assert_eq!(late.take_seat().unwrap_err().code, "port_full");
        places.pop();
        late.take_seat().unwrap();
    }
}
