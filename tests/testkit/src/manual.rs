//! Parts of the manual that are made from the code. They stand between two marks in their page and are compared with
//! what the code says now. `INSTA_UPDATE=always cargo test` writes them anew, as it does with snapshots.

const BEGIN: &str =
    "<!-- This part is made from the code. `INSTA_UPDATE=always cargo test` writes it again. -->\n";
const END: &str = "<!-- The end of what is made from the code. -->\n";

/// The page has this part, below this heading where one is named.
pub fn holds(page: &str, heading: &str, part: &str) {
    let text = std::fs::read_to_string(page).unwrap_or_else(|error| panic!("{page}: {error}"));
    let from = text.find(heading).unwrap_or_else(|| panic!("{page} has no heading: {heading}"));
    let mark = from + text[from..].find(BEGIN).unwrap_or_else(|| panic!("{page} has no mark: {BEGIN}"));
    let (before, rest) = (&text[..mark], &text[mark + BEGIN.len()..]);
    let (have, after) = rest.split_once(END).unwrap_or_else(|| panic!("{page} has no mark: {END}"));
    let part = format!("\n{}\n\n", part.trim());
    if have == part {
        return;
    }
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(page, format!("{before}{BEGIN}{part}{END}{after}")).unwrap();
        return;
    }
    let first = have.lines().zip(part.lines()).find(|(have, want)| have != want);
    panic!(
        "{page} is not what the code says. Make it anew with `INSTA_UPDATE=always cargo test`, and read the change.\n\
         It differs first at: {first:#?}"
    );
}

/// A text as a cell of a table.
pub fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|").replace('<', "\\<").trim().to_owned()
}
