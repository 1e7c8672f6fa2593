//! Test peer.
