//! What a JSON schema tells editors beside what it checks: an error in words instead of a pattern, the text of a field
//! instead of that of its type, the values to choose from. The keywords are those of VS Code's JSON language service,
//! which yaml-language-server shares.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value as Json;

use super::scalar::Scalar;

/// The schema of a single value, with what an editor says of any other.
pub(crate) fn in_words<T: Scalar>(mut schema: Schema) -> Schema {
    schema.insert(ERROR.to_owned(), format!("expected {}", T::expected()).into());
    schema
}

/// The keyword for what an editor says of a value that does not fit.
pub(crate) const ERROR: &str = "errorMessage";

/// The schema of a whole document (draft 7).
pub(crate) fn document<T: JsonSchema>(title: &str) -> Json {
    let mut settings = SchemaSettings::draft07();
    // One of them moves a reference away from the text beside it. Then editors show the text of the type.
    settings.transforms.clear();
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    schema["title"] = title.into();
    schema
}
