//! How much a tenant has in its volumes, for the sentence that a person types.

use crate::roster::Quantity;
use crate::tree::{SmolStr, Tree};

const GIB: u64 = 1 << 30;

/// How many bytes this volume claim has, or asks for where it has none yet.
#[must_use]
pub fn stored(claim: &Tree) -> u64 {
    let at = |pointer| claim.at(pointer).and_then(Tree::as_text)?.parse::<Quantity>().ok();
    let size = at("/status/capacity/storage").or_else(|| at("/spec/resources/requests/storage"));
    size.map_or(0, |size| u64::try_from(size.units()).unwrap_or(0))
}

/// `14 GiB`, or with one digit behind the point; never less than it is.
#[must_use]
pub fn gibibytes(bytes: u64) -> SmolStr {
    let tenths = (u128::from(bytes) * 10).div_ceil(u128::from(GIB));
    match (tenths / 10, tenths % 10) {
        (whole, 0) => smol_str::format_smolstr!("{whole} GiB"),
        (whole, tenth) => smol_str::format_smolstr!("{whole}.{tenth} GiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(json: &str) -> u64 {
        stored(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_claim_counts_with_what_it_has_or_else_with_what_it_asks_for() {
        let asks = r#""spec":{"resources":{"requests":{"storage":"1Gi"}}}"#;
        assert_eq!(claim(&format!("{{{asks}}}")), GIB);
        assert_eq!(claim(&format!(r#"{{{asks},"status":{{"capacity":{{"storage":"2Gi"}}}}}}"#)), 2 * GIB);
        assert_eq!(claim("{}"), 0);
        assert_eq!(claim(&format!("{{{}}}", asks.replace("1Gi", "-1"))), 0);
    }

    #[test]
    fn no_volume_is_too_small_to_be_told() {
        assert_eq!(gibibytes(14 * GIB), "14 GiB");
        assert_eq!(gibibytes(GIB / 2), "0.5 GiB");
        assert_eq!(gibibytes(1), "0.1 GiB");
        assert_eq!(gibibytes(GIB + 1), "1.1 GiB");
    }
}
