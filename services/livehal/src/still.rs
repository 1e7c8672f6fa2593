//! Stills from coded video.

use bytes::Bytes;

use crate::{Error, VideoCodec};

/// Decodes a key access unit, such as the last one of a stream that arrived coded, and gives the
/// picture as JPEG.
///
/// `unit` holds the parameter sets and the key frame; H.264 in Annex B form. Takes some ten
/// milliseconds: not to be called from an asynchronous task.
///
/// # Errors
/// [`Error::Backend`] for a codec without a decoder in this program, or data it cannot decode.
pub fn jpeg_from_access_unit(codec: VideoCodec, unit: &[u8]) -> Result<Bytes, Error> {
    match codec {
        #[cfg(feature = "encoder-software")]
        VideoCodec::H264 => h264(unit),
        #[cfg(not(feature = "encoder-software"))]
        VideoCodec::H264 => {
            let _ = unit;
            Err(Error::Backend(
                "snapshot: this program decodes h264 only with the cargo feature encoder-software"
                    .into(),
            ))
        }
        other => Err(Error::Backend(format!(
            "snapshot: no decoder for {other} in this program"
        ))),
    }
}

#[cfg(feature = "encoder-software")]
fn h264(unit: &[u8]) -> Result<Bytes, Error> {
    use openh264::formats::YUVSource;

    use crate::capture::{Color, Plane};

    let failed = |e: openh264::Error| Error::Backend(format!("snapshot: h264: {e}"));
    let incomplete = || Error::Backend("snapshot: h264: not a whole key frame".into());
    if crate::annexb::sps_of(unit).is_none() {
        return Err(incomplete());
    }
    let mut decoder = openh264::decoder::Decoder::new().map_err(failed)?;
    let picture = decoder
        .decode(unit)
        .map_err(failed)?
        .ok_or_else(incomplete)?;
    let (width, height) = picture.dimensions();
    let (y, u, v) = picture.strides();
    let plane = |data, stride| Plane { data, stride };
    let planes = [
        plane(picture.y(), y),
        plane(picture.u(), u),
        plane(picture.v(), v),
    ];
    let (Ok(width), Ok(height)) = (u32::try_from(width), u32::try_from(height)) else {
        return Err(incomplete());
    };
    crate::jpeg::encode(planes, width, height, Color::assumed(height)).map(Bytes::from)
}
