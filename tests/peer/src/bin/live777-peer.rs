//! A WHEP viewer for the tests of an image: succeeds when a stream's frames arrive and decode.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use peer::decode::{Picture, StripDecoder};
use peer::http::Client;
use peer::{Swarm, Viewer, ViewerOptions};

/// Watches a stream until so many frames were decoded.
///
/// Every access unit has to decode, and to be of a later time than the one before; frames that are missing
/// between two, by the number in the picture, are counted and told. The certificate of an https server is
/// not checked.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Frames to decode.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    frames: u32,
    /// Seconds that it may take.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Write a line for each picture as it comes: how many there are now, and its RTP time stamp.
    #[arg(long)]
    lines: bool,
    /// File with the bearer token.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// The stream, such as `https://127.0.0.1:7777/whep/cam`.
    url: String,
}

fn main() -> ExitCode {
    match watch(&Arguments::parse()) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("live777-peer: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// Watches, and says what was seen.
fn watch(arguments: &Arguments) -> Result<String> {
    let Some((base, stream)) = arguments.url.split_once("/whep/") else {
        bail!("{}: not an address with /whep/STREAM", arguments.url);
    };
    let token = arguments.token_file.as_deref().map(token).transpose()?;
    let client = Client::new(base, token.as_deref());
    let swarm = Swarm::start(None)?;
    let options = ViewerOptions {
        deliver: true,
        ..ViewerOptions::default()
    };
    let begin = Instant::now();
    let viewer = swarm.view(&client, stream, options)?;
    let seen = pictures(&viewer, arguments, begin);
    // The session ends in any case; a failure to end it is told where nothing worse is.
    let ended = viewer.delete();
    let seen = seen?;
    ended?;
    Ok(format!(
        "{} frames of {}x{} decoded in {:.1} s, first after {:.2} s, {} missing, {} packets lost",
        arguments.frames,
        seen.last.width,
        seen.last.height,
        begin.elapsed().as_secs_f64(),
        seen.first_after.as_secs_f64(),
        seen.missing,
        viewer.stats().counters.lost,
    ))
}

/// The token of a file that holds nothing else.
fn token(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(text.trim().to_owned())
}

/// What a viewer saw.
struct Seen {
    first_after: Duration,
    missing: u64,
    last: Picture,
    /// Its RTP time stamp.
    time: u32,
}

/// Decodes the wanted frames; an access unit that does not decode is an error.
fn pictures(viewer: &Viewer, arguments: &Arguments, begin: Instant) -> Result<Seen> {
    let deadline = begin + Duration::from_secs(arguments.seconds);
    let mut decoder = StripDecoder::new()?;
    let mut seen: Option<Seen> = None;
    for number in 0..arguments.frames {
        let (picture, time) = next(viewer, &mut decoder, deadline)
            .with_context(|| format!("{number} of {} frames decoded", arguments.frames))?;
        if let Some(before) = seen.as_ref().filter(|s| !later(s.time, time)) {
            bail!("after a frame of RTP time {} one of {time}", before.time);
        }
        if arguments.lines {
            println!("{} {time}", number + 1);
        }
        let missing = seen.as_ref().map_or(0, |s| gap(&s.last, &picture));
        seen = Some(Seen {
            first_after: seen.as_ref().map_or(begin.elapsed(), |s| s.first_after),
            missing: seen.as_ref().map_or(0, |s| s.missing) + missing,
            last: picture,
            time,
        });
    }
    seen.context("no frame")
}

/// Whether an RTP time stamp is later than another; they begin again after 2^32.
fn later(before: u32, time: u32) -> bool {
    (1..1 << 31).contains(&time.wrapping_sub(before))
}

/// The next access unit, decoded, and its RTP time stamp.
fn next(viewer: &Viewer, decoder: &mut StripDecoder, deadline: Instant) -> Result<(Picture, u32)> {
    let units = viewer.units.as_ref().context("nothing is handed out")?;
    let left = deadline.saturating_duration_since(Instant::now());
    let Ok(unit) = units.recv_timeout(left) else {
        let stats = viewer.stats();
        match &stats.failed {
            Some(why) => bail!("{why}"),
            None => bail!("no further frame in time: {stats:?}"),
        }
    };
    Ok((decoder.decode(&unit)?, unit.rtp_timestamp))
}

/// Frames between two pictures by their numbers; none where a picture has no number.
fn gap(before: &Picture, after: &Picture) -> u64 {
    match (before.strip, after.strip) {
        (Some(a), Some(b)) => u64::from(b.frame.wrapping_sub(a.frame).saturating_sub(1)),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::later;

    #[test]
    fn times_rise_also_where_they_begin_again() {
        assert!(later(1, 2) && later(u32::MAX, 0) && later(0, (1 << 31) - 1));
        assert!(!later(2, 2) && !later(2, 1) && !later(0, u32::MAX));
    }
}
