//! A quantity in parts. What a part is a multiple of depends on what is counted: a thousandth of a CPU, a whole object, a
//! mebibyte or a megabyte where the total is one.

use smol_str::SmolStr;

use super::{Quantity, Style, UNIT};

/// What parts are multiples of, the largest first.
const MEBIBYTES: [i128; 3] = [UNIT << 20, UNIT << 10, UNIT];
const MEGABYTES: [i128; 3] = [UNIT * 1_000_000, UNIT * 1000, UNIT];
const MILLI: [i128; 1] = [UNIT / 1000];
const WHOLE: [i128; 1] = [UNIT];

impl Quantity {
    /// It as a whole number of units, if it is one and not too large.
    #[must_use]
    pub fn count(&self) -> Option<u32> {
        self.is_whole().then(|| u32::try_from(self.nano / UNIT).ok())?
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Quantity) -> Quantity {
        Quantity::of(self.nano + other.nano, self.style)
    }

    /// What is left of it without the other; nothing where the other is more.
    #[must_use]
    pub fn minus(&self, other: &Quantity) -> Quantity {
        Quantity::of((self.nano - other.nano).max(0), self.style)
    }

    /// So many thousandths of a unit.
    #[must_use]
    pub fn thousandths(count: u32) -> Quantity {
        Quantity::of(i128::from(count) * (UNIT / 1000), Style::Decimal)
    }

    /// A part for each weight. Together they are the whole; what is over after division goes to those who lack most of
    /// what their weight says, the first before the others.
    #[must_use]
    pub fn split(&self, resource: &str, weights: &[u32]) -> Vec<Quantity> {
        let all: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
        if all == 0 {
            return Vec::new();
        }
        let unit = self.unit_of(resource);
        let units = self.nano / unit;
        let exact = weights.iter().map(|weight| units * i128::from(*weight));
        let mut parts: Vec<(usize, i128, i128)> =
            exact.enumerate().map(|(at, exact)| (at, exact / all, exact % all)).collect();
        let given: i128 = parts.iter().map(|(_, part, _)| part).sum();
        // By what is lacking, and the first first: the sort keeps the order of equals.
        parts.sort_by_key(|(.., lacking)| std::cmp::Reverse(*lacking));
        let over = usize::try_from(units - given).unwrap_or_default();
        for (_, part, _) in parts.iter_mut().take(over) {
            *part += 1;
        }
        parts.sort_by_key(|(at, ..)| *at);
        parts.into_iter().map(|(_, part, _)| Quantity::of(part * unit, self.style)).collect()
    }

    fn of(nano: i128, style: Style) -> Quantity {
        let style = if style == Style::Exponent { Style::Decimal } else { style };
        let quantity = Quantity { text: SmolStr::default(), nano, style };
        Quantity { text: quantity.canonical(), ..quantity }
    }

    /// The largest sensible unit that the amount is a multiple of.
    fn unit_of(&self, resource: &str) -> i128 {
        let last = resource.rsplit(['.', '/']).next().unwrap_or(resource);
        let bytes =
            matches!(last, "memory" | "storage" | "ephemeral-storage") || last.starts_with("hugepages-");
        let units: &[i128] = match self.style {
            Style::Binary if bytes => &MEBIBYTES,
            Style::Decimal | Style::Exponent if bytes => &MEGABYTES,
            _ if last == "cpu" => &MILLI,
            _ => &WHOLE,
        };
        units.iter().copied().find(|unit| self.nano % unit == 0).unwrap_or(1)
    }
}
