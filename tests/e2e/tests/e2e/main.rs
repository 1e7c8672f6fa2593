//! End-to-end tests, one module a subject. Every test starts its own server.

mod whep;
