//! The kernel's high-water mark is one for the whole process: nothing else may run beside this.

use sqlite_membench::memory::process::{peak_rss_bytes, reset_peak};

#[test]
fn the_peak_is_reset_and_rises_again() {
    reset_peak().unwrap();
    let before = peak_rss_bytes().unwrap();
    let block = std::hint::black_box(vec![1u8; 64 << 20]);
    assert!(peak_rss_bytes().unwrap() >= before + (60 << 20));
    drop(block);
    reset_peak().unwrap();
    assert!(peak_rss_bytes().unwrap() < before + (60 << 20));
}
