//! The process-wide options of libgit2, which are C globals. Knows nothing of mirrors.

use std::sync::Once;

const CONNECT_TIMEOUT_MS: i32 = 15_000;
/// Of silence, not of the whole transfer: without it a silent server holds its thread for ever.
const SERVER_TIMEOUT_MS: i32 = 60_000;

static SET: Once = Once::new();

/// Sets the options, the first time it is called.
#[expect(unsafe_code, reason = "libgit2 keeps these options in C globals; nothing else in the process touches them")]
pub(super) fn set() {
    // SAFETY: the globals are aligned C integers, written once, before anything here reads them: every way into this
    // room goes through `Mirrors::build`, and `Once` makes later callers wait. The stand-ins, which use libgit2 too,
    // read only the last one, and open only repositories that either value lets them open.
    SET.call_once(|| unsafe {
        let results = [
            git2::opts::set_server_connect_timeout_in_milliseconds(CONNECT_TIMEOUT_MS),
            git2::opts::set_server_timeout_in_milliseconds(SERVER_TIMEOUT_MS),
            // Mirrors live in our own folder, whoever owns the file system it is on.
            git2::opts::set_verify_owner_validation(false),
        ];
        for error in results.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "an option of libgit2 cannot be set");
        }
    });
}
