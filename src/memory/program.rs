//! The loaded program and its libraries, from `dl_iterate_phdr`.

use std::ffi::{c_int, c_void};
use std::io;

use crate::allocator::region::{Region, page_size};

/// A loaded segment, `.bss` included, rounded out to pages.
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    pub start: usize,
    pub end: usize,
}

const MOST_SEGMENTS: usize = 16_384;

/// Reads the loaded segments into a buffer of its own.
#[derive(Debug)]
pub struct Program {
    segments: Region<Segment>,
}

unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
    // SAFETY: dl_iterate_phdr passes a valid info, and data is the region given to it below.
    let (info, segments) = unsafe { (&*info, &mut *data.cast::<Region<Segment>>()) };
    for index in 0..usize::from(info.dlpi_phnum) {
        // SAFETY: the object has dlpi_phnum headers.
        let header = unsafe { &*info.dlpi_phdr.add(index) };
        if header.p_type == libc::PT_LOAD {
            let page = page_size();
            let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
            let end = (start + header.p_memsz as usize).next_multiple_of(page);
            segments.push(Segment {
                start: start & !(page - 1),
                end,
            });
        }
    }
    0
}

impl Program {
    pub fn new() -> io::Result<Self> {
        Ok(Program {
            segments: Region::new(MOST_SEGMENTS)?,
        })
    }

    /// As of the last [`read`](Self::read).
    pub fn last(&self) -> &[Segment] {
        &self.segments
    }

    /// Reads them now, in order of address. Takes the loader's lock.
    pub fn read(&mut self) -> &[Segment] {
        self.segments.clear();
        // SAFETY: visit only writes to the region, which outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut self.segments).cast()) };
        self.segments.sort_unstable_by_key(|s| s.start);
        &self.segments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_static_lies_in_a_segment() {
        static HERE: [u8; 4096] = [0; 4096];
        let here = std::hint::black_box(&HERE).as_ptr() as usize;
        let mut program = Program::new().unwrap();
        assert!(
            program
                .read()
                .iter()
                .any(|s| s.start <= here && here < s.end)
        );
    }
}
