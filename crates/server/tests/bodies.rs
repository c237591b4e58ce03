//! What becomes of requests that are not as they should be.
