SUMMARY = "A WHEP viewer that decodes what it watches"
DESCRIPTION = "For the tests of an image and for a look from the device itself: succeeds when the frames of a \
stream arrive over WebRTC and decode. Shares no code with the server. Not part of a release image."
SECTION = "multimedia"
# The first is the program's; the others are those of the crates it is linked with.
LICENSE = "BSD-2-Clause & Apache-2.0 & BSD-3-Clause & ISC & MIT & Unicode-3.0"
LIC_FILES_CHKSUM = "file://LICENSES/BSD-2-Clause.txt;md5=afee2662cd4e3d2ce50a385b553808e0"

inherit livehal_source livehal_cargo

# One Cargo.lock, one list.
require recipes-rust/live777/live777-crates.inc

# The decoder is C++; its assembly needs nasm on x86 and the compiler elsewhere.
DEPENDS:append:x86 = " nasm-native"
DEPENDS:append:x86-64 = " nasm-native"

CARGO_BUILD_FLAGS += "--package peer --bin live777-peer"
