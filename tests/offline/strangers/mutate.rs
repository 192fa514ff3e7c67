//! Small changes to texts that mean something, drawn from a seed: the same seed, the same changes.

/// Numbers that look drawn.
pub(crate) struct Dice(u64);

impl Dice {
    /// From `KWO_FUZZ_SEED`, and what it is for.
    pub(crate) fn new(what: &str) -> Dice {
        let seed = std::env::var("KWO_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1_u64);
        let start = what.bytes().fold(seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Dice(start.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// Pieces that mean something to YAML, JSON, a roster, a header or a terminal.
const PIECES: &[&str] = &[
    "tenants:",
    "tiers:",
    "alice: ",
    "quota: ",
    "namespaces: ",
    "owners: ",
    "include: ",
    "  ",
    "    ",
    "\n",
    "\n  ",
    "\n- ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ": ",
    ":",
    "\"",
    "'",
    "#",
    " # ",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "!",
    "|\n",
    ">-\n",
    "? ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "\t",
    "\r",
    "\r\n",
    "\u{feff}",
    "\u{0}",
    "\u{1b}[2J",
    "\u{202e}",
    "\u{85}",
    "\u{2028}",
    "ä",
    "🦀",
    "~",
    "null",
    "true",
    "4Gi",
    "-1",
    "1e999",
    "999999999999999999999",
    "\\x00",
    "\\uD800",
    "group:",
    "*.a.b",
    "a/b",
    "..",
    "/",
    "$(id)",
    "::error::",
    "sha256=",
    "v1,",
    "whsec_",
    "=",
    "%",
    "0x1f",
    "10.0.0.0/8",
    "::1",
    "kube:Secret/a/b",
    "@",
    ",",
    "kind: Roster\n",
    "apiVersion: kwo/v1\n",
    "password: ",
    "env",
    "file",
    "\"\"",
    "\\",
];

/// Changes a text in a few places. It grows no longer than this many bytes.
pub(crate) fn mutated(text: &str, other: &str, dice: &mut Dice, most: usize) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(4) {
        let from = dice.below(chars.len() + 1);
        let to = (from + dice.below(16)).min(chars.len());
        match dice.below(8) {
            0 => drop(chars.drain(from..to)),
            1..=3 => drop(chars.splice(from..to, dice.pick(PIECES).chars())),
            4 => drop(chars.splice(from..from, dice.pick(PIECES).chars())),
            5 => {
                let again: Vec<char> = chars[from..to].repeat(1 + dice.below(40));
                chars.splice(from..from, again);
            }
            6 => {
                let other: Vec<char> = other.chars().collect();
                let start = dice.below(other.len() + 1);
                let end = (start + dice.below(200)).min(other.len());
                chars.splice(from..to, other[start..end].iter().copied());
            }
            _ => {
                if let Some(char) = chars.get_mut(from) {
                    *char = char::from_u32(u32::try_from(dice.below(0x3000)).unwrap()).unwrap_or('x');
                }
            }
        }
    }
    let mut text: String = chars.into_iter().collect();
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    text
}

/// Changes a few of a text's bytes; what is no text then stands as what takes the place of such.
pub(crate) fn battered(text: &str, dice: &mut Dice) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=dice.below(6) {
        let (at, byte) = (dice.below(bytes.len() + 1), u8::try_from(dice.below(256)).unwrap());
        match (dice.below(4), bytes.get_mut(at)) {
            (0, Some(there)) => *there ^= 1 << (byte % 8),
            (1, Some(there)) => *there = byte,
            (2, Some(_)) => drop(bytes.remove(at)),
            _ => bytes.insert(at, byte % 128),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
