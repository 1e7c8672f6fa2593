//! One WebRTC session: ICE-lite, DTLS, SRTP, RTP and RTCP, without a socket and without a clock.
//! Time is passed in, datagrams go out through a [`Batch`].

mod batch;
mod cache;
mod congestion;
mod dtls;
mod gate;
mod hello;
mod publisher;
mod receiver;
pub(crate) mod rtcp;
mod sdp;
mod sender;
mod session;
mod srtp;
mod stun;
mod transport;
mod viewer;

#[cfg(test)]
pub(crate) use batch::Path;
pub(crate) use batch::{Batch, Burst};
pub(crate) use cache::GopCache;
pub(crate) use congestion::BitrateBounds;
pub(crate) use dtls::Identity;
pub(crate) use gate::KeyframeGate;
pub(crate) use publisher::Publisher;
pub(crate) use receiver::Unit;
pub(crate) use sdp::{
    Direction, IceCredentials, IceFragment, LocalDescription, Negotiated, Offer, ProfileLevelId,
    answer, answer_fragment,
};
pub(crate) use session::{Refused, Role, Session, SessionEvent};
pub(crate) use stun::Check;
pub(crate) use transport::{Transport, new_credentials, random_text};
pub(crate) use viewer::{Viewer, ViewerParams};

#[cfg(test)]
mod tests;
