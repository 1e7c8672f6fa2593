//! What a device is asked and told: formats, rates, inputs, the visible part, events, commands.

use rustix::io::Errno;

use super::device::{Device, Failure, text};
use super::format::{BufferType, FormatInfo, Fourcc, FrameSizes, Interval, PixFormat};
use super::sys::*;

impl Device {
    /// The formats of a queue. Those of an encoder's output queue depend on the format that its
    /// capture queue has.
    pub(crate) fn formats(&self, kind: BufferType) -> Result<Vec<FormatInfo>, Failure> {
        self.entries(&VIDIOC_ENUM_FMT, |raw: &mut v4l2_fmtdesc, index| {
            (raw.index, raw.r#type) = (index, kind.raw());
        })
        .map(|all| {
            all.iter()
                .map(|raw| FormatInfo {
                    fourcc: Fourcc(raw.pixelformat),
                    flags: raw.flags,
                    description: text(&raw.description),
                })
                .collect()
        })
    }

    /// The sizes of a format.
    pub(crate) fn frame_sizes(&self, fourcc: Fourcc) -> Result<FrameSizes, Failure> {
        let all = self.entries(
            &VIDIOC_ENUM_FRAMESIZES,
            |raw: &mut v4l2_frmsizeenum, index| {
                (raw.index, raw.pixel_format) = (index, fourcc.0);
            },
        )?;
        Ok(match all.first() {
            None => FrameSizes::Unknown,
            Some(raw) if raw.r#type != V4L2_FRMSIZE_TYPE_DISCRETE => {
                let [w_least, w_most, w_step, h_least, h_most, h_step] = raw.stepwise;
                FrameSizes::Range {
                    width: (w_least, w_most, w_step),
                    height: (h_least, h_most, h_step),
                }
            }
            Some(_) => FrameSizes::List(
                all.iter()
                    .map(|raw| {
                        let [width, height, ..] = raw.stepwise;
                        (width, height)
                    })
                    .collect(),
            ),
        })
    }

    /// The frame intervals of a format and size: all of a list, or the shortest and the longest
    /// of a range. Empty where the driver does not say.
    pub(crate) fn frame_intervals(
        &self,
        fourcc: Fourcc,
        (width, height): (u32, u32),
    ) -> Result<Vec<Interval>, Failure> {
        let all = self.entries(
            &VIDIOC_ENUM_FRAMEINTERVALS,
            |raw: &mut v4l2_frmivalenum, index| {
                (raw.index, raw.pixel_format) = (index, fourcc.0);
                (raw.width, raw.height) = (width, height);
            },
        )?;
        Ok(match all.first() {
            Some(raw) if raw.r#type != V4L2_FRMIVAL_TYPE_DISCRETE => {
                let [least, most, _] = raw.stepwise;
                [least, most].map(Interval::from_raw).to_vec()
            }
            _ => all
                .iter()
                .map(|raw| Interval::from_raw(raw.stepwise[0]))
                .collect(),
        })
    }

    /// The present format of a queue.
    pub(crate) fn format(&self, kind: BufferType) -> Result<PixFormat, Failure> {
        let mut raw = v4l2_format::zeroed();
        raw.r#type = kind.raw();
        self.format_request(&VIDIOC_G_FMT, raw, kind)
    }

    /// Asks for a format; what comes back is what the driver made of it.
    pub(crate) fn set_format(
        &self,
        kind: BufferType,
        format: &PixFormat,
    ) -> Result<PixFormat, Failure> {
        self.format_request(&VIDIOC_S_FMT, format.raw(kind), kind)
    }

    fn format_request(
        &self,
        request: &Request<v4l2_format>,
        mut raw: v4l2_format,
        kind: BufferType,
    ) -> Result<PixFormat, Failure> {
        // SAFETY: the video formats of the four types of `BufferType` hold no address.
        unsafe { self.request(request, &mut raw) }?;
        Ok(PixFormat::from_raw(&raw, kind))
    }

    /// Asks for a frame interval; what comes back is the driver's. `None` if it has no choice.
    pub(crate) fn set_interval(
        &self,
        kind: BufferType,
        interval: Interval,
    ) -> Result<Option<Interval>, Failure> {
        let mut raw = v4l2_streamparm::zeroed();
        raw.r#type = kind.raw();
        raw.parm.timeperframe = interval.raw();
        raw.parm.capability = V4L2_CAP_TIMEPERFRAME;
        match self.plain(&VIDIOC_S_PARM, &mut raw) {
            Ok(()) => {
                let can = raw.parm.capability & V4L2_CAP_TIMEPERFRAME != 0;
                Ok(can.then(|| Interval::from_raw(raw.parm.timeperframe)))
            }
            Err(e) if e.errno == Errno::NOTTY => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The present frame interval; `None` where the driver does not say.
    pub(crate) fn interval(&self, kind: BufferType) -> Result<Option<Interval>, Failure> {
        let mut raw = v4l2_streamparm::zeroed();
        raw.r#type = kind.raw();
        match self.plain(&VIDIOC_G_PARM, &mut raw) {
            Ok(()) => Ok(Some(Interval::from_raw(raw.parm.timeperframe))),
            Err(e) if e.errno == Errno::NOTTY => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Marks the top left `width` × `height` of an output queue's pictures as what is to be seen.
    /// What comes back is what the driver made of it; `None` if it cannot crop.
    pub(crate) fn set_visible(
        &self,
        kind: BufferType,
        (width, height): (u32, u32),
    ) -> Result<Option<(u32, u32)>, Failure> {
        let mut raw = self.selection(kind);
        (raw.r.width, raw.r.height) = (width, height);
        match self.plain(&VIDIOC_S_SELECTION, &mut raw) {
            Ok(()) => {
                Ok((raw.r.left == 0 && raw.r.top == 0).then_some((raw.r.width, raw.r.height)))
            }
            Err(e) if matches!(e.errno, Errno::NOTTY | Errno::INVAL) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn selection(&self, kind: BufferType) -> v4l2_selection {
        let mut raw = v4l2_selection::zeroed();
        // This request wants the single-planar types always: drivers before 4.14 know no others.
        raw.r#type = BufferType {
            multiplanar: false,
            ..kind
        }
        .raw();
        raw.target = V4L2_SEL_TGT_CROP;
        raw
    }

    /// Tells an encoder something: `V4L2_ENC_CMD_…`. False if it does not know the command.
    pub(crate) fn encoder_command(&self, command: u32) -> Result<bool, Failure> {
        let mut raw = v4l2_encoder_cmd::zeroed();
        raw.cmd = command;
        if self.plain(&VIDIOC_TRY_ENCODER_CMD, &mut raw).is_err() {
            return Ok(false);
        }
        raw = v4l2_encoder_cmd::zeroed();
        raw.cmd = command;
        self.plain(&VIDIOC_ENCODER_CMD, &mut raw).map(|()| true)
    }
}
