//! Where the fields that are used lie in the vendor's structures, in bytes.
//!
//! Deliberately no structures: livehal has them, and a mistake must not be in both.

/// `media_codec_context_t`.
pub(crate) mod context {
    pub(crate) const SIZE: usize = 1040;
    pub(crate) const CODEC: usize = 0;
    pub(crate) const ENCODER: usize = 4;
    pub(crate) const INSTANCE: usize = 8;
    pub(crate) const WIDTH: usize = 16;
    pub(crate) const HEIGHT: usize = 20;
    pub(crate) const PIXEL_FORMAT: usize = 24;
    pub(crate) const FRAME_BUFFERS: usize = 28;
    pub(crate) const EXTERNAL: usize = 32;
    pub(crate) const STREAM_BUFFERS: usize = 36;
    pub(crate) const STREAM_SIZE: usize = 40;
    /// `mc_rate_control_params_t`, of 80 bytes.
    pub(crate) const RATE: usize = 48;
    pub(crate) const REFRESH: usize = 128;
    pub(crate) const GOP_PRESET: usize = 132;
    pub(crate) const USER_PTS: usize = 392;
    pub(crate) const PROFILE: usize = 396;
    pub(crate) const LEVEL: usize = 400;
}

/// `mc_rate_control_params_t`.
pub(crate) mod rate {
    pub(crate) const MODE: usize = 0;
    pub(crate) const INTRA_PERIOD: usize = 8;
    pub(crate) const BIT_RATE: usize = 16;
    pub(crate) const FRAME_RATE: usize = 20;
    pub(crate) const VBV: usize = 28;
    /// The vendor's values for constant bit rate, from `mode` on.
    pub(crate) const DEFAULTS: [u32; 19] = [
        0, 0, 28, 30, 1000, 30, 63, 10, 0, 8, 51, 8, 51, 8, 51, 1, 2, 10, 0,
    ];
}

/// `media_codec_buffer_t`.
pub(crate) mod buffer {
    pub(crate) const SIZE: usize = 152;
    pub(crate) const KIND: usize = 0;

    /// `mc_video_frame_buffer_info_t` in it.
    pub(crate) mod frame {
        pub(crate) const Y: usize = 8;
        pub(crate) const UV: usize = 16;
        pub(crate) const BYTES: usize = 56;
        pub(crate) const Y_BYTES: usize = 60;
        pub(crate) const UV_BYTES: usize = 64;
        pub(crate) const WIDTH: usize = 72;
        pub(crate) const HEIGHT: usize = 76;
        pub(crate) const PIXEL_FORMAT: usize = 80;
        pub(crate) const STRIDE: usize = 84;
        pub(crate) const FD: usize = 92;
        pub(crate) const PTS: usize = 104;
        pub(crate) const INDEX: usize = 112;
    }

    /// `mc_video_stream_buffer_info_t` in it.
    pub(crate) mod stream {
        pub(crate) const DATA: usize = 8;
        pub(crate) const BYTES: usize = 24;
        pub(crate) const PTS: usize = 32;
        pub(crate) const INDEX: usize = 44;
    }
}

/// A structure of the caller's.
pub(crate) struct Fields(*mut u8);

impl Fields {
    /// # Safety
    /// `at` points to a live structure that every field used with it lies in.
    pub(crate) unsafe fn at<T>(at: *mut T) -> Self {
        Self(at.cast())
    }

    pub(crate) fn clear(&self, size: usize) {
        // SAFETY: by `at`.
        unsafe { self.0.write_bytes(0, size) };
    }

    pub(crate) fn get<T: Copy>(&self, offset: usize) -> T {
        // SAFETY: by `at`.
        unsafe { self.0.add(offset).cast::<T>().read_unaligned() }
    }

    pub(crate) fn set<T: Copy>(&self, offset: usize, value: T) {
        // SAFETY: by `at`.
        unsafe { self.0.add(offset).cast::<T>().write_unaligned(value) }
    }

    pub(crate) fn part(&self, offset: usize) -> Self {
        // SAFETY: by `at`.
        Self(unsafe { self.0.add(offset) })
    }
}
