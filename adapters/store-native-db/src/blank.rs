//! A new database as redb would write it, but for the size of its regions.
//!
//! redb keeps a map of each region's pages, sized for the region when it is full, in the file and
//! in memory, and writes and reads it as a whole. Its regions have 4 GiB, which makes that map
//! 530 KB for a file of a hundred accounts. How large they are stands in the file's header, as its
//! format has it (`docs/design.md` of redb), but its builder has no setting for it. So the header
//! comes from here; everything else is redb's own work, its repair of a file that has nothing but
//! a header.

use std::fs::File;
use std::os::unix::fs::FileExt;

use redb::StorageBackend;

use crate::open::{Trouble, inaccessible, kind_of};
use crate::overlay::{Overlay, PAGE};

/// What a region may grow to, in pages: 32 MiB. No record can be larger than a region.
const REGION_PAGES: u32 = 8192;

/// The pages in front of each region that hold its map: 4.7 KB for as many pages.
const REGION_HEADER_PAGES: u32 = 2;

/// How many pages the first region begins with: a hundred accounts fit in without growth.
const FIRST_PAGES: u32 = 32;

const MAGIC: &[u8] = b"redb\x1a\n\xa9\r\n";

/// "Two-phase commit", so that no other root is looked for, and "recovery required".
const FLAGS: u8 = 0b110;

const FORMAT_VERSION: u8 = 2;

/// The checksum of a commit slot that has a version and no tables.
const EMPTY_SLOT_CHECKSUM: [u8; 16] = 0x4ca7_048e_71e2_19a7_86db_b7e9_c93c_73b6_u128.to_le_bytes();

const SLOTS: [usize; 2] = [64, 192];
const SLOT_CHECKSUM: usize = 112;
const HEADER: usize = 320;

/// Writes an empty, properly closed database into `file`, which has to be empty.
pub(crate) fn write(file: &File) -> Result<(), Trouble> {
    let pages = 1 + REGION_HEADER_PAGES + FIRST_PAGES;
    let begun = file
        .set_len(u64::from(pages) * PAGE as u64)
        .and_then(|()| file.write_all_at(&header(), 0))
        .and_then(|()| Overlay::of(file));
    let overlay = begun.map_err(inaccessible)?;
    let db = redb::Builder::new()
        .create_with_backend(overlay.clone())
        .map_err(|error| (kind_of(&error), error.into()))?;
    drop(db);
    // Holes would be filled by one commit after the other, each of which then waits for the file
    // system's journal: 3 ms instead of 0.3.
    let written = overlay.len().and_then(|length| {
        file.set_len(length)?;
        file.write_all_at(&overlay.read(0, usize::try_from(length).unwrap_or(0))?, 0)
    });
    written.map_err(inaccessible)
}

fn header() -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    let mut rest = &mut bytes[..];
    let mut put = |field: &[u8]| {
        let (place, behind) = std::mem::take(&mut rest).split_at_mut(field.len());
        place.copy_from_slice(field);
        rest = behind;
    };
    put(MAGIC);
    put(&[FLAGS, 0, 0]);
    put(&u32::try_from(PAGE).unwrap_or(0).to_le_bytes());
    put(&REGION_HEADER_PAGES.to_le_bytes());
    put(&REGION_PAGES.to_le_bytes());
    // No full region, and a first one that is to grow.
    put(&0_u32.to_le_bytes());
    put(&FIRST_PAGES.to_le_bytes());
    // Where the regions' own list is kept: in the last page, as redb has it, because it would cut
    // off what is free at the end.
    put(&u64::from(FIRST_PAGES - 1).to_le_bytes());
    for slot in SLOTS {
        bytes[slot] = FORMAT_VERSION;
        let checksum = slot + SLOT_CHECKSUM;
        bytes[checksum..checksum + 16].copy_from_slice(&EMPTY_SLOT_CHECKSUM);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If an update of redb writes another header, ours has to follow.
    #[test]
    fn the_header_is_the_engines_own_but_for_the_regions() {
        let file = tempfile::tempfile().expect("a temporary file");
        let overlay = Overlay::of(&file).expect("an empty file");
        let db = redb::Builder::new().create_with_backend(overlay.clone()).expect("memory");
        let engines = overlay.read(0, HEADER).expect("a header");
        drop(db);
        let of_regions = 16..40;
        for (i, (byte, engines)) in header().into_iter().zip(engines).enumerate() {
            assert!(byte == engines || of_regions.contains(&i), "byte {i}: {byte}, not {engines}");
        }
    }

    #[test]
    fn a_blank_file_is_closed_properly_and_grows_beyond_a_region() {
        let file = tempfile::tempfile().expect("a temporary file");
        write(&file).expect("room");
        let flags = |at: u64| {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).expect("a header");
            byte[0]
        };
        assert_eq!(flags(9) & 0b010, 0, "no repair is needed");

        let table = redb::TableDefinition::<u64, &[u8]>::new("large");
        let value = vec![1; 4 << 20];
        let db =
            redb::Builder::new().create_file(file.try_clone().expect("a file")).expect("blank");
        let transaction = db.begin_write().expect("a transaction");
        let mut large = transaction.open_table(table).expect("a table");
        for i in 0..10 {
            large.insert(i, value.as_slice()).expect("room");
        }
        drop(large);
        transaction.commit().expect("room");
        drop(db);

        let mut db = redb::Builder::new().create_file(file).expect("the same database");
        assert!(db.check_integrity().expect("a readable database"));
        let read = db.begin_read().expect("a transaction").open_table(table).expect("the table");
        for i in 0..10 {
            let found = read.get(i).expect("readable").expect("it is there");
            assert!(found.value() == value);
        }
    }
}
