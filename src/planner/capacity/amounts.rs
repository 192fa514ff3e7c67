//! Amounts by resource, added up; and one amount as programs read it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::compare::quantity;
use crate::roster::Quantity;
use crate::tree::{SmolStr, Tree};

/// Amounts by what Kubernetes calls the resource.
pub(super) type Amounts = BTreeMap<SmolStr, Quantity>;

/// An amount as programs read it: the text that the API server prints for it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SmolStr", into = "SmolStr")]
pub struct Amount(pub Quantity);

impl From<Amount> for SmolStr {
    fn from(Amount(quantity): Amount) -> SmolStr {
        quantity.canonical()
    }
}

impl TryFrom<SmolStr> for Amount {
    type Error = String;
    fn try_from(text: SmolStr) -> Result<Amount, String> {
        text.parse().map(Amount).map_err(|refusal: crate::roster::scalar::Refusal| refusal.to_string())
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "A Kubernetes quantity.", "type": "string"})
    }
}

/// The amounts of a map of quantities. What is no quantity, or is below zero, is none.
pub(super) fn read(map: Option<&Tree>) -> Amounts {
    let entries = map.map_or(&[][..], Tree::entries).iter();
    let amount = |(name, value): &(SmolStr, Tree)| {
        let amount = quantity(value).filter(|amount| !amount.is_negative())?;
        Some((name.clone(), amount))
    };
    entries.filter_map(amount).collect()
}

/// Both together.
pub(super) fn add(to: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = to.get(name).map_or_else(|| amount.clone(), |have| have.plus(amount));
        to.insert(name.clone(), sum);
    }
}

/// The larger of both, resource by resource.
pub(super) fn raise(to: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        if to.get(name).is_none_or(|have| have < amount) {
            to.insert(name.clone(), amount.clone());
        }
    }
}

/// The smaller of both, resource by resource; what only one of them names is bounded by that one.
pub(super) fn lower(to: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        if to.get(name).is_none_or(|have| have > amount) {
            to.insert(name.clone(), amount.clone());
        }
    }
}

/// Nothing where it is not named.
pub(super) fn of(amounts: &Amounts, name: &str) -> Quantity {
    amounts.get(name).cloned().unwrap_or_else(Quantity::zero)
}
