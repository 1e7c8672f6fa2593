//! Reading packets out of a media file.

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::api::Api;
use crate::decode::{Decoder, DecoderOptions};
use crate::error::{Error, Result};
use crate::packet::Packet;
use crate::rational::Rational;
use crate::sys::{
    AV_NOPTS_VALUE, AV_PKT_DATA_DISPLAYMATRIX, AVCodecParameters, AVERROR_EOF, AVFormatContext,
    AVMEDIA_TYPE_VIDEO, AVSEEK_FLAG_BACKWARD, AVStream, SideData,
};

/// An open media file.
#[derive(Debug)]
pub struct Demuxer {
    api: Arc<Api>,
    context: NonNull<AVFormatContext>,
    path: PathBuf,
}

// SAFETY: a format context is bound to no thread; `&mut self` and ownership keep its calls apart.
unsafe impl Send for Demuxer {}

/// A video stream of a [`Demuxer`].
#[derive(Debug, Clone, PartialEq)]
pub struct VideoStream {
    pub(crate) index: usize,
    /// The codec by FFmpeg's name, such as `h264`.
    pub codec: String,
    /// Width in pixels as the container says; the decoder's frames are the authority.
    pub width: u32,
    /// Height in pixels, likewise.
    pub height: u32,
    /// Unit of the stream's time stamps, in seconds.
    pub time_base: Rational,
    /// Frames per second on average, or FFmpeg's guess; `None` where it has none.
    pub frame_rate: Option<Rational>,
    /// First time stamp, in units of `time_base`, where the container says.
    pub start: Option<i64>,
    /// How the container wants the picture turned, in degrees clockwise from 0 to 359.
    pub rotation: u32,
}

impl Demuxer {
    pub(crate) fn open(api: Arc<Api>, path: &Path) -> Result<Self> {
        let refuse = |reason: String| Error::Open {
            path: path.into(),
            reason,
        };
        // Only a file, whatever the name looks like, and no playlist that leads elsewhere.
        let mut url = b"file:".to_vec();
        url.extend_from_slice(path.as_os_str().as_encoded_bytes());
        let url = CString::new(url).map_err(|_| refuse("a zero byte in the name".into()))?;

        let mut context = ptr::null_mut();
        let mut options = ptr::null_mut();
        // SAFETY: all strings are terminated, both pointers start as null as the calls want them.
        // On failure FFmpeg frees the context and leaves null.
        let code = unsafe {
            api.util.av_dict_set(
                &mut options,
                c"protocol_whitelist".as_ptr(),
                c"file".as_ptr(),
                0,
            );
            let code = api.format.avformat_open_input(
                &mut context,
                url.as_ptr(),
                ptr::null(),
                &mut options,
            );
            api.util.av_dict_free(&mut options);
            code
        };
        let context = match NonNull::new(context) {
            Some(context) if code >= 0 => context,
            _ => return Err(refuse(api.reason(code))),
        };
        let demuxer = Self {
            api,
            context,
            path: path.into(),
        };
        // SAFETY: an open context; a null array asks for no options for its streams.
        let code = unsafe {
            demuxer
                .api
                .format
                .avformat_find_stream_info(demuxer.context.as_ptr(), ptr::null_mut())
        };
        if code < 0 {
            return Err(refuse(demuxer.api.reason(code)));
        }
        Ok(demuxer)
    }

    /// The video stream a player would choose.
    ///
    /// # Errors
    /// [`Error::NoVideo`] if there is none.
    pub fn best_video(&self) -> Result<VideoStream> {
        let none = || Error::NoVideo {
            path: self.path.clone(),
        };
        // SAFETY: an open context; null asks for no decoder in return.
        let index = unsafe {
            self.api.format.av_find_best_stream(
                self.context.as_ptr(),
                AVMEDIA_TYPE_VIDEO,
                -1,
                -1,
                ptr::null_mut(),
                0,
            )
        };
        let index = usize::try_from(index).map_err(|_| none())?;
        let stream = self.stream(index).ok_or_else(none)?;
        let parameters = self.parameters(stream).ok_or_else(none)?;
        let fields = self.api.layout;
        // SAFETY: stream and parameters belong to the open context; nothing writes them now.
        unsafe {
            let at = stream.as_ptr();
            let start = fields.stream.start_time.get(at);
            let codec = fields.parameters.codec_id.get(parameters.as_ptr());
            Ok(VideoStream {
                index,
                codec: CStr::from_ptr(self.api.codec.avcodec_get_name(codec))
                    .to_string_lossy()
                    .into_owned(),
                width: size(fields.parameters.width.get(parameters.as_ptr())),
                height: size(fields.parameters.height.get(parameters.as_ptr())),
                time_base: Rational::new(fields.stream.time_base.get(at)).ok_or_else(none)?,
                frame_rate: Rational::new(fields.stream.avg_frame_rate.get(at)).or_else(|| {
                    Rational::new(self.api.format.av_guess_frame_rate(
                        self.context.as_ptr(),
                        at,
                        ptr::null_mut(),
                    ))
                }),
                start: (start != AV_NOPTS_VALUE).then_some(start),
                rotation: self.rotation(stream, parameters),
            })
        }
    }

