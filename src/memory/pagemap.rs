//! Which pages are resident: the kernel's word, page by page.
//!
//! From the `PAGEMAP_SCAN` ioctl (Linux 6.7), else from the entries of `/proc/self/pagemap`. The
//! shared zero pages, small and huge, mapped where memory was read and never written, are in the
//! page tables and not in RSS, so they do not count here. For private anonymous memory only: what
//! the kernel calls a page of a file is, there, the huge zero page.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use crate::allocator::region::{Region, page_size};

const PAGEMAP_SCAN: libc::c_ulong = 0xC060_6610;
const PAGE_IS_FILE: u64 = 1 << 2;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_PFNZERO: u64 = 1 << 5;

/// `struct pm_scan_arg` of `linux/fs.h`.
#[repr(C)]
#[derive(Debug, Default)]
struct ScanArguments {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct page_region` of `linux/fs.h`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct PageRegion {
    start: u64,
    end: u64,
    categories: u64,
}

const ENTRY_PRESENT: u64 = 1 << 63;
const ENTRY_FILE_OR_SHARED: u64 = 1 << 61;
/// Mapped by this process alone. Set on every private page of a process without children by
/// `fork`, and never on the zero page.
const ENTRY_EXCLUSIVE: u64 = 1 << 56;

/// Entries read at once: 512 KiB, which is 256 MiB of memory with pages of 4 KiB.
const ENTRIES: usize = 65_536;
const REGIONS: usize = 4_096;

/// `/proc/self/pagemap`, kept open.
#[derive(Debug)]
pub struct Pagemap {
    file: File,
    scans: bool,
    regions: Region<PageRegion>,
    entries: Region<u64>,
}

impl Pagemap {
    pub fn new() -> io::Result<Self> {
        let mut pagemap = Pagemap {
            file: File::open("/proc/self/pagemap")?,
            scans: true,
            regions: Region::new(REGIONS)?,
            entries: Region::new(ENTRIES)?,
        };
        let here = (&raw const pagemap as usize) & !(page_size() - 1);
        pagemap.scans = pagemap
            .scan(here, here + page_size(), &mut |_, _| {})
            .is_ok();
        Ok(pagemap)
    }

    /// Whether the kernel tells resident pages by `PAGEMAP_SCAN`.
    pub fn scans(&self) -> bool {
        self.scans
    }

    /// How residency is read, for the ledger's sources.
    pub fn source(&self) -> &'static str {
        if self.scans {
            "PAGEMAP_SCAN"
        } else {
            "/proc/self/pagemap"
        }
    }

    /// Calls `each` with every resident run of addresses in `start..end`, page-aligned, in order.
    pub fn resident_runs(
        &mut self,
        start: usize,
        end: usize,
        each: &mut dyn FnMut(usize, usize),
    ) -> io::Result<()> {
        if self.scans {
            self.scan(start, end, each)
        } else {
            self.read_entries(start, end, each)
        }
    }

    /// Resident bytes in `start..end`, page-aligned.
    pub fn resident_bytes(&mut self, start: usize, end: usize) -> io::Result<u64> {
        let mut bytes = 0;
        self.resident_runs(start, end, &mut |from, to| bytes += (to - from) as u64)?;
        Ok(bytes)
    }

    fn scan(
        &mut self,
        start: usize,
        end: usize,
        each: &mut dyn FnMut(usize, usize),
    ) -> io::Result<()> {
        let mut next = start as u64;
        while next < end as u64 {
            let mut arguments = ScanArguments {
                size: size_of::<ScanArguments>() as u64,
                start: next,
                end: end as u64,
                vec: self.regions.as_ptr() as u64,
                vec_len: REGIONS as u64,
                category_inverted: PAGE_IS_PFNZERO | PAGE_IS_FILE,
                category_mask: PAGE_IS_PRESENT | PAGE_IS_PFNZERO | PAGE_IS_FILE,
                return_mask: PAGE_IS_PRESENT,
                ..Default::default()
            };
            // SAFETY: the structure is the kernel's, and vec has room for vec_len regions.
            let found = unsafe {
                libc::ioctl(self.file.as_raw_fd(), PAGEMAP_SCAN as _, &raw mut arguments)
            };
            if found < 0 {
                let error = io::Error::last_os_error();
                if error.kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                return Err(error);
            }
            let found = found as usize;
            for index in 0..found {
                // SAFETY: the kernel wrote `found` regions at the start of vec.
                let region = unsafe { self.regions.as_ptr().add(index).read() };
                each(region.start as usize, region.end as usize);
                next = region.end;
            }
            // Not `walk_end`: Linux 6.18 leaves it behind where the kernel's own buffer of 512
            // regions was emptied, and what follows would be counted twice. Only a full vec ends a
            // scan early.
            if found < REGIONS {
                break;
            }
        }
        Ok(())
    }

    fn read_entries(
        &mut self,
        start: usize,
        end: usize,
        each: &mut dyn FnMut(usize, usize),
    ) -> io::Result<()> {
        let page = page_size();
        let mut address = start;
        let mut run: Option<usize> = None;
        while address < end {
            let count = ((end - address) / page).min(ENTRIES);
            let entries = &mut self.entries.whole()[..count];
            // SAFETY: eight bytes for each entry, all of them plain integers.
            let bytes = unsafe {
                std::slice::from_raw_parts_mut(entries.as_mut_ptr().cast::<u8>(), count * 8)
            };
            self.file
                .read_exact_at(bytes, (address / page * 8) as u64)?;
            for entry in entries.iter() {
                const COUNTS: u64 = ENTRY_PRESENT | ENTRY_EXCLUSIVE;
                let counts = entry & (COUNTS | ENTRY_FILE_OR_SHARED) == COUNTS;
                match (counts, run) {
                    (true, None) => run = Some(address),
                    (false, Some(from)) => {
                        each(from, address);
                        run = None;
                    }
                    _ => {}
                }
                address += page;
            }
        }
        if let Some(from) = run {
            each(from, end);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocator::region::map_anonymous;

    /// Memory whose pages come one by one, whatever the system's setting of huge pages.
    fn small_pages(count: usize) -> *mut u8 {
        let bytes = count * page_size();
        let start = map_anonymous(bytes).unwrap().as_ptr();
        // SAFETY: a mapping of this length.
        unsafe { libc::madvise(start.cast(), bytes, libc::MADV_NOHUGEPAGE) };
        start
    }

    /// Touches 3 of 8 pages, reads a fourth, and leaves the rest.
    fn runs(pagemap: &mut Pagemap) -> (Vec<(usize, usize)>, usize) {
        let page = page_size();
        let start = small_pages(8);
        for index in [1, 2, 5] {
            // SAFETY: inside the mapping.
            unsafe { start.add(index * page).write_volatile(1) };
        }
        // SAFETY: inside the mapping.
        unsafe { start.add(7 * page).read_volatile() };
        let mut runs = Vec::new();
        let base = start as usize;
        pagemap
            .resident_runs(base, base + 8 * page, &mut |a, b| {
                runs.push(((a - base) / page, (b - base) / page))
            })
            .unwrap();
        (runs, page)
    }

    #[test]
    fn touched_pages_count_and_pages_only_read_do_not() {
        let mut pagemap = Pagemap::new().unwrap();
        assert_eq!(runs(&mut pagemap).0, [(1, 3), (5, 6)]);
    }

    #[test]
    fn the_entries_say_the_same_as_the_scan() {
        let mut pagemap = Pagemap::new().unwrap();
        pagemap.scans = false;
        assert_eq!(runs(&mut pagemap).0, [(1, 3), (5, 6)]);
    }

    /// More runs than the kernel finds at once.
    #[test]
    fn many_runs_are_counted_once_each() {
        let page = page_size();
        let pages = 40_000;
        let start = small_pages(pages);
        let touched = (0..pages).filter(|index| index % 4 < 2);
        let mut count = 0;
        for index in touched {
            // SAFETY: inside the mapping.
            unsafe { start.add(index * page).write_volatile(1) };
            count += 1;
        }
        let base = start as usize;
        let mut pagemap = Pagemap::new().unwrap();
        for scans in [pagemap.scans, false] {
            pagemap.scans = scans;
            let resident = pagemap.resident_bytes(base, base + pages * page).unwrap();
            assert_eq!(resident, (count * page) as u64, "scans: {scans}");
        }
    }

    /// Read only, aligned and advised: the kernel maps its huge zero page, where it has one.
    #[test]
    fn huge_pages_only_read_do_not_count() {
        const HUGE: usize = 2 << 20;
        let bytes = 4 * HUGE;
        let start = map_anonymous(bytes).unwrap().as_ptr();
        let base = (start as usize).next_multiple_of(HUGE);
        // SAFETY: inside the mapping; the first huge page is written, the second read.
        unsafe {
            libc::madvise(start.cast(), bytes, libc::MADV_HUGEPAGE);
            (base as *mut u8).write_volatile(1);
            ((base + HUGE) as *mut u8).read_volatile();
        }
        let mut pagemap = Pagemap::new().unwrap();
        for scans in [pagemap.scans, false] {
            pagemap.scans = scans;
            let written = pagemap.resident_bytes(base, base + HUGE).unwrap();
            assert!(
                written == HUGE as u64 || written == page_size() as u64,
                "{written}"
            );
            assert_eq!(
                pagemap
                    .resident_bytes(base + HUGE, base + 2 * HUGE)
                    .unwrap(),
                0,
                "scans: {scans}"
            );
        }
    }
}
