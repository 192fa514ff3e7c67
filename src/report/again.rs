//! `kwo plan` as a report names it, completed by what was typed: pasted, it has to reach the same cluster or directory with the
//! same roster.

/// What the reports write.
const BARE: &str = "\u{60}kwo plan";

/// The text, with this command in place of each `kwo plan` that is told nothing yet.
#[must_use]
pub fn completed(text: &str, command: &str) -> String {
    let mut parts = text.split(BARE);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for rest in parts {
        // Behind it comes the end of the command, or an option. What has a roster behind it is whole.
        let bare = rest.starts_with('`') || rest.starts_with(" -");
        if bare {
            out.push('`');
            out.push_str(command);
        } else {
            out.push_str(BARE);
        }
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_is_named_reaches_the_same_place() {
        let command = "kwo plan my.yaml --target dir:./sandbox";
        for (text, whole) in [
            (
                "2 left over: `kwo plan` lists them",
                "2 left over: `kwo plan my.yaml --target dir:./sandbox` lists them",
            ),
            (
                "`kwo plan --full` and `kwo plan --tenant A`",
                "`kwo plan my.yaml --target dir:./sandbox --full` and `kwo plan my.yaml --target dir:./sandbox --tenant A`",
            ),
            ("`kwo plan other.yaml`; kwo plan", "`kwo plan other.yaml`; kwo plan"),
            ("", ""),
        ] {
            assert_eq!(completed(text, command), whole);
        }
    }
}