    /// A decoder for `stream`, which must be of this file.
    ///
    /// # Errors
    /// [`Error::NoDecoder`], or [`Error::Call`] if the codec does not open.
    pub fn decoder(&self, stream: &VideoStream, options: DecoderOptions) -> Result<Decoder> {
        let parameters = self
            .stream(stream.index)
            .and_then(|s| self.parameters(s))
            .ok_or_else(|| Error::NoVideo {
                path: self.path.clone(),
            })?;
        Decoder::open(&self.api, parameters, stream, options)
    }

    /// The next packet of any stream; `None` at the end of the file.
    ///
    /// # Errors
    /// [`Error::Call`] if the file cannot be read on.
    pub fn read(&mut self) -> Result<Option<Packet>> {
        let packet = Packet::new(&self.api)?;
        // SAFETY: an open context and an empty packet, both owned here.
        let code = unsafe {
            self.api
                .format
                .av_read_frame(self.context.as_ptr(), packet.as_ptr())
        };
        if code == AVERROR_EOF {
            return Ok(None);
        }
        self.api.check("av_read_frame", code)?;
        Ok(Some(packet))
    }

    /// Goes back to the first packet of `stream`.
    ///
    /// # Errors
    /// [`Error::Call`] if the file cannot be sought in.
    pub fn rewind(&mut self, stream: &VideoStream) -> Result<()> {
        let index = i32::try_from(stream.index).unwrap_or(-1);
        // SAFETY: an open context; FFmpeg checks the index.
        let code = unsafe {
            self.api.format.av_seek_frame(
                self.context.as_ptr(),
                index,
                stream.start.unwrap_or(0),
                AVSEEK_FLAG_BACKWARD,
            )
        };
        self.api.check("av_seek_frame", code)?;
        Ok(())
    }

    fn rotation(&self, stream: NonNull<AVStream>, parameters: NonNull<AVCodecParameters>) -> u32 {
        // SAFETY: both belong to the open context; the list has `count` entries.
        let entries = unsafe {
            let (list, count) = match &self.api.layout.side_data {
                SideData::Stream { list, count } => {
                    (list.get(stream.as_ptr()), count.get(stream.as_ptr()))
                }
                SideData::Parameters { list, count } => {
                    let at = parameters.as_ptr();
                    (list.get(at), count.get(at))
                }
            };
            match usize::try_from(count) {
                Ok(count) if !list.is_null() => std::slice::from_raw_parts(list, count),
                _ => &[],
            }
        };
        let matrix = entries.iter().find(|entry| {
            entry.kind == AV_PKT_DATA_DISPLAYMATRIX && entry.size >= size_of::<[i32; 9]>()
        });
        let Some(matrix) = matrix else { return 0 };
        // SAFETY: nine integers, by its size; FFmpeg allocates it aligned.
        let degrees = unsafe { self.api.util.av_display_rotation_get(matrix.data.cast()) };
        // Anticlockwise, and not a number for a matrix that turns nothing.
        (-degrees).rem_euclid(360.0).round() as u32 % 360
    }

    fn stream(&self, index: usize) -> Option<NonNull<AVStream>> {
        let fields = &self.api.layout.format;
        // SAFETY: an open context; its array has `nb_streams` entries.
        unsafe {
            let context = self.context.as_ptr();
            let count = fields.nb_streams.get(context) as usize;
            (index < count)
                .then(|| fields.streams.get(context).add(index).read())
                .and_then(NonNull::new)
        }
    }

    fn parameters(&self, stream: NonNull<AVStream>) -> Option<NonNull<AVCodecParameters>> {
        // SAFETY: a stream of the open context.
        NonNull::new(unsafe { self.api.layout.stream.codecpar.get(stream.as_ptr()) })
    }
}

impl Drop for Demuxer {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: opened by `open`, closed once.
        unsafe { self.api.format.avformat_close_input(&mut context) };
    }
}

fn size(v: i32) -> u32 {
    u32::try_from(v).unwrap_or(0)
}
