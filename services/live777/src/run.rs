//! From a configuration to a running server, and to its end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use liveion::Live;
use liveion::http::HttpOptions;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::{Bus, Config};
use crate::dbus;
use crate::notify;
use crate::server::{Limits, Server};
use crate::signals::{Asked, Signals};
use crate::tls::Acceptor;

/// A request that is not answered by then never is.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// For telling viewers, closing devices and ending connections.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(1500);

/// Runs the server until a signal ends it.
///
/// # Errors
/// What it needs could not be had; the text names the key of the configuration.
pub async fn run(config: Config) -> Result<(), String> {
    let mut signals = Signals::new().map_err(|e| format!("signals: {e}"))?;
    let server = Server::bind(&config.http, Limits::default())?;
    let address = server.local_addr().map_err(|e| e.to_string())?;
    let tls = server.tls();
    let live = Live::start(config.webrtc, config.streams).map_err(|e| e.to_string())?;
    let stop = CancellationToken::new();
    let options = HttpOptions {
        authorizer: config.authorizer,
        cors: config.http.cors,
        hosts: config.http.hosts,
        request_timeout: REQUEST_TIMEOUT,
        shutdown: stop.clone(),
    };
    let router = liveion::http::router(live.clone(), page(), options);
    let serving = tokio::spawn(server.run(router, stop.clone()));
    let bus = start_bus(&live, config.bus);
    let watch = tokio::spawn(notify::watch(live.clone()));

    announce(address, tls.is_some(), &live);
    notify::ready();
    until_stopped(&mut signals, tls.as_deref()).await;

    notify::stopping();
    watch.abort();
    stop.cancel();
    let end = async {
        let bus = async {
            if let Some(bus) = bus {
                bus.stop().await;
            }
        };
        tokio::join!(live.shutdown(), bus, serving)
    };
    match timeout(SHUTDOWN_TIMEOUT, end).await {
        Ok(_) => info!("stopped"),
        Err(_) => error!("not everything ended within {SHUTDOWN_TIMEOUT:?}; leaving it"),
    }
    Ok(())
}

#[cfg(feature = "webui")]
fn page() -> Router {
    crate::webui::router()
}

#[cfg(not(feature = "webui"))]
fn page() -> Router {
    Router::new()
}

fn start_bus(live: &Live, bus: Bus) -> Option<livehal_bus::Handle> {
    let bus = match bus {
        Bus::None => return None,
        Bus::Session => livehal_bus::Bus::Session,
        Bus::System => livehal_bus::Bus::System,
    };
    Some(dbus::start(live.clone(), bus))
}

/// Says where the page is: on standard output, for people and scripts, and in the log.
fn announce(address: SocketAddr, tls: bool, live: &Live) {
    let scheme = if tls { "https" } else { "http" };
    let shown = SocketAddr::new(reachable(address.ip()), address.port());
    let url = format!("{scheme}://{shown}/");
    info!(%url, http = %address, webrtc = %live.udp_addr(), "serving");
    println!("live777: {url}");
}

/// An address to show for `ip`: this machine's own for a wildcard.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// Until a signal ends the server; a hang-up reads the certificate again.
async fn until_stopped(signals: &mut Signals, tls: Option<&Acceptor>) {
    while signals.next().await == Asked::Reload {
        reload(tls);
    }
    info!("a signal asks for the end");
}

fn reload(tls: Option<&Acceptor>) {
    notify::reloading();
    match tls.map(Acceptor::reload) {
        Some(Ok(())) => info!("SIGHUP: the certificate was read again"),
        Some(Err(e)) => error!("SIGHUP: the old certificate stays: {e}"),
        None => warn!("SIGHUP: there is no certificate to read again"),
    }
    notify::ready();
}
