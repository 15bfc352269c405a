//! The stable codes of every mistake an author can make. Knows neither their texts nor their places; `docs/errors.md` explains each.

macro_rules! codes {
    ($($name:ident = $text:literal,)*) => {
        $(pub(crate) const $name: &str = $text;)*

        /// Every code, for the tests that compare them with the documentation and the fixtures.
        pub const ALL_CODES: &[&str] = &[$($text),*];
    };
}

codes! {
    CFG_BAD_LABEL = "cfg::bad-label",
    CFG_BAD_PARAMETER = "cfg::bad-parameter",
    CFG_BAD_SCHEDULE = "cfg::bad-schedule",
    CFG_BAD_TEMPLATE = "cfg::bad-template",
    CFG_BAD_VALUE = "cfg::bad-value",
    CFG_CONFLICT = "cfg::conflict",
    CFG_DUPLICATE = "cfg::duplicate",
    CFG_EMPTY = "cfg::empty",
    CFG_MISSING_FILE = "cfg::missing-file",
    CFG_MISPLACED_KEY = "cfg::misplaced-key",
    CFG_MISSING_KEY = "cfg::missing-key",
    CFG_NOT_TEXT = "cfg::not-text",
    CFG_NOT_YET = "cfg::not-yet",
    CFG_STRAY_KEY = "cfg::stray-key",
    CFG_SYNTAX = "cfg::syntax",
    CFG_TOO_LARGE = "cfg::too-large",
    CFG_TOO_MANY = "cfg::too-many",
    CFG_TWO_FILES = "cfg::two-files",
    CFG_UNKNOWN_EVENT = "cfg::unknown-event",
    CFG_UNKNOWN_KEY = "cfg::unknown-key",
    CFG_UNQUOTED = "cfg::unquoted",
    CFG_WRONG_TYPE = "cfg::wrong-type",
    FILTER_BAD_BRACES = "filter::bad-braces",
    FILTER_BARE_TEXT = "filter::bare-text",
    FILTER_MALFORMED = "filter::malformed",
    FILTER_SUSPICIOUS = "filter::suspicious",
    FILTER_TOO_DEEP = "filter::too-deep",
    FILTER_UNKNOWN_NAME = "filter::unknown-name",
    PIPELINE_BAD_PATH = "pipeline::bad-path",
    PIPELINE_BAD_VALUE = "pipeline::bad-value",
    PIPELINE_CYCLE = "pipeline::cycle",
    PIPELINE_DUPLICATE = "pipeline::duplicate",
    PIPELINE_EMPTY = "pipeline::empty",
    PIPELINE_EXEC_PARENT = "pipeline::exec-parent",
    PIPELINE_MISPLACED_KEY = "pipeline::misplaced-key",
    PIPELINE_MISSING_KEY = "pipeline::missing-key",
    PIPELINE_MISSING_PARENT = "pipeline::missing-parent",
    PIPELINE_NOT_TEXT = "pipeline::not-text",
    PIPELINE_NOT_YET = "pipeline::not-yet",
    PIPELINE_SYNTAX = "pipeline::syntax",
    PIPELINE_TOO_DEEP = "pipeline::too-deep",
    PIPELINE_TOO_LARGE = "pipeline::too-large",
    PIPELINE_TOO_MANY = "pipeline::too-many",
    PIPELINE_TYPE_CONFLICT = "pipeline::type-conflict",
    PIPELINE_UNKNOWN_KEY = "pipeline::unknown-key",
    PIPELINE_WRONG_TYPE = "pipeline::wrong-type",
}

/// The codes of mistakes that both kinds of file can hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    pub(crate) bad_value: &'static str,
    pub(crate) duplicate: &'static str,
    pub(crate) missing_key: &'static str,
    pub(crate) not_text: &'static str,
    pub(crate) not_yet: &'static str,
    pub(crate) syntax: &'static str,
    pub(crate) too_large: &'static str,
    pub(crate) too_many: &'static str,
    pub(crate) unknown_key: &'static str,
    pub(crate) wrong_type: &'static str,
}

/// Codes of conducto.cfg.
pub(crate) const CFG: Family = Family {
    bad_value: CFG_BAD_VALUE,
    duplicate: CFG_DUPLICATE,
    missing_key: CFG_MISSING_KEY,
    not_text: CFG_NOT_TEXT,
    not_yet: CFG_NOT_YET,
    syntax: CFG_SYNTAX,
    too_large: CFG_TOO_LARGE,
    too_many: CFG_TOO_MANY,
    unknown_key: CFG_UNKNOWN_KEY,
    wrong_type: CFG_WRONG_TYPE,
};

/// Codes of a definition file.
pub(crate) const PIPELINE: Family = Family {
    bad_value: PIPELINE_BAD_VALUE,
    duplicate: PIPELINE_DUPLICATE,
    missing_key: PIPELINE_MISSING_KEY,
    not_text: PIPELINE_NOT_TEXT,
    not_yet: PIPELINE_NOT_YET,
    syntax: PIPELINE_SYNTAX,
    too_large: PIPELINE_TOO_LARGE,
    too_many: PIPELINE_TOO_MANY,
    unknown_key: PIPELINE_UNKNOWN_KEY,
    wrong_type: PIPELINE_WRONG_TYPE,
};
