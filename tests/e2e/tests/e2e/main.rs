//! End-to-end tests, one module a subject. Every test starts its own server.

mod abuse;
mod api;
mod faults;
mod feedback;
mod interop;
mod late_join;
mod page;
mod support;
mod whep;
mod whip;
