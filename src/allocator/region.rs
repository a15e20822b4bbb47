//! Memory for the instruments, straight from the kernel.
//!
//! What a ledger needs for itself must not come from a heap that the ledger counts. A [`Region`]
//! is a fixed-capacity vector in a mapping of its own; the mapping is reserved whole and becomes
//! resident as it is used, and its range is recorded so that it shows as `instrument`.

use std::io;
use std::mem::{align_of, size_of};
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::slice;

use super::ranges::{self, Tag};

/// Maps `bytes` of zeroed, private, anonymous memory. Never resident before it is touched.
pub(crate) fn map_anonymous(bytes: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: a fresh anonymous mapping; no existing memory is touched.
    let address = unsafe {
        libc::mmap(
            ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(address.cast()).ok_or_else(io::Error::last_os_error)
}

/// A vector of plain values with a fixed capacity, outside every heap.
#[derive(Debug)]
pub struct Region<T: Copy> {
    start: NonNull<T>,
    len: usize,
    capacity: usize,
    mapped_bytes: usize,
    lost: usize,
}

// SAFETY: a Region owns its mapping as a Vec owns its buffer; T is plain data.
unsafe impl<T: Copy + Send> Send for Region<T> {}

impl<T: Copy> Region<T> {
    /// Reserves room for `capacity` values. Errors: the kernel's, when the mapping is refused.
    pub fn new(capacity: usize) -> io::Result<Self> {
        assert!(align_of::<T>() <= 4096 && size_of::<T>() > 0);
        let mapped_bytes = (capacity * size_of::<T>()).next_multiple_of(page_size());
        let start: NonNull<T> = map_anonymous(mapped_bytes)?.cast();
        // A buffer of which some pages are used must not come by huge pages. A kernel without them
        // refuses, which is as good.
        // SAFETY: advice about the mapping just made.
        unsafe { libc::madvise(start.as_ptr().cast(), mapped_bytes, libc::MADV_NOHUGEPAGE) };
        ranges::record(start.as_ptr() as usize, mapped_bytes, Tag::Instrument);
        Ok(Region {
            start,
            len: 0,
            capacity,
            mapped_bytes,
            lost: 0,
        })
    }

    /// Appends; counts the value as lost when the region is full.
    pub fn push(&mut self, value: T) {
        if self.len == self.capacity {
            self.lost += 1;
            return;
        }
        // SAFETY: len < capacity, so the slot is inside the mapping.
        unsafe { self.start.as_ptr().add(self.len).write(value) };
        self.len += 1;
    }

    /// Empties the region; its pages stay.
    pub fn clear(&mut self) {
        self.len = 0;
        self.lost = 0;
    }

    /// Values that did not fit since the last [`clear`](Self::clear).
    pub fn lost(&self) -> usize {
        self.lost
    }

    /// Makes all of the region's capacity readable as values, zero where never written.
    ///
    /// For byte buffers that the kernel fills.
    pub fn whole(&mut self) -> &mut [T]
    where
        T: ZeroIsValid,
    {
        self.len = self.capacity;
        self
    }

    /// Cuts the region to its first `len` values.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

/// Types whose all-zero bytes are a value.
///
/// # Safety
/// All-zero bytes must be a valid value of the type.
pub unsafe trait ZeroIsValid: Copy {}
// SAFETY: integers.
unsafe impl ZeroIsValid for u8 {}
// SAFETY: integers.
unsafe impl ZeroIsValid for u32 {}
// SAFETY: integers.
unsafe impl ZeroIsValid for u64 {}

impl<T: Copy> Deref for Region<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: the first len slots are initialised and belong to self.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Copy> DerefMut for Region<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in deref; the borrow is exclusive.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: Copy> Drop for Region<T> {
    fn drop(&mut self) {
        ranges::forget(self.start.as_ptr() as usize, self.mapped_bytes);
        // SAFETY: the mapping was made by new() with this length and nobody else holds it.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.mapped_bytes) };
    }
}

/// The system's page size in bytes.
pub fn page_size() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static PAGE: AtomicUsize = AtomicUsize::new(0);
    match PAGE.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: sysconf has no preconditions.
            let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(1) as usize;
            PAGE.store(page, Ordering::Relaxed);
            page
        }
        page => page,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_region_counts_what_it_lost_and_keeps_what_it_has() {
        let mut region = Region::<u64>::new(3).unwrap();
        (0..5).for_each(|n| region.push(n));
        assert_eq!((&region[..], region.lost()), (&[0, 1, 2][..], 2));
    }

    #[test]
    fn a_region_is_recorded_while_it_lives() {
        let region = Region::<u8>::new(100).unwrap();
        let address = region.start.as_ptr() as usize;
        assert_eq!(ranges::tag_of(address), Some(Tag::Instrument));
        drop(region);
        assert_eq!(ranges::tag_of(address), None);
    }
}
