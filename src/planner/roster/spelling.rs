//! "Did you mean": the nearest of some known words. Only for hints; nothing is ever corrected by itself.

use strsim::osa_distance;

/// How many words are looked at: more than any cluster has names of one kind, and few enough to be quick about.
const MOST_WORDS: usize = 10_000;

/// The known word that is nearest to `text`, if one is near enough to be a slip of the fingers.
#[must_use]
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(text);
    let sketch = Sketch::of(text);
    let allowed = match folded.chars().count() {
        0..=3 => 1,
        4..=6 => 2,
        _ => 3,
    };
    // A distance costs the letters of the one times those of the other, and a look at which letters there are nearly nothing.
    known
        .into_iter()
        .take(MOST_WORDS)
        .filter(|word| sketch.is_near(&Sketch::of(word), allowed))
        .map(|word| (osa_distance(&folded, &fold(word)), word))
        .filter(|(distance, word)| *distance <= allowed && *distance < word.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How often each letter is in a word, as far as it is folded.
struct Sketch([i16; 32]);

impl Sketch {
    fn of(text: &str) -> Sketch {
        let mut counts = [0; 32];
        for char in folded(text) {
            let at = usize::try_from(u32::from(char) % 32).unwrap_or_default();
            if let Some(count) = counts.get_mut(at) {
                *count += 1;
            }
        }
        Sketch(counts)
    }

    /// Can so few changes make the one of the other? A change takes one letter, brings one, or both.
    fn is_near(&self, other: &Sketch, allowed: usize) -> bool {
        let (mut more, mut less) = (0, 0);
        for (one, two) in self.0.iter().zip(&other.0) {
            let by = usize::from(one.abs_diff(*two));
            if one > two { more += by } else { less += by }
        }
        more.max(less) <= allowed
    }
}

/// `did you mean `x`?` for the nearest known word.
#[must_use]
pub fn did_you_mean<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(text, known).map(|word| format!("did you mean `{word}`?"))
}

/// Lower case without separators: `cluster_read` is `clusterRead`. Long text is no slip, so it is cut.
fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|char| !matches!(char, '_' | '-' | ' ')).flat_map(char::to_lowercase).take(64)
}

fn fold(text: &str) -> String {
    folded(text).collect()
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

    #[test]
    fn the_nearest_of_a_thousand_names_is_found_wherever_it_stands() {
        let many: Vec<String> = (0..1_000).map(|at| format!("person-{at}@example.com")).collect();
        let known = || many.iter().map(String::as_str).chain(["zoe@example.org"]);
        assert_eq!(nearest("zeo@example.org", known()), Some("zoe@example.org"));
        assert_eq!(nearest("person-999@exmple.com", known()), Some("person-999@example.com"));
        assert_eq!(nearest("nobody@elsewhere.net", known()), None);
    }
}
