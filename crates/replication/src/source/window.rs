//! What a stream has sent and the receiver has not acknowledged: rules without I/O.
//!
//! A stream reads acknowledgements only when its window is full. So the window bounds not only what
//! is sent again after a break, but also how many acknowledgements wait in the socket: frames
//! without a payload, such as runs of zeros, are counted, too. Otherwise a large empty disk would
//! fill the socket, and the receiver could not get rid of one more acknowledgement.

use std::collections::VecDeque;

/// Frames that may be unacknowledged: their acknowledgements, of less than 100 bytes each, fit into
/// the smallest socket buffer.
const FRAMES: usize = 512;

/// The window of a stream.
#[derive(Debug)]
pub(super) struct Window {
    limit_bytes: u64,
    /// Sequence number and payload of each frame that is not acknowledged yet.
    in_flight: VecDeque<(u64, u64)>,
    in_flight_bytes: u64,
    reached: u64,
}

impl Window {
    /// A window for so many bytes of payload.
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            reached: 0,
        }
    }

    /// Whether a frame with this payload may be sent now. A single one always may.
    pub(super) fn has_room(&self, payload_bytes: u64) -> bool {
        self.is_empty()
            || self.in_flight.len() < FRAMES
                && self.in_flight_bytes + payload_bytes <= self.limit_bytes
    }

    /// Whether everything is acknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// A frame was sent.
    pub(super) fn sent(&mut self, sequence: u64, payload_bytes: u64) {
        self.in_flight.push_back((sequence, payload_bytes));
        self.in_flight_bytes += payload_bytes;
    }

    /// Up to which sequence number everything is acknowledged.
    pub(super) fn reached(&self) -> u64 {
        self.reached
    }

    /// Everything up to a sequence number is acknowledged.
    pub(super) fn acknowledged(&mut self, sequence: u64) {
        self.reached = self.reached.max(sequence);
        while let Some((_, bytes)) = self.in_flight.pop_front_if(|frame| frame.0 <= sequence) {
            self.in_flight_bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_fill_the_window_and_acknowledgements_empty_it() {
        let mut window = Window::new(100);
        assert!(window.has_room(1000));
        window.sent(1, 60);
        window.sent(4, 40);
        assert!(window.has_room(0) && !window.has_room(1));
        window.acknowledged(3);
        assert!(window.has_room(60) && !window.has_room(61));
        window.acknowledged(4);
        assert!(window.is_empty());
        assert_eq!(window.reached(), 4);
    }

    #[test]
    fn frames_without_payload_fill_the_window_too() {
        let mut window = Window::new(u64::MAX);
        let sent = (1..10_000).find(|sequence| {
            let is_full = !window.has_room(0);
            window.sent(*sequence, 0);
            is_full
        });
        assert_eq!(sent, Some(FRAMES as u64 + 1));
    }
}
