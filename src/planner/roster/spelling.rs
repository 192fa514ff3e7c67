//! "Did you mean": the nearest of some known words. Only for hints; nothing is ever corrected by itself.

use strsim::osa_distance;

/// How many words are looked at.
const MOST_WORDS: usize = 100;

/// The known word that is nearest to `text`, if one is near enough to be a slip of the fingers.
#[must_use]
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(text);
    let allowed = match folded.chars().count() {
        0..=3 => 1,
        4..=6 => 2,
        _ => 3,
    };
    // Of the first words only: an admin has no more to choose from, and each costs its letters times those of the text.
    known
        .into_iter()
        .take(MOST_WORDS)
        .map(|word| (osa_distance(&folded, &fold(word)), word))
        .filter(|(distance, word)| *distance <= allowed && *distance < word.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// `did you mean `x`?` for the nearest known word.
#[must_use]
pub fn did_you_mean<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(text, known).map(|word| format!("did you mean `{word}`?"))
}

/// Lower case without separators: `cluster_read` is `clusterRead`. Long text is no slip, so it is cut.
fn fold(text: &str) -> String {
    text.chars()
        .filter(|char| !matches!(char, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .take(64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["tier", "namespaces", "owners", "podSecurity"];
        assert_eq!(nearest("teir", known), Some("tier"));
        assert_eq!(nearest("namespace", known), Some("namespaces"));
        assert_eq!(nearest("pod_security", known), Some("podSecurity"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("owners", ["tiers"]), None);
        assert_eq!(nearest("", known), None);
    }
}
