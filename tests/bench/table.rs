//! The rows: what was measured, what it is held against, and how both are shown. Measures nothing.

use serde_json::{Value, json};

/// What a row is to reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// Ours may take at most so many times as long as the reference.
    TimesAtMost(f64),
    /// The reference takes at least so many times as long as ours.
    FasterBy(f64),
    /// Ours reaches at least this share of the reference.
    ShareAtLeast(f64),
    /// Ours is this or more, whatever others do.
    AtLeast(f64),
    /// Ours is below this, whatever others do.
    Below(f64),
    /// Only to be looked at.
    Open,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) ours: Vec<f64>,
    /// Empty where there is none.
    pub(crate) reference: Vec<f64>,
    pub(crate) target: Target,
    /// What the reference is, as it can be typed or read.
    pub(crate) command: String,
}

impl Row {
    /// How ours and the reference compare; in the direction in which the target is worded.
    fn ratio(&self) -> Option<f64> {
        let (ours, reference) = (median(&self.ours)?, median(&self.reference)?);
        match self.target {
            Target::TimesAtMost(_) | Target::ShareAtLeast(_) | Target::Open => Some(ours / reference),
            Target::FasterBy(_) => Some(reference / ours),
            Target::Below(_) | Target::AtLeast(_) => None,
        }
    }

    fn is_met(&self) -> Option<bool> {
        match self.target {
            Target::TimesAtMost(limit) => Some(self.ratio()? <= limit),
            Target::FasterBy(limit) | Target::ShareAtLeast(limit) => Some(self.ratio()? >= limit),
            Target::Below(limit) => Some(median(&self.ours)? < limit),
            Target::AtLeast(limit) => Some(median(&self.ours)? >= limit),
            Target::Open => None,
        }
    }

    fn target_words(&self) -> Option<String> {
        match self.target {
            Target::TimesAtMost(limit) => Some(format!("≤ {limit}×")),
            Target::FasterBy(limit) => Some(format!("≥ {limit}× faster")),
            Target::ShareAtLeast(limit) => Some(format!("≥ {limit}×")),
            Target::Below(limit) => Some(format!("< {limit} {}", self.unit)),
            Target::AtLeast(limit) => Some(format!("≥ {limit} {}", self.unit)),
            Target::Open => None,
        }
    }

    /// Says every sample, for those who wonder about the median.
    pub(crate) fn remark(&self) -> String {
        let list = |samples: &[f64]| samples.iter().map(|sample| short(*sample)).collect::<Vec<_>>().join(" ");
        let reference = match self.reference[..] {
            [] => String::new(),
            _ => format!(" | reference {}", list(&self.reference)),
        };
        format!("{} ({}): ours {}{reference}", self.name, self.unit, list(&self.ours))
    }

    fn json(&self) -> Value {
        json!({
            "row": self.name, "ours": median(&self.ours), "reference": median(&self.reference), "ratio": self.ratio(),
            "target": self.target_words(), "met": self.is_met(), "samples": self.ours.len(), "unit": self.unit,
            "command": self.command,
            "range": {"ours": range(&self.ours), "reference": range(&self.reference)},
        })
    }

    fn cells(&self) -> [String; 6] {
        let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), short);
        let met = match self.is_met() {
            Some(true) => "yes",
            Some(false) => "no",
            None => "–",
        };
        [
            self.name.to_owned(),
            format!("{} {}", number(median(&self.ours)), self.unit),
            median(&self.reference).map_or_else(|| "–".to_owned(), |value| format!("{} {}", short(value), self.unit)),
            self.ratio().map_or_else(|| "–".to_owned(), |ratio| format!("{}×", short(ratio))),
            self.target_words().unwrap_or_else(|| "–".to_owned()),
            met.to_owned(),
        ]
    }
}

/// Returns the file for scripts.
pub(crate) fn json(rows: &[Row]) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(&rows.iter().map(Row::json).collect::<Vec<_>>())? + "\n")
}

/// Returns the table for people, which is Markdown too.
pub(crate) fn text(rows: &[Row]) -> String {
    let head = ["row", "ours", "reference", "ratio", "target", "met"].map(str::to_owned);
    let lines: Vec<[String; 6]> = std::iter::once(head).chain(rows.iter().map(Row::cells)).collect();
    let widths: [usize; 6] =
        std::array::from_fn(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default());
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!(" {cell:<width$} "));
        text.push_str(&format!("|{}|\n", cells.collect::<Vec<_>>().join("|")));
        if at == 0 {
            let dashes = widths.iter().map(|width| "-".repeat(width + 2));
            text.push_str(&format!("|{}|\n", dashes.collect::<Vec<_>>().join("|")));
        }
    }
    text
}

pub(crate) fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

fn range(samples: &[f64]) -> Option<[f64; 2]> {
    Some([samples.iter().copied().reduce(f64::min)?, samples.iter().copied().reduce(f64::max)?])
}

/// Three digits are as many as the machine can tell apart.
fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
