//! The encoder behind the stand-in: OpenH264, made to look like the hardware.

use std::ffi::c_void;
use std::time::Duration;

use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Complexity, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, Level,
    Profile, RateControlMode, SpsPpsStrategy, UsageType,
};
use openh264::formats::YUVSource;

use crate::faults::Faults;

/// What the caller configured.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) stride: usize,
    pub(crate) kbps: u32,
    pub(crate) fps: u32,
    pub(crate) intra_period: u32,
    pub(crate) all_intra: bool,
    pub(crate) profile: i32,
    pub(crate) level: i32,
}

/// An encoder with the hardware's habits.
pub(crate) struct Coder {
    encoder: Encoder,
    settings: Settings,
    picture: Planes,
    frames: u32,
    /// Parameter sets were given: the hardware gives them once.
    headed: bool,
    every_header: bool,
    split_header: bool,
    no_header: bool,
    slow: Duration,
}

struct Planes {
    size: (usize, usize),
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl YUVSource for Planes {
    fn dimensions(&self) -> (usize, usize) {
        self.size
    }

    fn strides(&self) -> (usize, usize, usize) {
        (self.size.0, self.size.0 / 2, self.size.0 / 2)
    }

    fn y(&self) -> &[u8] {
        &self.y
    }

    fn u(&self) -> &[u8] {
        &self.u
    }

    fn v(&self) -> &[u8] {
        &self.v
    }
}

impl Coder {
    pub(crate) fn new(settings: Settings, faults: &Faults) -> Option<Self> {
        let (width, height) = (settings.width, settings.height);
        let profile = match (faults.has("high"), settings.profile) {
            (true, _) | (_, 4) => Profile::High,
            (_, 2) => Profile::Main,
            _ => Profile::Baseline,
        };
        let period = if settings.all_intra {
            1
        } else {
            settings.intra_period
        };
        let mut config = EncoderConfig::new()
            .bitrate(BitRate::from_bps(settings.kbps * 1000))
            .max_frame_rate(FrameRate::from_hz(settings.fps as f32))
            .usage_type(UsageType::CameraVideoRealTime)
            .rate_control_mode(RateControlMode::Bitrate)
            .sps_pps_strategy(SpsPpsStrategy::ConstantId)
            .skip_frames(false)
            .scene_change_detect(false)
            .complexity(Complexity::Low)
            .num_threads(1)
            .profile(profile)
            .intra_frame_period(IntraFramePeriod::from_num_frames(period));
        if let Some(level) = level(settings.level) {
            config = config.level(level);
        }
        Some(Self {
            encoder: Encoder::with_api_config(OpenH264API::from_source(), config).ok()?,
            settings,
            picture: Planes {
                size: (width, height),
                y: vec![0; width * height],
                u: vec![0; width * height / 4],
                v: vec![0; width * height / 4],
            },
            frames: 0,
            headed: false,
            every_header: faults.value("headers") == Some("every".to_owned()),
            split_header: faults.value("headers") == Some("split".to_owned()),
            no_header: faults.value("headers") == Some("none".to_owned()),
            slow: Duration::from_millis(faults.value("slow").unwrap_or(0)),
        })
    }

    /// Codes an NV12 picture: one packet, or two where the parameter sets come by themselves.
    pub(crate) fn encode(&mut self, y: &[u8], uv: &[u8], idr: bool) -> Option<Vec<Vec<u8>>> {
        std::thread::sleep(self.slow);
        self.load(y, uv);
        if idr && self.frames > 0 {
            self.encoder.force_intra_frame();
        }
        self.frames += 1;
        let coded = self.encoder.encode(&self.picture).ok()?;
        let is_idr = coded.frame_type() == FrameType::IDR;
        let (mut sets, mut slices) = (Vec::new(), Vec::new());
        for layer in (0..coded.num_layers()).filter_map(|n| coded.layer(n)) {
            for nal in (0..layer.nal_count()).filter_map(|n| layer.nal_unit(n)) {
                let header = nal.iter().find(|byte| **byte > 1).copied().unwrap_or(0);
                let to = if matches!(header & 0x1F, 7 | 8) {
                    &mut sets
                } else {
                    &mut slices
                };
                to.extend_from_slice(nal);
            }
        }
        let header = is_idr && !self.no_header && (self.every_header || !self.headed);
        self.headed |= header;
        Some(match (header, self.split_header) {
            (true, true) => vec![sets, slices],
            (true, false) => vec![[sets, slices].concat()],
            (false, _) => vec![slices],
        })
    }

    /// Changes the bit rate.
    pub(crate) fn set_rate(&mut self, kbps: u32) {
        if self.settings.kbps == kbps || self.frames == 0 {
            return;
        }
        self.settings.kbps = kbps;
        let mut info = openh264_sys2::SBitrateInfo {
            iLayer: openh264_sys2::SPATIAL_LAYER_ALL,
            iBitrate: (kbps * 1000) as i32,
        };
        let value: *mut c_void = (&raw mut info).cast();
        // SAFETY: the encoder is initialised; this option takes a pointer to an SBitrateInfo.
        let code = unsafe {
            self.encoder
                .raw_api()
                .set_option(openh264_sys2::ENCODER_OPTION_BITRATE, value)
        };
        assert_eq!(code, 0, "OpenH264 refuses {kbps} kbit/s");
    }

    fn load(&mut self, y: &[u8], uv: &[u8]) {
        let (width, stride) = (self.settings.width, self.settings.stride);
        let Planes { y: to_y, u, v, .. } = &mut self.picture;
        for (to, from) in to_y.chunks_mut(width).zip(y.chunks(stride)) {
            to.copy_from_slice(&from[..width]);
        }
        let chroma = u.chunks_mut(width / 2).zip(v.chunks_mut(width / 2));
        for ((u, v), from) in chroma.zip(uv.chunks(stride)) {
            for ((u, v), pair) in u.iter_mut().zip(v).zip(from.chunks_exact(2)) {
                (*u, *v) = (pair[0], pair[1]);
            }
        }
    }
}

fn level(idc: i32) -> Option<Level> {
    Some(match idc {
        9 => Level::Level_1_B,
        10 => Level::Level_1_0,
        11 => Level::Level_1_1,
        12 => Level::Level_1_2,
        13 => Level::Level_1_3,
        20 => Level::Level_2_0,
        21 => Level::Level_2_1,
        22 => Level::Level_2_2,
        30 => Level::Level_3_0,
        31 => Level::Level_3_1,
        32 => Level::Level_3_2,
        40 => Level::Level_4_0,
        41 => Level::Level_4_1,
        42 => Level::Level_4_2,
        50 => Level::Level_5_0,
        51 => Level::Level_5_1,
        52 => Level::Level_5_2,
        _ => return None,
    })
}
