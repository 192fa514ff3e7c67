//! The roster: its text, its places, and (through the domains) what it says.

mod around;
mod characters;
mod decode;
mod document;
mod finding;
mod hosts;
mod identity;
mod inline;
mod lines;
mod names;
pub mod node;
pub mod parse;
mod quantity;
pub(crate) mod record;
pub(crate) mod scalar;
mod secret;
mod settings;
mod source;
pub(crate) mod spelling;
mod syntax;
mod unwanted;
mod yaml;

pub use decode::{Decode, Entry, Map};
pub use document::{ApiVersion, Document, FileKind, IncludePattern, Roster};
pub use finding::{Finding, Findings};
pub use hosts::{Cidr, HostName, HostPattern, Port};
pub use identity::Identity;
pub use names::{AnyLabelKey, LabelKey, LabelValue, Name, NodeName, PathSegment, ResourceName};
pub use parse::{Refused, includes, parse, schema};
pub use quantity::Quantity;
pub use scalar::{Refusal, Scalar};
pub use secret::SecretRef;
pub use settings::{Email, IssuerUrl, OidcWord, ProviderWord, Variable};
pub use source::{At, SourceFile, Sources, Span};
pub use unwanted::too_large;
pub use yaml::{MAX_ALIASED, MAX_BYTES, MAX_DEPTH};
