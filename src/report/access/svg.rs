//! The picture as SVG: three columns, with people on the left, their roles in the middle, and namespaces on the right. It
//! needs nothing else: no font, no script, no style from elsewhere.

use std::fmt::{self, Write as _};

use kwo_planner::access::{Graph, RoleBox};
use kwo_planner::plain::{one_line, spelled};

/// What an empty namespace stands for.
pub(super) const WHOLE: &str = "the whole cluster";

const ROW: usize = 30;
const BOX: usize = 24;
const TOP: usize = 96;
const SIDE: usize = 24;
/// Between two columns, where the lines are.
const BETWEEN: usize = 150;
/// How wide a character is drawn at most, in tenths.
const WIDE: usize = 78;

const STYLE: &str = "text{font:13px sans-serif;fill:#1c1b1f}.h{font-weight:bold}.q{fill:#5f5b66}\
.b{fill:#f4f2f7;stroke:#79747e}.d{stroke:#b3261e;stroke-width:2}.f{stroke-dasharray:4 3}.w{fill:#fbe9e7}\
.e{fill:none;stroke:#79747e;stroke-opacity:.55}.r{stroke:#b3261e}.s{font-size:11px;fill:#b3261e}";

/// A text as XML has it. What no XML may hold is spelled out.
struct Xml<'t>(&'t str);

