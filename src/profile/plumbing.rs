//! Frames that stand for how memory is handed out or how a sample is taken, not for who asked.
//!
//! The leaf of a stack shall be the function that asked: `sqlite3Malloc`, `String::with_capacity`. Names
//! decide, and files where a name that was inlined is short.

use super::raw::{Function, Side, Source};
use super::symbols::whole;
use super::view::Frame;

/// Ways into the allocators of this library, and the sampler in them.
const OWN: [&str; 2] = ["src/allocator/", "src/testee/heap"];

/// Parts of a name: Rust's way into its global allocator, and profilers.
const NAMES: [&str; 21] = [
    "__rust_alloc",
    "__rust_realloc",
    "__rustc::__rust_",
    "__rg_alloc",
    "__rg_realloc",
    "alloc::alloc::",
    "alloc::raw_vec::",
    "core::alloc::",
    "allocator::global::Switchable",
    "allocator::sampler::",
    "allocator::sqlite::Counting",
    "allocator::backends::",
    "tikv_jemallocator::",
    "dhat::",
    "backtrace::backtrace::",
    "_rjem_",
    "je_prof_",
    "prof_backtrace",
    "prof_unwind",
    "prof_alloc_prep",
    "prof_tctx_create",
];

/// Whole names: C's allocators and the unwinder, and what `sqlite3Malloc` calls before the methods.
const WHOLE: [&str; 17] = [
    "_Unwind_Backtrace",
    "malloc",
    "calloc",
    "realloc",
    "memalign",
    "posix_memalign",
    "aligned_alloc",
    "mallocx",
    "rallocx",
    "imalloc",
    "imalloc_body",
    "imalloc_no_sample",
    "imalloc_sample",
    "do_rallocx",
    "sqlite3MemMalloc",
    "sqlite3MemRealloc",
    "mallocWithAlarm",
];

/// Files of nothing else.
const FILES: [&str; 4] = [
    "alloc/src/alloc.rs",
    "alloc/src/raw_vec.rs",
    "alloc/src/raw_vec/mod.rs",
    "core/src/alloc/",
];

/// The handler of a sampling signal; behind it lies what the kernel put on the stack to return by.
const HANDLERS: [&str; 2] = ["perf_signal_handler", "cpu_signal_handler"];
/// That, where it has a name.
const TRAMPOLINES: [&str; 2] = ["__restore_rt", "__kernel_rt_sigreturn"];

/// SQLite's memory methods of this library, and SQLite's own.
const SQLITE_METHODS: [&str; 3] = [
    "allocator::sqlite::Counting",
    "sqlite3MemMalloc",
    "sqlite3MemRealloc",
];

/// Functions that allocate for whoever calls them, and are not those whom one asks about.
const ON_BEHALF: [&str; 19] = [
    "sqlite3Malloc",
    "sqlite3_malloc",
    "sqlite3Realloc",
    "sqlite3_realloc",
    "sqlite3DbMalloc",
    "sqlite3DbRealloc",
    "sqlite3DbStrDup",
    "sqlite3DbStrNDup",
    "sqlite3DbSpanDup",
    "sqlite3PageMalloc",
    "dbMallocRawFinish",
    "dbReallocFinish",
    "pcache1Alloc",
    "alloc::",
    "<alloc::",
    "core::",
    "<core::",
    "std::",
    "<std::",
];

fn is_allocating(function: &Function) -> bool {
    let name = function.name.as_str();
    let in_files = |files: &[&str]| {
        let file = function.file.as_deref().unwrap_or_default();
        files.iter().any(|start| file.starts_with(start))
    };
    WHOLE.contains(&name)
        || NAMES.iter().any(|part| name.contains(part))
        || in_files(&OWN)
        || in_files(&FILES)
}

/// How many functions of a stack, from the leaf, are plumbing; never all of them.
pub(super) fn leading(source: Source, functions: &[&Function]) -> usize {
    let leading = match source {
        Source::Heap { .. } => functions
            .iter()
            .take_while(|function| is_allocating(function))
            .count(),
        Source::Cpu { .. } => behind_signal(functions),
    };
    if leading == functions.len() {
        0
    } else {
        leading
    }
}

/// Where what was interrupted begins.
fn behind_signal(functions: &[&Function]) -> usize {
    let last = |names: &[&str]| {
        functions
            .iter()
            .rposition(|function| names.iter().any(|name| function.name.ends_with(name)))
    };
    match (last(&TRAMPOLINES), last(&HANDLERS)) {
        (Some(trampoline), _) => trampoline + 1,
        // The C library does not name its trampoline.
        (None, Some(handler)) => (handler + 2).min(functions.len()),
        (None, None) => 0,
    }
}

