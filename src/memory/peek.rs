//! Looking at memory that may be gone by the time it is looked at.
//!
//! `process_vm_readv` on ourselves fails where a plain read would fault.

/// Copies from `address` into `buffer`; false where any of it is not readable.
pub fn peek(address: usize, buffer: &mut [u8]) -> bool {
    let local = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let remote = libc::iovec {
        iov_base: address as *mut _,
        iov_len: buffer.len(),
    };
    // SAFETY: local is writable for its length; the remote side is checked by the kernel.
    let got = unsafe {
        libc::process_vm_readv(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0)
    };
    got == buffer.len() as isize
}

/// `N` words from `address`.
pub fn words<const N: usize>(address: usize) -> Option<[usize; N]> {
    let mut bytes = [[0u8; 8]; N];
    peek(address, bytes.as_flattened_mut())
        .then(|| bytes.map(|word| u64::from_ne_bytes(word) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_holes_are_not() {
        let here = [7usize, 8];
        assert_eq!(words::<2>(here.as_ptr() as usize), Some([7, 8]));
        assert_eq!(words::<1>(8), None);
    }
}
