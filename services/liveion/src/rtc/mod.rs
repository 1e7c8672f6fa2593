//! One WebRTC session: ICE-lite, DTLS, SRTP, RTP and RTCP, without a socket and without a clock.

mod dtls;
mod sdp;
mod srtp;
mod stun;
