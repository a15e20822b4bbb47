//! Names of source files without what belongs to the machine that built them.

/// `libsqlite3-sys-0.39.1/sqlite3/sqlite3.c`, `std/src/thread/mod.rs`, `src/workload/insert.rs`; of a file
/// somewhere else its name alone.
pub(super) fn trim(path: &str) -> String {
    let package = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let behind = |mark: &str| path.split_once(mark).map(|(_, rest)| rest);
    let behind_next = |rest: &str| rest.split_once('/').map(|(_, rest)| rest.to_owned());
    if let Some(rest) = path.strip_prefix(package)
        && !rest.starts_with("target/")
    {
        return rest.to_owned();
    }
    // A registry's directory bears its host's name.
    if let Some(rest) = behind("/registry/src/").and_then(behind_next) {
        return rest;
    }
    if let Some(rest) = behind("/git/checkouts/") {
        return rest.to_owned();
    }
    if let Some(rest) = behind("/library/").filter(|_| path.contains("/rust")) {
        return rest.to_owned();
    }
    if let Some(rest) = behind("/rustc/").and_then(behind_next) {
        return rest;
    }
    if let Some(rest) = path.strip_prefix("/rust/deps/") {
        return rest.to_owned();
    }
    if let Some(generated) = generated(path) {
        return generated;
    }
    match path.rsplit_once('/') {
        Some((_, name)) if path.starts_with('/') => name.to_owned(),
        _ => path.trim_start_matches("./").to_owned(),
    }
}

/// Of a file that a build script has made or unpacked: `…/build/NAME-HASH/out/build/src/jemalloc.c`.
fn generated(path: &str) -> Option<String> {
    let (_, rest) = path
        .rsplit_once("/build/")
        .filter(|(_, rest)| rest.contains("/out/"))
        .or_else(
            // jemalloc's own directory is called so too.
            || path.split_once("/build/"),
        )?;
    let (package, rest) = rest.split_once('/')?;
    let (name, _hash) = package.rsplit_once('-')?;
    let rest = rest.strip_prefix("out/")?;
    Some(format!(
        "{name}/{}",
        rest.strip_prefix("build/").unwrap_or(rest)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_machine_that_built_it_is_left_in_a_path() {
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/src/workload/insert.rs");
        let cases = [
            (own, "src/workload/insert.rs"),
            (
                "/home/who/.cargo/registry/src/some.host-1949cf8c6b5b557f/libsqlite3-sys-0.39.1/sqlite3/sqlite3.c",
                "libsqlite3-sys-0.39.1/sqlite3/sqlite3.c",
            ),
            (
                "/home/who/.cargo/git/checkouts/crate-0123/abcdef0/src/lib.rs",
                "crate-0123/abcdef0/src/lib.rs",
            ),
            (
                "/rustc/0123abcd/library/std/src/thread/mod.rs",
                "std/src/thread/mod.rs",
            ),
            (
                "/home/who/.rustup/toolchains/stable/lib/rustlib/src/rust/library/alloc/src/alloc.rs",
                "alloc/src/alloc.rs",
            ),
            (
                "/rustc/0123abcd/compiler/x/src/lib.rs",
                "compiler/x/src/lib.rs",
            ),
            (
                "/rust/deps/hashbrown-0.15.2/src/raw/mod.rs",
                "hashbrown-0.15.2/src/raw/mod.rs",
            ),
            (
                "/tmp/target/release/build/tikv-jemalloc-sys-52f3b1/out/build/src/jemalloc.c",
                "tikv-jemalloc-sys/src/jemalloc.c",
            ),
            (
                "/tmp/target/debug/build/libsqlite3-sys-52f3b1/out/sqlite3.c",
                "libsqlite3-sys/sqlite3.c",
            ),
            ("/home/who/elsewhere/secret.c", "secret.c"),
            ("./malloc/malloc.c", "malloc/malloc.c"),
            ("src/main.rs", "src/main.rs"),
        ];
        for (path, trimmed) in cases {
            assert_eq!(trim(path), trimmed, "{path}");
        }
    }
}
