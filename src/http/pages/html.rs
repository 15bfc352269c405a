//! Builds HTML so that text can never become markup: whatever is not a tag goes through the one escape function.

/// A piece of a page.
#[derive(Debug, Default)]
pub(crate) struct Html(String);

impl Html {
    /// Makes an empty piece.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds an element with what the closure puts inside.
    pub(crate) fn element(
        &mut self,
        name: &'static str,
        attributes: &[(&'static str, &str)],
        inside: impl FnOnce(&mut Self),
    ) {
        self.void(name, attributes);
        inside(self);
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// Adds an element that holds only text.
    pub(crate) fn words(&mut self, name: &'static str, attributes: &[(&'static str, &str)], text: &str) {
        self.element(name, attributes, |inside| inside.text(text));
    }

    /// Adds an element without an end, such as `input`.
    pub(crate) fn void(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.0.push('<');
        self.0.push_str(name);
        for (attribute, value) in attributes {
            self.0.push(' ');
            self.0.push_str(attribute);
            self.0.push_str("=\"");
            self.text(value);
            self.0.push('"');
        }
        self.0.push('>');
    }

    /// Adds a link.
    pub(crate) fn link(&mut self, address: &str, text: &str) {
        self.words("a", &[("href", address)], text);
    }

    /// Adds text.
    pub(crate) fn text(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                letter => self.0.push(letter),
            }
        }
    }

    /// Adds another piece.
    pub(crate) fn piece(&mut self, piece: &Self) {
        self.0.push_str(&piece.0);
    }

    /// Returns the text of a whole document.
    pub(crate) fn into_document(self) -> String {
        format!("<!doctype html>\n{}\n", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_cannot_become_markup() {
        let mut html = Html::new();
        html.words("a", &[("href", "\"><script>")], "</a><script>alert('1')</script> & more");
        assert_eq!(
            html.0,
            "<a href=\"&quot;&gt;&lt;script&gt;\">&lt;/a&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; more</a>"
        );
    }
}
