//! The file format: the record of an account, and the name of its table.
//!
//! `tests/store/format.rs` compares it with committed files. A changed record needs a new `version`
//! and an upgrade from this one.

use std::sync::LazyLock;

use native_db::db_type::ToInput;
use native_db::{Key, Models, ToKey, native_db};
use native_model::{Model, native_model};
use redb::TableDefinition;
use serde::{Deserialize, Serialize};

/// `native_db` derives the name from the model's id and version and from the name of the key.
pub(crate) const RECORDS: TableDefinition<Key, &[u8]> = TableDefinition::new("1_1_id");

pub(crate) static MODELS: LazyLock<Models> = LazyLock::new(|| {
    let mut models = Models::new();
    models.define::<Record>().expect("one model cannot clash with another");
    models
});

/// An account in the file. The core's `Account` carries no attributes of a format.
#[derive(Serialize, Deserialize)]
#[native_model(id = 1, version = 1)]
#[native_db]
pub(crate) struct Record {
    #[primary_key]
    pub(crate) id: String,
    pub(crate) name: String,
}

/// Whether a record of this program has this key and exactly these bytes. Another program's record
/// may decode as one of ours, but does not encode to the same again.
pub(crate) fn is_record(key: &Key, bytes: &[u8]) -> bool {
    // `native_model` panics if its header of 8 bytes is missing.
    bytes.len() >= 8
        && native_model::decode::<Record>(bytes.to_vec()).is_ok_and(|(record, _)| {
            record.native_db_primary_key() == *key
                && native_model::encode(&record).is_ok_and(|encoded| encoded == bytes)
        })
}
