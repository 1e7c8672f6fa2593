//! The configuration: the shipped file, its examples, and every way to get them wrong.

mod arbitrary;
mod documents;
mod faults;
mod mutations;
mod shipped;
mod support;
