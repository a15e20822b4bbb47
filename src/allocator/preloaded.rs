//! A jemalloc that was loaded in the place of the C library's `malloc`, by `LD_PRELOAD`.
//!
//! It is another jemalloc than ours, with counters and arenas of its own behind an unprefixed
//! `mallctl`. Its arenas are given recording hooks as ours are, so that the kernel can be asked what
//! of them is resident.

use std::ffi::{CStr, c_int, c_uint, c_void};
use std::sync::OnceLock;

use tikv_jemalloc_sys::extent_hooks_t;

use super::Error;
use super::arena::{Hooks, recording};
use super::ranges::{self, Tag};
use super::system::{MallocProvider, is_of_malloc, malloc_provider};

type Mallctl =
    unsafe extern "C" fn(*const libc::c_char, *mut c_void, *mut usize, *mut c_void, usize) -> c_int;

/// The `mallctl` of the jemalloc that serves `malloc`.
#[derive(Debug, Clone, Copy)]
pub struct Preloaded {
    mallctl: Mallctl,
}

/// jemalloc maps its first extents in blocks of a huge page, aligned to one.
const BLOCK_BYTES: usize = 2 << 20;

/// More than any machine has of them, and what a name has room for.
const MOST_ARENAS: c_uint = 9999;

/// jemalloc 5 in the place of `malloc`, with statistics; `None` for any other allocator.
pub fn jemalloc() -> Option<Preloaded> {
    static FOUND: OnceLock<Option<Preloaded>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        if malloc_provider() == MallocProvider::Glibc || !is_of_malloc(c"mallctl") {
            return None;
        }
        // SAFETY: dlsym only looks; a symbol of this name beside malloc has this type in jemalloc.
        let mallctl = unsafe {
            let address = libc::dlsym(libc::RTLD_DEFAULT, c"mallctl".as_ptr());
            std::mem::transmute::<*mut c_void, Option<Mallctl>>(address)
        }?;
        let found = Preloaded { mallctl };
        // SAFETY: a string that lives as long as jemalloc, and a bool, by the manual.
        let (version, has_statistics) = unsafe {
            let version: *const libc::c_char = found.read(c"version")?;
            (
                CStr::from_ptr(version),
                found.read::<bool>(c"config.stats")?,
            )
        };
        // Version 4 has other hooks.
        let is_known = version.to_bytes().starts_with(b"5.");
        (is_known && has_statistics).then_some(found)
    })
}

impl Preloaded {
    /// # Safety
    /// `T` is the control's type.
    pub unsafe fn read<T: Copy>(&self, name: &CStr) -> Option<T> {
        let mut value = std::mem::MaybeUninit::<T>::uninit();
        let mut length = size_of::<T>();
        // SAFETY: there is room for a `T`, which the caller says it is.
        unsafe {
            let code = (self.mallctl)(
                name.as_ptr(),
                value.as_mut_ptr().cast(),
                &raw mut length,
                std::ptr::null_mut(),
                0,
            );
            (code == 0 && length == size_of::<T>()).then(|| value.assume_init())
        }
    }

    /// # Safety
    /// `T` is the control's type, and writing it does no harm.
    pub unsafe fn write<T: Copy>(&self, name: &CStr, mut value: T) -> bool {
        // A control without a value wants no pointer either.
        let value = match size_of::<T>() {
            0 => std::ptr::null_mut(),
            _ => (&raw mut value).cast(),
        };
        // SAFETY: a `T` goes in, which the caller says it takes, and nothing comes out.
        let code = unsafe {
            (self.mallctl)(
                name.as_ptr(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                value,
                size_of::<T>(),
            )
        };
        code == 0
    }

    /// Records what all its arenas map from now on, and the blocks that they have handed memory out of
    /// so far. An arena that no thread has had yet is made by the calling thread, which then goes
    /// back to its own.
    pub fn record(&self) -> Result<(), Error> {
        static HOOKS: OnceLock<Hooks> = OnceLock::new();
        let refused = |control| Error::jemalloc_code(control, libc::EFAULT);
        // SAFETY: an unsigned each, and an extent_hooks_t *, by the manual.
        let (most, own, default) = unsafe {
            let most: c_uint = self.read(c"opt.narenas").ok_or(refused("opt.narenas"))?;
            let own: c_uint = self.read(c"thread.arena").ok_or(refused("thread.arena"))?;
            let default: *mut extent_hooks_t = self
                .read(c"arena.0.extent_hooks")
                .ok_or(refused("arena.0.extent_hooks"))?;
            (most, own, default)
        };
        record_first_blocks();
        let hooks = recording(&HOOKS, default, Tag::Preloaded);
        let mut recorded = true;
        for index in 0..most.min(MOST_ARENAS) {
            // SAFETY: an unsigned and an extent_hooks_t * whose table lives as long as the process.
            recorded &= unsafe {
                self.write(c"thread.arena", index) && self.write(&hooks_control(index), hooks)
            };
        }
        // SAFETY: an unsigned.
        let back = unsafe { self.write(c"thread.arena", own) };
        match recorded && back {
            true => Ok(()),
            false => Err(refused("arena.<i>.extent_hooks")),
        }
    }
}

/// Records the aligned blocks that the calling thread's arena has slabs in. `arenas.lookup` would
/// tell of any address, and in 5.3.0 it follows one that it does not know.
fn record_first_blocks() {
    for bytes in [16, 256, 2048, 14_336] {
        // SAFETY: a block that is looked at from outside and freed.
        let address = unsafe {
            let block = libc::malloc(bytes);
            libc::free(block);
            block as usize
        };
        let start = address & !(BLOCK_BYTES - 1);
        let is_new = address != 0 && ranges::tag_of(address).is_none();
        if is_new {
            ranges::record(start, BLOCK_BYTES, Tag::Preloaded);
        }
    }
}

/// `arena.<i>.extent_hooks`
fn hooks_control(index: c_uint) -> std::ffi::CString {
    std::ffi::CString::new(format!("arena.{index}.extent_hooks")).unwrap_or_default()
}
