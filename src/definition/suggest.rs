//! Finds the name somebody probably meant. Knows letters only.

/// Returns the candidate nearest to a misspelt name, if one is near enough to be meant.
pub(crate) fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = wrong.chars().count();
    if letters > 40 {
        return None;
    }
    let wrong = wrong.to_lowercase().replace('_', "-");
    candidates
        .into_iter()
        .map(|candidate| (distance(&wrong, &candidate.replace('_', "-")), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().min(letters).div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Counts the letters to insert, remove, replace or swap with a neighbour to turn one word into the other.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut rows = vec![(0..=right.len()).collect::<Vec<_>>()];
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(a != b);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_lead_to_the_nearest_one_and_strange_ones_to_none() {
        let names = ["filter", "paths", "pipeline", "slack_channel"];
        assert_eq!(nearest("filtre", names), Some("filter"));
        assert_eq!(nearest("Pipelne", names), Some("pipeline"));
        assert_eq!(nearest("slack-chanel", names), Some("slack_channel"));
        assert_eq!(nearest("path", names), Some("paths"));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(nearest("x", names), None);
        assert_eq!(nearest(&"filter".repeat(1_000), names), None);
    }
}
