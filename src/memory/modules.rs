//! The executable and its libraries as they are mapped: what an address needs to be looked up in a file.
//!
//! From `dl_iterate_phdr`. The build ids are read from the mapped notes, not from the files, which may
//! have been replaced since.

use std::ffi::{CStr, c_int, c_void};

/// A file whose code is mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// As the loader knows it: absolute, but for what the kernel maps (`linux-vdso.so.1`).
    pub path: String,
    /// What is added to an address in the file.
    pub bias: u64,
    /// The first executable address.
    pub start: u64,
    /// The first address behind the last executable one.
    pub end: u64,
    /// Where `start` lies in the file.
    pub file_offset: u64,
    /// `NT_GNU_BUILD_ID`, hexadecimal.
    pub build_id: Option<String>,
}

/// Every module with executable code, in the loader's order: the executable first. Takes the loader's
/// lock, and allocates.
pub fn loaded() -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    // SAFETY: visit only pushes to the vector, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut modules).cast()) };
    // The loader does not name the executable.
    for module in modules.iter_mut().filter(|module| module.path.is_empty()) {
        if let Ok(path) = std::env::current_exe() {
            module.path = path.to_string_lossy().into_owned();
        }
    }
    modules
}

unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
    // SAFETY: dl_iterate_phdr passes a valid info, and data is the vector given to it above.
    let (info, modules) = unsafe { (&*info, &mut *data.cast::<Vec<Module>>()) };
    // SAFETY: the object has dlpi_phnum headers.
    let headers =
        unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let bias = info.dlpi_addr;
    let code = headers
        .iter()
        .filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0);
    let (Some(first), Some(end)) = (
        code.clone().min_by_key(|header| header.p_vaddr),
        code.map(|header| header.p_vaddr + header.p_memsz).max(),
    ) else {
        return 0;
    };
    let path = match info.dlpi_name.is_null() {
        true => String::new(),
        // SAFETY: a name that is there is a C string.
        false => unsafe { CStr::from_ptr(info.dlpi_name) }
            .to_string_lossy()
            .into_owned(),
    };
    modules.push(Module {
        path,
        bias,
        start: bias.wrapping_add(first.p_vaddr),
        end: bias.wrapping_add(end),
        file_offset: first.p_offset,
        build_id: mapped_build_id(bias, headers),
    });
    0
}

fn mapped_build_id(bias: u64, headers: &[libc::Elf64_Phdr]) -> Option<String> {
    let is_mapped = |note: &&libc::Elf64_Phdr| {
        headers.iter().any(|load| {
            load.p_type == libc::PT_LOAD
                && load.p_vaddr <= note.p_vaddr
                && note.p_vaddr + note.p_filesz <= load.p_vaddr + load.p_filesz
        })
    };
    let notes = headers
        .iter()
        .filter(|header| header.p_type == libc::PT_NOTE);
    notes.filter(is_mapped).find_map(|note| {
        let start = bias.wrapping_add(note.p_vaddr) as *const u8;
        // SAFETY: it lies in a segment that the loader has mapped readable, and that nobody writes to.
        let bytes = unsafe { std::slice::from_raw_parts(start, note.p_filesz as usize) };
        build_id(bytes, note.p_align)
    })
}

/// The build id among the notes of a segment that is aligned so; hexadecimal.
pub fn build_id(mut notes: &[u8], align: u64) -> Option<String> {
    const NT_GNU_BUILD_ID: u32 = 3;
    let align = if align == 8 { 8 } else { 4 };
    let word = |notes: &[u8], at: usize| {
        let bytes = notes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_ne_bytes(bytes))
    };
    loop {
        let (name, size) = (word(notes, 0)? as usize, word(notes, 4)? as usize);
        let kind = word(notes, 8)?;
        let start = (12 + name).next_multiple_of(align);
        let content = notes.get(start..start + size)?;
        if kind == NT_GNU_BUILD_ID && notes.get(12..12 + name)? == b"GNU\0" {
            return Some(content.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        notes = notes.get((start + size).next_multiple_of(align)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_lies_in_the_executable_and_one_of_c_in_the_c_library() {
        let modules = loaded();
        let of = |address: usize| {
            let address = address as u64;
            modules
                .iter()
                .position(|one| one.start <= address && address < one.end)
        };
        assert_eq!(of(loaded as *const () as usize), Some(0));
        let exe = std::env::current_exe().unwrap();
        assert_eq!(modules[0].path, exe.to_string_lossy());
        let libc = of(libc::getpid as *const () as usize).unwrap();
        assert!(modules[libc].path.contains("libc.so"), "{modules:?}");
        assert!(modules[libc].build_id.as_ref().unwrap().len() >= 16);
    }

    #[test]
    fn the_build_id_is_found_behind_other_notes_and_not_in_cut_off_ones() {
        let note = |kind: u32, content: &[u8]| {
            let mut note = Vec::new();
            for word in [4, content.len() as u32, kind] {
                note.extend(u32::to_ne_bytes(word));
            }
            note.extend(b"GNU\0");
            note.extend(content);
            note
        };
        let mut notes = note(1, &[0; 16]);
        assert_eq!(build_id(&notes, 4), None);
        notes.extend(note(3, &[0xab, 0x01, 0x02, 0xff]));
        assert_eq!(build_id(&notes, 4).unwrap(), "ab0102ff");
        assert_eq!(build_id(&notes[..notes.len() - 1], 4), None);
        assert_eq!(build_id(&[], 8), None);
    }
}
