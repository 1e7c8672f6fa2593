//! live777: a WebRTC camera server.

fn main() {}
