//! The HTTP API, without a network: requests go into the router of a real `Live`.

mod access;
mod arbitrary;
mod events;
mod origins;
mod requests;
mod sessions;
mod support;
