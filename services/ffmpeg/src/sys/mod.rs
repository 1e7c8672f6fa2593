//! FFmpeg's binary interface: the functions called, and where each release keeps its fields.
//!
//! No structure of FFmpeg's is declared: a pointer to one is opaque, and a field is reached through
//! the [`Layout`] of the release that is loaded. So nothing here can take the size of, or copy, a
//! structure whose real size only the loaded library knows.

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the field offsets hold for 64-bit machines; see docs/ffmpeg.md to add others");

/// Declares a library's functions: a table of their addresses, and a method for each.
macro_rules! functions {
    ($table:ident $(fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)?;)*) => {
        pub(crate) struct $table {
            $($name: unsafe extern "C" fn($($ty),*) $(-> $ret)?,)*
        }

        impl $table {
            /// Finds every function in `library` and keeps it loaded for good: codec libraries
            /// leave threads and thread-local destructors in the process.
            ///
            /// # Safety
            /// `library` is the one this table describes, of a supported release.
            pub(crate) unsafe fn resolve(
                library: libloading::Library,
            ) -> Result<Self, libloading::Error> {
                let table = Self {
                    // SAFETY: the signatures come from the headers of that release.
                    $($name: *unsafe { library.get(stringify!($name)) }?,)*
                };
                std::mem::forget(library);
                Ok(table)
            }

            $(
                /// FFmpeg's function of this name.
                ///
                /// # Safety
                /// As FFmpeg documents it.
                pub(crate) unsafe fn $name(&self, $($arg: $ty),*) $(-> $ret)? {
                    // SAFETY: passed on to the caller.
                    unsafe { (self.$name)($($arg),*) }
                }
            )*
        }
    };
}

mod functions;
mod layout;
mod types;
mod v59;
mod v61;
mod v62;
mod v63;

pub(crate) use functions::{AvCodec, AvFormat, AvUtil};
use layout::Field;
pub(crate) use layout::{Layout, SideData};
pub(crate) use types::*;

/// What a context's owner keeps in it. It is found by this before it is known which release the
/// context belongs to.
pub(crate) const OPAQUE: Field<AVCodecContext, *mut c_void> = v59::LAYOUT.context.opaque;
const _: () = {
    let offset = OPAQUE.offset();
    assert!(v61::LAYOUT.context.opaque.offset() == offset);
    assert!(v62::LAYOUT.context.opaque.offset() == offset);
    assert!(v63::LAYOUT.context.opaque.offset() == offset);
};

pub(crate) static V59: Layout = v59::LAYOUT;
pub(crate) static V61: Layout = v61::LAYOUT;
pub(crate) static V62: Layout = v62::LAYOUT;
pub(crate) static V63: Layout = v63::LAYOUT;

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields that moved between releases, measured apart from the generator.
    #[test]
    fn known_moves_of_avframe_fields() {
        let known = [
            (&V59, 316, 408),
            (&V61, 292, 368),
            (&V62, 276, 344),
            (&V63, 276, 344),
        ];
        for (layout, flags, crop_top) in known {
            assert_eq!(layout.frame.flags.offset(), flags);
            assert_eq!(layout.frame.crop_top.offset(), crop_top);
        }
    }
}
