//! One WebRTC session: ICE-lite, DTLS, SRTP, RTP and RTCP, without a socket and without a clock.

mod batch;
mod cache;
mod congestion;
mod dtls;
mod gate;
mod receiver;
mod rtcp;
mod sdp;
mod sender;
mod srtp;
mod stun;
