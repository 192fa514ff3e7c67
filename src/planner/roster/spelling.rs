//! "Did you mean": the nearest of some known words. Only for hints; nothing is ever corrected by itself.

/// How many words are looked at.
const MOST_WORDS: usize = 100;

/// The known word that is nearest to `text`, if one is near enough to be a slip of the fingers.
#[must_use]
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(text);
    let allowed = match folded.len() {
        0..=3 => 1,
        4..=6 => 2,
        _ => 3,
    };
    // Of the first words only: an admin has no more to choose from, and each costs its letters times those of the text.
    known
        .into_iter()
        .take(MOST_WORDS)
        .map(|word| (distance(&folded, &fold(word)), word))
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
fn fold(text: &str) -> Vec<char> {
    text.chars()
        .filter(|char| !matches!(char, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .take(64)
        .collect()
}

/// How many characters have to be added, left out, replaced or swapped with their neighbour.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, have) in from.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, want) in to.iter().enumerate() {
            let mut best =
                (above[column] + usize::from(have != want)).min(above[column + 1] + 1).min(line[column] + 1);
            if row > 0 && column > 0 && *have == to[column - 1] && from[row - 1] == *want {
                best = best.min(before[column - 1] + 1);
            }
            line.push(best);
        }
        before = above;
        above = line;
    }
    above.last().copied().unwrap_or(0)
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
