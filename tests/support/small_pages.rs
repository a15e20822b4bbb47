//! For tests that count to a percent what they touched.

/// Has every page of this process, and of those it starts, come by itself, whatever the system's
/// setting of transparent huge pages.
pub fn only() {
    // SAFETY: prctl with integers.
    let code = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
    assert_eq!(code, 0);
}