impl fmt::Display for Xml<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in spelled(&one_line(self.0), |char| matches!(char, '\u{fffe}' | '\u{ffff}')).chars() {
            match char {
                '&' => out.write_str("&amp;")?,
                '<' => out.write_str("&lt;")?,
                '>' => out.write_str("&gt;")?,
                '"' => out.write_str("&quot;")?,
                '\'' => out.write_str("&#39;")?,
                // The log of a pipeline could take it for a command.
                '#' => out.write_str("&#35;")?,
                char => out.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// A column of boxes: where it is, how wide, and how far down each box stands.
struct Column {
    left: usize,
    width: usize,
    tops: Vec<usize>,
}

impl Column {
    /// Boxes with these texts, each so many rows high, from a place on.
    fn new(left: usize, title: &str, boxes: &[(Vec<String>, usize)]) -> Column {
        let texts = boxes.iter().flat_map(|(texts, _)| texts).map(String::as_str).chain([title]);
        let longest = texts.map(|text| one_line(text).chars().count()).max().unwrap_or_default();
        let mut top = TOP;
        let tops = boxes.iter().map(|(_, rows)| {
            let at = top;
            top += rows * ROW;
            at
        });
        Column { left, width: longest * WIDE / 10 + 24, tops: tops.collect() }
    }

    fn right(&self) -> usize {
        self.left + self.width
    }

    fn middle(&self, at: usize) -> usize {
        self.tops.get(at).copied().unwrap_or(TOP) + BOX / 2
    }
}

/// What stands below the name of a role.
pub(super) fn under(role: &RoleBox) -> Option<String> {
    let dangers: Vec<&str> = role.dangers.iter().map(|danger| danger.told()).collect();
    let foreign = (role.roster == Some(false)).then_some("not from the roster");
    let said: Vec<&str> = foreign.into_iter().chain(dangers).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// The whole picture.
pub(super) fn draw(graph: &Graph, title: &str, note: Option<&str>) -> String {
    let Graph { people, roles, namespaces } = graph;
    // Who is next to the first of their roles, so that few lines cross.
    let mut order: Vec<usize> = (0..people.len()).collect();
    let mut first = vec![roles.len(); people.len()];
    for (at, role) in roles.iter().enumerate() {
        for person in &role.people {
            if let Some(first) = first.get_mut(*person) {
                *first = (*first).min(at);
            }
        }
    }
    order.sort_by_key(|person| (first.get(*person).copied(), *person));
    let mut place = vec![0; people.len()];
    for (at, person) in order.iter().enumerate() {
        if let Some(place) = place.get_mut(*person) {
            *place = at;
        }
    }
    let names: Vec<(Vec<String>, usize)> = order
        .iter()
        .filter_map(|person| people.get(*person))
        .map(|person| (vec![person.told.to_string()], 1))
        .collect();
    let boxes: Vec<(Vec<String>, usize)> = roles
        .iter()
        .map(|role| {
            let texts: Vec<String> = [role.told.to_string()].into_iter().chain(under(role)).collect();
            let rows = texts.len();
            (texts, rows)
        })
        .collect();
    let spaces: Vec<(Vec<String>, usize)> = namespaces
        .iter()
        .map(|name| (vec![if name.is_empty() { WHOLE.to_owned() } else { name.to_string() }], 1))
        .collect();
    let left = Column::new(SIDE, "People, groups, accounts", &names);
    let centre = Column::new(left.right() + BETWEEN, "Roles", &boxes);
    let right = Column::new(centre.right() + BETWEEN, "Namespaces", &spaces);
    let rows = [&names, &boxes, &spaces].map(|boxes| boxes.iter().map(|(_, rows)| rows).sum::<usize>());
    let (width, height) =
        (right.right() + SIDE, TOP + rows.into_iter().max().unwrap_or_default() * ROW + SIDE);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\">\n<title>Who may do what: {}</title>\n<style>{STYLE}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        Xml(title)
    );
    let head = format!("Who may do what: {}", one_line(title));
    text(&mut out, SIDE, 30, "h", &head);
    let said =
        note.unwrap_or("Red: the right leads to more than it says. Dashed: the roster does not give it.");
    text(&mut out, SIDE, 52, if note.is_some() { "s" } else { "q" }, said);
    for (column, title) in [(&left, "People, groups, accounts"), (&centre, "Roles"), (&right, "Namespaces")] {
        text(&mut out, column.left, TOP - 14, "h", title);
    }
    for (at, role) in roles.iter().enumerate() {
        let class = if role.dangers.is_empty() { "e" } else { "e r" };
        for person in &role.people {
            let person = place.get(*person).copied().unwrap_or_default();
            line(&mut out, (left.right(), left.middle(person)), (centre.left, centre.middle(at)), class);
        }
        for namespace in &role.namespaces {
            line(
                &mut out,
                (centre.right(), centre.middle(at)),
                (right.left, right.middle(*namespace)),
                class,
            );
        }
    }
    for (at, (texts, _)) in names.iter().enumerate() {
        shape(&mut out, &left, at, texts, "b");
    }
    for (at, ((texts, _), role)) in boxes.iter().zip(roles).enumerate() {
        let danger = if role.dangers.is_empty() { "" } else { " d" };
        let foreign = if role.roster == Some(false) { " f" } else { "" };
        shape(&mut out, &centre, at, texts, &format!("b{danger}{foreign}"));
    }
    for (at, (texts, _)) in spaces.iter().enumerate() {
        let whole = namespaces.get(at).is_some_and(|name| name.is_empty());
        shape(&mut out, &right, at, texts, if whole { "b w" } else { "b" });
    }
    out.push_str("</svg>\n");
    out
}

fn text(out: &mut String, x: usize, y: usize, class: &str, text: &str) {
    let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\" class=\"{class}\">{}</text>", Xml(text));
}

/// A box, its name, and what stands below it.
fn shape(out: &mut String, column: &Column, at: usize, texts: &[String], class: &str) {
    let Column { left, width, tops } = column;
    let top = tops.get(at).copied().unwrap_or(TOP);
    let _ = writeln!(
        out,
        "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{BOX}\" rx=\"6\" class=\"{class}\"/>"
    );
    for (at, line) in texts.iter().enumerate() {
        text(out, left + 12, top + 17 + at * ROW - at * 6, if at == 0 { "" } else { "s" }, line);
    }
}

/// A line from one box to another.
fn line(out: &mut String, from: (usize, usize), to: (usize, usize), class: &str) {
    let ((x, y), (to_x, to_y)) = (from, to);
    let half = (x + to_x) / 2;
    let _ = writeln!(out, "<path d=\"M{x} {y}C{half} {y} {half} {to_y} {to_x} {to_y}\" class=\"{class}\"/>");
}