/// What the sampler puts between SQLite and who calls it, to see which statement runs.
const BETWEEN: [&str; 2] = ["__wrap_sqlite3_", "allocator::sampler::"];

/// Takes out what stands between a caller and whom it called without being of either: the sampler's, and
/// the whole of a C function below a part of it, which the compiler has made a function of its own and
/// perhaps inlined again.
pub(super) fn tidy(frames: &mut Vec<Frame>) {
    let mut tidied: Vec<Frame> = Vec::with_capacity(frames.len());
    let mut part = None;
    for mut frame in frames.drain(..) {
        let name = &mut frame.function.name;
        let is_between = BETWEEN.iter().any(|part| name.contains(part));
        let inlined_into = |inner: &Frame| {
            inner.inlined && inner.address == frame.address && inner.function.name == *name
        };
        let is_again = part.take().is_some_and(|whole| *name == whole)
            || (!name.contains("::") && tidied.last().is_some_and(inlined_into));
        if let Some(whole) = whole(name) {
            *name = whole.to_owned();
            part = Some(name.clone());
        }
        // The leaf is where the sample was taken.
        let Some(inner) = tidied.last_mut().filter(|_| is_between || is_again) else {
            tidied.push(frame);
            continue;
        };
        // What was inlined into a frame that goes is now itself the outermost at its address.
        if inner.inlined && inner.address == frame.address {
            inner.inlined = frame.inlined;
        }
    }
    *frames = tidied;
}

/// Whose heap a block is in that nobody has said it of.
pub(super) fn side_of(functions: &[&Function], leading: usize) -> Side {
    let through_methods = functions.iter().take(leading + 1).any(|function| {
        SQLITE_METHODS
            .iter()
            .any(|method| function.name.contains(method))
    });
    let asked = functions.get(leading).map(|function| &function.file);
    let by_sqlite = asked.is_some_and(|file| is_sqlite(file.as_deref()));
    match through_methods || by_sqlite {
        true => Side::Sqlite,
        false => Side::Rust,
    }
}

/// Whether a file is SQLite.
pub(super) fn is_sqlite(file: Option<&str>) -> bool {
    file.is_some_and(|file| file.rsplit('/').next() == Some("sqlite3.c"))
}

