//! Times as people say them.

use std::time::Duration;

use jiff::Timestamp;

/// Says how long ago something was: `now`, `42s ago`, `3h ago`.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = Duration::try_from(now.duration_since(then)).unwrap_or_default().as_secs();
    match seconds {
        0 => "now".to_owned(),
        1..60 => format!("{seconds}s ago"),
        60..3_600 => format!("{}m ago", seconds / 60),
        3_600..86_400 => format!("{}h ago", seconds / 3_600),
        _ => format!("{}d ago", seconds / 86_400),
    }
}
