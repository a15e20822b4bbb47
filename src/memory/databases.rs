//! How much of a connection's databases is in memory: asked of each schema's own file, without SQL
//! and without an allocation.
//!
//! A schema is in one of three places. Either SQLite's VFS `memdb` has it as one block of memory, its
//! image. Or it has no open file, and its pages are in its page cache and nowhere else: `:memory:`, a
//! memory database that is shared, and a temporary one that has not spilled. Or it is in a file.
//!
//! `sqlite3_file_control` takes the locks that `sqlite3_db_status` takes, the mutex of the connection
//! where it has one and that of a shared cache, and none of the database, so it serves in the middle
//! of a transaction too.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use libsqlite3_sys as ffi;

use super::sqlite::Connection;

/// Images that are told apart; any beyond counts once for each connection to it.
const MOST_IMAGES: usize = 64;

/// The images of memdb that were counted: connections share one by its name.
#[derive(Debug)]
pub struct Images {
    seen: [usize; MOST_IMAGES],
    count: usize,
}

impl Images {
    /// None yet.
    pub const fn new() -> Self {
        Images {
            seen: [0; MOST_IMAGES],
            count: 0,
        }
    }

    fn is_new(&mut self, image: usize) -> bool {
        if self.seen[..self.count].contains(&image) {
            return false;
        }
        if let Some(free) = self.seen.get_mut(self.count) {
            *free = image;
            self.count += 1;
        }
        true
    }
}

impl Default for Images {
    fn default() -> Self {
        Self::new()
    }
}

/// What of a connection is in memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct InMemory {
    /// It has a schema that is in memory but for its page cache, and none that is anywhere else.
    pub in_page_cache_only: bool,
    /// Its images that `Images` had not seen.
    pub image_bytes: i64,
}

/// # Safety
/// As [`super::sqlite::read_connection`].
pub(super) unsafe fn read(connection: Connection, images: &mut Images) -> InMemory {
    let (mut cached, mut elsewhere, mut image_bytes) = (false, false, 0);
    for schema in 0.. {
        // SAFETY: the connection is open and unused, so the name lives through this round.
        let place = unsafe {
            let name = ffi::sqlite3_db_name(connection, schema);
            if name.is_null() {
                break;
            }
            place(connection, name)
        };
        match place {
            None => {}
            Some(Place::PageCache) => cached = true,
            Some(Place::File) => elsewhere = true,
            Some(Place::Image { identity, bytes }) => {
                elsewhere = true;
                if images.is_new(identity) {
                    image_bytes += bytes;
                }
            }
        }
    }
    InMemory {
        in_page_cache_only: cached && !elsewhere,
        image_bytes,
    }
}

/// Where the pages of a schema are.
enum Place {
    PageCache,
    Image { identity: usize, bytes: i64 },
    File,
}

/// An open file of memdb, as far as it is read here: SQLite's `MemFile`.
#[repr(C)]
struct MemdbFile {
    base: ffi::sqlite3_file,
    /// The image's description, one for all connections that share it. Only compared.
    store: *const c_void,
}

/// `None` for a schema that was never opened, as `temp` mostly.
///
/// # Safety
/// As [`read`], with a name that SQLite gave.
unsafe fn place(connection: Connection, name: *const c_char) -> Option<Place> {
    // SAFETY: both controls give a pointer that is good as long as the schema is attached, or leave
    // the one given. Where there is a file it has methods, and its size is memdb's to tell.
    unsafe {
        let file: *mut ffi::sqlite3_file =
            pointer(connection, name, ffi::SQLITE_FCNTL_FILE_POINTER)?.cast();
        let vfs: *const ffi::sqlite3_vfs =
            pointer(connection, name, ffi::SQLITE_FCNTL_VFS_POINTER)?.cast();
        let Some(methods) = (*file).pMethods.as_ref() else {
            return Some(Place::PageCache);
        };
        let is_memdb = !(*vfs).zName.is_null()
            && CStr::from_ptr((*vfs).zName) == c"memdb"
            && (*vfs).szOsFile as usize >= size_of::<MemdbFile>();
        if !is_memdb {
            return Some(Place::File);
        }
        let mut bytes = 0;
        (methods.xFileSize?)(file, &raw mut bytes);
        // `sqlite3_serialize` would tell the address of an image, but of a shared one it does not:
        // it runs SQL there.
        let identity = (*file.cast::<MemdbFile>()).store as usize;
        Some(Place::Image { identity, bytes })
    }
}

/// # Safety
/// As [`place`], with a control that gives a pointer.
unsafe fn pointer(
    connection: Connection,
    name: *const c_char,
    control: i32,
) -> Option<*mut c_void> {
    let mut pointer: *mut c_void = ptr::null_mut();
    // SAFETY: the control writes one pointer, or nothing.
    let code =
        unsafe { ffi::sqlite3_file_control(connection, name, control, (&raw mut pointer).cast()) };
    (code == ffi::SQLITE_OK && !pointer.is_null()).then_some(pointer)
}