/// Of names leaf first, that of the function that one asks about, and its callers.
pub(super) fn asking<'a, 'b>(names: &'a [&'b str]) -> &'a [&'b str] {
    let on_behalf = |name: &&str| ON_BEHALF.iter().any(|start| name.starts_with(start));
    let first = names.iter().position(|name| !on_behalf(name)).unwrap_or(0);
    &names[first..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::HeapSource;

    const HEAP: Source = Source::Heap {
        by: HeapSource::Sampled,
        interval_bytes: 524_288,
    };
    const CPU: Source = Source::Cpu {
        interval_ns: 10_000_000,
    };

    fn functions(names: &[(&str, &str)]) -> Vec<Function> {
        let functions = names.iter().map(|(name, file)| Function {
            name: (*name).to_owned(),
            file: Some((*file).to_owned()).filter(|file| !file.is_empty()),
            line: None,
        });
        functions.collect()
    }

    /// The leaf that is left, and the side where nobody has said it.
    fn leaf(source: Source, names: &[(&str, &str)]) -> (String, Side) {
        let functions = functions(names);
        let functions: Vec<_> = functions.iter().collect();
        let leading = leading(source, &functions);
        (
            functions[leading].name.clone(),
            side_of(&functions, leading),
        )
    }

    #[test]
    fn the_leaf_of_sqlites_heap_is_the_function_of_sqlite_that_asked() {
        let stack = [
            (
                "sqlite_membench::allocator::sampler::sample",
                "src/allocator/sampler/mod.rs",
            ),
            (
                "sqlite_membench::allocator::sqlite::Counting<B>::malloc",
                "src/allocator/sqlite.rs",
            ),
            ("mallocWithAlarm", "libsqlite3-sys-0.39.1/sqlite3/sqlite3.c"),
            ("sqlite3Malloc", "libsqlite3-sys-0.39.1/sqlite3/sqlite3.c"),
            ("pcache1Alloc", "libsqlite3-sys-0.39.1/sqlite3/sqlite3.c"),
        ];
        assert_eq!(
            leaf(HEAP, &stack),
            ("sqlite3Malloc".to_owned(), Side::Sqlite)
        );
    }

    #[test]
    fn the_leaf_of_rusts_heap_is_the_function_that_asked() {
        let stack = [
            ("prof_backtrace_impl", "tikv-jemalloc-sys/src/prof_sys.c"),
            ("_rjem_je_prof_tctx_create", ""),
            ("_rjem_malloc", ""),
            (
                "<sqlite_membench::allocator::global::Switchable as core::alloc::global::GlobalAlloc>::alloc",
                "",
            ),
            ("__rust_alloc", ""),
            ("alloc", "alloc/src/alloc.rs"),
            (
                "alloc::raw_vec::RawVecInner<A>::grow_amortized",
                "alloc/src/raw_vec/mod.rs",
            ),
            ("alloc::vec::Vec<T,A>::push", "alloc/src/vec/mod.rs"),
            ("rusqlite::statement::Statement::new", ""),
        ];
        assert_eq!(
            leaf(HEAP, &stack),
            ("alloc::vec::Vec<T,A>::push".to_owned(), Side::Rust)
        );
    }

    #[test]
    fn the_side_is_told_by_who_asked_where_the_methods_are_sqlites_own() {
        let stack = [
            ("malloc", ""),
            ("sqlite3MemMalloc", "x/sqlite3.c"),
            ("sqlite3Malloc", "x/sqlite3.c"),
        ];
        assert_eq!(leaf(HEAP, &stack).1, Side::Sqlite);
        assert_eq!(leaf(HEAP, &stack[2..]).1, Side::Sqlite);
        assert_eq!(leaf(HEAP, &[("malloc", ""), ("main", "")]).1, Side::Rust);
    }

    #[test]
    fn a_cpu_profile_begins_where_the_signal_came_and_keeps_time_in_the_allocator() {
        let named = [
            ("backtrace::backtrace::trace", ""),
            ("perf_signal_handler", ""),
            ("__restore_rt", ""),
            ("malloc", ""),
            ("sqlite3MemMalloc", ""),
        ];
        assert_eq!(leaf(CPU, &named).0, "malloc");
        let unnamed = [
            ("perf_signal_handler", ""),
            ("0x3c050 (libc.so.6)", ""),
            ("sqlite3VdbeExec", ""),
        ];
        assert_eq!(leaf(CPU, &unnamed).0, "sqlite3VdbeExec");
        assert_eq!(leaf(CPU, &named[3..]).0, "malloc");
    }

    #[test]
    fn what_lies_between_sqlite_and_its_caller_is_taken_out_and_inlining_stays_right() {
        let frames = [
            ("sqlite3Malloc.part.0", 1, false),
            ("sqlite3Malloc", 2, true),
            ("dbMallocRawFinish", 2, false),
            ("sqlite3Step", 3, true),
            ("sqlite3_step", 3, true),
            ("sqlite3_step", 3, false),
            ("step", 4, true),
            ("m::allocator::sampler::statement::during", 4, true),
            ("__wrap_sqlite3_step", 4, false),
            ("Rows::next", 5, true),
            ("__wrap_sqlite3_exec", 5, false),
            ("main", 6, false),
            ("main", 6, false),
        ];
        let frames = frames.map(|(name, address, inlined)| Frame {
            address,
            function: functions(&[(name, "")]).remove(0),
            inlined,
        });
        let mut frames = Vec::from(frames);
        tidy(&mut frames);
        let left: Vec<_> = frames
            .iter()
            .map(|frame| (&*frame.function.name, frame.inlined))
            .collect();
        let expected = [
            ("sqlite3Malloc", false),
            ("dbMallocRawFinish", false),
            ("sqlite3Step", true),
            ("sqlite3_step", false),
            ("step", false),
            ("Rows::next", false),
            ("main", false),
            ("main", false),
        ];
        assert_eq!(left, expected);
    }

    #[test]
    fn a_stack_of_plumbing_alone_stays_as_it_is() {
        assert_eq!(leaf(HEAP, &[("malloc", ""), ("calloc", "")]).0, "malloc");
    }

    #[test]
    fn who_is_asked_about_lies_behind_what_allocates_for_others() {
        let names = ["sqlite3Malloc", "sqlite3DbMallocRawNN", "growOp3", "main"];
        assert_eq!(asking(&names), ["growOp3", "main"]);
        assert_eq!(asking(&names[..2]), &names[..2]);
    }
}
