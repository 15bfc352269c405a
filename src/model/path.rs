//! Node paths: `/`, `/build`, `/test/unit`. Knows syntax only, not which nodes exist.

use serde::{Deserialize, Serialize};

/// The absolute path of a node in its tree.
///
/// ```
/// use conducto::model::NodePath;
/// let path = NodePath::parse("/test/unit").unwrap();
/// assert_eq!(path.name(), "unit");
/// assert_eq!(path.parent().unwrap().as_str(), "/test");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodePath(String);

/// Why a text is not a node path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// It does not begin with a slash.
    #[error("a node path begins with `/`")]
    NotAbsolute,
    /// Two slashes follow one another, or it ends in one.
    #[error("a part of the path is empty")]
    EmptyPart,
    /// A part is `.` or `..`, which would have no meaning in a tree.
    #[error("`.` and `..` are not node names")]
    Dots,
    /// A part holds a control character.
    #[error("node names hold no control characters")]
    Control,
}

impl NodePath {
    /// The root's path, `/`.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Reads an absolute path.
    ///
    /// # Errors
    /// [`BadPath`] says which rule is broken.
    pub fn parse(text: &str) -> Result<Self, BadPath> {
        let Some(rest) = text.strip_prefix('/') else { return Err(BadPath::NotAbsolute) };
        if rest.is_empty() {
            return Ok(Self::root());
        }
        for part in rest.split('/') {
            match part {
                "" => return Err(BadPath::EmptyPart),
                "." | ".." => return Err(BadPath::Dots),
                part if part.chars().any(char::is_control) => return Err(BadPath::Control),
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the path of a child with this name.
    pub fn child(&self, name: &str) -> Self {
        if self.is_root() { Self(format!("/{name}")) } else { Self(format!("{}/{name}", self.0)) }
    }

    /// Returns the place of another tree's path when that tree hangs at this one.
    #[must_use]
    pub fn join(&self, inner: &Self) -> Self {
        match (self.is_root(), inner.is_root()) {
            (_, true) => self.clone(),
            (true, _) => inner.clone(),
            _ => Self(format!("{}{}", self.0, inner.0)),
        }
    }

    /// Returns the parent's path, or nothing for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        match self.0.rfind('/') {
            Some(0) | None => Some(Self::root()),
            Some(at) => Some(Self(self.0[..at].to_owned())),
        }
    }

    /// Returns the last part, `/` for the root.
    pub fn name(&self) -> &str {
        if self.is_root() { "/" } else { self.0.rsplit('/').next().unwrap_or("/") }
    }

    /// Returns the number of parts: 0 for the root.
    pub fn depth(&self) -> usize {
        if self.is_root() { 0 } else { self.0.matches('/').count() }
    }

    /// Says whether this is the root's path.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// Returns the text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for NodePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for NodePath {
    type Error = BadPath;
    fn try_from(text: String) -> Result<Self, BadPath> {
        Self::parse(&text)
    }
}

impl From<NodePath> for String {
    fn from(path: NodePath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_and_children_are_inverse() {
        let path = NodePath::parse("/a/b c").unwrap();
        assert_eq!(path.parent().unwrap().child("b c"), path);
        assert_eq!(NodePath::root().child("a").parent(), Some(NodePath::root()));
        assert_eq!(NodePath::root().parent(), None);
        assert_eq!((NodePath::root().depth(), path.depth()), (0, 2));
    }

    #[test]
    fn broken_paths_are_refused_with_the_rule_they_break() {
        assert_eq!(NodePath::parse("a"), Err(BadPath::NotAbsolute));
        assert_eq!(NodePath::parse("/a//b"), Err(BadPath::EmptyPart));
        assert_eq!(NodePath::parse("/a/"), Err(BadPath::EmptyPart));
        assert_eq!(NodePath::parse("/a/../b"), Err(BadPath::Dots));
        assert_eq!(NodePath::parse("/a\n"), Err(BadPath::Control));
    }
}
