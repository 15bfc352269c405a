//! The OpenAPI document, made from the handlers themselves.

use axum::Json;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use super::{api, health};

#[derive(OpenApi)]
#[openapi(
    info(title = "Conducto", description = "What a Conducto server knows, and what can be asked of it."),
    paths(
        api::pipelines::list, api::pipelines::one, api::logs::read, api::events::stream, api::actions::on_pipeline,
        api::actions::on_node, api::edit::edit, api::deliveries::list, api::deliveries::one, api::outbox::list,
        api::outbox::retry, api::prune::prune, api::launch::launch, api::secrets::list, api::secrets::set, api::secrets::delete, api::secrets::rotate,
        health::healthz,
    ),
    modifiers(&Token),
    security(("token" = [])),
)]
struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// Makes the document.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// Serves the document; it describes the program, not this server's data, so no token is needed.
pub(crate) async fn serve() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checked_in;

    #[test]
    fn the_published_document_is_current() {
        let mut text = document().to_pretty_json().unwrap();
        text.push('\n');
        checked_in::assert_current("docs/openapi.json", &text);
    }
}
